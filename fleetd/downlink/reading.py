"""From a frame and what its decoder made of it to the record that travels. Pure functions."""

from __future__ import annotations

from fleetd.downlink.decoder import Packet
from fleetd.records import Frame, Quality, Telemetry


def telemetry(frame: Frame, packet: Packet, *, replayed: bool = False) -> Telemetry:
    """One packet as a reading of its satellite, under the time at which the frame came."""
    ahead_s = None
    if packet.onboard_at is not None:
        ahead_s = round((packet.onboard_at - frame.at).total_seconds(), 3)
    return Telemetry(
        at=frame.at,
        clock_synced=frame.clock_synced,
        device=frame.satellite,
        quality=Quality.GOOD,
        values=packet.values,
        absent=packet.absent,
        packet=packet.name,
        raw=packet.raw,
        units=packet.units,
        onboard_at=packet.onboard_at,
        onboard_ahead_s=ahead_s,
        frame=frame.number,
        tnc=frame.device,
        contact=frame.contact,
        replayed=replayed,
    )
