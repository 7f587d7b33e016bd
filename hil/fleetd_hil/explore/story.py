"""What befalls a site at random, and when: faults, orders, the world around it. All is over when the calm begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from random import Random
from typing import Any

from fleetd_hil import catalogue
from fleetd_hil.explore.sites import KEY_FILE, PLACES, WHOLE
from fleetd_hil.explore.sky import Sky, moved
from fleetd_hil.faults import FaultKind
from fleetd_hil.line import FAULTS as LINE_FAULTS

Plain = dict[str, Any]

PORTAL, MOVED, EMPTY = "portal.html", "moved.json", "empty.json"
_BREAKS_LIMITS = frozenset({"runaway", "wrong-way", "overshoot", "glitch", "wrapped", "frozen", "tremble", "drift"})
"""Motors or scales that lie: no daemon can keep an antenna within narrower bounds than its end stops then."""
_SMALL_STEPS, _LARGE_STEPS = ("0.4 s", "-0.4 s"), ("3 s", "-3 s", "5 min", "-5 min", "1 h", "-1 h", "20 d")
_ANTENNA_ALARMS = ("wind", "motor-stalled", "motor-runaway", "motor-wrong-way", "feedback-frozen")
SHORTEST_CALM_S = 220.0
"""The calm begins no sooner: the longest trouble has to begin and to end before it."""
_TOGETHER, _STORMY = 0.2, 0.2


class Storyteller:
    """Composes the time line of one story."""

    def __init__(self, draw: Random, site: Plain, sky: Sky, calm_s: float, aos_s: float) -> None:
        self._draw = draw
        self._site = site
        self._sky = sky
        self._calm_s = calm_s
        self._aos_s = aos_s
        self._devices = {device["name"]: device for device in site["devices"]}
        self._antennas: list[Plain] = site["antennas"]
        self._robots = [name for name, device in self._devices.items() if device["driver"] == "little-donkey"]
        self._transmits = any(antenna.get("transmit") for antenna in self._antennas)
        self._times_s: list[float] = []
        self._sent = 0

    def tell(self) -> list[Plain]:
        """Steps in the words of a scenario, `at` in seconds."""
        draw = self._draw
        much = 3 if draw.random() < _STORMY else 1
        steps = [step for _ in range(much * draw.randint(0, 9)) for step in self._faults()]
        for _ in range(much * draw.choice((0, 1, 1, 2, 3))):
            steps += draw.choice(
                (self._broker, self._broker, self._clock, self._daemon, self._daemon, self._elements)
            )()
        steps += [self._order() for _ in range(much * draw.randint(0, 10))]
        return sorted(steps, key=lambda step: float(step["at"]))

    def _when(self, before_s: float = 0.0) -> float:
        """An instant that leaves `before_s` until the calm; often near AOS, or beside another."""
        draw, last_s = self._draw, self._calm_s - 1.0 - before_s
        if self._times_s and draw.random() < _TOGETHER:
            at_s = draw.choice(self._times_s) + draw.choice((0.0, 0.0, 0.1, 1.0))
        elif draw.random() < 0.4:
            at_s = self._aos_s + draw.uniform(-40, 120)
        else:
            at_s = draw.uniform(5.0, last_s)
        at_s = round(min(max(at_s, 1.0), last_s), 1)
        self._times_s.append(at_s)
        return at_s

    # What breaks

    def _faults(self) -> Iterator[Plain]:
        """One, or two of one device at a time."""
        name = self._draw.choice(sorted(self._devices))
        for _ in range(2 if self._draw.random() < 0.15 else 1):
            yield self._fault(name)

    def _fault(self, name: str) -> Plain:
        draw = self._draw
        kind = draw.choice([kind for kind in self._faults_of(name) if self._bearable(name, kind)])
        lasting_s = draw.choice((0.5, 3.0, 20.0, 60.0, 120.0))
        value = f"={_value(draw, kind)}" if kind.unit else ""
        return {"at": self._when(lasting_s), "fault": f"{kind.name}{value}+{lasting_s:g}", "of": name}

    def _faults_of(self, name: str) -> list[FaultKind]:
        device = self._devices[name]
        sim = device.get("settings", {}).get("map") or device["driver"]
        return [*catalogue.find(sim).faults, *LINE_FAULTS]

    def _bearable(self, name: str, kind: FaultKind) -> bool:
        """Whether the daemon could keep its promises while it lasts."""
        if kind.name == "stall" and self._devices[name]["driver"] == "spid-rot2":
            return False  # what was said to it in good time it hears all at once afterwards, and calls that too soon
        for antenna in self._antennas:
            if antenna["rotator"] == name and kind.name in _BREAKS_LIMITS:
                bounds = (tuple(antenna["azimuth_limits_deg"]), tuple(antenna["elevation_limits_deg"]))
                return bounds == WHOLE[self._devices[name]["driver"]] and "mask_deg" not in antenna
        return True

    # The world around

    def _broker(self) -> list[Plain]:
        lasting_s = self._draw.choice((1.0, 10.0, 60.0, 200.0))
        at_s = self._when(lasting_s)
        gone, back = self._draw.choice((("away", "back"), ("mute", "heed"), ("hung", "heed")))
        return [{"at": at_s, "broker": gone}, {"at": round(at_s + lasting_s, 1), "broker": back}]

    def _clock(self) -> list[Plain]:
        draw = self._draw
        if draw.random() < 0.5:
            lasting_s = draw.choice((5.0, 60.0, 150.0))
            at_s = self._when(lasting_s)
            return [
                {"at": at_s, "clock": "unsynchronised"},
                {"at": round(at_s + lasting_s, 1), "clock": "synchronised"},
            ]
        # Whoever transmits by a clock that is trusted and wrong cannot know that nobody is up there.
        by = draw.choice(_SMALL_STEPS if self._transmits else (*_SMALL_STEPS, *_LARGE_STEPS))
        steps: list[Plain] = [{"at": self._when(30.0), "clock": by}]
        if draw.random() < 0.5:
            back = by[1:] if by.startswith("-") else f"-{by}"
            steps.append({"at": round(steps[0]["at"] + draw.choice((1.0, 29.0)), 1), "clock": back})
        return steps

    def _daemon(self) -> list[Plain]:
        return [{"at": self._when(), "daemon": self._draw.choice(("power-cut", "restart"))}]

    def _elements(self) -> list[Plain]:
        satellite = self._draw.choice([each["name"] for each in self._site["satellites"]])
        source = self._draw.choice((PORTAL, EMPTY, f"{satellite}-{MOVED}"))
        return [{"at": self._when(), "write": {"file": f"{satellite}.json", "source": source}}]

    # What people and programs ask for

    def _order(self) -> Plain:
        draw = self._draw
        tellers: list[Callable[[], Plain]] = [self._antenna, self._contact, self._alarm]
        tellers += [self._command] * (4 if self._robots else 0)
        tellers += [self._uplink] * (3 if self._transmits else 0)
        tellers += [self._stop_all] if draw.random() < 0.3 else []
        return {"at": self._when()} | draw.choice(tellers)()

    def _command(self) -> Plain:
        draw = self._draw
        self._sent += 1
        wish = draw.choice(
            (
                {"action": "send", "args": {"place": draw.choice(sorted(PLACES))}},
                {"action": "send", "args": {"place": draw.choice(sorted(PLACES))}},
                {"action": "send", "args": {"stop": draw.choice((1, 2, 7, 20, 60_000))}},
                {"action": "hold", "args": {}},
                {"action": "resume", "args": {}},
                {"action": "open_door", "args": {"door": draw.choice((1, 8, 9))}},
                {"action": "set_speed_limit", "args": {"speed_m_s": draw.choice((0.2, 3.0, 99.0))}},
                {"action": "dock", "args": {}},
                {"action": "stop", "args": {}},
                {"action": "fly", "args": {"height_m": 3}},
            )
        )
        twice = self._sent > 1 and draw.random() < 0.1
        number = self._sent - 1 if twice else self._sent
        return {"command": {"device": draw.choice(self._robots), **wish, "id": f"order-{number}"}}

    def _uplink(self) -> Plain:
        """An order to a satellite."""
        draw = self._draw
        satellite = draw.choice([each["name"] for each in self._site["satellites"]])
        self._sent += 1
        body: Plain = draw.choice(
            (
                {"order": "ping"},
                {"order": "ping"},
                {"order": "set-beacon-period", "args": {"period_s": draw.choice((2, 20))}},
                {"order": "payload", "args": {"on": draw.random() < 0.5}},
                {"order": "take-picture"},
            )
        )
        return {"control": {"post": f"/v1/uplink/{satellite}/orders", "body": {**body, "id": f"order-{self._sent}"}}}

    def _antenna(self) -> Plain:
        draw = self._draw
        antenna = draw.choice(self._antennas)
        (low, high), (bottom, top) = antenna["azimuth_limits_deg"], antenna["elevation_limits_deg"]
        act = draw.choice(("point", "point", "point", "point", "park", "stop", "lock", "unlock", "unlock"))
        body: Plain = {}
        if act == "point":
            body = {
                "azimuth_deg": round(draw.uniform(low - 20, high + 20), 1),
                "elevation_deg": round(draw.uniform(bottom - 5, top + 5), 1),
            }
        elif act == "lock":
            body = {"why": "somebody is at the antenna"}
        return {"control": {"post": f"/v1/antennas/{antenna['name']}/{act}", "body": body}}

    def _contact(self) -> Plain:
        draw = self._draw
        if draw.random() < 0.5:
            return {"control": {"post": f"/v1/contacts/{draw.choice(self._sky.pass_ids)}/cancel", "body": {}}}
        if draw.random() < 0.3:
            begin = self._sky.aos + timedelta(seconds=draw.uniform(-60, 200))
            order = {
                "antenna": draw.choice(self._antennas)["name"],
                "begin": f"{begin:%Y-%m-%dT%H:%M:%SZ}",
                "end": f"{begin + timedelta(seconds=draw.uniform(20, 300)):%Y-%m-%dT%H:%M:%SZ}",
                "why": "a look at the bearing",
            }
            return {"control": {"post": "/v1/maintenance/add", "body": order}}
        chosen = draw.choice(self._sky.passes)
        wish = {
            "satellite": chosen.satellite,
            "aos": f"{chosen.aos:%Y-%m-%dT%H:%M:%SZ}",
            "antenna": draw.choice(self._antennas)["name"],
        }
        return {"control": {"post": "/v1/contacts/book", "body": wish}}

    def _alarm(self) -> Plain:
        draw = self._draw
        about = [(antenna["name"], name) for antenna in self._antennas for name in _ANTENNA_ALARMS]
        about += [(name, "offline") for name in self._devices]
        device, alarm = draw.choice(about)
        if draw.random() < 0.7:
            return {"control": {"post": f"/v1/alarms/{device}/{alarm}/ack", "body": {}}}
        return {"control": {"post": f"/v1/alarms/{device}/{alarm}/shelve", "body": {"for_s": 60.0, "why": "known"}}}

    def _stop_all(self) -> Plain:
        return {"control": {"post": "/v1/stop", "body": {}}}


def sources(sky: Sky) -> dict[str, Any]:
    """What element files may become: a portal's page, nothing, or the same orbit with the satellite elsewhere."""
    files: dict[str, Any] = {
        KEY_FILE: "explored, and no secret",
        PORTAL: "<!doctype html><title>Please sign in</title>\n",
        EMPTY: "[]\n",
    }
    return files | {f"{name.removesuffix('.json')}-{MOVED}": moved(rows, 240.0) for name, rows in sky.elements.items()}


def _value(draw: Random, kind: FaultKind) -> str:
    """Mostly as the catalogue has it, at times less or more; whole where it counts something."""
    if kind.unit == "code":
        return str(draw.choice((1, 2, 3, 4, 6, 11)))
    if kind.unit == "th":
        return f"{kind.value + draw.choice((0, 1)):g}"
    if kind.unit == "bits":
        return str(draw.choice((1, 64, 1023)))
    if kind.unit == "of 1":
        return f"{draw.choice((0.01, 0.05, 0.2, kind.value)):g}"
    if kind.unit == "bytes":
        return f"{draw.choice((1, 8, kind.value)):g}"
    return f"{kind.value * draw.choice((0.5, 1, 1, 2)):g}"
