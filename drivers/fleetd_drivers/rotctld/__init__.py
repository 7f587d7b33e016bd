"""Any rotator that Hamlib drives, through its `rotctld`."""
