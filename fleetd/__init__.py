"""fleetd: satellite passes, antennas, delivery robots and their telemetry, one process per site."""

__version__ = "0.1.0.dev0"
