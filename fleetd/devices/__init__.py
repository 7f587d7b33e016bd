"""What a device can do: one Protocol per capability, and the `DriverSpec` by which a driver announces itself.

A driver's verbs return once the device has accepted, not once it has arrived; reading never moves anything; failure is
always a DeviceError. Drivers are found through the entry-point group `fleetd.drivers`, ours and third parties' alike;
they import what they need from here.
"""

from fleetd.devices.rig import Rig, RigLimits, RigMode, Side, Switch
from fleetd.devices.robot import ActionSpec, ArgumentSpec, Beating, InterlockSpec, Outcome, ReadBack, Robot
from fleetd.devices.rotator import AzEl, Rotator, RotatorLimits
from fleetd.devices.sensor import LinkQuality, Pollable, Sample, Sampling, Sensor
from fleetd.devices.spec import (
    ENTRY_POINT_GROUP,
    Capability,
    Driver,
    DriverSpec,
    Guarded,
    driver_names,
    load_driver,
)
from fleetd.devices.tnc import Tnc, TncFrame

__all__ = [
    "ENTRY_POINT_GROUP",
    "ActionSpec",
    "ArgumentSpec",
    "AzEl",
    "Beating",
    "Capability",
    "Driver",
    "DriverSpec",
    "Guarded",
    "InterlockSpec",
    "LinkQuality",
    "Outcome",
    "Pollable",
    "ReadBack",
    "Rig",
    "RigLimits",
    "RigMode",
    "Robot",
    "Rotator",
    "RotatorLimits",
    "Sample",
    "Sampling",
    "Sensor",
    "Side",
    "Switch",
    "Tnc",
    "TncFrame",
    "driver_names",
    "load_driver",
]
