"""What an engine has to show of a run: its own profile, and the graph of its tasks."""

DASK_REPORT = "dask-report.html"
RAY_TIMELINE = "ray-timeline.json"
GRAPH = "task-graph.json"
# What a driver may write into its run's folder of this name, and how large each may be.
FOLDER = "profile"
NAMES = (DASK_REPORT, RAY_TIMELINE, GRAPH)
MOST_BYTES = 16 << 20
