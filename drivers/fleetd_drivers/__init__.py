"""Drivers of the devices that fleetd ships with: one folder a device family."""
