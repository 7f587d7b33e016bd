"""Which conditions need attention now, since when, and who has seen them."""

from fleetd.alarms.register import Alarms

__all__ = ["Alarms"]
