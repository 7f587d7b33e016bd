"""The control API over a real Unix socket: who may, what is understood, and what everything answers."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import socket
import stat
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientPayloadError, ClientSession, UnixConnector
from robots_bench import GUARDED, NOON, Bench, FakeRobot, bench

from fleetd.access.matrix import Access
from fleetd.access.settings import AccessSettings, PersonSettings
from fleetd.alarms import Alarms
from fleetd.archive.archive import Archive
from fleetd.archive.settings import ArchiveSettings
from fleetd.contact.antenna import Antenna
from fleetd.contact.contacts import Contacts
from fleetd.contact.contactsite import ContactSite
from fleetd.contact.maintenance import Maintenance
from fleetd.contact.settings import AntennaSettings, ContactsSettings, DirectionSettings, SlewSettings
from fleetd.contact.sky import Outlook, Satellite
from fleetd.control import server
from fleetd.control import site as site_routes
from fleetd.control.house import House, SupervisedDevice
from fleetd.control.server import serve
from fleetd.devices import AzEl, RotatorLimits
from fleetd.elements.custody import Surroundings
from fleetd.elements.keeper import Keeper
from fleetd.elements.kept import Kept
from fleetd.elements.settings import ElementsSettings
from fleetd.errors import ConfigError, LinkLost, Refusal
from fleetd.orbit.settings import SatelliteSettings
from fleetd.orbit.station import Station
from fleetd.records import Event, Quality, Reading, Severity
from fleetd.relay.relay import Relay
from fleetd.relay.settings import RelaySettings
from fleetd.supervise import Backoff, Device, Progress, Supervision

ELEMENTS = Path(__file__).parents[2] / "configs/elements/candy-tin.json"
ME = f"uid:{os.getuid()}({pwd.getpwuid(os.getuid()).pw_name})"


class FakeRotator:
    """Arrives at once."""

    limits = RotatorLimits(0.0, 450.0, 0.0, 180.0, 1.0)

    def __init__(self) -> None:
        self.position = AzEl(0.0, 0.0)
        self.stops = 0
        self.there = True

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[FakeRotator]:
        if not self.there:
            raise LinkLost("no such port")
        yield self

    async def point(self, to: AzEl, /) -> None:
        self.position = to

    async def where(self) -> AzEl:
        return self.position

    async def stop(self) -> None:
        self.stops += 1


@dataclass
class Door:
    """A served house and a client at its socket."""

    site: Bench
    rotator: FakeRotator
    alarms: Alarms
    path: Path
    house: House
    session: ClientSession

    async def ask(self, method: str, path: str, body: Any = None, **options: Any) -> tuple[int, Any]:
        """Status and decoded answer."""
        data = body if isinstance(body, bytes | None) else json.dumps(body)
        async with self.session.request(method, f"http://fleetd{path}", data=data, **options) as response:
            assert response.content_type == "application/json"
            return response.status, await response.json()


@asynccontextmanager
async def door(
    folder: Path, robots: dict[str, FakeRobot] | None = None, access: AccessSettings | None = None, **more: Any
) -> AsyncIterator[Door]:
    access = access or AccessSettings()
    async with (
        bench(folder / "store", robots, access=access, **more) as site,
        AsyncExitStack() as stack,
        asyncio.TaskGroup() as tasks,
    ):
        progress = Progress(site.clock)
        supervision = Supervision(site.clock, site.hub.publish, progress)
        rotator = FakeRotator()
        device = Device("dish-rotator", rotator.connect, Backoff(0.5, 0.5))
        antenna = Antenna(
            AntennaSettings(
                name="dish",
                rotator="dish-rotator",
                azimuth_limits_deg=(0.0, 450.0),
                elevation_limits_deg=(0.0, 90.0),
                slew_deg_s=SlewSettings(azimuth=6.0, elevation=3.0),
                park=DirectionSettings(azimuth_deg=0.0, elevation_deg=90.0),
            ),
            device,
            supervision,
            site.hub,
        )
        station = Station("hangzhou", 30.27, 120.15, 20.0)
        antennas = {"dish": antenna}
        alarms = Alarms(site.clock, site.hub.publish)
        contacts = Contacts(ContactSite([], Outlook(station), antennas, ContactsSettings()), site.hub, progress)

        def renewed(satellites: Sequence[Kept]) -> None:
            contacts.renew([Satellite(each.settings, each.used.elements) for each in satellites if each.used])

        elements = folder / "candy-tin.json"
        elements.write_bytes(ELEMENTS.read_bytes())
        satellite = SatelliteSettings(name="candy-tin", norad_id=999_100_101, elements=[str(elements)])
        around = Surroundings(site.store.elements, progress, site.hub.publish, alarms, renewed)
        keeper = Keeper([satellite], ElementsSettings(), around)
        await keeper.begin()
        archive = await stack.enter_async_context(Archive.open(folder, site.clock, ArchiveSettings()))
        house = House(
            site="hangzhou",
            clock=site.clock,
            hub=site.hub,
            store=site.store,
            access=Access(access),
            relay=Relay(
                RelaySettings(brokers=["mqtt://127.0.0.1:1"]), site.store, site.hub, site.clock, "hangzhou", _ignore
            ),
            fleet=site.fleet,
            dispatch=site.dispatch,
            antennas=antennas,
            contacts=contacts,
            maintenance=Maintenance(antennas, site.store.maintenance, site.clock, site.hub.publish),
            elements=keeper,
            alarms=alarms,
            devices=[SupervisedDevice(device, "rotator", "gs232b", "serial:///dev/ttyUSB0")],
            archive=archive,
        )
        loop = tasks.create_task(supervision.run(device, antenna.work))
        path = folder / "run" / "control.sock"
        async with serve(house, path), ClientSession(connector=UnixConnector(str(path))) as session:
            yield Door(site, rotator, alarms, path, house, session)
        loop.cancel()


async def _ignore(_: object) -> None:
    return


# The socket


async def test_the_socket_is_for_owner_and_group_alone_and_goes_with_the_daemon(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        async with door(tmp_path) as here:
            mode = here.path.stat().st_mode
            assert stat.S_ISSOCK(mode)
            assert stat.S_IMODE(mode) == 0o660
            assert os.umask(0) == 0  # what binding needed does not last
    finally:
        os.umask(before)
    assert not here.path.exists()


async def test_a_second_daemon_is_refused_and_takes_nothing_from_the_first(tmp_path: Path) -> None:
    async with door(tmp_path) as here:
        with pytest.raises(Refusal, match=rf"another fleetd \(pid {os.getpid()}\) holds .*control\.sock\.lock"):
            async with serve(here.house, here.path):
                pytest.fail("two daemons have one socket")
        assert (await here.ask("GET", "/v1/status"))[0] == 200


async def test_the_socket_of_a_dead_daemon_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "run" / "control.sock"
    path.parent.mkdir()
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    async with door(tmp_path) as here:
        assert (await here.ask("GET", "/v1/status"))[0] == 200


async def test_a_socket_that_cannot_be_made_is_a_fault_of_the_configuration(tmp_path: Path) -> None:
    async with door(tmp_path) as here:
        for bad in (tmp_path / ("x" * 120), here.path / "below" / "a.sock"):
            with pytest.raises(ConfigError, match=r"control\.socket"):
                async with serve(here.house, bad):
                    pytest.fail("served nowhere")


# What is not understood


@pytest.mark.parametrize("body", [b"not json", b"[]", b"\xff\xfe", b"[" * 60_000, b'{"device": 1}', b'{"device": "x"}'])
async def test_a_body_that_is_no_command_is_refused_in_one_sentence(tmp_path: Path, body: bytes) -> None:
    async with door(tmp_path) as here:
        status, told = await here.ask("POST", "/v1/commands", body)
        assert (status, told["rule"]) == (400, "malformed")
        assert "\n" not in told["error"]
        assert await here.site.store.ledger.recent() == []


async def test_unknown_fields_are_refused_by_name(tmp_path: Path) -> None:
    async with door(tmp_path) as here:
        wish = {"device": "robot-01", "action": "send", "args": {"stop": 2}, "expires": 5}
        status, told = await here.ask("POST", "/v1/commands", wish)
        assert status == 400
        assert "expires" in told["error"]


async def test_a_megabyte_is_not_taken(tmp_path: Path) -> None:
    async with door(tmp_path) as here:
        status, told = await here.ask("POST", "/v1/commands", b'{"device": "' + b"x" * 1_000_000 + b'"}')
        assert (status, told["rule"]) == (413, "too-large")
        assert "65536" in told["error"]
        assert (await here.ask("GET", "/v1/status"))[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "names"),
    [
        ("GET", "/v1/robots/robot-99", 404, "robot-01"),
        ("POST", "/v1/antennas/mast/stop", 404, "dish"),
        ("GET", "/v1/commands/never", 404, "never"),
        ("POST", "/v1/alarms/robot-01/fire/ack", 404, "none"),
        ("GET", "/v1/contacts/nothing/explain", 404, "nothing"),
        ("POST", "/v1/contacts/nothing/cancel", 404, "nothing"),
        ("GET", "/v1/nowhere", 404, "/v1/nowhere"),
        ("PUT", "/v1/stop", 405, "POST"),
        ("GET", "/v1/passes?hours=soon", 400, "0 to 240"),
        ("GET", "/v1/passes?hours=1e9", 400, "0 to 240"),
        ("GET", "/v1/audit?limit=0", 400, "1 to 10000"),
        ("GET", "/v1/watch?kinds=reading,gossip", 400, "gossip"),
    ],
)
async def test_what_is_not_there_is_said_so_with_what_is(
    tmp_path: Path, method: str, path: str, status: int, names: str
) -> None:
    async with door(tmp_path) as here:
        got, told = await here.ask(method, path)
        assert got == status
        assert names in told["error"]
        assert told["rule"]


# Robots and commands


async def test_a_command_is_followed_to_its_end_and_bears_its_issuer(tmp_path: Path) -> None:
    async with door(tmp_path) as here:
        await here.site.online()
        wish = {"device": "robot-01", "action": "send", "args": {"place": "library"}, "wait_s": 5}
        status, results = await here.ask("POST", "/v1/commands", wish)
        assert status == 200
        assert [result["stage"] for result in results] == ["accepted", "started", "succeeded"]
        entry = await here.site.store.ledger.entry(results[0]["id"])
        assert entry is not None
        assert (entry.command.issuer, entry.command.args) == (ME, {"stop": 2})
        status, again = await here.ask("GET", f"/v1/commands/{results[0]['id']}")
        assert (status, again) == (200, results)
        [robot] = (await here.ask("GET", "/v1/robots"))[1]
        assert (robot["name"], robot["last_result"]["stage"]) == ("robot-01", "succeeded")
        assert "send" in (await here.ask("GET", "/v1/robots/robot-01"))[1]["actions"]


async def test_a_command_seen_twice_runs_once_here_too(tmp_path: Path) -> None:
    async with door(tmp_path) as here:
        await here.site.online()
        wish = {"id": "c1", "device": "robot-01", "action": "send", "args": {"stop": 2}, "wait_s": 5}
        first, second = await asyncio.gather(*(here.ask("POST", "/v1/commands", wish) for _ in range(2)))
        assert first[1][-1]["stage"] == second[1][-1]["stage"] == "succeeded"
        assert len(here.site.robots["robot-01"].written) == 1


async def test_a_refused_command_answers_why_and_by_which_rule(tmp_path: Path) -> None:
    async with door(tmp_path) as here:
        wish = {"device": "robot-01", "action": "send", "args": {"stop": 70_000}, "wait_s": 5}
        status, told = await here.ask("POST", "/v1/commands", wish)
        assert (status, told["rule"]) == (409, "range")
        assert told["error"] == "stop 70000 is above the limit of 65535"
        assert told["results"][0]["stage"] == "refused"
        status, told = await here.ask("POST", "/v1/commands", {"device": "robot-99", "action": "stop"})
        assert (status, told["rule"]) == (404, "unknown-device")


async def test_an_expired_command_is_refused_and_two_expiries_are_too_many(tmp_path: Path) -> None:
    async with door(tmp_path) as here:
        wish = {"device": "robot-01", "action": "resume", "expires_at": "2026-11-11T11:59:00Z"}
        assert (await here.ask("POST", "/v1/commands", wish))[1]["rule"] == "expired"
        status, told = await here.ask("POST", "/v1/commands", {**wish, "expires_in_s": 5})
        assert (status, told["rule"]) == (400, "malformed")
        status, told = await here.ask("POST", "/v1/commands", {**wish, "expires_at": "2026-11-11T11:59:00"})
        assert status == 400


async def test_waiting_ends_in_time_with_what_is_known(tmp_path: Path) -> None:
    async with door(tmp_path, {"robot-01": FakeRobot(there=False)}) as here:
        wish = {"device": "robot-01", "action": "resume", "wait_s": 0.02, "expires_in_s": 60}
        status, results = await here.ask("POST", "/v1/commands", wish)
        assert (status, [result["stage"] for result in results]) == (200, ["accepted"])


async def test_a_broken_store_is_not_possible_now(tmp_path: Path) -> None:
    async with door(tmp_path) as here:
        await here.site.online()
        here.site.store.ledger._writer._connection.execute("PRAGMA query_only = ON")
        wish = {"device": "robot-01", "action": "resume"}
        status, told = await here.ask("POST", "/v1/commands", wish)
        assert (status, told["rule"]) == (503, "store")


# Stop


async def test_stop_stops_all_that_moves_whatever_the_body(tmp_path: Path) -> None:
    robots = {"robot-01": FakeRobot(), "robot-02": FakeRobot(), "robot-03": FakeRobot(there=False)}
    async with door(tmp_path, robots) as here:
        await here.site.online()
        await here.site.online("robot-02")
        await here.site.until(lambda: here.rotator.stops == 1)  # at each opening of its link
        status, results = await here.ask("POST", "/v1/stop")
        stages = {result["device"]: result["stage"] for result in results}
        assert status == 200
        assert stages == {"dish": "succeeded", "robot-01": "succeeded", "robot-02": "succeeded", "robot-03": "accepted"}
        assert "as soon as it answers" in next(one["reason"] for one in results if one["device"] == "robot-03")
        assert (await here.ask("POST", "/v1/stop", b"not json"))[0] == 200
        assert (robots["robot-01"].stops, here.rotator.stops) == (2, 3)


# Antennas, contacts, elements


async def test_an_antenna_is_pointed_parked_and_stopped_within_its_limits(tmp_path: Path) -> None:
    async with door(tmp_path) as here:
        await here.site.until(lambda: here.house.antennas["dish"].measured is not None)
        status, dish = await here.ask("POST", "/v1/antennas/dish/point", {"azimuth_deg": 123.0, "elevation_deg": 45.0})
        assert (status, dish["commanded_azimuth_deg"], dish["held_by"]) == (200, 123.0, ME)
        assert here.rotator.position == AzEl(123.0, 45.0)
        status, told = await here.ask("POST", "/v1/antennas/dish/point", {"azimuth_deg": 123.0, "elevation_deg": 95.0})
        assert status == 409
        assert "95" in told["error"]
        assert (await here.ask("POST", "/v1/antennas/dish/point", {"azimuth_deg": 1.0}))[0] == 400
        assert (await here.ask("POST", "/v1/antennas/dish/park"))[0] == 200
        assert here.rotator.position == AzEl(0.0, 90.0)
        assert (await here.ask("POST", "/v1/antennas/dish/stop"))[0] == 200
        status, dish = await here.ask("POST", "/v1/antennas/dish/offset", {"azimuth_deg": 2.0, "elevation_deg": 0.0})
        assert (status, dish["offset_azimuth_deg"]) == (200, 2.0)
        assert [one["name"] for one in (await here.ask("GET", "/v1/antennas"))[1]] == ["dish"]


async def test_an_antenna_is_locked_and_given_maintenance_by_name(tmp_path: Path) -> None:
    async with door(tmp_path) as here:
        await here.site.until(lambda: here.house.antennas["dish"].measured is not None)
        status, dish = await here.ask("POST", "/v1/antennas/dish/lock", {"why": "new bearing"})
        assert (status, dish["locked_by"], dish["lock_reason"]) == (200, ME, "new bearing")
        status, no = await here.ask("POST", "/v1/antennas/dish/park")
        assert (status, no["rule"]) == (409, "maintenance")
        assert [entry["why"] for entry in (await here.ask("GET", "/v1/maintenance"))[1]] == ["new bearing"]
        status, dish = await here.ask("POST", "/v1/antennas/dish/unlock")
        assert (status, dish["locked_by"]) == (200, None)
        body = {"antenna": "dish", "begin": "2036-12-01T08:00:00Z", "end": "2036-12-01T10:00:00Z", "why": "paint"}
        status, entry = await here.ask("POST", "/v1/maintenance/add", body)
        assert (status, entry["who"], entry["end"]) == (200, ME, "2036-12-01T10:00:00.000Z")
        assert (await here.ask("POST", f"/v1/maintenance/{entry['id']}/remove"))[0] == 200
        assert (await here.ask("POST", f"/v1/maintenance/{entry['id']}/remove"))[0] == 404
        assert (await here.ask("POST", "/v1/antennas/dish/lock", {"why": " "}))[0] == 409


async def test_an_antenna_out_of_reach_is_not_possible_now(tmp_path: Path) -> None:
    async with door(tmp_path) as here:
        await here.site.until(lambda: here.house.antennas["dish"].measured is not None)
        here.rotator.there = False
        here.rotator.where = _lost  # type: ignore[method-assign]
        await here.site.clock.advance(30)
        status, told = await here.ask("POST", "/v1/antennas/dish/park")
        assert (status, told["rule"]) == (503, "device")
        assert "dish-rotator" in told["error"]


async def _lost() -> AzEl:
    raise LinkLost("unplugged")


async def test_passes_elements_and_contacts_are_shown(tmp_path: Path) -> None:
    async with door(tmp_path) as here:
        status, passes = await here.ask("GET", "/v1/passes?hours=24")
        assert status == 200
        assert passes
        assert {"satellite", "norad_id", "station", "aos", "culmination", "los", "max_elevation_deg"} <= set(passes[0])
        assert passes[-1]["culmination"].endswith("Z")
        assert len(passes[-1]["culmination"]) == len("2026-11-11T12:00:00.000Z")
        [elements] = (await here.ask("GET", "/v1/elements"))[1]
        assert (elements["satellite"], elements["norad_id"]) == ("candy-tin", 999_100_101)
        assert (elements["state"], elements["age"], elements["epoch"]) == (
            "in use",
            "fresh",
            "2026-11-11T00:00:00.000Z",
        )
        assert elements["sources"][0]["failure"] == ""
        assert (await here.ask("GET", "/v1/contacts"))[1] == []
        wish = {"satellite": "candy-tin", "aos": "2026-11-11T12:00:00Z", "antenna": "mast"}
        assert (await here.ask("POST", "/v1/contacts/book", wish))[0] in (404, 409)


async def test_a_held_set_is_accepted_by_whoever_asks_and_the_audit_chain_says_who(tmp_path: Path) -> None:
    async with door(tmp_path) as here:
        assert (await here.ask("POST", "/v1/elements/candy-tin/accept"))[1]["rule"] == "nothing-held"
        assert (await here.ask("POST", "/v1/elements/moon/accept"))[0] == 404
        file = tmp_path / "candy-tin.json"
        file.write_text(file.read_text().replace("11-11T00:00", "11-11T12:00").replace("317.28", "100.0"))
        await here.house.elements.look(here.session)
        [elements] = (await here.ask("GET", "/v1/elements"))[1]
        assert (elements["state"], elements["epoch"][:13]) == ("in use", "2026-11-11T00")
        assert "moves AOS" in elements["held"]["reason"]
        assert abs(elements["held"]["aos_shift_s"]) > 60
        status, elements = await here.ask("POST", "/v1/elements/candy-tin/accept")
        assert (status, elements["epoch"][:13], elements["held"]) == (200, "2026-11-11T12", None)
        assert elements["decided_by"] == ME
        [*_, entry] = (await here.ask("GET", "/v1/audit"))[1]
        assert (entry["who"], entry["act"], entry["outcome"]) == (ME, "elements/candy-tin/accept", "done")


# The site


async def test_the_site_in_one_answer(tmp_path: Path) -> None:
    async with door(tmp_path) as here:
        await here.site.online()
        status, told = await here.ask("GET", "/v1/status")
        assert status == 200
        assert (told["site"], told["node"], told["boot"]) == ("hangzhou", "test", here.site.store.boot)
        assert (told["fleet"]["robots"], told["fleet"]["online"]) == (1, 1)
        assert told["relay"] == (await here.ask("GET", "/v1/relay"))[1]
        [device] = told["devices"]
        assert (device["name"], device["capability"], device["driver"]) == ("dish-rotator", "rotator", "gs232b")
        assert told["at"] == "2026-11-11T12:00:00.000Z"


async def test_alarms_are_listed_and_acknowledged_by_name(tmp_path: Path) -> None:
    async with door(tmp_path) as here:
        here.alarms.raise_("robot-01", "battery", Severity.WARNING, "battery of robot-01 is at 14 %, below 15 %")
        [alarm] = (await here.ask("GET", "/v1/alarms"))[1]
        assert (alarm["device"], alarm["active"], alarm["acknowledged_by"]) == ("robot-01", True, None)
        status, alarm = await here.ask("POST", "/v1/alarms/robot-01/battery/ack")
        assert (status, alarm["acknowledged_by"]) == (200, ME)


async def test_every_change_is_audited_with_who_and_what_came_of_it(tmp_path: Path) -> None:
    async with door(tmp_path) as here:
        await here.site.until(lambda: here.house.antennas["dish"].measured is not None)
        await here.ask("POST", "/v1/antennas/dish/point", {"azimuth_deg": 1.0, "elevation_deg": 99.0})
        await here.ask("POST", "/v1/antennas/dish/park")
        await here.ask("GET", "/v1/antennas")
        entries = (await here.ask("GET", "/v1/audit?limit=5"))[1]
        assert [(entry["who"], entry["act"], entry["outcome"]) for entry in entries] == [
            (ME, "antennas/dish/point", "refused 409"),
            (ME, "antennas/dish/park", "done"),
        ]
        assert "99" in entries[0]["detail"]


# The stream


async def test_watching_shows_what_happens_to_those_who_chose_it(tmp_path: Path) -> None:
    async with door(tmp_path) as here, here.session.get("http://fleetd/v1/watch?kinds=event,result") as stream:
        assert stream.content_type == "application/x-ndjson"
        here.site.hub.publish(Event(at=NOON, source="test", name="hello", text="hello"))
        event = json.loads(await stream.content.readline())
        assert (event["type"], event["name"], event["at"]) == ("event", "hello", "2026-11-11T12:00:00.000Z")
        await here.site.dispatch.submit(here.site.command())
        result = json.loads(await stream.content.readline())
        assert (result["type"], result["stage"]) == ("result", "accepted")


async def test_watching_one_device_hides_the_others(tmp_path: Path) -> None:
    robots = {"robot-01": FakeRobot(), "robot-02": FakeRobot()}
    address = "http://fleetd/v1/watch?kinds=reading&device=robot-02"
    async with door(tmp_path, robots) as here, here.session.get(address) as stream:
        for _ in range(3):
            await here.site.clock.advance(1)
            assert json.loads(await stream.content.readline())["device"] == "robot-02"


async def test_a_slow_watcher_loses_its_own_records_and_is_told_how_many(tmp_path: Path) -> None:
    async with door(tmp_path) as here, here.session.get("http://fleetd/v1/watch?kinds=event") as stream:
        await here.site.until(lambda: any(each.name == "control watch" for each in here.site.hub._subscriptions))
        for number in range(5_000):
            here.site.hub.publish(Event(at=NOON, source="test", name=f"n{number}", text="x"))
        seen, dropped = 0, 0
        while seen + dropped < 5_000:
            line = json.loads(await stream.content.readline())
            dropped += line.get("count", 0)
            seen += line["type"] == "event"
        assert (seen, dropped) == (2_000, 3_000)
        assert (await here.ask("GET", "/v1/status"))[0] == 200


async def test_a_watcher_that_never_reads_delays_nobody_and_goes_with_the_daemon(tmp_path: Path) -> None:
    async with door(tmp_path) as here:
        reader, writer = await asyncio.open_unix_connection(str(here.path), limit=1024)
        writer.write(b"GET /v1/watch HTTP/1.1\r\nHost: fleetd\r\n\r\n")
        await here.site.until(lambda: any(each.name == "control watch" for each in here.site.hub._subscriptions))
        for number in range(20_000):
            here.site.hub.publish(Event(at=NOON, source="test", name=f"n{number}", text="x" * 200))
        assert (await here.ask("GET", "/v1/status"))[0] == 200
        writer.close()
        await here.site.until(lambda: not any(each.name == "control watch" for each in here.site.hub._subscriptions))
        assert reader is not None


async def test_a_silent_stream_shows_signs_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site_routes, "SIGN_OF_LIFE_S", 0.01)
    async with door(tmp_path) as here, here.session.get("http://fleetd/v1/watch?kinds=contact") as stream:
        assert await stream.content.readline() == b"\n"


@pytest.mark.timeout(20)
async def test_the_end_of_the_daemon_does_not_wait_for_watchers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "END_WITHIN_S", 1000.0)
    async with door(tmp_path) as here:
        path = tmp_path / "other.sock"
        async with ClientSession(connector=UnixConnector(str(path))) as session:
            async with serve(here.house, path):
                stream = await session.get("http://fleetd/v1/watch")
            # Cancelled: the stream ends without its final chunk.
            with pytest.raises(ClientPayloadError):
                await stream.read()


async def test_nothing_is_left_behind(tmp_path: Path) -> None:
    before = asyncio.all_tasks()
    async with door(tmp_path) as here, here.session.get("http://fleetd/v1/watch") as stream:
        assert stream.status == 200
        pending = asyncio.create_task(
            here.ask("POST", "/v1/commands", {"device": "robot-01", "action": "send", "args": {"stop": 1}}), name="ask"
        )
        await asyncio.wait([pending])
    await asyncio.sleep(0.01)
    assert asyncio.all_tasks() == before


async def test_an_alarm_is_shelved_by_whoever_asks_and_taken_back(tmp_path: Path) -> None:
    async with door(tmp_path) as here:
        here.alarms.raise_("robot-01", "battery", Severity.WARNING, "battery of robot-01 is at 14 %, below 15 %")
        place = "/v1/alarms/robot-01/battery"
        status, alarm = await here.ask("POST", f"{place}/shelve", {"for_s": 3600, "why": "new pack"})
        assert (status, alarm["shelved_by"], alarm["shelved_why"]) == (200, ME, "new pack")
        assert (await here.ask("GET", "/v1/status"))[1]["alarms"] == 0
        status, alarm = await here.ask("POST", f"{place}/unshelve")
        assert (status, alarm["shelved_by"]) == (200, None)
        assert (await here.ask("GET", "/v1/status"))[1]["alarms"] == 1
        for body, expected in (({"for_s": 0}, 400), ({"for_s": 1e300}, 409), ({"for_s": 60, "who": "me"}, 400)):
            assert (await here.ask("POST", f"{place}/shelve", body))[0] == expected


async def test_what_was_is_answered_from_the_archive(tmp_path: Path) -> None:
    async with door(tmp_path) as here:
        assert here.house.archive is not None
        values = [{"soc": 80.0}, {"soc": 79.5}]
        await here.house.archive.take(
            [
                *(Reading(at=NOON, device="robot-01", quality=Quality.GOOD, values=each) for each in values),
                Event(at=NOON, source="x", name="door", text="open"),
            ]
        )
        status, found = await here.ask("GET", "/v1/history/robot-01?values=soc")
        assert (status, [point[3] for point in found["points"]], found["truncated"]) == (200, [80.0, 79.5], False)
        assert (await here.ask("GET", "/v1/history/robot-01"))[1]["values"] == ["soc"]
        assert (await here.ask("GET", "/v1/history/robot-01?values=soc&until=2026-01-01T00:00:00Z"))[0] == 400
        assert (await here.ask("GET", "/v1/history/robot-01?values=volts"))[1]["rule"] == "unknown-value"
        assert (await here.ask("GET", "/v1/history/robot-09?values=soc"))[0] == 404
        assert (await here.ask("GET", "/v1/records?since=noon"))[0] == 400
        assert [one["name"] for one in (await here.ask("GET", "/v1/records?kinds=event"))[1]] == ["door"]


# Who may

NOBODY = AccessSettings(people={"li": PersonSettings(uids=(4_000_000_000,))})
MYSELF = AccessSettings(
    roles={"lead": ("open_door", "alarms/ack")},
    people={
        "me": PersonSettings(roles=("lead",), uids=(os.getuid(),)),
        "wang": PersonSettings(roles=("lead",), uids=(3_999_999_999,)),
    },
)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/antennas/dish/point", {"azimuth_deg": 1.0, "elevation_deg": 45.0}),
        ("/v1/antennas/dish/park", None),
        ("/v1/alarms/dish/limit/ack", None),
        ("/v1/commands", {"device": "robot-01", "action": "send", "args": {"stop": 2}}),
    ],
)
async def test_a_stranger_is_refused_and_audited(tmp_path: Path, path: str, body: Any) -> None:
    async with door(tmp_path, access=NOBODY) as here:
        await here.site.online()
        status, answer = await here.ask("POST", path, body)
        assert (status, answer["rule"]) == (403, "role")
        assert here.site.robots["robot-01"].written == []
        audited = (await here.site.store.audit.tail())[-1]
        assert audited.who == ME
        assert audited.outcome.startswith("refused")


async def test_a_stranger_may_look_and_stop(tmp_path: Path) -> None:
    async with door(tmp_path, access=NOBODY) as here:
        await here.site.online()
        assert (await here.ask("GET", "/v1/robots"))[0] == 200
        status, answer = await here.ask("POST", "/v1/stop")
        assert status == 200
        assert {each["device"] for each in answer} == {"dish", "robot-01"}
        assert here.site.robots["robot-01"].stops == 1


async def test_what_a_role_allows_is_let_through_and_no_more(tmp_path: Path) -> None:
    async with door(tmp_path, access=MYSELF) as here:
        assert (await here.ask("POST", "/v1/alarms/dish/limit/ack"))[1]["rule"] != "role"
        assert (await here.ask("POST", "/v1/antennas/dish/park"))[1]["rule"] == "role"


async def test_my_own_word_does_not_confirm_my_command(tmp_path: Path) -> None:
    async with door(tmp_path, access=MYSELF, actions=GUARDED) as here:
        await here.site.online()
        wish = {"id": "d1", "device": "robot-01", "action": "open_door", "args": {"door": 3}}
        _, results = await here.ask("POST", "/v1/commands", wish)
        assert (results[0]["stage"], results[0]["rule"]) == ("accepted", "confirm")
        status, answer = await here.ask("POST", "/v1/commands/d1/confirm", {"device": "robot-01"})
        assert (status, answer["rule"]) == (409, "same-person")
        status, answer = await here.ask("POST", "/v1/commands/d2/confirm", {"device": "robot-01"})
        assert (status, answer["rule"]) == (404, "unknown-command")


async def test_somebody_else_s_command_can_be_confirmed_here(tmp_path: Path) -> None:
    async with door(tmp_path, access=MYSELF, actions=GUARDED) as here:
        await here.site.online()
        command = here.site.command(id="d1", action="open_door", args={"door": 3}, issuer="uid:3999999999")
        await here.site.dispatch.submit(command)
        status, results = await here.ask("POST", "/v1/commands/d1/confirm", {"device": "robot-01", "wait_s": 5})
        assert (status, results[-1]["stage"]) == (200, "succeeded")


async def test_a_group_answers_with_one_result_a_robot(tmp_path: Path) -> None:
    robots = {f"robot-0{number}": FakeRobot() for number in range(1, 4)}
    async with door(tmp_path, robots, groups={"north": ("robot-01", "robot-02")}) as here:
        for name in robots:
            await here.site.online(name)
        wish = {"id": "g", "device": "north", "action": "send", "args": {"stop": 2}, "wait_s": 5}
        _, results = await here.ask("POST", "/v1/commands", wish)
        assert {each["id"]: each["stage"] for each in results} == {
            "g:robot-01": "succeeded", "g:robot-02": "succeeded",
        }  # fmt: skip


async def test_the_audit_chain_is_verified_against_a_noted_head(tmp_path: Path) -> None:
    async with door(tmp_path) as here:
        entry = await here.site.store.audit.append("uid:1", "stop", "done")
        assert (await here.ask("GET", "/v1/audit/verify"))[1]["broken_at"] is None
        _, verdict = await here.ask("GET", f"/v1/audit/verify?number=1&hash={entry.hash}")
        assert verdict["rewritten"] is False
        _, verdict = await here.ask("GET", f"/v1/audit/verify?number=1&hash={'0' * 64}")
        assert verdict["rewritten"] is True
