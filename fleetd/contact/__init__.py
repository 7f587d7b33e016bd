"""Passes worked on antennas: which pass where, the axis path of a whole pass, one interlock, tracking and its report."""
