"""Searches as the peers' own documentation has them, for Python to read on a cluster's head.

    python - TASK < bench/peer_searches.py

It is sent as text and imports nothing of the bench. The last line that it prints is JSON: wall
seconds from its first line to the last score, loading of the data included, and all scores.
"""

import itertools
import json
import os
import sys
import time
from importlib import metadata

LIBRARIES = ("ray", "dask", "distributed", "scikit-learn", "numpy", "scipy", "joblib")
# What makes a trial of the control short: its memory is looked at, not its forest.
CONTROL_TREES = 5


def main():
    begin = time.monotonic()
    task = json.loads(sys.argv[1])
    x, y = load(task)
    found = SEARCHES[task["search"]](task, x, y)
    record = {"wall_seconds": time.monotonic() - begin, **found, "versions": versions()}
    print(json.dumps(record), flush=True)
    os._exit(0)  # an engine's library may wait at exit for a peer that is gone


def load(task):
    import numpy as np

    from workloads.data import datasets

    x, y = datasets.load(task["home"], datasets.Data(**task["data"]))
    return np.array(x), np.array(y)


def grid_search_on_one_node(task, x, y):
    """scikit-learn's user guide, 'Tuning the hyper-parameters of an estimator'."""
    from sklearn.model_selection import GridSearchCV

    search = GridSearchCV(forest(task), task["grid"], cv=split(task), refit=False, n_jobs=-1)
    return results(search.fit(x, y).cv_results_)


def ray_tune(task, x, y):
    """Ray's user guides, 'Running Basic Experiments' and 'Parameters and data':

    a function as the trainable, data through `with_parameters`, which puts it into the object
    store once. `reuse_actors` is not the default; it saves Tune a new process for each trial.
    """
    join_ray(task)
    from ray import tune

    def trial(parameters, x, y, task):
        from sklearn.model_selection import cross_val_score

        scores = cross_val_score(forest(task, parameters), x, y, cv=split(task))
        folds = {f"split{fold}": float(score) for fold, score in enumerate(scores)}
        tune.report({"score": float(scores.mean()), **folds})

    tuner = tune.Tuner(
        tune.with_parameters(trial, x=x, y=y, task=task),
        param_space={name: tune.grid_search(values) for name, values in task["grid"].items()},
        tune_config=tune.TuneConfig(metric="score", mode="max", reuse_actors=True),
        run_config=tune.RunConfig(storage_path=f"{task['home']}/tune", verbose=0),
    )
    ended = tuner.fit()
    if ended.errors:
        raise SystemExit(f"Ray Tune: {ended.errors[0]}")
    folds = [f"split{fold}" for fold in range(task["folds"])]
    return {"scores": [[one.config, [one.metrics[name] for name in folds]] for one in ended]}


def dask_ml(task, x, y):
    """dask-ml's page 'Hyper Parameter Search', `GridSearchCV` on a client."""
    from dask_ml.model_selection import GridSearchCV

    client = join_dask(task)
    search = GridSearchCV(
        forest(task), task["grid"], cv=split(task), refit=False, scheduler=client
    )
    return results(search.fit(x, y).cv_results_)


def joblib_on_ray(task, x, y):
    """Ray's page 'Distributed Scikit-learn / Joblib'."""
    import joblib
    from ray.util.joblib import register_ray
    from sklearn.model_selection import GridSearchCV

    join_ray(task)
    register_ray()
    search = GridSearchCV(forest(task), task["grid"], cv=split(task), refit=False, n_jobs=-1)
    with joblib.parallel_config(backend="ray"):
        return results(search.fit(x, y).cv_results_)


def joblib_on_dask(task, x, y):
    """dask-ml's page 'Scikit-Learn & Joblib', with the data scattered once."""
    import joblib
    from sklearn.model_selection import GridSearchCV

    client = join_dask(task)
    search = GridSearchCV(forest(task), task["grid"], cv=split(task), refit=False, n_jobs=-1)
    with joblib.parallel_config(backend="dask", client=client, scatter=[x, y]):
        return results(search.fit(x, y).cv_results_)


def copies_on_ray(task, x, y):
    """The control: every task is given the data, as a loop over combinations easily does."""
    import ray

    join_ray(task)
    trial = ray.remote(control_trial)
    begin = time.monotonic()
    scores = ray.get([trial.remote(task, x, y, one) for one in combinations(task["grid"])])
    return {"trials": len(scores), "trials_seconds": time.monotonic() - begin}


def copies_on_dask(task, x, y):
    """The same control through a Dask client."""
    client = join_dask(task)
    begin = time.monotonic()
    futures = [
        client.submit(control_trial, task, x, y, one) for one in combinations(task["grid"])
    ]
    scores = client.gather(futures)
    return {"trials": len(scores), "trials_seconds": time.monotonic() - begin}


def control_trial(task, x, y, parameters):
    from sklearn.model_selection import cross_val_score

    parameters = {**parameters, "n_estimators": CONTROL_TREES}
    return float(cross_val_score(forest(task, parameters), x, y, cv=split(task)).mean())


def forest(task, parameters=None):
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(random_state=task["seed"], n_jobs=1, **(parameters or {}))


def split(task):
    from sklearn.model_selection import StratifiedKFold

    return StratifiedKFold(task["folds"], shuffle=True, random_state=task["seed"])


def combinations(grid):
    return [
        dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())
    ]


def results(table):
    names = [name for name in table if name.startswith("split") and name.endswith("_score")]
    return {
        "scores": [
            [dict(parameters), [float(table[name][index]) for name in names]]
            for index, parameters in enumerate(table["params"])
        ]
    }


def join_ray(task):
    import logging

    import ray

    ray.init(
        address=task["address"],
        _node_ip_address=task["head"],
        log_to_driver=False,
        logging_level=logging.ERROR,
    )


def join_dask(task):
    from distributed import Client, Security

    files = task["credentials"]
    security = Security(
        tls_ca_file=files["dask_ca"],
        tls_client_cert=files["dask_certificate"],
        tls_client_key=files["dask_key"],
        require_encryption=True,
    )
    return Client(task["address"], security=security)


def versions():
    import platform

    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        found[name] = metadata.version(name)
    return found


SEARCHES = {
    "gridsearchcv": grid_search_on_one_node,
    "ray-tune": ray_tune,
    "dask-ml": dask_ml,
    "joblib-ray": joblib_on_ray,
    "joblib-dask": joblib_on_dask,
    "copies-ray": copies_on_ray,
    "copies-dask": copies_on_dask,
}

if __name__ == "__main__":
    main()
