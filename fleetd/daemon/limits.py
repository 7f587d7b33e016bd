"""Which limits hold for which device: those of its register map, and the site's own in their place or beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from fleetd.alarms.limits import Watched
from fleetd.config.founddevices import map_of
from fleetd.config.site import DeviceSettings, Site
from fleetd.registers.model import RegisterMap


def limits_of(site: Site) -> dict[str, list[Watched]]:
    """For each device, and each satellite as a source of telemetry, that has any, its limits."""
    found = {device.name: _limits_of(site, device) for device in site.devices}
    found |= {satellite.name: _own_limits(site, satellite.name, {}) for satellite in site.satellites}
    return {name: limits for name, limits in found.items() if limits}


def _limits_of(site: Site, device: DeviceSettings) -> list[Watched]:
    register_map = map_of(device.settings)
    units = _units(register_map) if register_map else {}
    own = _own_limits(site, device.name, units)
    taken = {watched.alarm for watched in own}
    shipped = _of_map(register_map) if register_map and site.alarms.map_limits else ()
    return [*own, *(watched for watched in shipped if watched.alarm not in taken)]


def _own_limits(site: Site, name: str, units: Mapping[str, str]) -> list[Watched]:
    return [
        Watched(limit.value, limit, units.get(limit.value, ""))
        for limit in site.alarms.limits
        if fnmatchcase(name, limit.device)
    ]


def _of_map(register_map: RegisterMap) -> Iterator[Watched]:
    for spec in register_map.values:
        for limit in spec.limits:
            yield Watched(spec.name, limit, spec.unit)
        for name, bits in spec.fields.items():
            for limit in bits.limits:
                yield Watched(name, limit)


def _units(register_map: RegisterMap) -> dict[str, str]:
    return {spec.name: spec.unit for spec in register_map.values}
