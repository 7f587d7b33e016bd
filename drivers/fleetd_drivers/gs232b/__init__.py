"""Yaesu GS-232A/B rotator controllers and the many that speak like them."""
