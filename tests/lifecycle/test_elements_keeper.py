"""Sources of elements in virtual time, over real HTTP on the loopback: a site keeps tracking whatever they do."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web

from fleetd.alarms import Alarms
from fleetd.clock import VirtualClock
from fleetd.elements.custody import Surroundings
from fleetd.elements.keeper import Keeper
from fleetd.elements.kept import Kept
from fleetd.elements.settings import ElementsSettings
from fleetd.elements.web import client
from fleetd.errors import ConfigError, Refusal
from fleetd.hub import Hub, Subscription
from fleetd.orbit.elementset import ElementSet
from fleetd.orbit.settings import SatelliteSettings
from fleetd.records import Event, Severity
from fleetd.store.store import Store
from fleetd.supervise import Progress

T = datetime(2026, 11, 11, tzinfo=UTC)
TIN = ElementSet(
    norad_id=999_100_101, name="TIN", epoch=T, inclination_deg=49.0, raan_deg=178.6, eccentricity=0.0005,
    argument_of_perigee_deg=90.0, mean_anomaly_deg=317.28, mean_motion_rev_day=15.15, bstar=2e-5,
    designator="2026-999A",
)  # fmt: skip


def omm(*sets: ElementSet) -> bytes:
    """As publishers write it."""
    return json.dumps(
        [
            {
                "OBJECT_NAME": each.name, "OBJECT_ID": each.designator, "NORAD_CAT_ID": each.norad_id,
                "EPOCH": each.epoch.replace(tzinfo=None).isoformat(), "MEAN_MOTION": each.mean_motion_rev_day,
                "ECCENTRICITY": each.eccentricity, "INCLINATION": each.inclination_deg,
                "RA_OF_ASC_NODE": each.raan_deg, "ARG_OF_PERICENTER": each.argument_of_perigee_deg,
                "MEAN_ANOMALY": each.mean_anomaly_deg, "BSTAR": each.bstar,
            }
            for each in sets
        ]
    ).encode()  # fmt: skip


def later(hours: float, **changes: Any) -> ElementSet:
    """The same orbit, seen `hours` later: SGP4's own elements at that time, as an ideal publisher would fit them."""
    model = TIN.satrec()
    _, before, _ = model.sgp4_tsince(hours * 60)
    best: ElementSet | None = None
    away = float("inf")
    guess = replace(TIN, epoch=T + timedelta(hours=hours))
    step = 360.0
    anomaly = 180.0
    raan_deg = TIN.raan_deg + _node_rate_deg_h() * hours
    perigee_deg = TIN.argument_of_perigee_deg + _perigee_rate_deg_h() * hours
    while step > 1e-6:
        for number in range(-10, 11):
            tried = replace(
                guess,
                raan_deg=raan_deg % 360,
                argument_of_perigee_deg=perigee_deg % 360,
                mean_anomaly_deg=(anomaly + number * step / 20) % 360,
            )
            _, place, _ = tried.satrec().sgp4_tsince(0.0)
            off = sum((one - other) ** 2 for one, other in zip(place, before, strict=True))
            if off < away:
                away, best = off, tried
        anomaly = best.mean_anomaly_deg if best else anomaly
        step /= 8
    assert best is not None
    return replace(best, **changes)


def _node_rate_deg_h() -> float:
    return float(TIN.satrec().nodedot) * 60 * 57.29577951308232


def _perigee_rate_deg_h() -> float:
    return float(TIN.satrec().argpdot) * 60 * 57.29577951308232


@dataclass
class Publisher:
    """A GP server on the loopback that answers what it is told and notes what it was asked."""

    url: str = ""
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[datetime, dict[str, str]]] = field(default_factory=list)
    now: Callable[[], datetime] = lambda: T
    hold: asyncio.Event | None = None

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((self.now(), dict(request.headers)))
        if self.hold is not None:
            await self.hold.wait()
        if self.headers.get("ETag") and request.headers.get("If-None-Match") == self.headers["ETag"]:
            return web.Response(status=304)
        return web.Response(status=self.status, body=self.body, headers=self.headers)


