"""Mean delay by airport, from CSV and from Parquet: 3 nodes beside pandas on 1, in one run.

    python -m bench.flights                2 GB of CSV, about an hour
    python -m bench.flights --try          minutes: shows that it runs

All begin with the files on the nodes and read what the question needs. Polars and DuckDB answer
on one node, too, and file by file in tasks of the engines; Dask's bag and array only from CSV.
"""

import argparse
from pathlib import Path
from typing import Any

from bench.contest import turns
from bench.machine import facts, keep, spread
from bench.machines import LOCK, Cluster, cluster
from workloads import flights, registry

PROGRAM = Path(__file__).with_name("flights_form.py")
QUERY = "delay-by-origin"
FORMATS = ("csv", "parquet")
# Engine and nodes, and the forms that are measured there.
PLACES: dict[tuple[str | None, int], tuple[str, ...]] = {
    (None, 1): ("dataframe", "polars", "duckdb"),
    ("dask", 3): ("dataframe", "array", "bag", "polars", "duckdb"),
    ("ray", 3): ("dataframe", "polars", "duckdb"),
    ("dask", 1): ("dataframe",),
    ("ray", 1): ("dataframe",),
}
CSV_ONLY = ("bag", "array")
REPEAT, TRY_REPEAT = 80, 8
TO_REACH = {"csv": 2.5, "parquet": 2.0}
PREPARING_CPUS = 0.6
PREPARE = """
import json, sys
from workloads.flights import copies
print(json.dumps(copies.prepare_fields(**json.loads(sys.argv[1]))))
"""

Found = dict[str, list[dict[str, Any]]]


def main() -> None:
    """Measure and keep the figures."""
    options = parse()
    machine = facts()
    parameters = flights.validate(
        {"repeat": options.repeat, "queries": [QUERY], "chunk_mb": options.chunk_mb}
    )
    found: Found = {}
    with cluster(nodes=3, cpus=options.cpus) as made:
        size = prepare(made, parameters)
        for repeat, place in turns(PLACES, options.repeats):
            for name, one in measure(made, parameters, place, options.forms).items():
                found.setdefault(name, []).append(one)
                print(f"{repeat} {name:28} {one['wall_seconds']:7.1f} s", flush=True)
        path = keep(f"flights{options.suffix}", machine, figures(parameters, size, found))
    print(f"kept in {path}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--repeat", type=int, help="times that the data of 2013 is written")
    parser.add_argument("--chunk-mb", type=int, help="of Dask and Ray Data; else their own")
    parser.add_argument("--forms", help="only these, with dataframe, separated by commas")
    parser.add_argument("--cpus", type=float, default=0.3)
    parser.add_argument("--try", dest="trial", action="store_true")
    options = parser.parse_args()
    options.repeat = options.repeat or (TRY_REPEAT if options.trial else REPEAT)
    options.repeats = 1 if options.trial else options.repeats
    every = {form for known in PLACES.values() for form in known}
    options.forms = options.forms.split(",") if options.forms else sorted(every)
    options.suffix = "_try" if options.trial else ""
    return options


def prepare(made: Cluster, parameters: dict[str, Any]) -> dict[str, int]:
    """Write the files on every node; nobody's first answer pays for that."""
    with made.faster(PREPARING_CPUS):
        endpoint = bring(made, None, 3)
        sizes = {}
        for file_format in FORMATS:
            source = flights.settings(parameters)["source"]
            task = {"home": endpoint.home, "source": source, "file_format": file_format}
            for node in made.inventory.nodes:
                made.python(node, endpoint, PREPARE, task)
            pattern = f"{endpoint.home}/data/*/{file_format}"
            sizes[file_format] = int(made.on_head(f"du -sb {pattern} | cut -f1"))
    return sizes


def bring(made: Cluster, engine: str | None, nodes: int) -> Any:
    return made.bring(engine, nodes=nodes, lock=registry.lock("flights") or LOCK)


def measure(
    made: Cluster, parameters: dict[str, Any], place: tuple[str | None, int], forms: list[str]
) -> dict[str, dict[str, Any]]:
    """Return what each of these forms, from each format, took in one place, by its name."""
    engine, nodes = place
    endpoint = bring(made, engine, nodes)
    where = made.place(engine, endpoint)
    tasks = {
        f"{engine or 'plain'} {form} on {nodes}, {file_format}": {
            **flights.settings({**parameters, "form": form, "format": file_format}),
            "query": QUERY,
        }
        for form in PLACES[place]
        if form in forms
        for file_format in FORMATS
        if file_format == "csv" or form not in CSV_ONLY
    }
    task = {"place": where, "given": tasks}
    found: dict[str, dict[str, Any]] = made.python(
        made.inventory.head, endpoint, PROGRAM.read_text(), task
    )
    return found


def figures(parameters: dict[str, Any], sizes: dict[str, int], found: Found) -> dict[str, Any]:
    table = {
        name: {
            "wall_seconds": spread([one["wall_seconds"] for one in records]),
            "cpu_seconds": spread([one["cpu_seconds"] for one in records]),
            "extra": records[-1]["extra"],
        }
        for name, records in found.items()
    }
    answers = {
        tuple(round(one, 6) for one in records[0]["scores"]) for records in found.values()
    }
    if len(answers) > 1:
        raise SystemExit(f"The answers differ: {answers}")
    faster: dict[str, dict[str, float]] = {one: {} for one in FORMATS}
    for name in table:
        file_format = name.rpartition(", ")[2]
        pandas = table[f"plain dataframe on 1, {file_format}"]["wall_seconds"]["median"]
        faster[file_format][name] = round(pandas / table[name]["wall_seconds"]["median"], 2)
    return {
        "work": parameters,
        "bytes": sizes,
        "forms": table,
        "to_reach": TO_REACH,
        "faster_than_pandas_on_one": faster,
        "versions": next(iter(found.values()))[0]["versions"],
    }


if __name__ == "__main__":
    main()
