"""A rotator of servo drives on Modbus registers, described by a register map."""
