"""The hardware-in-the-loop harness: models of the physics, sims behind real bytes, and scenarios."""
