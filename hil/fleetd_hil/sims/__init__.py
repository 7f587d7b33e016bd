"""The device's side of each wire: bytes in, bytes out, over a model. Nothing here is shared with the drivers."""
