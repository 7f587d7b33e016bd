"""The weather: the same for the same seed, slow, and within what a station can report."""

from __future__ import annotations

import pytest

from fleetd_hil.models.weather import WeatherModel


def test_a_seed_gives_the_same_weather_however_time_is_cut() -> None:
    at_once, in_steps = WeatherModel(5), WeatherModel(5)
    at_once.step(7200.0)
    for _ in range(720):
        in_steps.step(10.0)
    assert in_steps.wind_speed_m_s == pytest.approx(at_once.wind_speed_m_s)
    assert in_steps.temperature_c == pytest.approx(at_once.temperature_c)
    assert WeatherModel(6).wind_direction_deg != at_once.wind_direction_deg


@pytest.mark.parametrize("seed", range(10))
def test_three_days_stay_within_reason(seed: int) -> None:
    model = WeatherModel(seed)
    rain_mm = 0.0
    for _ in range(3 * 288):
        before_c, before_m_s = model.temperature_c, model.wind_speed_m_s
        model.step(300.0)
        assert abs(model.temperature_c - before_c) < 1.0
        assert abs(model.wind_speed_m_s - before_m_s) < 2.5
        assert 0 <= model.wind_speed_m_s <= model.gust_m_s < 20
        assert 0 <= model.wind_direction_deg < 360
        assert 5 <= model.humidity_percent <= 100
        assert 1000 < model.pressure_hpa < 1030
        assert model.rain_mm >= rain_mm
        rain_mm = model.rain_mm


def test_a_gale_raises_the_wind() -> None:
    model = WeatherModel(1)
    model.gale_m_s = 30.0
    assert model.wind_speed_m_s == 30.0
    assert model.gust_m_s >= 30.0
