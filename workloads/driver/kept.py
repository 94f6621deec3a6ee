"""What a run found, kept in the cluster's bucket as soon as it is found."""

import traceback
from pathlib import Path

from contracts.errors import TandemError
from workloads import store
from workloads.runs import RunSpec


def keep(spec: RunSpec, results: Path) -> str | None:
    """Copy a run's results into the bucket with the role of the head; return the key.

    None where the cluster has no bucket, or it cannot be used: what was found lies here, too,
    and the operator has it, so no run fails for that.
    """
    if not store.SETTINGS.expanduser().exists():
        return None
    try:
        name = f"{spec.workload}/{spec.run_id}.jsonl"
        return store.open_store().keep(name, results)
    except TandemError:
        traceback.print_exc()
        return None
