"""Makes a failing case smaller for as long as it fails in the same way: fewer steps, fewer devices, less time.

Delta debugging (Zeller and Hildebrandt, 2002) over the time line, then one part of the site after the other, until
nothing more can be left out or the budget of trials is spent. The same case shrinks to the same case.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fleetd_hil.explore.calm import LOOK_S, RECOVERY_S
from fleetd_hil.explore.case import Case, Plain

Fails = Callable[[Case], bool]
"""Whether a case still fails, and in the same way."""

_UNTIL = {"away": "back", "mute": "heed", "hung": "heed", "unsynchronised": "synchronised"}
_AFTERMATH_S = (10.0, 60.0, 180.0)
_BARE = {"name", "rotator", "azimuth_limits_deg", "elevation_limits_deg", "slew_deg_s", "park"}
_LASTING = re.compile(r"\+(\d+(?:\.\d+)?)$")


@dataclass(slots=True)
class Shrinker:
    """Tries candidates against `fails`, `budget` of them at most."""

    fails: Fails
    budget: int = 60
    at_end: bool = False
    """What fails is judged at the end: there must be calm, and time to recover, before it."""
    tried: int = 0

    def shrink(self, case: Case) -> Case:
        """The smallest that was found; `case` itself where nothing can be left out."""
        while True:
            smaller = self._round(case)
            if smaller is case or self.tried >= self.budget:
                return smaller
            case = smaller

    def _round(self, case: Case) -> Case:
        case = self._fewer_steps(case)
        for candidates in (without_parts, shorter, plainer):
            case = self._greedy(case, candidates)
        return case

    def _greedy(self, case: Case, candidates: Callable[[Case], Iterator[Case]]) -> Case:
        """Take every candidate that still fails, beginning anew from it, until none does."""
        while True:
            found = next((each for each in candidates(case) if self._still(each)), None)
            if found is None:
                return case
            case = found

    def _fewer_steps(self, case: Case) -> Case:
        steps, parts = case.timeline, 2
        while steps and self.tried < self.budget:
            size = max(1, len(steps) // parts)
            for begin in range(0, len(steps), size):
                fewer = case.copy()
                fewer.timeline = [*steps[:begin], *steps[begin + size :]]
                if self._still(fewer):
                    case, steps, parts = fewer, fewer.timeline, max(2, parts - 1)
                    break
            else:
                if size == 1:
                    break
                parts = min(len(steps), parts * 2)
        return case

    def _still(self, case: Case) -> bool:
        if self.tried >= self.budget or not restored(case) or (self.at_end and not _calm_at_last(case)):
            return False
        self.tried += 1
        return self.fails(case)


def restored(case: Case) -> bool:
    """Whether everything that goes comes back: the broker, its ears, and the trust in the clock."""
    gone: set[str] = set()
    for step in sorted(case.timeline, key=lambda step: float(step["at"])):
        what = str(step.get("broker", step.get("clock", "")))
        if what in _UNTIL:
            gone.add(_UNTIL[what])
        gone.discard(what)
    return not gone


def _calm_at_last(case: Case) -> bool:
    last_s = max((_over(step) for step in case.timeline), default=0.0)
    return case.lasts_s >= last_s + RECOVERY_S + LOOK_S


def without_parts(case: Case) -> Iterator[Case]:
    """The case without one antenna, device, satellite or setting each."""
    antennas: list[Plain] = case.site["antennas"]
    if len(antennas) > 1:
        for antenna in antennas:
            yield _without(case, {antenna["name"]})
    used = {device for antenna in antennas for device in _devices_of(antenna)}
    for device in case.site["devices"]:
        if device["name"] not in used and len(case.site["devices"]) > 1:
            yield _without(case, {device["name"]})
    for index, antenna in enumerate(antennas):
        for key in sorted(antenna.keys() - _BARE):
            yield _without_key(case, index, key)
    if len(case.site["satellites"]) > 1:
        for satellite in case.site["satellites"]:
            yield _without_satellite(case, satellite["name"])
    for device in sorted(case.simulate):
        fewer = case.copy()
        del fewer.simulate[device]
        yield fewer


def shorter(case: Case) -> Iterator[Case]:
    """The case with less time after its last step; what is judged at the end needs the whole of it."""
    last_s = max((_over(step) for step in case.timeline), default=0.0)
    for lasts_s in (*(last_s + each for each in _AFTERMATH_S), last_s + 1.0 + RECOVERY_S + LOOK_S):
        if lasts_s < case.lasts_s - 1.0:
            fewer = case.copy()
            fewer.lasts_s, fewer.calm_s = round(lasts_s, 1), round(last_s + 1.0, 1)
            yield fewer


def plainer(case: Case) -> Iterator[Case]:
    """The case with one fault half as long."""
    for index, step in enumerate(case.timeline):
        match = _LASTING.search(step.get("fault", ""))
        if match and (lasting_s := float(match[1])) >= 2.0:
            fewer = case.copy()
            fewer.timeline[index]["fault"] = f"{step['fault'][: match.start()]}+{round(lasting_s / 2, 1):g}"
            yield fewer


def _over(step: Plain) -> float:
    match = _LASTING.search(step.get("fault", ""))
    return float(step["at"]) + (float(match[1]) if match else 0.0)


def _devices_of(antenna: Plain) -> Iterator[str]:
    yield antenna["rotator"]
    for key in ("rig", "tnc"):
        if key in antenna:
            yield antenna[key]
    if "preamp" in antenna.get("radio", {}):
        yield antenna["radio"]["preamp"]
    if "wind" in antenna:
        yield antenna["wind"]["sensor"]


def _without(case: Case, names: set[str]) -> Case:
    """Without an antenna or a device, and what is there for it alone."""
    fewer = case.copy()
    left = [antenna for antenna in fewer.site["antennas"] if antenna["name"] not in names]
    if len(left) < len(fewer.site["antennas"]):
        kept = {device for antenna in left for device in _devices_of(antenna)}
        gone = {device for antenna in fewer.site["antennas"] for device in _devices_of(antenna)} - kept
        names = names | gone
    fewer.site["antennas"] = left
    fewer.site["devices"] = [device for device in fewer.site["devices"] if device["name"] not in names]
    fewer.simulate = {name: options for name, options in fewer.simulate.items() if name not in names}
    fewer.timeline = [step for step in fewer.timeline if not _about(step, names)]
    return fewer


def _without_key(case: Case, index: int, key: str) -> Case:
    fewer = case.copy()
    antenna = fewer.site["antennas"][index]
    del antenna[key]
    if key == "rig":
        antenna.pop("radio", None)
        antenna.pop("transmit", None)
    before = set(_devices_of(case.site["antennas"][index])) - {
        device for each in fewer.site["antennas"] for device in _devices_of(each)
    }
    return _without(fewer, before - {"weather"}) if before - {"weather"} else fewer


def _without_satellite(case: Case, name: str) -> Case:
    fewer = case.copy()
    fewer.site["satellites"] = [each for each in fewer.site["satellites"] if each["name"] != name]
    fewer.timeline = [step for step in fewer.timeline if name not in str(step.get("write", step.get("control", "")))]
    return fewer


def _about(step: Plain, names: set[str]) -> bool:
    if step.get("of") in names or step.get("command", {}).get("device") in names:
        return True
    control = step.get("control", {})
    return bool(names & {*control.get("post", "").split("/"), control.get("body", {}).get("antenna", "")})
