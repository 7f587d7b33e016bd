"""Any sensor that is nothing but registers."""
