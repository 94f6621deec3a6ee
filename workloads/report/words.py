"""What the page says in words apart from its answer."""

import math

from workloads.report.comparison import named
from workloads.report.evidence import Evidence, Series
from workloads.report.machine_figures import GIB
from workloads.report.scores import Agreement
from workloads.report.statistics import Law
from workloads.sweeps.plan import Work


def subject(evidence: Evidence) -> str:
    """Return what was computed, and what of it was varied."""
    works = [part.work for part in evidence.parts()]
    words = list(dict.fromkeys(_described(work) for work in works))
    axes: dict[str, dict[str, None]] = {}
    for one in evidence.plan.variations:
        for text in one.names:
            name, _, value = text.partition("=")
            axes.setdefault(name, {})[value] = None
    varied = [f"{name} = {', '.join(values)}" for name, values in axes.items()]
    return "; ".join([*words, *(f"varied: {one}" for one in varied)])


def _described(work: Work) -> str:
    folds = work.parameters.get("folds")
    fits = f" in {folds} folds" if folds else ""
    return (
        f"{work.workload}: {len(work.combinations)} combinations{fits} on {work.data_version}, "
        f"seed {work.seed}"
    )


def data(evidence: Evidence) -> str:
    """Return the names of all the data that was computed on."""
    versions = dict.fromkeys(part.work.data_version for part in evidence.parts())
    return ", ".join(versions)


def machines(evidence: Evidence) -> str:
    """Return how many machines of which size the plan names."""
    shapes: dict[str, int] = {}
    for one in evidence.plan.machines:
        memory = float(one.get("memory_bytes") or 0) / GIB
        shape = f"{one.get('cpus', 0):g} CPU and {memory:.3g} GiB"
        shapes[shape] = shapes.get(shape, 0) + 1
    words = [f"{count} of {shape}" for shape, count in shapes.items()]
    return f"Machines: {', '.join(words)}" if words else ""


def law_notes(laws: dict[Series, list[Law]]) -> list[str]:
    """Return what a reader must know before believing the laws, each thing once."""
    found: dict[str, list[str]] = {}
    for series, fitted in laws.items():
        if not fitted:
            found.setdefault("too few node counts for any law", []).append(series.label)
        for law in fitted:
            if law.ceiling:
                found.setdefault(f"by {law.name}: {law.ceiling}", []).append(series.label)
            if law.note:
                found.setdefault(f"{law.name}: {law.note}", []).append(series.label)
    return [f"{' and '.join(dict.fromkeys(names))}, {note}." for note, names in found.items()]


def agreement(found: Agreement, evidence: Evidence) -> str:
    """Return how far equal work found equal scores."""
    plan, alike = evidence.plan, ""
    if len(plan.variations) > len(plan.baselines):
        alike = ", and over every variation that must change no score"
    if not found.compared:
        return "No combination was scored twice, so there is nothing to compare."
    if math.isinf(found.tolerance):
        return (
            "Scores are not compared: with these parameters what is computed depends on how "
            "the data are spread over the nodes."
        )
    if not found.differing:
        how = f"within {found.tolerance:g} of their size"
        how = how if found.tolerance else "to the last bit"
        return (
            f"All {found.compared} results of {found.combinations} combinations agree {how}, "
            f"over every engine, number of nodes and repeat{alike}."
        )
    worst = max(distance for _, distance in found.differing)
    return (
        f"{len(found.differing)} of {found.combinations} combinations do NOT agree over "
        f"engines, node counts and repeats; the largest difference in a fold is {worst:.3g}."
    )


def remarks(evidence: Evidence) -> list[str]:
    """Return what was left out apart from whole runs, in words."""
    found = []
    if evidence.damaged:
        count = evidence.damaged
        found.append(
            f"{count} damaged piece{'s' if count > 1 else ''} of the journal "
            f"{'were' if count > 1 else 'was'} set aside in quarantine.jsonl; what "
            f"{'they' if count > 1 else 'it'} held was measured again or is missing."
        )
    if evidence.other_rows:
        found.append(
            f"{evidence.other_rows} runs of other parameters, data, sources or library "
            "versions are in the journal and not in this report."
        )
    found += [f"A record of the journal was not understood: {one}" for one in evidence.rejected]
    if evidence.conflicts:
        found.append(
            f"{len(evidence.conflicts)} trials were done twice and gave different scores, "
            "which a seeded workload must not."
        )
    reasons: dict[str, int] = {}
    for one in evidence.failed:
        reason = one.reason or "no reason given"
        reasons[reason] = reasons.get(reason, 0) + 1
    found += [f"{count} trials failed: {reason}" for reason, count in reasons.items()]
    for cell, rows in evidence.clean.items():
        for row in rows:
            found += [f"{named(cell)}, repeat {row.repeat}: {text}" for text in row.rejected]
    return found
