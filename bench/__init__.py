"""Benchmarks that compare fleetd with what people would otherwise use, on simulated devices, in one run."""
