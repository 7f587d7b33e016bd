"""The robot's side of the reference register map: a robot model in registers, requests taken from coils and commands.

What each number means is the map's; what the robot makes of a request is the model's. A command counts only with the
right CRC, and a number that was taken before has no second effect.
"""

from __future__ import annotations

import math
import struct
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence

from fleetd.records import Value
from fleetd.registers import codec
from fleetd.registers.model import RegisterMap
from fleetd_hil.faults import FaultKind, Faults
from fleetd_hil.models.robot import DEPOT, DOORS, RobotModel, Verdict
from fleetd_hil.sims.bank import RegisterBank
from fleetd_hil.sims.framing import crc16
from fleetd_hil.sims.modbus import ILLEGAL_ADDRESS, ILLEGAL_VALUE, Denial, Table

FAULTS = (
    FaultKind("button", "the red button is held down while the fault lasts"),
    FaultKind("bumper", "something presses the bumper while the fault lasts"),
    FaultKind("local-reset", "somebody presses the reset on the robot when the fault begins"),
    FaultKind("faulty", "these fault bits are reported, and the robot does not drive", 1.0, "bits"),
    FaultKind("no-position", "the position is lost"),
    FaultKind("no-odometry", "the speed is not known"),
    FaultKind("no-pack", "the battery does not report"),
    FaultKind("frozen", "the robot's computer hangs: it answers, always the same, and takes nothing"),
    FaultKind("trusting", "a resume ends a stop although nobody has pressed the reset on the robot"),
)

_SETS_GOING = ("send", "resume", "dock")
_KNOWN_AFTER_S = 1.0  # from the answer that tells of a stop until whoever asked has to act by it
_REMEMBERED = 256  # command numbers; a daemon repeats one within seconds or after a restart
_ABSENT_BY_FAULT: Mapping[str, tuple[str, ...]] = {
    "no-position": ("latitude_deg", "longitude_deg", "heading_deg"),
    "no-odometry": ("speed_m_s",),
    "no-pack": (
        "battery_voltage_v",
        "battery_current_a",
        "battery_charge_percent",
        "battery_temperature_c",
        "range_m",
    ),
}
_DOORS = tuple(f"door_{number}_open" for number in range(1, DOORS + 1))
_EMPTY_PACK_V, _FULL_PACK_V = 48.0, 56.0  # assumed: the robot's pack is not published


