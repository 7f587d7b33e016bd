"""Fuzz targets of all decoders: run for a moment by the suite, for hours by `make fuzz`."""
