"""Where satellites are, and when a station sees them: elements, passes, trajectories, sunlight. Pure functions of time."""
