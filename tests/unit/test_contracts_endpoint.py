"""The endpoint: where a cluster answers, checked when read, and free of secrets."""

import dataclasses
import json

import pytest

from contracts import endpoint
from contracts.endpoint import Endpoint
from contracts.errors import InvalidDocument, UsageError

ENDPOINT = Endpoint(
    cluster_id="local",
    generation=2,
    engine="dask",
    address="tls://10.0.0.2:8786",
    dashboard_port=8787,
    nodes=("node-0", "node-1"),
    slots={"node-0": 1, "node-1": 1},
    credentials={"ca": "/home/tandem/.tandem/credentials/ca.pem"},
    environment="/opt/tandem/env/abc",
    code="/home/tandem/.tandem/code/def",
    home="/home/tandem/.tandem",
    lock_fingerprint="abc",
    code_fingerprint="def",
    started_at="2026-11-21T09:00:00+00:00",
    phases={"node-0": {"reach": 0.4}},
)


def test_what_is_dumped_is_what_is_loaded(tmp_path):
    endpoint.dump(ENDPOINT, tmp_path / "endpoint.json")
    assert endpoint.load(tmp_path / "endpoint.json") == ENDPOINT


def test_no_cluster_says_what_to_type(tmp_path):
    with pytest.raises(UsageError, match=r"fab cluster\.start"):
        endpoint.load(tmp_path / "endpoint.json")


@pytest.mark.parametrize("field", [one.name for one in dataclasses.fields(Endpoint)])
def test_every_missing_field_is_named(tmp_path, field):
    path = tmp_path / "endpoint.json"
    endpoint.dump(ENDPOINT, path)
    document = json.loads(path.read_text())
    del document[field]
    path.write_text(json.dumps(document))
    with pytest.raises(InvalidDocument, match=f"{field}: missing"):
        endpoint.load(path)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"engine": "spark"}, "engine: must be one of ray, dask, is 'spark'"),
        ({"generation": "2"}, "generation: must be int"),
        ({"nodes": "node-0"}, "nodes: must be list"),
        ({"colour": 1}, "colour: unknown field"),
        ({"credentials": {"token": "x"}}, "looks like a secret"),
    ],
    ids=str,
)
def test_a_broken_endpoint_is_refused_with_the_rule(tmp_path, change, problem):
    path = tmp_path / "endpoint.json"
    endpoint.dump(ENDPOINT, path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InvalidDocument, match=problem):
        endpoint.load(path)


def test_a_newer_schema_is_refused_by_name(tmp_path):
    path = tmp_path / "endpoint.json"
    path.write_text(json.dumps({"schema": 9}))
    with pytest.raises(UsageError, match="schema 9"):
        endpoint.load(path)
