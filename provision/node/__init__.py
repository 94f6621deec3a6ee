"""What runs on the nodes, sent there as text for each call; nothing of it is installed."""
