"""Runs of workloads on the tests' machines: what they are asked for, and what they tell."""

import json

from provision import remote_run
from tests.doubles.run_specs import workload_spec
from workloads import runs
from workloads.sweeps.driver_output import DriverOutput


def spec_on(operator, endpoint, workload, parameters, **changes):
    """Return a run of a workload on the nodes of a bring-up."""
    return workload_spec(
        workload,
        endpoint.home,
        parameters,
        engine=endpoint.engine,
        address=endpoint.address,
        nodes=endpoint.nodes,
        addresses={node: operator.inventory.node(node).private_ip for node in endpoint.nodes},
        slots=endpoint.slots,
        credentials=endpoint.credentials,
        **changes,
    )


def driven(operator, endpoint, spec):
    """Drive a run to its end; return its results in the order of its trials, and the rest."""
    output = DriverOutput(spec.trials)
    text = json.dumps(runs.as_document(spec)).encode()
    assert remote_run.launch(operator.links, endpoint, spec.run_id, text)
    results = {}
    for part in remote_run.follow(operator.links, endpoint.nodes[0], spec.run_id):
        results.update((one.trial_id, one) for one in output.feed(part))
    seen = output.observed
    assert (seen.ended, seen.rejected) == ("finished", []), seen
    return [results[trial.trial_id] for trial in spec.trials], seen
