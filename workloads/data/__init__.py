"""The data that workloads compute on."""
