"""Scenarios: a site on simulated devices, what befalls it and when, what must then be seen, and the verdict."""
