"""Tests of a rig's owner: a site alive on simulated devices in a pytest test. See `docs/how-to/rig-tests.md`."""
