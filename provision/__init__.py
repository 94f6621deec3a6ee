"""What is done to machines: reach them, equip them, start and stop a cluster."""
