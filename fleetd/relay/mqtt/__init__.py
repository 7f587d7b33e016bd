"""MQTT 3.1.1 and 5 as a client that publishes speaks it: packets, their bytes, and one line to a broker."""
