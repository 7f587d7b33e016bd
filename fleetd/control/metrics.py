"""The daemon's figures as Prometheus reads them: taken from the rooms at each scrape, nothing is kept here.

Names end in their unit, counts in `_total`; a change of a name breaks dashboards and rules, and is a breaking change.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import generate_latest

import fleetd
from fleetd.contact.antennastatus import status_of
from fleetd.control.house import House
from fleetd.control.instruments import Instruments, LoopLag
from fleetd.records import DeviceState, Severity
from fleetd.store.schema import FILE

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
F = TypeVar("F", GaugeMetricFamily, CounterMetricFamily)
_RELAY_COUNTS = {
    "produced": "Records committed to the outbox",
    "acked": "Records acknowledged by a broker",
    "readings_produced": "Readings committed to the outbox",
    "readings_acked": "Readings acknowledged by a broker",
    "resent": "Records sent once more because their acknowledgement never came",
    "rejected": "Times that a broker refused a record",
    "dropped": "Records given up for want of room or time",
    "damaged": "Records that failed their checksum",
    "commands": "Commands that came in and could be read",
    "commands_unreadable": "What came in and was no command",
    "commands_dropped": "Commands that came faster than they could be taken",
}


async def exposition(house: House) -> bytes:
    """All figures as text. They are read at once, and written in a thread, for a large site has many."""
    families = list(collect(house))
    return await asyncio.to_thread(_written, families)


def collect(house: House) -> Iterator[Metric]:
    """The families of figures, read now."""
    yield gauge(
        "fleetd_info",
        "What runs here",
        {(fleetd.__version__, house.site, house.store.node, house.store.boot): 1},
        ["version", "site", "node", "boot"],
    )
    yield gauge("fleetd_clock_synced", "Whether civil time can be trusted", float(house.clock.synced))
    yield gauge("fleetd_tasks", "Tasks of the event loop", len(asyncio.all_tasks()))
    yield from _of_devices(house)
    yield from _of_queues(house)
    yield from _of_relay(house)
    yield from _of_store(house)
    yield from _of_alarms(house)
    yield from _of_sky(house)
    if house.instruments is not None:
        yield from _of_instruments(house.instruments)


def gauge(name: str, about: str, values: float | Mapping[Any, float], labels: Iterable[str] = ()) -> GaugeMetricFamily:
    """One gauge, or one for each combination of labels."""
    family = GaugeMetricFamily(name, about, labels=list(labels))
    return _filled(family, values)


def counter(
    name: str, about: str, values: float | Mapping[Any, float], labels: Iterable[str] = ()
) -> CounterMetricFamily:
    """The same of what only rises; the name ends in `_total`."""
    family = CounterMetricFamily(name, about, labels=list(labels))
    return _filled(family, values)


def _filled(family: F, values: float | Mapping[Any, float]) -> F:
    if isinstance(values, Mapping):
        for labels, value in values.items():
            family.add_metric([str(label) for label in (labels if isinstance(labels, tuple) else (labels,))], value)
    else:
        family.add_metric([], values)
    return family


def _of_devices(house: House) -> Iterator[Metric]:
    states = Counter(dict.fromkeys(DeviceState, 0))
    states.update(each.device.state for each in house.devices)
    yield gauge("fleetd_devices", "Devices by state", states, ["state"])
    up = {(each.device.name, each.capability): float(each.device.state == "online") for each in house.devices}
    yield gauge("fleetd_device_up", "Whether a device is online", up, ["device", "capability"])
    failures = {each.device.name: each.device.failures for each in house.devices if each.device.failures}
    yield gauge("fleetd_device_failures", "Failures of a device in a row", failures, ["device"])


def _of_queues(house: House) -> Iterator[Metric]:
    lengths: Counter[str] = Counter()
    dropped: Counter[str] = Counter()
    for subscription in house.hub.subscriptions:
        lengths[subscription.name] += len(subscription)
        dropped[subscription.name] += subscription.dropped
    yield gauge("fleetd_queue_length", "Records that wait for a listener of the hub", lengths, ["listener"])
    yield counter("fleetd_queue_dropped_total", "Records that a listener was too slow for", dropped, ["listener"])


def _of_relay(house: House) -> Iterator[Metric]:
    status = house.relay.status()
    yield gauge("fleetd_relay_connected", "Whether a broker is connected", float(status.connected))
    yield gauge("fleetd_relay_backlog_records", "Records that wait for their acknowledgement", status.backlog)
    yield gauge("fleetd_relay_oldest_age_seconds", "Age of the longest waiting record", status.oldest_age_s)
    yield gauge("fleetd_relay_held_topics", "Topics that the broker refuses", len(status.held_topics))
    yield gauge("fleetd_relay_rate_per_second", "Acknowledgements a second, lately", status.rate_per_s)
    for name, about in _RELAY_COUNTS.items():
        yield counter(f"fleetd_relay_{name}_total", about, getattr(status, name))


def _of_store(house: House) -> Iterator[Metric]:
    size = sum(_size_of(house, tail) for tail in ("", "-wal"))
    yield gauge("fleetd_store_bytes", "Size of the store's database and its log", size)
    if house.archive is not None:
        status = house.archive.status()
        yield gauge("fleetd_archive_bytes", "Size of the archive and its log", status.bytes)
        yield counter("fleetd_archive_records_total", "Records archived", status.kept)
        yield counter("fleetd_archive_dropped_total", "Records that the archive did not get", status.dropped)


def _size_of(house: House, tail: str) -> int:
    try:
        return (house.store.folder / f"{FILE}{tail}").stat().st_size
    except OSError:
        return 0


def _of_alarms(house: House) -> Iterator[Metric]:
    entries = house.alarms.list()
    active = Counter(dict.fromkeys(Severity, 0))
    active.update(entry.severity for entry in entries if entry.active and entry.shelved_by is None)
    yield gauge("fleetd_alarms_active", "Alarms that are active and not shelved", active, ["severity"])
    shelved = sum(entry.shelved_by is not None for entry in entries)
    yield gauge("fleetd_alarms_shelved", "Alarms on the shelf", shelved)
    unseen = sum(entry.acknowledged_by is None for entry in entries)
    yield gauge("fleetd_alarms_unacknowledged", "Alarms that nobody has acknowledged", unseen)


def _of_sky(house: House) -> Iterator[Metric]:
    ages = {view.satellite: view.age_days for view in house.elements.views() if view.age_days is not None}
    yield gauge("fleetd_elements_age_days", "Age of the elements in use", ages, ["satellite"])
    angles: dict[tuple[str, str, str], float] = {}
    for antenna in house.antennas.values():
        status = status_of(antenna)
        for source, azimuth_deg, elevation_deg in (
            ("measured", status.azimuth_deg, status.elevation_deg),
            ("commanded", status.commanded_azimuth_deg, status.commanded_elevation_deg),
        ):
            if azimuth_deg is not None and elevation_deg is not None:
                angles[status.name, source, "azimuth"] = azimuth_deg
                angles[status.name, source, "elevation"] = elevation_deg
    yield gauge("fleetd_antenna_angle_degrees", "Where an antenna points", angles, ["antenna", "source", "axis"])
    upcoming = next((each.aos for each in house.contacts.booked), None)
    if upcoming is not None:
        yield gauge("fleetd_next_contact_timestamp_seconds", "AOS of the next contact", upcoming.timestamp())


def _of_instruments(here: Instruments) -> Iterator[Metric]:
    counts = here.counts
    yield gauge("fleetd_loops_overdue", "Supervised loops without progress", len(here.progress.overdue()))
    yield _lag(here.lag)
    shares = {
        (url, unit): share
        for url, line in here.ports.time_shared.items()
        for unit, share in line.bus_time_shares.items()
    }
    yield gauge("fleetd_bus_time_share", "Share of its line's time that a unit takes", shares, ["line", "unit"])
    yield counter("fleetd_events_total", "Events by severity", counts.events, ["severity"])
    yield counter("fleetd_results_total", "Results of commands by stage", counts.results, ["stage"])
    yield counter("fleetd_contacts_total", "Contacts by outcome", counts.contacts, ["outcome"])
    errors = {
        (report.antenna, kind): value
        for report in counts.newest_contact.values()
        for kind, value in (("max", report.max_pointing_error_deg), ("rms", report.rms_pointing_error_deg))
        if value is not None
    }
    about = "Pointing error of an antenna's newest contact"
    yield gauge("fleetd_contact_pointing_error_degrees", about, errors, ["antenna", "kind"])


def _lag(lag: LoopLag) -> HistogramMetricFamily:
    family = HistogramMetricFamily("fleetd_loop_lag_seconds", "How late the event loop wakes those who sleep")
    buckets, seen = [], 0
    for bound_s, count in zip((*LoopLag.BOUNDS_S, float("inf")), lag.counts, strict=True):
        seen += count
        buckets.append(("+Inf" if bound_s == float("inf") else str(bound_s), float(seen)))
    family.add_metric([], buckets, lag.sum_s)
    return family


class _Read:
    """Families that were read before, for the library to write."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        return self._families


def _written(families: list[Metric]) -> bytes:
    registry = CollectorRegistry()
    registry.register(_Read(families))
    ProcessCollector(registry=registry)  # memory, descriptors, processor time and start of the process
    return bytes(generate_latest(registry))
