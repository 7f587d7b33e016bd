"""The robot side of VDA 5050: fleetd speaks for its Modbus robots to a master control, in the master's own terms.

It is a way in like the others: every drive, pause and door goes through the dispatch, and no way leads past it.
"""
