"""The Little Donkey driver against its sim, over a pty and over TCP, and against servers that nobody here wrote."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from fleetd.clock import SystemClock
from fleetd.devices import Beating, Robot, Sample, load_driver
from fleetd.errors import BadReply, ConfigError, Declined, DeviceError, LinkLost, Refusal, ReplyTimeout
from fleetd.link.ports import Ports
from fleetd.link.url import LinkUrl, parse_link
from fleetd.registers.loader import load_map, map_path
from fleetd_drivers.little_donkey.driver import SPEC, LittleDonkeySettings, connect
from fleetd_drivers.modbus.device import MapDevice
from fleetd_hil import catalogue
from fleetd_hil.bench import Bench
from fleetd_hil.sims.modbus import ModbusSim

QUICK_MS = 30  # for units that never answer


@dataclass
class Rig:
    """One bench with three robots, and the way to them."""

    bench: Bench
    sim: ModbusSim
    url: LinkUrl
    ports: Ports

    @asynccontextmanager
    async def robot(self, unit: int = 1, **settings: object) -> AsyncIterator[MapDevice]:
        chosen = LittleDonkeySettings.model_validate({"unit": unit, **settings})
        async with connect(self.ports, self.url, chosen, SystemClock()) as robot:
            yield robot

    def inject(self, fault: str) -> None:
        self.bench.inject(self.sim, fault)


@asynccontextmanager
async def rig_over(medium: str) -> AsyncIterator[Rig]:
    async with Bench.open(SystemClock()) as bench:
        framing = "tcp" if medium == "modbus+tcp" else "rtu"
        sim = catalogue.build("little-donkey", {}, 0, catalogue.Bus(framing, 3))  # type: ignore[arg-type]
        assert isinstance(sim, ModbusSim)
        port = await (bench.pty(sim) if medium == "modbus+rtu" else bench.tcp(sim))
        yield Rig(bench, sim, parse_link(f"{medium}://{port.address}"), Ports())


@pytest.fixture(params=["modbus+tcp", "modbus+rtu", "modbus+rtuovertcp"])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    async with rig_over(request.param) as made:
        yield made


@pytest.fixture
async def line() -> AsyncIterator[Rig]:
    async with rig_over("modbus+rtu") as made:
        yield made


@pytest.fixture
async def network() -> AsyncIterator[Rig]:
    async with rig_over("modbus+tcp") as made:
        yield made


def test_the_driver_is_found_by_its_name() -> None:
    assert load_driver("little-donkey") is SPEC
    assert SPEC.capability == "robot"


def test_actions_are_known_without_a_robot() -> None:
    assert list(SPEC.actions) == ["send", "hold", "resume", "open_door", "set_speed_limit", "dock"]
    (stop,) = SPEC.actions["send"].arguments
    assert (stop.name, stop.minimum, stop.maximum, stop.whole) == ("stop", 1, 65535, True)
    (speed,) = SPEC.actions["set_speed_limit"].arguments
    assert (speed.unit, speed.whole) == ("m/s", False)
    assert SPEC.actions["open_door"].hazardous


async def test_a_robot_is_read_whole(rig: Rig) -> None:
    async with rig.robot() as robot:
        assert isinstance(robot, Robot)
        sample = await robot.read()
    assert sample.values["state"] == "idle"
    assert sample.values["latitude_deg"] == pytest.approx(30.3010)
    assert sample.values["longitude_deg"] == pytest.approx(120.08)
    assert sample.values["battery_charge_percent"] == 100.0
    assert sample.absent == {"heartbeat_age_ms": "no heartbeat yet", "target_stop": "no errand"}
    assert not sample.suspect
    assert rig.sim.violations == []


async def test_an_errand_is_sent_and_read_back(rig: Rig) -> None:
    async with rig.robot() as robot:
        await robot.heartbeat()
        back = await robot.perform(7, "send", {"stop": 2})
        assert (back.outcome, back.reason) == ("done", "")
        assert (await robot.recall(7)).outcome == "done"
        assert (await robot.recall(6)).outcome == "unseen"
        sample = await robot.read()
        assert (sample.values["state"], sample.values["target_stop"]) == ("driving", 2)
    assert rig.sim.violations == []


async def test_a_number_that_was_taken_has_no_second_effect(network: Rig) -> None:
    async with network.robot() as robot:
        await robot.heartbeat()
        await robot.perform(7, "send", {"stop": 2})
        await robot.perform(8, "hold", {})
        assert (await robot.perform(7, "send", {"stop": 3})).outcome == "done"
        assert (await robot.read()).values["target_stop"] == 2


async def test_what_the_robot_refuses_comes_with_its_reason(rig: Rig) -> None:
    async with rig.robot() as robot:
        back = await robot.perform(1, "resume", {})
        assert (back.outcome, back.reason) == ("refused", "there is nothing to resume")


async def test_what_the_map_refuses_is_never_written(rig: Rig) -> None:
    async with rig.robot() as robot:
        back = await robot.perform(1, "open_door", {"door": 9})
        assert (back.outcome, back.reason) == ("refused", "open_door: door 9 is outside 1 to 8")
        assert (await robot.recall(1)).outcome == "unseen"


async def test_a_stop_latches_and_only_a_local_reset_and_then_a_resume_end_it(rig: Rig) -> None:
    async with rig.robot() as robot:
        await robot.heartbeat()
        await robot.perform(1, "send", {"stop": 2})
        await robot.stop()
        sample = await robot.read()
        assert (sample.values["state"], sample.values["e_stop_source"]) == ("stopped", "remote")
        assert (await robot.perform(2, "send", {"stop": 3})).outcome == "refused"
        back = await robot.perform(3, "resume", {})
        assert back.reason == "somebody must press the reset on the robot first"
        rig.inject("local-reset/1+1")
        assert (await robot.perform(4, "resume", {})).outcome == "done"
        assert (await robot.read()).values["stop_latched"] is False


async def test_the_stop_coil_cannot_be_cleared_from_here(network: Rig) -> None:
    async with network.robot() as robot:
        await robot.stop()
        with pytest.raises(Refusal, match="can be set, never cleared"):
            await robot.set("stop_request", False)


async def test_heartbeats_keep_changing_and_reach_the_robot(network: Rig) -> None:
    async with network.robot() as robot:
        seen = []
        for _ in range(3):
            await robot.heartbeat()
            seen.append((await robot.get(["heartbeat_in"])).values["heartbeat_in"])
        assert seen == [1, 2, 3]
        assert (await robot.read()).values["heartbeat_alive"] is True


async def test_the_robots_patience_is_set_on_connecting_where_the_site_says_so(network: Rig) -> None:
    async with network.robot(heartbeat_timeout_ms=1500) as robot:
        assert (await robot.get(["heartbeat_timeout_ms"])).values["heartbeat_timeout_ms"] == 1500


async def test_values_that_are_not_there_are_absent_with_a_reason(network: Rig) -> None:
    network.inject("no-position/1")
    network.inject("no-pack/1")
    async with network.robot() as robot:
        sample = await robot.read()
    assert sample.values["latitude_deg"] is None
    assert sample.absent["latitude_deg"] == "no position"
    assert sample.absent["battery_voltage_v"] == "no pack"


# Trouble


async def test_another_device_under_the_robots_unit_is_found_out(tmp_path: Path) -> None:
    text = map_path("little-donkey").read_text(encoding="utf-8").replace("equals: 19524", "equals: 4711")
    (tmp_path / "other.yaml").write_text(text, encoding="utf-8")
    async with rig_over("modbus+tcp") as rig:
        with pytest.raises(BadReply, match="unit 1 is no little-donkey: its map_id is 19524, not 4711"):
            async with rig.robot(map=str(tmp_path / "other.yaml")):
                pass


async def test_a_map_that_is_not_there_is_a_fault_of_the_site() -> None:
    with pytest.raises(ConfigError, match="shipped are little-donkey"):
        async with connect(
            Ports(), parse_link("modbus+tcp://127.0.0.1:1"), LittleDonkeySettings(map="x"), SystemClock()
        ):
            pass


async def test_a_robot_that_is_not_there_is_a_lost_link() -> None:
    for url in ("modbus+rtu:///dev/fleetd-absent", "modbus+tcp://127.0.0.1:1"):
        with pytest.raises(LinkLost):
            async with connect(Ports(), parse_link(url), LittleDonkeySettings(), SystemClock()):
                pass


async def test_a_silent_robot_does_not_take_the_line_from_the_others(rig: Rig) -> None:
    async with rig.robot(1) as one, rig.robot(2, timeout_ms=QUICK_MS) as two, rig.robot(3) as three:
        rig.inject("silent/2")
        readings = await asyncio.gather(one.read(), two.read(), three.read(), return_exceptions=True)
        assert [type(reading).__name__ for reading in readings] == ["Sample", "ReplyTimeout", "Sample"]
        assert not (await one.read()).suspect


async def test_a_wrong_crc_is_no_answer(line: Rig) -> None:
    async with line.robot(timeout_ms=QUICK_MS) as robot:
        line.inject("crc")
        with pytest.raises(BadReply, match="garbled"):
            await robot.read()


@pytest.mark.parametrize("fault", ["wrong-unit", "wrong-function", "short"])
async def test_an_answer_to_another_question_is_none(rig: Rig, fault: str) -> None:
    async with rig.robot(timeout_ms=QUICK_MS) as robot:
        rig.inject(fault)
        with pytest.raises((BadReply, LinkLost, ReplyTimeout)):
            await robot.read()


@pytest.mark.parametrize("fault", ["noise=7", "trickle=0.0002", "echo", "noise=1"])
async def test_a_bad_line_is_read_all_the_same(line: Rig, fault: str) -> None:
    async with line.robot() as robot:
        line.inject(fault)
        for _ in range(5):
            assert (await robot.read()).values["state"] == "idle"
        await robot.stop()
        assert (await robot.read()).values["state"] == "stopped"


async def test_what_decides_something_is_read_beyond_doubt(line: Rig) -> None:
    async with line.robot(timeout_ms=QUICK_MS) as robot:
        line.inject("silent+0.02")
        with pytest.raises(ReplyTimeout):
            await robot.read()
        assert (await robot.get(["last_command_number"])).suspect is False
        line.inject("silent+0.02")
        with pytest.raises(ReplyTimeout):
            await robot.read()
        assert (await robot.read()).suspect is False


async def test_an_exception_is_declined_and_the_next_question_is_answered(rig: Rig) -> None:
    async with rig.robot() as robot:
        rig.inject("exception=6+0.03")
        with pytest.raises(Declined, match="exception 6, server device busy"):
            await robot.read()
        await asyncio.sleep(0.04)
        await robot.read()


async def test_a_command_that_the_robot_declines_to_take_is_refused(rig: Rig) -> None:
    async with rig.robot() as robot:
        rig.inject("exception=6")
        back = await robot.perform(1, "hold", {})
        assert (back.outcome, back.reason) == ("refused", "answers with exception 6, server device busy")


async def test_a_command_whose_answer_got_lost_is_read_back_and_not_sent_again(rig: Rig) -> None:
    """The robot takes the command, its answer stays out, then it answers again."""
    async with rig.robot(timeout_ms=200) as robot:
        rig.inject("half+0.1" if rig.url.scheme != "modbus+tcp" else "late=0.3+0.05")
        back = await robot.perform(1, "hold", {})
        assert back.outcome == "done"


async def test_a_dead_robot_leaves_a_command_in_doubt(rig: Rig) -> None:
    async with rig.robot(timeout_ms=QUICK_MS) as robot:
        rig.inject("silent")
        with pytest.raises(ReplyTimeout):
            await robot.perform(1, "hold", {})
        with pytest.raises(ReplyTimeout):
            await robot.stop()


async def test_a_stop_that_is_not_obeyed_is_not_believed(network: Rig) -> None:
    async with network.robot() as robot:
        network.inject("frozen")
        await robot.read()
        with pytest.raises(BadReply, match="a stop was written, and stop_latched did not become so"):
            await robot.stop()


async def test_an_unplugged_line_is_lost_for_all_and_opened_anew(tmp_path: Path) -> None:
    link = tmp_path / "rs485"
    url, ports, settings = parse_link(f"modbus+rtu://{link}"), Ports(), LittleDonkeySettings(timeout_ms=200)
    async with Bench.open(SystemClock()) as bench:
        sim = catalogue.build("little-donkey", {}, 0, catalogue.Bus("rtu", 2))
        await bench.pty(sim, link=link)
        async with connect(ports, url, settings, SystemClock()) as robot:
            bench.inject(sim, "unplug+0.1")
            with pytest.raises(LinkLost):
                await reads_until_it_fails(robot)
        async with asyncio.timeout(5):
            assert (await first_read(ports, url, settings)).values["state"] == "idle"


async def reads_until_it_fails(robot: MapDevice) -> None:
    while True:
        await robot.read()


async def first_read(ports: Ports, url: LinkUrl, settings: LittleDonkeySettings) -> Sample:
    while True:
        with suppress(DeviceError):
            async with connect(ports, url, settings, SystemClock()) as robot:
                return await robot.read()
        await asyncio.sleep(0.02)


# A server that nobody here wrote


async def test_the_driver_reads_and_tells_pymodbus_own_server() -> None:
    """The golden sample in pymodbus' server: the driver must read what the map says, and write what it means."""
    from pymodbus.server import ModbusTcpServer
    from pymodbus.simulator import DataType, SimData, SimDevice

    robot_map = load_map("little-donkey")
    driving = robot_map.samples[0]
    registers = [0] * 64
    registers[0] = 0x4C44
    for address, run in driving.input.items():
        registers[address : address + len(run)] = run
    bits = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]
    holding = [SimData(0, values=[0] * 64, datatype=DataType.REGISTERS)]
    inputs = [SimData(0, values=registers, datatype=DataType.REGISTERS)]
    server = ModbusTcpServer(SimDevice(1, simdata=(bits, list(bits), holding, inputs)), address=("127.0.0.1", 0))
    await server.listen()
    try:
        port = server.transport.sockets[0].getsockname()[1]
        url = parse_link(f"modbus+tcp://127.0.0.1:{port}")
        async with connect(Ports(), url, LittleDonkeySettings(), SystemClock()) as robot:
            sample = await robot.read()
            assert {name: sample.values[name] for name in driving.values} == pytest.approx(dict(driving.values))
            await robot.set("heartbeat_timeout_ms", 700)
            assert (await robot.get(["heartbeat_timeout_ms"])).values["heartbeat_timeout_ms"] == 700
            await robot.set("stop_request", True)
            assert (await robot.get(["stop_request"])).values["stop_request"] is True
            assert (await robot.recall(7)).outcome == "done"
            assert (await robot.perform(7, "send", {"stop": 2})).outcome == "done"
            written = (await robot.get(["command_number", "command_argument_1", "command_crc"])).values
            assert (written["command_number"], written["command_argument_1"], written["command_crc"]) == (7, 2, 0x25C5)
    finally:
        await server.shutdown()


async def test_a_heartbeat_without_a_task_reaches_the_robot_and_says_once_how_it_ended(network: Rig) -> None:
    async with network.robot() as robot:
        assert isinstance(robot, Beating)
        for number in (1, 2, 3):
            told: asyncio.Queue[Exception | None] = asyncio.Queue()
            robot.beat(told.put_nowait)
            async with asyncio.timeout(2):
                assert await told.get() is None
            assert (await robot.get(["heartbeat_in"])).values["heartbeat_in"] == number
        heard: list[Exception | None] = []
        robot.beat(heard.append).give_up()
        assert (await robot.get(["heartbeat_in"])).values["heartbeat_in"] == 4
        assert heard == []
    robot.beat(heard.append)
    assert [type(each) for each in heard] == [LinkLost]
