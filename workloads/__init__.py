"""What a cluster is for: workloads, the engines that run them, sweeps and reports."""
