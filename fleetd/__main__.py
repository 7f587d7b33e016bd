"""`python -m fleetd`: the daemon."""

from fleetd.daemon.main import main

if __name__ == "__main__":
    main()
