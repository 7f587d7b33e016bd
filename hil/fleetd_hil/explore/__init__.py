"""Random search: sites, passes, orders and faults that nobody thought of, judged, and shrunk where they fail."""
