"""A world in one process and in its own time: an event loop whose clock jumps, and a network made of memory."""
