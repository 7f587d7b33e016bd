"""The physics, apart from any wire: `step(dt_s)` moves a model on; no I/O, no clock, chance only from a seed."""
