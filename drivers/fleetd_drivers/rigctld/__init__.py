"""Any radio that Hamlib drives, through its `rigctld`."""
