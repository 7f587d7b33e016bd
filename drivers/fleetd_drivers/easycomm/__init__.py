"""Rotator controllers that speak EasyComm II or III."""
