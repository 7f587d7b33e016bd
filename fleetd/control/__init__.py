"""The control API: HTTP on a Unix socket, for `fleetctl` and for programs on the same machine. It decides nothing."""
