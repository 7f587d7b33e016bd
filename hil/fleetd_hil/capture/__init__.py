"""What really passed over a link: recorded byte by byte, kept in a file, and put to a sim that must answer alike."""
