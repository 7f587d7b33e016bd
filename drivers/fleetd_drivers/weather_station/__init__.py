"""A weather station in the manner of the Vaisala WXT530."""
