"""What monitoring asks for: figures that an independent parser reads, health, and the door to it over TCP."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import ValidationError
from test_control_api import Door, door

from fleetd.clock import VirtualClock
from fleetd.config.control import HttpSettings
from fleetd.control import health
from fleetd.control.http import serve_http
from fleetd.control.instruments import Counts, Instruments, LoopLag
from fleetd.errors import ConfigError
from fleetd.hub import Hub
from fleetd.link.ports import Ports
from fleetd.records import ContactReport, Event, Result, Severity, Stage
from fleetd.supervise import Progress

NOON = datetime(2026, 11, 11, 12, tzinfo=UTC)
BOARD = Path(__file__).parents[2] / "configs/grafana/fleetd.json"


def report() -> ContactReport:
    return ContactReport(
        at=NOON,
        contact="c-1",
        satellite="tin",
        norad_id=1,
        antenna="dish",
        outcome="worked",
        aos=NOON,
        los=NOON + timedelta(minutes=10),
        max_elevation_deg=40.0,
        started_at=NOON,
        ended_at=NOON,
        samples=100,
        max_pointing_error_deg=0.8,
        rms_pointing_error_deg=0.3,
        off_beam_s=0.0,
        elements_epoch=NOON,
        elements_hash="",
    )


class Line:
    """A bus with two units."""

    closed = False
    bus_time_shares = {1: 0.25, 2: 0.5}  # noqa: RUF012


def instruments(door_: Door) -> Instruments:
    made = Instruments(Progress(door_.site.clock), Ports())
    made.lag.note(0.004)
    made.lag.note(0.3)
    made.counts.contacts["worked"] = 2
    made.counts.newest_contact["dish"] = report()
    made.counts.events["warning"] = 3
    made.counts.results["succeeded"] = 4
    made.ports._shared["modbus+rtu:///dev/ttyUSB1"] = type("Shared", (), {"line": Line()})()
    return made


@asynccontextmanager
async def monitored(folder: Path) -> AsyncIterator[Door]:
    async with door(folder) as here:
        object.__setattr__(here.house, "instruments", instruments(here))
        yield here


async def scrape(here: Door) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """Samples by name and labels, as Prometheus' own parser reads them."""
    async with here.session.get("http://fleetd/metrics") as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        text = await response.text()
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


async def test_the_figures_are_those_of_the_rooms(tmp_path: Path) -> None:
    async with monitored(tmp_path) as here:
        here.alarms.raise_("robot-01", "fire", Severity.CRITICAL, "fire")
        await here.site.store.outbox.append([Event(at=NOON, source="x", name="y", text="z")] * 3)
        found = await scrape(here)
    assert found["fleetd_relay_backlog_records"][()] == here.site.store.outbox.tally.backlog >= 3
    assert found["fleetd_relay_connected"][()] == 0
    assert found["fleetd_alarms_active"][("severity", "critical"),] == 1
    assert found["fleetd_bus_time_share"][("line", "modbus+rtu:///dev/ttyUSB1"), ("unit", "2")] == 0.5
    assert found["fleetd_contact_pointing_error_degrees"][("antenna", "dish"), ("kind", "max")] == 0.8
    assert found["fleetd_contacts_total"][("outcome", "worked"),] == 2
    assert found["fleetd_loop_lag_seconds_bucket"][("le", "0.005"),] == 1
    assert found["fleetd_loop_lag_seconds_bucket"][("le", "+Inf"),] == 2
    assert found["fleetd_loop_lag_seconds_count"][()] == 2
    assert found["fleetd_elements_age_days"][("satellite", "candy-tin"),] > 0
    assert found["process_resident_memory_bytes"][()] > 1 << 20
    assert found["fleetd_store_bytes"][()] > 0


async def test_every_query_of_the_dashboard_asks_for_a_figure_that_there_is(tmp_path: Path) -> None:
    async with monitored(tmp_path) as here:
        exported = {
            name: {key for labels in series for key, _ in labels} for name, series in (await scrape(here)).items()
        }
    exported["fleetd_next_contact_timestamp_seconds"] = set()  # there is none booked here
    board = json.loads(BOARD.read_text(encoding="utf-8"))
    queries = [(target["expr"], target["legendFormat"]) for panel in board["panels"] for target in panel["targets"]]
    assert len(queries) > 30
    for query, legend in queries:
        names = re.findall(r"\b(?:fleetd|process)_\w+", query)
        assert names, query
        for name in names:
            assert name in exported, query
            wanted = set(re.findall(r"{{(\w+)}}", legend)) | set(re.findall(r"[{,](\w+)=", query)) - {"job"}
            assert wanted <= exported[name], (query, legend)


