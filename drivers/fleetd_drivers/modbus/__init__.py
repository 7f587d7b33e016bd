"""Modbus for all drivers that speak it: the wire, the bus that owns a line, and devices that are only a map."""
