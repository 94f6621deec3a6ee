"""`fab report.*`: what a sweep found, as a page, as text and as a table."""

import datetime
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invoke.collection import Collection
from invoke.context import Context

from contracts.errors import PARTIAL, UsageError
from tasks.verb import Answer, listed, verb
from workloads.sweeps import results

if TYPE_CHECKING:
    from workloads.report.page import Built


@verb(
    help={
        "name": "the sweep, or several separated by commas; by default the latest",
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
    """Write report.html, report.md and results.csv beside the journal of a sweep."""
    folders = _folders(Path(results), listed(name))
    assumed = _price(price, currency)
    # Matplotlib and SciPy take a second to load, which no other verb should wait for.
    from workloads.report import page

    moment = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC"
    built = {
        folder.name: page.build(folder, price=assumed, currency=currency, made_at=moment)
        for folder in folders
    }
    complete = all(one.evidence.complete for one in built.values())
    return Answer(
        {"reports": {one: _document(found) for one, found in built.items()}},
        "\n\n".join(_words(one, found) for one, found in built.items()),
        0 if complete else PARTIAL,
    )


def _folders(root: Path, names: list[str]) -> list[Path]:
    known = results.sweep_names(root)
    if not known and not names:
        raise UsageError(
            f"There is no sweep in {root}/ to report on.",
            next_step="fab sweep.run --workload forest",
        )
    folders = [results.sweep_folder(root, name) for name in names or known[-1:]]
    missing = [folder.name for folder in folders if folder.name not in known]
    if missing:
        others = f"there is: {', '.join(known)}" if known else "nor is there another"
        raise UsageError(
            f"There is no sweep {missing[0]!r} in {root}/; {others}.",
            next_step=f"fab report.build --name {known[-1]}"
            if known
            else f"fab sweep.run --workload forest --name {missing[0]}",
        )
    return folders


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
