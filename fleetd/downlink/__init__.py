"""From a frame off the air to named parameters, and from a telecommand's request to its verified effect."""
