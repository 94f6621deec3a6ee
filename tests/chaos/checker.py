"""Judge a run by what it was asked and what it wrote: nothing lost or doubled, all right."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tests.chaos.chaos_workload import score
from workloads.runs import RunSpec

GOOD_KINDS = ("sleep",)


def records_of(text: str) -> list[dict[str, Any]]:
    """Return the lines of `results.jsonl`; a torn one is an error."""
    return [json.loads(line) for line in text.splitlines()]


def faults(spec: RunSpec, records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what is wrong with the records of a run that says it finished."""
    found = []
    trials = [record for record in records if record["kind"] == "trial"]
    counted = Counter(record["trial_id"] for record in trials)
    planned = {trial.trial_id: trial.parameters for trial in spec.trials}
    found += [f"lost: {name}" for name in planned if name not in counted]
    found += [f"never asked for: {name}" for name in counted if name not in planned]
    found += [f"{times} times: {name}" for name, times in counted.items() if times > 1]
    for record in trials:
        asked = planned.get(record["trial_id"])
        if asked is not None:
            found += _faults_of(record, asked)
    if not records or records[-1]["kind"] != "finished":
        found.append("the last line does not say that the run is finished")
    return found


def _faults_of(record: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    name = record["trial_id"]
    if record["parameters"] != asked:
        return [f"other parameters: {name}"]
    if asked["kind"] not in GOOD_KINDS:
        good = record["status"] == "failed" and record["reason"]
        return [] if good else [f"neither failed nor explained: {name}"]
    if record["status"] != "ok":
        return [f"failed for no fault of its own: {name}: {record['reason']}"]
    if record["scores"] != [score(asked["number"])]:
        return [f"wrong score: {name}"]
    return []


def mutants(records: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Return the same records with one thing wrong in each: every one must be found out."""
    index = next(i for i, one in enumerate(records) if one["kind"] == "trial" and one["scores"])
    record = records[index]
    before, after = list(records[:index]), list(records[index + 1 :])
    stranger = {**record, "trial_id": "f" * 20}
    last_bit = {**record, "scores": [record["scores"][0] + 1e-15]}
    failed = {**record, "status": "failed", "reason": "made up", "scores": []}
    return {
        "a record dropped": [*before, *after],
        "a record doubled": [*before, record, record, *after],
        "a stranger's record": [*before, record, stranger, *after],
        "a score changed": [*before, last_bit, *after],
        "a good trial failed": [*before, failed, *after],
        "the end cut off": list(records[:-1]),
    }
