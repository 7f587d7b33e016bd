"""Ports on which programs of the field, such as gpredict and SatNOGS, work an antenna and its radio through fleetd."""
