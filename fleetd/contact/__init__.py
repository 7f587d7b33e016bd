"""Passes worked on antennas: which pass where, the axis path of the whole pass, one interlock, tracking, the report."""
