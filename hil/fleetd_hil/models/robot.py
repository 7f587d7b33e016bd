"""A delivery robot: it drives routes between stops, drains its battery, opens doors, and stops by itself.

Published figures of the Little Donkey: 15 km/h cruise, 4 kWh, 615 W while moving, 50 parcels in 8 compartments.
Assumed: 60 W at rest, 1.5 m/s² of braking, the charger, how long a door stays open. A stop latches; it takes the reset
on the spot and then a resume to end it. Not here: registers, and how a command is worded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from fleetd_hil.models.motion import Motion
from fleetd_hil.models.streets import Point, Route, Streets

DOORS = 8
DEPOT = 1
_LEAST_STEP_S = 1e-3


@dataclass(frozen=True, slots=True)
class RobotBuild:
    """How a robot is built and kept."""

    cruise_m_s: float = 15 / 3.6
    top_m_s: float = 20 / 3.6
    acceleration_m_s2: float = 1.0
    deceleration_m_s2: float = 1.5
    battery_wh: float = 4000.0
    moving_w: float = 615.0
    idle_w: float = 60.0
    charger_w: float = 1500.0
    start_charge_percent: float = 100.0
    least_charge_percent: float = 5.0
    heartbeat_timeout_s: float = 5.0
    door_open_s: float = 20.0
    keeper_s: float = 0.0
    """How long after a stop somebody comes and presses the reset; 0 for never."""
    turnaround_s: float = 0.005
    """How long the controller thinks before it answers."""


class State(StrEnum):
    """What the robot is doing; the words are those of the reference register map."""

    IDLE = "idle"
    DRIVING = "driving"
    HOLDING = "holding"
    STOPPED = "stopped"
    CHARGING = "charging"
    FAULTY = "faulty"


class Verdict(StrEnum):
    """What the robot makes of a request."""

    DONE = "done"
    OUT_OF_RANGE = "out_of_range"
    STOP_LATCHED = "stop_latched"
    LOCAL_RESET_PENDING = "local_reset_pending"
    MOVING = "moving"
    LOW_BATTERY = "low_battery"
    FAULTY = "faulty"
    DOOR_OPEN = "door_open"
    NOT_HOLDING = "not_holding"


class RobotModel:
    """One robot in its streets. Public attributes are its state; those that a fault sets say so."""

    def __init__(self, build: RobotBuild, streets: Streets, start: int = DEPOT, parcels: int = 0) -> None:
        self.build = build
        self.streets = streets
        self.faulty = False  # set from outside: the robot will not drive while it is
        self.trusting = False  # set from outside: a resume ends a stop that nobody has reset on the spot
        self.pressed = False  # set from outside: the red button or the bumper is held down
        self.seconds = 0.0
        self.energy_wh = build.battery_wh * build.start_charge_percent / 100
        self.heartbeat_timeout_s = build.heartbeat_timeout_s
        self.speed_limit_m_s = build.top_m_s
        self.holding = False
        self.latched_by = ""
        self.reset_pending = False
        self.target = 0
        self.last_stop = start
        self.parcels = parcels
        self._odometer_m = 0.0
        self._charging = False
        self._doors_close_s = [-math.inf] * DOORS
        self._doors_close_at_s = -math.inf  # the last of them
        self._beat_s = -math.inf
        self._watched_from_s = math.inf
        self._reset_at_s = math.inf
        self._route = Route([streets.stops[start]])
        self._heading_deg = 0.0
        self._wheels = Motion(0.0, build.acceleration_m_s2, build.deceleration_m_s2)

    # What can be seen

    @property
    def state(self) -> State:
        """The one word for it all, worst first."""
        if self.latched_by:
            return State.STOPPED
        if self.faulty:
            return State.FAULTY
        if self.holding:
            return State.HOLDING
        if self.target or self.speed_m_s:
            return State.DRIVING
        return State.CHARGING if self._charging and self.charge_percent < 100 else State.IDLE

    @property
    def speed_m_s(self) -> float:
        """How fast the wheels turn."""
        return self._wheels.velocity

    @property
    def moving(self) -> bool:
        """Whether the wheels turn."""
        return self._wheels.velocity != 0

    @property
    def place(self) -> Point:
        """Where it is."""
        return self._route.place(self._wheels.position)

    @property
    def heading_deg(self) -> float:
        """Where its nose points, clockwise from north."""
        heading_deg = self._route.heading_deg(self._wheels.position)
        return self._heading_deg if heading_deg is None else heading_deg

    @property
    def odometer_m(self) -> float:
        """All that it has driven."""
        return self._odometer_m + self._wheels.position

    @property
    def charge_percent(self) -> float:
        """Of a full battery."""
        return 100 * self.energy_wh / self.build.battery_wh

    @property
    def power_w(self) -> float:
        """What it takes from the battery now; negative while charging."""
        if self._charging:
            return self.build.idle_w - self.build.charger_w if self.charge_percent < 100 else 0.0
        return self.build.moving_w if self.moving else self.build.idle_w

    @property
    def doors_open(self) -> list[bool]:
        """Each compartment's door."""
        return [closes_s > self.seconds for closes_s in self._doors_close_s]

    @property
    def heartbeat_age_s(self) -> float:
        """Since the supervisor last showed life; infinite before it first did."""
        return self.seconds - self._beat_s

    @property
    def heartbeat_alive(self) -> bool:
        """Whether the supervisor's heartbeat is fresh."""
        return self.heartbeat_age_s <= self.heartbeat_timeout_s

    # What can be asked of it

    def send(self, stop: int) -> Verdict:
        """Drive to a stop of the network."""
        if stop not in self.streets.stops:
            return Verdict.OUT_OF_RANGE
        refused = self._cannot_set_out()
        if refused is not None:
            return refused
        self._set_out(stop)
        return Verdict.DONE

    def hold(self) -> Verdict:
        """Pause where it stands, errand kept."""
        if self.latched_by:
            return Verdict.STOP_LATCHED
        self.holding = True
        return Verdict.DONE

    def take_back_hold(self) -> None:
        """End a hold by him who asked for it; a latched stop stays."""
        self.holding = False
        self._watched_from_s = self.seconds

    def resume(self) -> Verdict:
        """Go on after a hold; or after a stop, once it has been reset on the spot."""
        if self.latched_by:
            if self.reset_pending and not self.trusting:
                return Verdict.LOCAL_RESET_PENDING
            self.latched_by, self.reset_pending = "", False
        elif not self.holding:
            return Verdict.NOT_HOLDING
        self.holding = False
        self._watched_from_s = self.seconds
        return Verdict.DONE

    def stop(self, source: str) -> None:
        """Brake now and latch; always taken. `source` is kept from the first stop on."""
        self.latched_by = self.latched_by or source
        self.reset_pending = True
        self._reset_at_s = self.seconds + self.build.keeper_s if self.build.keeper_s else math.inf

    def reset(self) -> None:
        """Somebody presses the reset on the robot; of no use while the button or bumper is held down."""
        if not self.pressed:
            self.reset_pending = False
            self._reset_at_s = math.inf

    def open_door(self, door: int) -> Verdict:
        """Open compartment 1 to 8; somebody takes a parcel and it closes."""
        if not 1 <= door <= DOORS:
            return Verdict.OUT_OF_RANGE
        if self.moving:
            return Verdict.MOVING
        if not self.doors_open[door - 1]:
            self.parcels = max(0, self.parcels - 1)
        self._doors_close_s[door - 1] = self._doors_close_at_s = self.seconds + self.build.door_open_s
        return Verdict.DONE

    def limit_speed(self, speed_m_s: float) -> Verdict:
        """Drive no faster than this from now on, 0.1 m/s to the top speed."""
        if not 0.1 <= speed_m_s <= self.build.top_m_s + 1e-3:
            return Verdict.OUT_OF_RANGE
        self.speed_limit_m_s = speed_m_s
        return Verdict.DONE

    def beat(self) -> None:
        """The supervisor shows life."""
        self._beat_s = self.seconds

    # Time

    def step(self, dt_s: float) -> None:
        """Let `dt_s` seconds pass, from event to event, so that one long step is as good as many short ones."""
        left_s = dt_s
        if self._at_rest:
            self._pass(0.0, left_s)
            return
        while left_s > 0:
            slice_s = min(left_s, self._until_event_s())
            driving = self.target != 0 and self._free()
            goal_m = self._route.length_m if driving else None
            rest_s = self._wheels.step(slice_s, goal_m, min(self.build.cruise_m_s, self.speed_limit_m_s))
            arrived = driving and rest_s > 0
            self._pass(slice_s - rest_s, 0.0 if arrived else rest_s)
            left_s -= slice_s - rest_s if arrived else slice_s
            if arrived:
                self._arrive()
            self._check()

    @property
    def _at_rest(self) -> bool:
        """Whether nothing can happen by itself but that time passes."""
        return not (self.target or self.moving or self._reset_at_s < math.inf or self._doors_close_at_s > self.seconds)

    def _pass(self, moving_s: float, resting_s: float) -> None:
        self.seconds += moving_s + resting_s
        at_rest_w = self.build.idle_w - (self.build.charger_w if self._charging else 0.0)
        spent_wh = (moving_s * self.build.moving_w + resting_s * at_rest_w) / 3600
        self.energy_wh = min(self.build.battery_wh, max(0.0, self.energy_wh - spent_wh))
        self.last_stop = self._route.last_stop(self._wheels.position) or self.last_stop

    def _check(self) -> None:
        """What happens by itself at this instant."""
        if self.seconds >= self._heartbeat_due_s() and not self.latched_by:
            self.stop("heartbeat")
        if self.energy_wh <= 0 and self.target and not self.latched_by:
            self.stop("safety_brain")
        if self.seconds >= self._reset_at_s:
            self.reset()

    def _until_event_s(self) -> float:
        empty_s = self.energy_wh / self.build.moving_w * 3600 if self.target else math.inf
        events_s = [self._heartbeat_due_s() - self.seconds, self._reset_at_s - self.seconds, empty_s]
        events_s += [closes_s - self.seconds for closes_s in self._doors_close_s]
        return max(_LEAST_STEP_S, min((event_s for event_s in events_s if event_s > 0), default=math.inf))

    def _heartbeat_due_s(self) -> float:
        """When the robot will stop for want of a heartbeat: only on an errand is there something to stop."""
        if not self.target or self.latched_by:
            return math.inf
        return max(self._beat_s, self._watched_from_s) + self.heartbeat_timeout_s

    def _free(self) -> bool:
        return not (self.latched_by or self.holding or self.faulty or any(self.doors_open))

    def _cannot_set_out(self) -> Verdict | None:
        checks = (
            (bool(self.latched_by), Verdict.STOP_LATCHED),
            (self.faulty, Verdict.FAULTY),
            (self.moving, Verdict.MOVING),
            (any(self.doors_open), Verdict.DOOR_OPEN),
            (self.charge_percent < self.build.least_charge_percent, Verdict.LOW_BATTERY),
        )
        return next((verdict for refused, verdict in checks if refused), None)

    def _set_out(self, stop: int) -> None:
        self._heading_deg = self.heading_deg
        route = self.streets.route(self._route, self._wheels.position, stop)
        self._odometer_m += self._wheels.position
        self._route, self._wheels.position = route, 0.0
        self.target, self.holding, self._charging = stop, False, False
        self._watched_from_s = self.seconds

    def _arrive(self) -> None:
        self._charging = self.target == DEPOT
        self.target = 0