async def test_health_is_the_progress_of_the_loops_and_readiness_the_store_s_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with monitored(tmp_path) as here:
        assert (await here.ask("GET", "/healthz"))[0] == 200
        status, facts = await here.ask("GET", "/readyz")
        assert (status, facts["ready"], facts["store"], facts["broker"]) == (200, True, True, False)
        assert here.house.instruments is not None
        here.house.instruments.progress.beat("device dish-rotator", within_s=-1.0)
        status, facts = await here.ask("GET", "/healthz")
        assert (status, facts["loops_without_progress"]) == (503, ["device dish-rotator"])
        assert (await here.ask("GET", "/readyz"))[0] == 503
        here.house.instruments.progress.done("device dish-rotator")
        monkeypatch.setattr(health, "_STORE_WITHIN_S", 0.0)
        status, facts = await here.ask("GET", "/readyz")
        assert (status, facts["ready"], facts["store"]) == (503, False, False)


async def test_over_tcp_monitoring_alone_is_answered_and_only_with_the_token(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("s3cret\n")
    settings = HttpSettings.model_validate({"listen": "127.0.0.1:0", "token": {"file": str(secret)}})
    async with (
        monitored(tmp_path) as here,
        serve_http(here.house, settings) as port,
        aiohttp.ClientSession() as session,
    ):

        async def status(path: str, token: str = "") -> int:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            async with session.get(f"http://127.0.0.1:{port}{path}", headers=headers) as response:
                assert "s3cret" not in await response.text()
                return response.status

        assert [await status(path, "s3cret") for path in ("/metrics", "/healthz", "/readyz")] == [200] * 3
        assert [await status("/metrics", token) for token in ("", "wrong", "s3cre", "s3cretx", "é")] == [401] * 5
        assert await status("/v1/status", "s3cret") == 404
        with pytest.raises(ConfigError, match="cannot be bound"):
            async with serve_http(here.house, replace_port(settings, port)):
                pass


def replace_port(settings: HttpSettings, port: int) -> HttpSettings:
    return settings.model_copy(update={"listen": f"127.0.0.1:{port}"})


@pytest.mark.parametrize("listen", ["0.0.0.0:9464", "[::]:9464", "192.0.2.1:9464", "station.example:9464"])
def test_beyond_the_machine_only_with_a_token(listen: str) -> None:
    with pytest.raises(ValidationError, match="set a token"):
        HttpSettings.model_validate({"listen": listen})
    HttpSettings.model_validate({"listen": listen, "token": {"env": "FLEETD_TOKEN"}})


@pytest.mark.parametrize("listen", ["9464", "127.0.0.1", "127.0.0.1:http", ":9464", "127.0.0.1:99999"])
def test_an_address_is_host_and_port(listen: str) -> None:
    with pytest.raises(ValidationError, match="HOST:PORT"):
        HttpSettings.model_validate({"listen": listen})
    assert HttpSettings(listen="[::1]:9464").end == ("::1", 9464)


async def test_records_are_counted_as_they_come() -> None:
    hub, counts, clock = Hub(), Counts(), VirtualClock(NOON)
    task = asyncio.create_task(counts.watch(hub), name="counts")
    await clock.advance(0)
    hub.publish(Event(at=NOON, source="x", name="y", text="z", severity=Severity.WARNING))
    hub.publish(Result(at=NOON, id="c", device="r", action="stop", stage=Stage.SUCCEEDED))
    hub.publish(report())
    await clock.advance(0)
    assert (counts.events["warning"], counts.results["succeeded"], counts.contacts["worked"]) == (1, 1, 1)
    assert counts.newest_contact["dish"].max_pointing_error_deg == 0.8
    task.cancel()
    await asyncio.wait([task])


def test_lag_knows_its_quantiles() -> None:
    lag = LoopLag()
    assert lag.quantile_s(0.99) == 0.0
    for _ in range(99):
        lag.note(0.0005)
    lag.note(0.03)
    assert (lag.quantile_s(0.5), lag.quantile_s(0.99), lag.quantile_s(1.0)) == (0.001, 0.001, 0.05)
