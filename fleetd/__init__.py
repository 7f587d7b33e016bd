"""fleetd: satellite passes, antennas, delivery robots and their telemetry, one process per site."""

import os

# Our matrix products are small: dealing them out to OpenBLAS's threads doubles the CPU time of a pass search. numpy
# looks at this when it is first imported, so it stands before everything else.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

__version__ = "0.1.0.dev0"