class LittleDonkeyUnit:
    """One robot at one Modbus address."""

    def __init__(self, register_map: RegisterMap, model: RobotModel, faults: Faults, number: int) -> None:
        self.turnaround_s = model.build.turnaround_s
        self.model = model
        self._bank = RegisterBank(register_map)
        self.conduct = self._bank.conduct
        self._faults = faults
        self._number = number
        self._at_s: float | None = None
        self._taken: OrderedDict[int, tuple[int, str]] = OrderedDict()
        self.performed: deque[int] = deque(maxlen=10_000)
        """The numbers of the commands that it has carried out or refused, each once, in order."""
        self.acts: deque[tuple[float, str]] = deque(maxlen=10_000)
        """Running time and name of each of them."""
        self.against_stop: deque[tuple[float, str]] = deque(maxlen=100)
        """What set it going, or would have, although it had said before that its stop needs somebody on the spot."""
        self._said_latched_s: float | None = None
        self._last_command = 0
        self._heartbeat_in = 0
        self._route_id = 0
        self._frozen: dict[str, Value] | None = None
        self._was_down: dict[str, bool] = {}
        self._was_broken = False
        self._decoders: dict[tuple[int, int], codec.Decoder | None] = {}
        command = register_map.command
        if command is None:
            raise ValueError(f"register map {register_map.name} has no command block")
        self._command_at = register_map.by_name[command.number].address
        self._command_end = register_map.by_name[command.crc].end
        self._sound = dict.fromkeys(register_map.by_name["faults"].fields, False)
        self._safety_at = register_map.by_name["safety_chain"]
        self._acts: Mapping[str, Callable[[int], Verdict]] = {
            "send": model.send,
            "hold": lambda _: model.hold(),
            "resume": lambda _: model.resume(),
            "open_door": model.open_door,
            "set_speed_limit": lambda speed_mm_s: model.limit_speed(speed_mm_s / 1000),
            "dock": lambda _: model.send(DEPOT),
        }

    def read(self, table: Table, address: int, count: int, at_s: float) -> Sequence[int]:
        self.advance(at_s)
        where = self._safety_at
        if table == where.table and address <= where.address < address + count and self._frozen is None:
            self._say_latched(at_s)
        return self._bank.cells(self._frozen or self._values(at_s), table, address, count)

    def write(self, table: Table, address: int, cells: Sequence[int], at_s: float) -> None:
        self.advance(at_s)
        self._bank.check(table, address, len(cells))
        if self._frozen is not None:
            return
        if table == "coil":
            self._set_coils(codec.decode(self._bank.map, table, address, cells).values, at_s)
        elif address < self._command_end and address + len(cells) > self._command_at:
            self._command(address, cells, at_s)
        else:
            self._set_registers(address, cells)

    def _say_latched(self, at_s: float) -> None:
        """It is just being read whether somebody has to press its reset."""
        if not self.model.reset_pending:
            self._said_latched_s = None
        elif self._said_latched_s is None:
            self._said_latched_s = at_s

    def advance(self, at_s: float) -> None:
        """Bring the robot up to running time `at_s`, breaking and mending it where faults begin and end."""
        if self._at_s is None:
            self._at_s = at_s
        for edge_s in self._faults.edges(self._at_s, at_s):
            self._break(self._at_s)
            self.model.step(edge_s - self._at_s)
            self._at_s = edge_s
        self._break(at_s)

    def _break(self, at_s: float) -> None:
        if not self._faults and not self._was_broken:
            return
        self._was_broken = bool(self._faults)  # once more after the last is cleared, to mend everything
        model = self.model
        model.faulty = self._fault("faulty", at_s) is not None
        model.trusting = self._fault("trusting", at_s) is not None
        model.pressed = False
        for source in ("button", "bumper"):
            if self._fault(source, at_s) is not None:
                model.pressed = True
                model.stop(source)
        if self._begins("local-reset", at_s):
            model.reset()
        if self._fault("frozen", at_s) is None:
            self._frozen = None
        elif self._frozen is None:
            self._frozen = self._values(at_s)

    def _begins(self, name: str, at_s: float) -> bool:
        before, self._was_down[name] = self._was_down.get(name, False), self._fault(name, at_s) is not None
        return self._was_down[name] and not before

    def _fault(self, name: str, at_s: float) -> float | None:
        return self._faults.value(name, at_s, self._number)

    # What is written

    def _set_coils(self, values: Mapping[str, Value], at_s: float) -> None:
        if values.get("stop_request"):
            self.model.stop("remote")
        if (hold := values.get("hold_request")) is not None:
            self.model.hold() if hold else self.model.take_back_hold()
        if values.get("resume_request"):
            self._witness("resume", at_s)
            self.model.resume()

    def _set_registers(self, address: int, cells: Sequence[int]) -> None:
        values = self._meaning(address, cells)
        if not values or None in values.values():
            raise Denial(ILLEGAL_VALUE if values else ILLEGAL_ADDRESS)
        for name, value in values.items():
            self._set_register(name, float(value or 0))

    def _meaning(self, address: int, cells: Sequence[int]) -> Mapping[str, Value]:
        """What is written; how the same few rows of registers are read is worked out once for each."""
        key = address, len(cells)
        if key not in self._decoders:
            self._decoders[key] = codec.decoder(self._bank.map, "holding", *key)
        decoded = codec.Decoded()
        if (decoder := self._decoders[key]) is not None:
            decoder.decode(codec.pack("holding", cells), decoded)
        return decoded.values

    def _set_register(self, name: str, value: float) -> None:
        if name == "heartbeat_in" and int(value) != self._heartbeat_in:
            self._heartbeat_in = int(value)
            self.model.beat()
        elif name == "heartbeat_timeout_ms":
            self.model.heartbeat_timeout_s = value / 1000
        elif name == "speed_limit_m_s":
            self.model.limit_speed(value)
        elif name == "route_id":
            self._route_id = int(value)

    def _command(self, address: int, cells: Sequence[int], at_s: float) -> None:
        sent = struct.pack(f">{len(cells)}H", *cells)
        whole = address == self._command_at and address + len(cells) == self._command_end
        if not whole or crc16(sent[:-2]) != cells[-1]:
            raise Denial(ILLEGAL_VALUE)
        number, code, first, _ = struct.unpack(">IHii", sent[:-2])
        if number == 0:
            raise Denial(ILLEGAL_VALUE)
        self._last_command = number
        if number in self._taken:
            return
        name = next((action.name for action in self._bank.map.actions if action.code == code), "")
        self._witness(name, at_s)
        self._taken[number] = (code, self._perform(name, first))
        self.performed.append(number)
        self.acts.append((at_s, name))
        while len(self._taken) > _REMEMBERED:
            self._taken.popitem(last=False)

    def _witness(self, name: str, at_s: float) -> None:
        """Note what sets it going against a stop of which it has told, long enough ago to be known."""
        said_s = self._said_latched_s
        if name in _SETS_GOING and self.model.reset_pending and said_s is not None and at_s - said_s > _KNOWN_AFTER_S:
            self.against_stop.append((at_s, name))

    def _perform(self, name: str, argument: int) -> str:
        return self._acts[name](argument) if name in self._acts else "unknown_code"

    # What is shown

    def _values(self, at_s: float) -> dict[str, Value]:
        code, result = self._taken.get(self._last_command, (0, "none"))
        values: dict[str, Value] = {
            "map_id": 0x4C44,
            "map_version": 1,
            "heartbeat_in": self._heartbeat_in,
            "heartbeat_timeout_ms": round(1000 * self.model.heartbeat_timeout_s),
            "speed_limit_m_s": self.model.speed_limit_m_s,
            "route_id": self._route_id,
            "stop_request": bool(self.model.latched_by),
            "hold_request": self.model.holding,
            "last_command_number": self._last_command,
            "last_command_code": code,
            "last_command_result": result,
            **self._safety(at_s),
            **self._motion(),
            **self._battery(),
            **dict(zip(_DOORS, self.model.doors_open, strict=True)),
        }
        for fault, names in _ABSENT_BY_FAULT.items() if self._faults else ():
            if self._fault(fault, at_s) is not None:
                values |= dict.fromkeys(names)
        return values

    def _safety(self, at_s: float) -> dict[str, Value]:
        model = self.model
        age_s = model.heartbeat_age_s
        reported = int(self._fault("faulty", at_s) or 0)
        faults = self._bank.map.by_name["faults"].fields
        broken = {name: bool(reported >> field.bit & 1) for name, field in faults.items()} if reported else self._sound
        return {
            "state": model.state,
            "e_stop_source": model.latched_by or "none",
            "stop_latched": bool(model.latched_by),
            "local_reset_pending": model.reset_pending,
            "e_stop_pressed": self._fault("button", at_s) is not None,
            "bumper_pressed": self._fault("bumper", at_s) is not None,
            "brake_applied": not model.moving,
            "heartbeat_alive": model.heartbeat_alive,
            "heartbeat_counter": int(model.seconds) & 0xFFFF,
            "heartbeat_age_ms": None if math.isinf(age_s) else min(65534, int(1000 * age_s)),
            **broken,
        }

    def _motion(self) -> dict[str, Value]:
        model, place = self.model, self.model.place
        return {
            "speed_m_s": model.speed_m_s,
            "heading_deg": model.heading_deg,
            "latitude_deg": place.latitude_deg,
            "longitude_deg": place.longitude_deg,
            "odometer_m": int(model.odometer_m),
            "last_stop": model.last_stop or None,
            "target_stop": model.target or None,
            "speed_limit_in_force_m_s": min(model.build.top_m_s, model.speed_limit_m_s),
            "parcels": model.parcels,
            "rssi_dbm": -58 - round(8 * (1 + math.sin(place.latitude_deg * 4000))),
        }

    def _battery(self) -> dict[str, Value]:
        model = self.model
        voltage_v = _EMPTY_PACK_V + (_FULL_PACK_V - _EMPTY_PACK_V) * model.charge_percent / 100
        hours = model.energy_wh / model.build.moving_w
        return {
            "battery_voltage_v": voltage_v,
            "battery_current_a": model.power_w / voltage_v,
            "battery_charge_percent": model.charge_percent,
            "battery_temperature_c": 28.0 if model.moving else 24.0,
            "range_m": int(hours * 3600 * model.build.cruise_m_s),
        }
