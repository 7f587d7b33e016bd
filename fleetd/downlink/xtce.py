"""Decoding by an XTCE 1.2 database, through `space-packet-parser`, which is loaded where a site uses one.

Its root container takes the packet from the first byte, without the checksum. What stands in the root container is the
header and no parameter. A value outside its type's ValidRange is absent, with its raw value kept and the reason said.
"""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from fleetd.downlink import framing
from fleetd.downlink.decoder import Decoded, DecoderSpec, Packet
from fleetd.downlink.framing import FramingSettings, Piece
from fleetd.errors import ConfigError, FrameError
from fleetd.records import Value

SHIPPED = Path(__file__).parent / "databases"
_DIGITS = 9  # what a calibration leaves behind these is rounding


class XtceSettings(FramingSettings):
    """Which database, and which of its parameters is the satellite's clock."""

    database: Path | None = None
    """An XTCE 1.2 file of your own."""
    reference: Literal["candy-tin", "tmall-international"] | None = None
    """One of the reference databases that come with fleetd, which are fleetd's own and no satellite maker's."""
    root_container: str = "CCSDSPacket"
    """The container that every packet begins with."""
    time_s: str | None = "ONBOARD_TIME_S"
    """Parameter with the seconds of the satellite's clock; null if it tells none."""
    time_ms: str | None = "ONBOARD_TIME_MS"
    """Parameter with its milliseconds; null if it tells none."""
    time_epoch: Annotated[AwareDatetime, Field(strict=False)] = datetime(1970, 1, 1, tzinfo=UTC)
    """When that clock stood at zero."""

    @model_validator(mode="after")
    def _one_database(self) -> Self:
        if (self.database is None) == (self.reference is None):
            raise ValueError("name exactly one of database and reference")
        return self

    @property
    def path(self) -> Path:
        """The database's file."""
        return self.database or SHIPPED / f"{self.reference}.xml"


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is looked up once for each parameter."""

    unit: str
    low: float | None
    high: float | None


class XtceDecoder:
    """One database at work."""

    def __init__(self, settings: XtceSettings) -> None:
        self._settings = settings
        self._definition, self._kept = _read(settings.path, settings)
        clock = (settings.time_s, settings.time_ms)
        root = self._definition.containers[settings.root_container]
        self._passed_over = {entry.name for entry in root.entry_list} | {name for name in clock if name is not None}

    async def decode(self, frame: bytes, /) -> Decoded:
        """Every packet of a frame that is whole and that the database knows."""
        packets: list[Packet] = []
        flaws: list[FrameError] = []
        try:
            for piece in framing.unwrap(frame, self._settings):
                if isinstance(piece, FrameError):
                    flaws.append(piece)
                else:
                    packets.append(self._packet(piece))
        except FrameError as flaw:
            flaws.append(flaw)
        return Decoded(packets, flaws)

    def _packet(self, piece: Piece) -> Packet:
        found, name = self._parsed(piece.data)
        values: dict[str, Value] = {}
        raw: dict[str, Value] = {}
        units: dict[str, str] = {}
        absent: dict[str, str] = {}
        for parameter, value in found.items():
            if parameter in self._passed_over:
                continue
            kept = self._kept[parameter]
            values[parameter], sent = _plain(value), _plain(value.raw_value)
            if sent != values[parameter]:
                raw[parameter] = sent
            if kept.unit:
                units[parameter] = kept.unit
            if (why := _outside(values[parameter], kept)) is not None:
                absent[parameter], raw[parameter], values[parameter] = why, sent, None
        header = piece.header
        return Packet(
            name=name,
            values=values,
            raw=raw,
            units=units,
            absent=absent,
            onboard_at=self._time(found),
            apid=header.apid if header else None,
            sequence_count=header.sequence_count if header else None,
            data=piece.data,
        )

    def _parsed(self, data: bytes) -> tuple[Mapping[str, Any], str]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # the parser only warns of bytes that no container takes
                found: Mapping[str, Any] = self._definition.parse_bytes(data)
        except Exception as error:  # noqa: BLE001  # the library's own errors have no common root
            words = " ".join(str(error).split())[:200]
            raise FrameError("no-container", f"the database does not take this packet: {words}") from None
        return found, self._name(found)

    def _name(self, found: Mapping[str, Any]) -> str:
        """The container that took the packet: the last one of the way that the parser went."""
        containers, name = self._definition.containers, self._settings.root_container
        while True:
            for inheritor in containers[name].inheritors:
                if all(each.evaluate(found) for each in containers[inheritor].restriction_criteria):
                    name = inheritor
                    break
            else:
                return name

    def _time(self, found: Mapping[str, Any]) -> datetime | None:
        seconds = found.get(self._settings.time_s or "")
        if seconds is None:
            return None
        ms = found.get(self._settings.time_ms or "") or 0
        try:
            return self._settings.time_epoch + timedelta(seconds=float(seconds), milliseconds=float(ms))
        except (OverflowError, ValueError):
            return None


def _plain(value: Any) -> Value:
    """The library's values are subclasses of Python's own; ours are plain, and bytes are told in hexadecimal."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, str):
        return str(value)
    if isinstance(value, float):
        return round(float(value), _DIGITS)
    # A bool of the library's is an int, and says so only by its class.
    return bool(value) if type(value).__name__.startswith("Bool") or isinstance(value, bool) else int(value)


