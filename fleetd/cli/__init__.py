"""`fleetctl`: the command line. Commands that need no daemon, and commands that ask one over its control socket."""