@pytest.fixture
async def publisher(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Publisher]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    made = Publisher()
    application = web.Application()
    application.router.add_get("/gp", made.answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/gp?CATNR=999100101"
    try:
        yield made
    finally:
        await runner.cleanup()


@dataclass
class Room:
    """A keeper that is open over a store."""

    keeper: Keeper
    clock: VirtualClock
    alarms: Alarms
    heard: Subscription
    session: ClientSession
    renewed: list[list[tuple[str, str]]]
    events: list[Event] = field(default_factory=list)

    async def look(self) -> None:
        await self.keeper.look(self.session)

    async def wait(self, hours: float, every_min: float = 10.0) -> None:
        """Let time pass with looks in between."""
        for _ in range(int(hours * 60 / every_min)):
            await self.clock.advance(every_min * 60)
            await self.look()

    def told(self, name: str) -> list[Event]:
        while len(self.heard):
            record = self.heard._queue.popleft()
            if isinstance(record, Event):
                self.events.append(record)
        return [event for event in self.events if event.name == name]

    def view(self, index: int = 0) -> Any:
        return self.keeper.views()[index]

    def active(self) -> set[str]:
        return {alarm.name for alarm in self.alarms.list() if alarm.active}


@asynccontextmanager
async def room(folder: Path, clock: VirtualClock, *sources: str, **changes: Any) -> AsyncIterator[Room]:
    given = {"name": "tin", "norad_id": 999_100_101, "elements": list(sources)}
    satellite = SatelliteSettings.model_validate(given | changes)
    hub, renewed = Hub(), []

    def note(satellites: Any) -> None:
        renewed.append([(each.used.hash if each.used else "", each.failure) for each in satellites])

    with hub.subscribe("test") as heard:
        async with Store.open(folder / "store", node="test", clock=clock) as store:
            alarms = Alarms(clock, hub.publish)
            around = Surroundings(store.elements, Progress(clock), hub.publish, alarms, note)
            settings = ElementsSettings(timeout_s=5.0, user_agent="fleetd ops@example.org")
            keeper = Keeper([satellite], settings, around)
            await keeper.begin()
            async with client(settings) as session:
                yield Room(keeper, clock, alarms, heard, session, renewed)


# The whole story


async def test_a_day_of_403_then_garbage_then_a_good_set_leaves_the_site_tracking(
    tmp_path: Path, publisher: Publisher
) -> None:
    clock = VirtualClock(T + timedelta(hours=1))
    publisher.now = clock.now
    publisher.body = omm(TIN)
    async with room(tmp_path, clock, publisher.url) as here:
        assert (here.view().state, here.active()) == ("missing", {"elements-missing"})
        await here.look()
        assert (here.view().state, here.view().hash, here.active()) == ("in use", TIN.hash, set())
        assert here.renewed == [[("", "")], [(TIN.hash, "")]]

    publisher.status, publisher.body = 403, b"GP data has not updated since your last successful download"
    for _ in range(4):  # a day, with three restarts in it
        async with room(tmp_path, clock, publisher.url) as here:
            assert (here.view().state, here.view().hash) == ("in use", TIN.hash)  # from the store, before any request
            await here.wait(6)
            assert here.view().hash == TIN.hash
            assert "answers 403" in here.view().sources[0].failure
            assert len(here.told("source-failed")) == 1
            assert here.told("source-failed")[0].severity is Severity.WARNING

    publisher.status, publisher.body = 200, b"<!DOCTYPE html><html>maintenance</html>"
    async with room(tmp_path, clock, publisher.url) as here:
        await here.wait(30)
        assert "is a web page (HTML)" in here.view().sources[0].failure
        assert here.view().hash == TIN.hash

        new = later(48)
        publisher.body = omm(new)
        await here.wait(26)
        assert (here.view().state, here.view().hash) == ("in use", new.hash)
        assert abs(here.view().aos_shift_s) < 0.3
        assert len(here.told("source-recovered")) == 1
        assert "AOS" in here.told("elements-renewed")[-1].text

    times = [when for when, _ in publisher.asked]
    assert all(one - other >= timedelta(hours=2) for one, other in zip(times[1:], times, strict=False))
    assert len(times) < 20
    assert publisher.asked[0][1]["User-Agent"] == "fleetd ops@example.org"


async def test_the_floor_of_two_hours_holds_over_a_crash_loop(tmp_path: Path, publisher: Publisher) -> None:
    clock = VirtualClock(T + timedelta(hours=1))
    publisher.now, publisher.status = clock.now, 500
    for _ in range(30):
        async with room(tmp_path, clock, publisher.url) as here:
            await here.look()
            await clock.advance(600)
    times = [when for when, _ in publisher.asked]
    assert 1 <= len(times) <= 3
    assert all(one - other >= timedelta(hours=2) for one, other in zip(times[1:], times, strict=False))


async def test_the_floor_holds_for_a_request_in_the_midst_of_which_the_daemon_ended(
    tmp_path: Path, publisher: Publisher
) -> None:
    clock = VirtualClock(T + timedelta(hours=1))
    publisher.hold = asyncio.Event()
    async with room(tmp_path, clock, publisher.url) as here:
        looking = asyncio.create_task(here.look())
        for _ in range(500):
            if publisher.asked:
                break
            await asyncio.sleep(0.005)
        looking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await looking
    publisher.hold.set()
    async with room(tmp_path, clock, publisher.url) as here:
        await here.wait(1.9)
        assert len(publisher.asked) == 1


async def test_back_off_doubles_to_a_day(tmp_path: Path, publisher: Publisher) -> None:
    clock = VirtualClock(T + timedelta(hours=1))
    publisher.now, publisher.status = clock.now, 404
    async with room(tmp_path, clock, publisher.url) as here:
        await here.wait(24 * 5, every_min=60)
    times = [when for when, _ in publisher.asked]
    gaps_h = [(one - other) / timedelta(hours=1) for one, other in zip(times[1:], times, strict=False)]
    assert gaps_h == [6.0, 6.0, 8.0, 16.0, 24.0, 24.0, 24.0]


async def test_what_was_never_sent_is_tried_again_soon(tmp_path: Path, publisher: Publisher) -> None:
    nobody = "http://127.0.0.1:9/gp"
    async with room(tmp_path, VirtualClock(T), nobody) as here:
        await here.look()
        assert "cannot be reached" in here.view().sources[0].failure
        first = here.view().sources[0]
        assert first.requested_at is None
        assert first.not_before - here.clock.now() == timedelta(minutes=5)
        await here.wait(12)
        assert here.view().sources[0].not_before - here.clock.now() <= timedelta(hours=2)


async def test_unchanged_answers_cost_nothing(tmp_path: Path, publisher: Publisher) -> None:
    clock = VirtualClock(T + timedelta(hours=1))
    publisher.now = clock.now
    publisher.body, publisher.headers = omm(TIN), {"ETag": '"7"', "Last-Modified": "Wed, 11 Nov 2026 00:00:00 GMT"}
    async with room(tmp_path, clock, publisher.url) as here:
        await here.look()
    async with room(tmp_path, clock, publisher.url) as here:
        await here.wait(7)
        assert here.view().sources[0].failure == ""
        assert here.view().sources[0].succeeded_at == publisher.asked[-1][0]
    _, headers = publisher.asked[-1]
    assert (headers["If-None-Match"], headers["If-Modified-Since"]) == ('"7"', "Wed, 11 Nov 2026 00:00:00 GMT")


async def test_a_clock_that_had_been_ahead_makes_nobody_wait_for_ever(tmp_path: Path, publisher: Publisher) -> None:
    clock = VirtualClock(T + timedelta(days=400))
    publisher.now, publisher.status = clock.now, 500
    async with room(tmp_path, clock, publisher.url) as here:
        await here.look()
        clock.step(-400 * 86_400)
        publisher.status, publisher.body = 200, omm(TIN)
        await here.wait(2.5)
        assert here.view().hash == TIN.hash


# Bad input


@pytest.mark.parametrize(
    ("status", "body", "headers", "words"),
    [
        (200, b"<html><body>Error</body></html>", {}, "is a web page (HTML)"),
        (200, b"[" + b" " * (16 * 1024**2), {}, "larger than 16 MB"),
        (200, b'{"a":' * 10_000 + b"1" + b"}" * 10_000, {}, "nested"),
        (200, omm(TIN, replace(TIN, epoch=T + timedelta(hours=1))), {}, "given a second time"),
        (200, omm(TIN)[:-40], {}, ":1:"),
        (200, omm(TIN).replace(b"2026-11-11", b"2080-11-11"), {}, "2080"),
        (200, omm(TIN).replace(b"2026-11-11", b"1957-11-11"), {}, "1957"),
        (200, omm(TIN).replace(b"0.0005", b"-0.0005"), {}, "eccentricity"),
        (200, omm(TIN).replace(b"0.0005", b"NaN"), {}, "ECCENTRICITY"),
        (200, b"", {}, "the answer is empty"),
        (200, omm(TIN), {"Content-Encoding": "gzip"}, "packed"),
        (301, b"", {"Location": "https://elsewhere.example/gp"}, "has moved to https://elsewhere.example/gp"),
        (404, b"No GP data found", {}, "answers 404"),
        (503, b"", {}, "answers 503"),
    ],
)  # fmt: skip
async def test_what_a_server_should_not_answer(
    tmp_path: Path, publisher: Publisher, status: int, body: bytes, headers: dict[str, str], words: str
) -> None:
    file = tmp_path / "tin.json"
    file.write_bytes(omm(TIN))
    async with room(tmp_path, VirtualClock(T + timedelta(hours=1)), str(file), publisher.url) as here:
        publisher.status, publisher.body, publisher.headers = status, body, headers
        await here.look()
        (event,) = here.told("source-failed")
        assert words in event.text
        assert publisher.url in event.text
        assert (here.view().state, here.view().hash) == ("in use", TIN.hash)


@pytest.mark.parametrize(
    ("changes", "configured", "words"),
    [
        ({"norad_id": 25_544}, {}, "holds 25544 and not the number of tin, 999100101"),
        ({"designator": "2026-999B"}, {"designator": "2026-999A"}, "its designator is 2026-999B"),
        ({"epoch": T + timedelta(days=4)}, {}, "in the future"),
    ],
)
async def test_a_set_that_cannot_be_the_satellite_is_refused_once(
    tmp_path: Path, publisher: Publisher, changes: Any, configured: Any, words: str
) -> None:
    file = tmp_path / "tin.json"
    file.write_bytes(omm(TIN))
    async with room(tmp_path, VirtualClock(T + timedelta(hours=1)), str(file), publisher.url, **configured) as here:
        publisher.body = omm(replace(later(12), **changes))
        await here.wait(20)
        assert len(publisher.asked) > 2
        (event,) = here.told("elements-refused")
        assert words in event.text
        assert here.view().hash == TIN.hash


# Files and folders


async def test_a_broken_file_stops_the_beginning_and_never_what_runs(tmp_path: Path) -> None:
    file, clock = tmp_path / "tin.json", VirtualClock(T + timedelta(hours=1))
    file.write_bytes(b"[{")
    with pytest.raises(ConfigError, match=r"tin\.json:1:"):
        async with room(tmp_path, clock, str(file)):
            pytest.fail("it began")
    file.write_bytes(omm(TIN))
    async with room(tmp_path, clock, str(file)) as here:
        for bad in (b"[{", b"<html>", b""):
            file.write_bytes(bad)
            await here.look()
            await here.look()
        assert len(here.told("source-failed")) == 1
        file.unlink()
        await here.look()
        assert here.view().hash == TIN.hash
        new = later(24)
        clock.step(86_400)
        file.write_bytes(omm(new))
        await here.look()
        assert (here.view().hash, here.view().source) == (new.hash, f"{file}:1")
        assert len(here.told("source-recovered")) == 1


async def test_a_broken_file_does_not_stop_a_beginning_for_which_the_store_has_elements(tmp_path: Path) -> None:
    """A download that went wrong, then a power cut: the site must come up again with what it had."""
    file, clock = tmp_path / "tin.json", VirtualClock(T + timedelta(hours=1))
    file.write_bytes(omm(TIN))
    async with room(tmp_path, clock, str(file)) as here:
        assert here.view().hash == TIN.hash
    for bad in (b"[{", b"[]", b"<html>"):
        file.write_bytes(bad)
        async with room(tmp_path, clock, str(file)) as here:
            assert here.view().hash == TIN.hash
            assert len(here.told("source-failed")) == 1


async def test_a_folder_gives_the_newest_of_its_files_and_one_bad_one_spoils_nothing(tmp_path: Path) -> None:
    folder, clock = tmp_path / "gp", VirtualClock(T + timedelta(hours=30))
    folder.mkdir()
    (folder / "b.json").write_bytes(omm(TIN))
    (folder / "a.json").write_bytes(b"nonsense")
    (folder / "c.json.part").write_bytes(omm(later(24))[:20])
    async with room(tmp_path, clock, str(folder)) as here:
        assert here.view().hash == TIN.hash
        assert "a.json:1:" in here.told("source-failed")[0].text
        (folder / "c.json").write_bytes(omm(later(24)))
        (folder / "old.json").write_bytes(omm(later(-24)))
        await here.look()
        assert here.view().hash == later(24).hash
        assert not here.told("elements-refused")


# Held sets


async def test_a_doubtful_set_waits_over_a_restart_until_it_is_accepted(tmp_path: Path) -> None:
    file, clock = tmp_path / "tin.json", VirtualClock(T + timedelta(hours=1))
    file.write_bytes(omm(TIN))
    poor = later(24, mean_anomaly_deg=(later(24).mean_anomaly_deg + 0.5) % 360)
    async with room(tmp_path, clock, str(file)) as here:
        file.write_bytes(omm(poor))
        clock.step(86_400)
        await here.look()
        assert here.view().hash == TIN.hash
        (event,) = here.told("elements-held")
        assert "it moves AOS by" in event.text
        assert here.active() == {"elements-held"}
    async with room(tmp_path, clock, str(file)) as here:
        view = here.view()
        assert (view.hash, view.held.hash, here.active()) == (TIN.hash, poor.hash, {"elements-held"})
        assert view.held.aos_shift_s == pytest.approx(-0.5 / 360 * 5_703, rel=0.1)
        assert view.held.along_track_km == pytest.approx(60, rel=0.1)
        assert not here.told("elements-held")  # told once
        view = await here.keeper.accept("tin", "uid:1000(li)")
        assert (view.hash, view.held, view.decided_by, here.active()) == (poor.hash, None, "uid:1000(li)", set())
        assert here.renewed[-1] == [(poor.hash, "")]
        assert "accepted by uid:1000(li)" in here.told("elements-renewed")[-1].text
        with pytest.raises(Refusal, match="no set of tin waits"):
            await here.keeper.accept("tin", "me")
        with pytest.raises(Refusal, match="there is no satellite 'moon'; there are: tin"):
            await here.keeper.reject("moon", "me")
    async with room(tmp_path, clock, str(file)) as here:
        assert here.view().hash == poor.hash


async def test_a_rejected_set_never_comes_again_and_a_newer_good_one_does(tmp_path: Path) -> None:
    file, clock = tmp_path / "tin.json", VirtualClock(T + timedelta(hours=30))
    file.write_bytes(omm(TIN))
    poor = later(12, bstar=-1e-3)
    async with room(tmp_path, clock, str(file)) as here:
        file.write_bytes(omm(poor))
        await here.look()
        assert here.view().held.hash == poor.hash
        assert (await here.keeper.reject("tin", "li")).held is None
        assert here.active() == set()
    async with room(tmp_path, clock, str(file)) as here:
        assert (here.view().hash, here.view().held) == (TIN.hash, None)
        file.write_bytes(omm(later(24)))
        await here.look()
        assert here.view().hash == later(24).hash


async def test_a_good_newer_set_takes_the_place_of_the_held_one(tmp_path: Path) -> None:
    file, clock = tmp_path / "tin.json", VirtualClock(T + timedelta(hours=30))
    file.write_bytes(omm(TIN))
    async with room(tmp_path, clock, str(file)) as here:
        file.write_bytes(omm(later(12, bstar=-1e-3)))
        await here.look()
        file.write_bytes(omm(later(24)))
        await here.look()
        assert (here.view().hash, here.view().held, here.active()) == (later(24).hash, None, set())
    async with room(tmp_path, clock, str(file)) as here:
        assert (here.view().hash, here.view().held) == (later(24).hash, None)


async def test_an_older_set_and_the_same_one_in_another_format_are_no_news(tmp_path: Path) -> None:
    one, other = tmp_path / "one.json", tmp_path / "other.json"
    one.write_bytes(omm(TIN))
    other.write_bytes(omm(replace(TIN, mean_anomaly_deg=317.2801)))  # rounded otherwise
    async with room(tmp_path, VirtualClock(T + timedelta(hours=30)), str(one), str(other)) as here:
        one.write_bytes(omm(later(-24)))
        await here.look()
        assert here.view().hash == TIN.hash
        assert len(here.told("elements-renewed")) == 1
        corrected = replace(TIN, mean_anomaly_deg=317.281)  # by the file that it came from
        one.write_bytes(omm(corrected))
        await here.look()
        assert here.view().hash == corrected.hash


# Age and decay


async def test_age_raises_alarms_by_the_satellite_s_own_limits(tmp_path: Path) -> None:
    file, clock = tmp_path / "tin.json", VirtualClock(T + timedelta(days=2.9))
    file.write_bytes(omm(TIN))
    async with room(tmp_path, clock, str(file)) as here:
        seen = []
        for day in (0.0, 1.0, 4.0, 8.0):
            clock.step(day * 86_400)
            await here.look()
            alarm = next((one for one in here.alarms.list() if one.active), None)
            seen.append((here.view().age, here.view().state, alarm and (alarm.severity, alarm.limit)))
        assert seen == [
            ("fresh", "in use", None),
            ("warn", "in use", (Severity.WARNING, 3.0)),
            ("no-transmit", "in use", (Severity.WARNING, 7.0)),
            ("no-booking", "too old", (Severity.CRITICAL, 14.0)),
        ]
        assert "no contact is booked" in here.alarms.list()[0].text


async def test_a_decayed_satellite_stays_marked_over_restarts_until_a_new_set_comes(tmp_path: Path) -> None:
    file, clock = tmp_path / "tin.json", VirtualClock(T + timedelta(hours=1))
    falling = replace(TIN, mean_motion_rev_day=16.2, bstar=2e-3)
    file.write_bytes(omm(falling))
    async with room(tmp_path, clock, str(file)) as here:
        assert (here.view().state, here.renewed[-1]) == ("in use", [(falling.hash, "")])
        await here.wait(24 * 12, every_min=360)
        assert here.view().state == "decayed"
        (event,) = here.told("elements-failed")
        assert "gets no booking until a new set comes" in event.text
        assert "elements-decayed" in here.active()
        failure = here.view().failure
        assert here.renewed[-1] == [(falling.hash, failure)]
    clock.step(-12 * 86_400)  # as SGP4's own error may vanish again: what was seen once stays
    async with room(tmp_path, clock, str(file)) as here:
        await here.look()
        assert (here.view().state, here.view().failure) == ("decayed", failure)
        assert not here.told("elements-failed")
        file.write_bytes(omm(replace(TIN, epoch=T + timedelta(hours=2))))
        await here.look()
        view = here.view()
        if view.held:
            view = await here.keeper.accept("tin", "li")
        assert (view.state, view.failure) == ("in use", "")
        assert "elements-decayed" not in here.active()


# The loop


async def test_the_loop_looks_by_itself_and_ends_when_told(tmp_path: Path, publisher: Publisher) -> None:
    publisher.body = omm(TIN)
    async with room(tmp_path, VirtualClock(T + timedelta(hours=1)), publisher.url) as here:
        running = asyncio.create_task(here.keeper.run())
        for _ in range(500):
            if here.view().hash:
                break
            await asyncio.sleep(0.005)
        assert here.view().hash == TIN.hash
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        assert running.cancelled()


def test_what_is_kept_of_a_satellite_begins_empty() -> None:
    kept = Kept(SatelliteSettings(name="tin", norad_id=1, elements=["x"]))
    assert (kept.failure, kept.used, kept.held) == ("", None, None)
