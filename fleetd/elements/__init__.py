"""Keeps the orbital elements of a site fresh and trusted: where they come from, which are in use, which wait."""
