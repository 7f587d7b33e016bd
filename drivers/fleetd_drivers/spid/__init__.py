"""SPID Rot1Prog and Rot2Prog rotator controllers, and their kin MD-01 and MD-02."""
