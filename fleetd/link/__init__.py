"""Byte streams by URL: the seam below which nothing knows a device and above which nothing knows a medium."""
