"""`fab report.*`: what a sweep found, as a page, as text and as a table."""

import datetime
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invoke.collection import Collection
from invoke.context import Context

from contracts.errors import PARTIAL, TandemError, UsageError
from contracts.progress import step
from tasks.progress import Progress
from tasks.verb import Answer, listed, verb
from workloads.sweeps import results as sweeps

if TYPE_CHECKING:
    from workloads.report.page import Built
    from workloads.report.reading import Reading


@verb(
    help={
        "name": "the sweep, or several separated by commas; by default every sweep",
        "results": "the folder of all sweeps",
        "price": "what if a node-hour cost this much, whatever the inventory says",
        "currency": "the currency of that price",
    }
)
def build(
    context: Context,
    name: str = "",
    results: str = "results",
    price: str = "",
    currency: str = "",
) -> Answer:
    """Write a page for each sweep beside its journal, and index.html over all of them."""
    root, names = Path(results), listed(name)
    asked = _names(root, names)
    assumed = _price(price, currency)
    # Matplotlib and SciPy take a second to load, which no other verb should wait for.
    from workloads.report import index, page, reading

    moment = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC"
    known = sweeps.sweep_names(root)
    current = [one for one in known if not sweeps.is_set_aside(one)]
    read: dict[str, Reading] = {}
    unreadable: dict[str, str] = {}
    built: dict[str, Built] = {}
    tell = Progress(least_seconds=2.0)
    for one in dict.fromkeys([*asked, *current]):
        with step(tell, "report", one):
            try:
                read[one] = reading.read(root / one, price=assumed, currency=currency)
            except TandemError as error:
                if one in names:
                    raise
                unreadable[one] = error.problem
                continue
            if one in asked or not (root / one / page.HTML).is_file():
                built[one] = page.write(read[one], made_at=moment)
    first = index.write(
        root,
        [found for one, found in read.items() if one in current],
        earlier=[one for one in known if one not in current],
        unreadable=unreadable,
        made_at=moment,
    )
    reports = {one: _document(built[one]) for one in asked if one in built}
    answers = [line for one in current if one in read for line in index.answers(read[one])]
    effects = [line for one in current if one in read for line in index.effects(read[one])]
    complete = all(read[one].evidence.complete for one in reports)
    words = [
        *(_words(one, built[one]) for one in reports),
        *(f"{one} cannot be read: {why}" for one, why in unreadable.items()),
        f"All sweeps: {first}",
    ]
    document = {
        "index": str(first),
        "answers": answers,
        "settings": effects,
        "reports": reports,
        "unreadable": unreadable,
    }
    return Answer(document, "\n\n".join(words), 0 if complete and not unreadable else PARTIAL)


def _names(root: Path, names: list[str]) -> list[str]:
    """Return the sweeps whose pages are to be written: those asked for, else all of now."""
    known = sweeps.sweep_names(root)
    if not known and not names:
        raise UsageError(
            f"There is no sweep in {root}/ to report on.",
            next_step="fab sweep.run --workload forest",
        )
    current = [one for one in known if not sweeps.is_set_aside(one)] or known
    folders = [sweeps.sweep_folder(root, name) for name in names or current]
    missing = [folder.name for folder in folders if folder.name not in known]
    if missing:
        others = f"there is: {', '.join(known)}" if known else "nor is there another"
        raise UsageError(
            f"There is no sweep {missing[0]!r} in {root}/; {others}.",
            next_step=f"fab report.build --name {known[-1]}"
            if known
            else f"fab sweep.run --workload forest --name {missing[0]}",
        )
    return [folder.name for folder in folders]


def _price(price: str, currency: str) -> float | None:
    if not price:
        if currency:
            raise UsageError(
                "--currency alone says nothing.", next_step="--price 0.10 --currency USD"
            )
        return None
    try:
        value = float(price)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0:
        raise UsageError(
            f"--price must be a number from 0, not {price!r}.",
            next_step="--price 0.10 --currency USD",
        )
    return value


def _document(built: "Built") -> dict[str, Any]:
    return {
        "headline": built.answer.headline,
        "verdict": built.answer.verdict,
        "sentences": list(built.answer.sentences),
        "complete": built.evidence.complete,
        "html": str(built.html),
        "markdown": str(built.markdown),
        "csv": str(built.csv),
    }


def _words(name: str, built: "Built") -> str:
    incomplete = [f"INCOMPLETE: {built.answer.incomplete}"] if built.answer.incomplete else []
    lines = [built.answer.headline, *incomplete, *built.answer.sentences]
    return "\n".join([f"{name}: {lines[0]}", *lines[1:], f"Report: {built.html}"])


collection = Collection("report", build)
