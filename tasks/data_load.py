"""`fab data.load`: data put into the cluster's database, from which workloads read it."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invoke.context import Context

from contracts import inventory as inventories
from contracts.errors import UsageError
from contracts.files import single_writer, state_folder
from contracts.inventory import Inventory
from provision import bringup, database, first_contact
from provision.links import Links
from tasks.progress import Progress
from tasks.verb import Answer, listed, verb, whole_number
from workloads import registry

if TYPE_CHECKING:  # NumPy takes its time, which no other verb should
    from workloads.data.datasets import Data

LOAD = "workloads.data.loading:load"
LOAD_SECONDS = 3600.0
READER = "classification"
INVENTORY = "a file with your own machines, in place of the state folder's"


@verb(
    help={
        "dataset": "a name that fab data.list shows, such as blobs:20x5,noise=0.05",
        "rows": "how many, or several numbers separated by commas, a table each; by default "
        "all there are, or 20000 of generated data",
        "fresh": "load again what is there, in place of it once it is whole",
        "dry-run": "check the request and say what it means; touch nothing",
        "inventory": INVENTORY,
    }
)
def load(
    context: Context,
    dataset: str,
    rows: str = "",
    fresh: bool = False,
    dry_run: bool = False,
    inventory: str = "",
) -> Answer:
    """Load data into PostgreSQL on the head, which is started, and installed where missing.

    The name of a table says which data it holds. Nobody sees a table that is loaded in part.
    """
    from workloads.data import tables

    wanted = _wanted(dataset, [whole_number(one, "--rows") for one in listed(rows)] or [None])
    path = Path(inventory) if inventory else state_folder() / "inventory.json"
    machines = inventories.load(path)
    if dry_run:
        names = {one.version: tables.name_of(one.version) for one in wanted}
        words = [f"Would load {one.version} into {names[one.version]}." for one in wanted]
        document = {"head": machines.head.name, "tables": list(names.values())}
        return Answer({**document, "dry_run": True}, "\n".join(words))
    machines = first_contact.meet(machines, path, Progress())
    with single_writer(state_folder() / "sweep.lock", purpose="A sweep or a load"):
        started, loaded = _load(machines, wanted, fresh)
    words = ["PostgreSQL started."] if started else []
    answered = {"started": started, "tables": [_shown(one) for one in loaded]}
    return Answer(answered, "\n".join([*words, *map(_words, loaded)]))


def _wanted(dataset: str, rows: list[int | None]) -> list["Data"]:
    """Return the data that were asked for, each number of rows by itself."""
    from workloads.data import blobs, catalogue, datasets

    catalogue.check_name(dataset)
    recipe = blobs.parse(dataset)
    name = recipe.name if recipe else datasets.settle_name(dataset)
    most = datasets.most_rows(name)
    for count in rows:
        if count is not None and count > most:
            raise UsageError(
                f"--rows {count} is more than {name} has: {most}.", next_step=f"--rows {most}"
            )
    return [datasets.describe(name, count) for count in dict.fromkeys(rows)]


def _load(
    machines: Inventory, wanted: list["Data"], fresh: bool
) -> tuple[bool, list[Mapping[str, Any]]]:
    """Load each of the data in turn; return whether the server was started, and the tables."""
    tell, state, head = Progress(least_seconds=1.0), state_folder(), machines.head.name
    lock = registry.lock(READER)
    if lock is None:
        raise RuntimeError(f"{READER} has no lock of its own")
    with Links(machines) as links:
        request = bringup.Request(machines, 1, None, state, lock)
        place = database.equip(request, tell, links)
        started = database.ensure(links, machines, state, tell=tell)
        loaded = []
        for data in wanted:
            given = {"home": place.home, "data": asdict(data), "fresh": fresh}
            loaded.append(
                database.perform(
                    links, head, place, LOAD, given,
                    seconds=LOAD_SECONDS, tell=tell, name=f"load {data.version}",
                )
            )  # fmt: skip
    return started, loaded


def _shown(table: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in table.items() if name not in ("sums", "sizes")}


def _words(table: Mapping[str, Any]) -> str:
    what = f"{table['rows']} x {table['columns']} of {table['version']}"
    size = f"{table['bytes'] / 1024**2:.1f} MiB"
    if not table["loaded"]:
        return f"{table['name']} is there: {what}, {size}; --fresh loads it again."
    return f"Loaded {what} in {table['load_seconds']:.1f} s: {table['name']}, {size}."
