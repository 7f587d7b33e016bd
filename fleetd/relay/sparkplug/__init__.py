"""Readings as Sparkplug B 3.0: fleetd is an edge node, its devices are Sparkplug devices."""
