"""Benchmarks that compare fleetd with what people would otherwise use, on simulated devices, in one run."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # every contestant on one core, whoever imports numpy first
