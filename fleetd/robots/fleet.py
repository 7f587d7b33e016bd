"""The newest that is known of each robot, for whoever asks; nothing is stored and nothing is commanded here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from fleetd.clock import Clock
from fleetd.devices import ActionSpec, LinkQuality
from fleetd.errors import Refusal
from fleetd.hub import Hub
from fleetd.records import DeviceState, Event, Quality, Reading, Result, Value
from fleetd.robots.changes import Changes
from fleetd.robots.judge import ALL, listed
from fleetd.robots.poll import Poller
from fleetd.robots.settings import Place
from fleetd.robots.zones import Zones
from fleetd.supervise import PastError


@dataclass(frozen=True, slots=True)
class Member:
    """One robot of the fleet: how it is polled, which driver speaks to it, and what it can be told."""

    poller: Poller
    driver: str
    actions: Mapping[str, ActionSpec]

    @property
    def name(self) -> str:
        """The robot's configured name."""
        return self.poller.device.name


class RobotSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One robot in a line. What its readings do not hold, or not any more, is None."""

    name: str
    driver: str
    state: DeviceState
    reason: str
    at: datetime | None
    """When the newest reading was taken."""
    quality: Quality | None
    mode: str | None
    """What the robot says that it is doing."""
    battery_percent: float | None
    errand: str | None
    """Where it is going: the name of a place of the site, else the stop's number."""
    latitude_deg: float | None
    longitude_deg: float | None
    speed_m_s: float | None
    stop_latched: bool | None
    rssi_dbm: float | None
    link: LinkQuality | None
    """How its line does; None where its driver cannot say, or is not connected."""
    last_result: Result | None
    """How far its newest command has come."""


class RobotDetail(RobotSummary, frozen=True, kw_only=True):
    """One robot with all that it said last, and what it can be told."""

    values: Mapping[str, Value]
    absent: Mapping[str, str]
    actions: Mapping[str, ActionSpec]
    errors: tuple[PastError, ...]
    """What went wrong with it last, newest first."""


class FleetSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The fleet in one line. `modes` counts the robots that are online by what they say they are doing."""

    robots: int
    online: int
    stale: int
    offline: int
    quarantined: int
    stop_latched: int
    modes: Mapping[str, int]
    lowest_battery_percent: float | None


@dataclass(slots=True)
class Fleet:
    """All robots of the site, by name."""

    members: Mapping[str, Member]
    places: Mapping[str, Place]
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    zones: Zones = field(default_factory=lambda: Zones({}))
    _changes: Changes = field(default_factory=Changes)
    _readings: dict[str, Reading] = field(default_factory=dict)
    _results: dict[str, Result] = field(default_factory=dict)

    async def watch(self, hub: Hub) -> None:
        """For ever: keep the newest reading and the newest result of each robot, and publish what changed."""
        with hub.subscribe("fleet", Reading, Result) as records:
            async for record in records:
                if isinstance(record, Reading) and record.device in self.members:
                    self._readings[record.device] = record
                    for event in (*self._changes.of(record), *self.zones.crossed(record)):
                        hub.publish(event)
                elif isinstance(record, Result) and record.device in self.members:
                    self._results[record.device] = record

    async def summarise(self, hub: Hub, clock: Clock, period_s: float) -> None:
        """For ever: publish the fleet in one line, each `period_s` if it is another than before."""
        told: FleetSummary | None = None
        while True:
            await clock.sleep(period_s)
            if self.members and (now := self.summary()) != told:
                told = now
                hub.publish(_summary_event(now, clock))

    def list(self) -> list[RobotSummary]:
        """One line a robot, by name."""
        return [self._summary(member) for _, member in sorted(self.members.items())]

    def show(self, name: str) -> RobotDetail:
        """All that is known of one robot. Raises Refusal naming the robots that there are."""
        member = self.member(name)
        reading = self._readings.get(name)
        return RobotDetail(
            **msgspec.structs.asdict(self._summary(member)),
            values=reading.values if reading else {},
            absent=reading.absent if reading else {},
            actions=member.actions,
            errors=tuple(reversed(member.poller.device.errors)),
        )

    def member(self, name: str) -> Member:
        """One robot. Raises Refusal naming the robots that there are."""
        try:
            return self.members[name]
        except KeyError:
            known = listed(self.members)
            raise Refusal("unknown-device", f"there is no robot {name!r}; there are {known}") from None

    def addressed(self, name: str) -> tuple[str, ...] | None:
        """The robots of a group, or all of them for `all`; None where the name is no group's."""
        return tuple(self.members) if name == ALL else self.groups.get(name)

    def summary(self) -> FleetSummary:
        """The fleet in one line."""
        states = Counter(member.poller.device.state for member in self.members.values())
        said = {name: reading.values for name, reading in self._readings.items()}
        online = [
            said.get(name, {})
            for name, member in self.members.items()
            if member.poller.device.state is DeviceState.ONLINE
        ]
        charges = (_number(values.get("battery_charge_percent")) for values in online)
        return FleetSummary(
            robots=len(self.members),
            online=states[DeviceState.ONLINE],
            stale=states[DeviceState.STALE],
            offline=states[DeviceState.OFFLINE],
            quarantined=states[DeviceState.QUARANTINED],
            stop_latched=sum(values.get("stop_latched") is True for values in said.values()),
            modes=dict(Counter(_text(values.get("state")) or "unknown" for values in online)),
            lowest_battery_percent=min((charge for charge in charges if charge is not None), default=None),
        )

    def _summary(self, member: Member) -> RobotSummary:
        device = member.poller.device
        reading = self._readings.get(device.name)
        values: Mapping[str, Value] = reading.values if reading else {}
        return RobotSummary(
            name=device.name,
            driver=member.driver,
            state=device.state,
            reason=device.reason,
            at=reading.at if reading else None,
            quality=reading.quality if reading else None,
            mode=_text(values.get("state")),
            battery_percent=_number(values.get("battery_charge_percent")),
            errand=self._errand(values.get("target_stop")),
            latitude_deg=_number(values.get("latitude_deg")),
            longitude_deg=_number(values.get("longitude_deg")),
            speed_m_s=_number(values.get("speed_m_s")),
            stop_latched=_flag(values.get("stop_latched")),
            rssi_dbm=_number(values.get("rssi_dbm")),
            link=getattr(device.driver, "link_quality", None),
            last_result=self._results.get(device.name),
        )

    def _errand(self, stop: Value) -> str | None:
        if stop is None:
            return None
        return next((name for name, place in self.places.items() if place.stop == stop), str(stop))


def _summary_event(summary: FleetSummary, clock: Clock) -> Event:
    counts = ", ".join(f"{count} {mode}" for mode, count in sorted(summary.modes.items()))
    return Event(
        at=clock.now(),
        clock_synced=clock.synced,
        source="fleet",
        name="fleet-summary",
        text=f"{summary.online} of {summary.robots} robots online{f' ({counts})' if counts else ''}, "
        f"{summary.stop_latched} stopped",
        detail=msgspec.to_builtins(summary),
    )


def _text(value: Value) -> str | None:
    return None if value is None else str(value)


def _number(value: Value) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _flag(value: Value) -> bool | None:
    return value if isinstance(value, bool) else None
