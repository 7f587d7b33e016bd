"""The guard: a process of its own that says a device's last words when the daemon no longer can."""
