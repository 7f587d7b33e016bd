"""An output of a Modbus relay board as a switch."""
