"""The daemon: the composition root, the only place where all parts meet, and the life of its process."""
