"""Which Sparkplug metrics a register map makes: names, types and units, as its codec decodes them. Pure."""

from __future__ import annotations

from fleetd.registers.model import INTEGERS, NEVER, RegisterMap, ValueSpec
from fleetd.relay.sparkplug.node import Kind
from fleetd.relay.sparkplug.payload import DataType


def metrics_of(register_map: RegisterMap) -> dict[str, Kind]:
    """The metrics of all values that are polled."""
    found: dict[str, Kind] = {}
    for spec in register_map.values:
        if spec.poll != NEVER:
            found.update(_metrics(spec))
    return found


def _metrics(spec: ValueSpec) -> dict[str, Kind]:
    if not spec.fields:
        return {spec.name: Kind(_type(spec), spec.unit)}
    return {
        name: Kind(DataType.STRING if bits.enum else DataType.INT64 if bits.width > 1 else DataType.BOOLEAN)
        for name, bits in spec.fields.items()
    }


def _type(spec: ValueSpec) -> DataType:
    if spec.type == "string" or spec.enum:
        return DataType.STRING
    if spec.type == "bool":
        return DataType.BOOLEAN
    return DataType.INT64 if spec.type in INTEGERS and not spec.is_scaled else DataType.DOUBLE
