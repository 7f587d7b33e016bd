"""The fleet: polling robots and sensors, their newest state, and the one way by which a command reaches a robot."""
