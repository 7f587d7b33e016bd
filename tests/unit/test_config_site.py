"""A right site file: what it becomes, that it stays so, where its paths lead, and what plain words in it mean."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from test_config_broken import BASE

from fleetd.config.elements import element_faults
from fleetd.config.site import Site, load_site
from fleetd.errors import ConfigError
from fleetd.settings import Secret


def site_of(folder: Path, text: str = BASE) -> Site:
    (folder / "tin.json").write_text("[]")
    (folder / "site.yaml").write_text(text)
    return load_site(folder / "site.yaml")


def test_each_section_becomes_its_rooms_settings(tmp_path: Path) -> None:
    site = site_of(tmp_path)
    assert site.station.altitude_m == 20.0
    assert site.satellites[0].norad_id == 999100101
    assert site.antennas[0].azimuth_limits_deg == (0.0, 450.0)
    assert site.relay.brokers == ["mqtt://127.0.0.1:1883"]
    assert site.control.socket == Path("/run/fleetd/control.sock")
    assert site.log.level == "info"
    assert site.contacts.look_ahead_h > 0
    assert site.robots.places == {}


def test_device_settings_are_the_drivers_own_model_with_its_defaults(tmp_path: Path) -> None:
    turner, donkey = site_of(tmp_path).devices
    assert type(turner.settings) is turner.spec.settings
    assert type(donkey.settings) is donkey.spec.settings
    assert (donkey.settings.unit, donkey.settings.poll_s) == (7, 5.0)
    assert donkey.url.scheme == "modbus+tcp"


def test_a_site_cannot_be_changed(tmp_path: Path) -> None:
    site = site_of(tmp_path)
    for thing, name in ((site, "site"), (site.station, "altitude_m"), (site.devices[1].settings, "unit")):
        with pytest.raises(ValidationError):
            setattr(thing, name, 1)


def test_paths_are_relative_to_the_site_file_and_absolute_ones_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "pw").write_text("hunter2\n")
    by_file = '1883"], username: me, password: {file: ../pw}'
    text = BASE.replace('1883"]', by_file) + "control: {socket: run/control.sock}\n"
    site_of(tmp_path / "etc", text)
    monkeypatch.chdir(tmp_path)
    site = load_site("etc/site.yaml")
    assert Path(site.satellites[0].elements[0]) == tmp_path / "etc" / "tin.json"
    assert Path(site.store.path) == tmp_path / "etc" / "store"
    assert site.control.socket == tmp_path / "etc" / "run" / "control.sock"
    assert isinstance(site.relay.password, Secret)
    monkeypatch.chdir("/")
    assert site.relay.password.read() == "hunter2"
    moved = site_of(tmp_path / "etc", text.replace("{path: store}", "{path: /var/lib/fleetd}"))
    assert moved.store.path == "/var/lib/fleetd"


def test_a_secret_in_the_environment_is_read_when_needed_and_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = site_of(tmp_path, BASE.replace('1883"]', '1883"], username: me, password: {env: FLEETD_TEST_PASSWORD}'))
    assert site.relay.password is not None
    with pytest.raises(ConfigError, match="FLEETD_TEST_PASSWORD that holds a secret is not set"):
        site.relay.password.read()
    monkeypatch.setenv("FLEETD_TEST_PASSWORD", "hunter2")
    assert site.relay.password.read() == "hunter2"
    assert "hunter2" not in repr(site)


def test_a_secret_kept_as_a_credential_is_found_where_systemd_puts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = BASE.replace('1883"]', '1883"], username: me, password: {credential: fleetd.mqtt-password}')
    site = site_of(tmp_path, text)
    assert site.relay.password is not None
    with pytest.raises(ConfigError, match="CREDENTIALS_DIRECTORY is not set"):
        site.relay.password.read()
    (tmp_path / "fleetd.mqtt-password").write_text("hunter2")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert site.relay.password.read() == "hunter2"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("title: no", "no"),
        ("title: 12:30:00", "12:30:00"),
        ("title: 2026-11-11", "2026-11-11"),
        ('title: "17"', "17"),
        ('title: "true"', "true"),
        ("title: on", "on"),
        ("title: 'null'", "null"),
    ],
)
def test_plain_words_mean_what_they_look_like(tmp_path: Path, written: str, meant: str) -> None:
    site = site_of(tmp_path, BASE.replace("  - name: tin\n", f"  - name: tin\n    {written}\n"))
    assert site.satellites[0].title == meant


@pytest.mark.parametrize(("written", "meant"), [("010", 10), ("0x10", 16), ("1_0", None), ("1e1", None), ("+10", 10)])
def test_numbers_mean_what_they_look_like(tmp_path: Path, written: str, meant: int | None) -> None:
    text = BASE.replace("{unit: 7}", f"{{unit: {written}}}")
    if meant is None:
        with pytest.raises(ConfigError, match=r":21:22: devices\.1\.settings\.unit: must be a whole number"):
            site_of(tmp_path, text)
    else:
        assert site_of(tmp_path, text).devices[1].settings.unit == meant


@pytest.mark.parametrize("file", ["demo.yaml"])
def test_each_example_site_is_right(file: str) -> None:
    site = load_site(Path(__file__).parents[2] / "configs" / file)
    assert site.devices


@settings(deadline=None)
@given(st.text(max_size=200))
def test_no_text_does_anything_but_load_or_be_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_text(text, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(ConfigError):
        load_site(file)


LINES = BASE.splitlines(keepends=True)


@settings(deadline=None)
@given(st.data())
def test_no_broken_line_does_anything_but_load_or_be_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(LINES) - 1))
    cut = data.draw(st.integers(0, len(LINES[index]) - 1))
    junk = data.draw(st.text(alphabet="{}[]:,&*!|>'\"%@`-? \t#~0x1e9.nay", max_size=6))
    line = LINES[index][:cut] + junk + LINES[index][cut + data.draw(st.integers(0, 3)) :]
    file = tmp_path_factory.getbasetemp() / "broken.yaml"
    file.write_text("".join([*LINES[:index], line, *LINES[index + 1 :]]))
    assert all(problem.startswith(f"{file}") for problem in problems_of(file))


def problems_of(file: Path) -> tuple[str, ...]:
    try:
        load_site(file)
    except ConfigError as error:
        return error.problems
    return ()


def test_urls_and_folders_of_elements_are_left_alone_and_asked_of_nobody(tmp_path: Path) -> None:
    url = "https://gp.example/query?CATNR=999100101&FORMAT=JSON"
    (tmp_path / "gp").mkdir()
    site = site_of(tmp_path, BASE.replace("[tin.json]", f'["{url}", gp]'))
    assert site.satellites[0].elements == [url, str(tmp_path / "gp")]
    assert element_faults(site) == []
