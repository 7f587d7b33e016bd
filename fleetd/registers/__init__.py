"""Register maps: which value stands where in a Modbus device, as data."""