def _outside(value: Value, kept: _Kept) -> str | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    if kept.low is not None and value < kept.low:
        return f"{value:g} is below the valid range, which begins at {kept.low:g}"
    if kept.high is not None and value > kept.high:
        return f"{value:g} is above the valid range, which ends at {kept.high:g}"
    if value != value:  # noqa: PLR0124  # a float that is no number
        return "is no number"
    return None


def _read(path: Path, settings: XtceSettings) -> tuple[Any, dict[str, _Kept]]:
    """The database, checked as far as can be told before a packet comes. Raises ConfigError."""
    from lxml import etree
    from space_packet_parser.xtce.definitions import XtcePacketDefinition

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            definition = XtcePacketDefinition.from_xtce(path, root_container_name=settings.root_container)
            ranges = dict(_ranges(etree.parse(path)))
    except OSError as error:
        raise ConfigError(f"XTCE database {path}: {error.strerror or error}") from None
    except Exception as error:  # noqa: BLE001  # the library's own errors have no common root
        words = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise ConfigError(f"XTCE database {path} cannot be used: {words}") from None
    if settings.root_container not in definition.containers:
        known = ", ".join(sorted(definition.containers))
        raise ConfigError(f"XTCE database {path} has no container {settings.root_container!r}; there are {known}")
    kept = {}
    for name, parameter in definition.parameters.items():
        unit = parameter.parameter_type.unit or ""
        low, high = ranges.get(parameter.parameter_type.name, (None, None))
        parts = unit if isinstance(unit, tuple) else (unit,)  # strings of lxml, which no encoder takes for text
        kept[name] = _Kept(" ".join(str(part) for part in parts), low, high)
    return definition, kept


def _ranges(tree: Any) -> Iterator[tuple[str, tuple[float | None, float | None]]]:
    """The ValidRange of each parameter type, which the library passes over."""
    for element in tree.iter("{*}ValidRange"):
        low, high = element.get("minInclusive"), element.get("maxInclusive")
        yield element.getparent().get("name"), (float(low) if low else None, float(high) if high else None)


@asynccontextmanager
async def opened(settings: XtceSettings) -> AsyncIterator[XtceDecoder]:
    """A decoder by this database. Raises ConfigError if it cannot be used."""
    yield XtceDecoder(settings)


SPEC = DecoderSpec(
    name="xtce",
    summary="packets described by an XTCE 1.2 database, ours for reference or your own",
    settings=XtceSettings,
    open=opened,
    check=XtceDecoder,
)
