"""The elements of a satellite as programs and people see them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from fleetd.elements.files import FileSource
from fleetd.elements.kept import Kept, Known
from fleetd.elements.web import WebSource
from fleetd.orbit.jump import Jump
from fleetd.orbit.settings import Age


class SetView(msgspec.Struct, frozen=True, kw_only=True):
    """One set. The shifts are against the set that was in use when it came; positive is later and ahead."""

    epoch: datetime
    age_days: float
    hash: str
    source: str
    fetched_at: datetime
    aos_shift_s: float | None = None
    along_track_km: float | None = None
    cross_track_km: float | None = None
    reason: str = ""
    """Why it waits, or did before somebody decided."""
    decided_by: str = ""


class SourceView(msgspec.Struct, frozen=True, kw_only=True):
    """One source; the times are those of a URL's requests."""

    source: str
    failure: str = ""
    requested_at: datetime | None = None
    succeeded_at: datetime | None = None
    not_before: datetime | None = None


class ElementsView(msgspec.Struct, frozen=True, kw_only=True):
    """One satellite. `state` is in use, held (nothing is in use but a set waits), too old, decayed or missing."""

    satellite: str
    title: str
    norad_id: int
    state: str
    name: str = ""
    """As the publisher calls it."""
    designator: str = ""
    age: str = ""
    """fresh, warn, no-transmit or no-booking."""
    epoch: datetime | None = None
    age_days: float | None = None
    hash: str = ""
    source: str = ""
    fetched_at: datetime | None = None
    aos_shift_s: float | None = None
    along_track_km: float | None = None
    decided_by: str = ""
    comment: str = ""
    failure: str = ""
    failed_at: datetime | None = None
    held: SetView | None = None
    sources: list[SourceView] = []


def view(kept: Kept, sources: Sequence[SourceView], now: datetime) -> ElementsView:
    """A satellite for programs."""
    settings = kept.settings
    about = ElementsView(
        satellite=settings.name,
        title=settings.title,
        norad_id=settings.norad_id,
        state=_state(kept, now),
        held=_set_view(kept.held, now) if kept.held else None,
        sources=list(sources),
    )
    if kept.used is None:
        return about
    used, elements = _set_view(kept.used, now), kept.used.elements
    return msgspec.structs.replace(
        about,
        name=elements.name,
        designator=elements.designator,
        age=str(kept.age(now)),
        epoch=used.epoch,
        age_days=used.age_days,
        hash=used.hash,
        source=used.source,
        fetched_at=used.fetched_at,
        aos_shift_s=used.aos_shift_s,
        along_track_km=used.along_track_km,
        decided_by=used.decided_by,
        comment=elements.comment,
        failure=kept.used.failure,
        failed_at=kept.used.failed_at,
    )


def view_source(source: FileSource | WebSource) -> SourceView:
    """A source for programs."""
    if isinstance(source, FileSource):
        return SourceView(source=source.name, failure=source.reason)
    record = source.record
    return SourceView(
        source=source.name,
        failure=source.reason,
        requested_at=record.requested_at,
        succeeded_at=record.succeeded_at,
        not_before=record.not_before,
    )


def difference(jump: Jump | None) -> str:
    """What a set changes, as the end of a sentence; '' where it was compared with none."""
    if jump is None:
        return ""
    when = "later" if jump.aos_shift_s > 0 else "earlier"
    return f" (AOS {abs(jump.aos_shift_s):.2f} s {when}, along track {jump.along_track_km:+.1f} km)"


def _set_view(known: Known, now: datetime) -> SetView:
    jump = known.jump
    return SetView(
        epoch=known.elements.epoch,
        age_days=round(known.elements.age_days(now), 3),
        hash=known.hash,
        source=known.elements.source,
        fetched_at=known.fetched_at,
        aos_shift_s=round(jump.aos_shift_s, 3) if jump else None,
        along_track_km=round(jump.along_track_km, 3) if jump else None,
        cross_track_km=round(jump.cross_track_km, 3) if jump else None,
        reason=known.reason,
        decided_by=known.decided_by,
    )


def _state(kept: Kept, now: datetime) -> str:
    if kept.used is None:
        return "held" if kept.held else "missing"
    if kept.failure:
        return "decayed"
    return "too old" if kept.age(now) is Age.NO_BOOKING else "in use"
