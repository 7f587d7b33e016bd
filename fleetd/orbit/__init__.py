"""Where satellites are and when a station sees them: elements, passes, trajectories, sunlight. No I/O in the maths."""
