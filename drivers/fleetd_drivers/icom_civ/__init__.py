"""Icom radios of two receivers over CI-V."""
