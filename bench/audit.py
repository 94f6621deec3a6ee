"""Seconds of `fab cost.audit` over three regions, with 200 ms added to each of its calls.

python -m bench.audit --repeats 5

The account is moto's server on loopback, with a cluster in one region and 40 roles of others
besides; a proxy holds each call back. So the figure is of this program and not of AWS.
"""

import argparse
import json
import os
import subprocess
import time
from unittest import mock

import boto3

from bench.machine import facts, keep, spread
from tests.doubles import aws_server
from tests.doubles.aws_cluster import make_cluster

REGIONS = ("eu-north-1", "eu-west-1", "us-east-1")
ROLES = 40
LIMIT = 300.0


def main() -> None:
    """Measure and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--milliseconds", type=float, default=200.0)
    options = parser.parse_args()
    machine = facts()
    with (
        aws_server.moto_server() as moto,
        aws_server.slow_line(moto, options.milliseconds / 1000) as line,
    ):
        with mock.patch.dict(os.environ, {**aws_server.VARIABLES, "AWS_ENDPOINT_URL": moto}):
            _fill()
            _audit(moto)  # moto loads each service when it is first asked
        verb, inside, calls = [], [], []
        for _ in range(options.repeats):
            before = line.calls
            seconds, answer = _audit(line.address)
            assert len(answer["found"]) > 10, answer  # noqa: S101
            verb.append(seconds)
            inside.append(answer["seconds"])
            calls.append(line.calls - before)
    figures = {
        "regions": list(REGIONS),
        "milliseconds_added": options.milliseconds,
        "calls": calls[0],
        "verb_seconds": spread(verb),
        "audit_seconds": spread(inside),
        "seconds_one_after_the_other_at_least": calls[0] * options.milliseconds / 1000,
    }
    print(
        f"{calls[0]} calls in {figures['verb_seconds']['median']} s with start-up, "
        f"{figures['audit_seconds']['median']} s without"
    )
    print(f"kept in {keep('audit', machine, figures)}")


def _fill() -> None:
    make_cluster(REGIONS[0])
    iam = boto3.client("iam", region_name="us-east-1")
    for number in range(ROLES):
        iam.create_role(RoleName=f"other-{number}", AssumeRolePolicyDocument="{}")


def _audit(address: str) -> tuple[float, dict[str, object]]:
    environment = {**os.environ, **aws_server.VARIABLES, "AWS_ENDPOINT_URL": address}
    begin = time.monotonic()
    done = subprocess.run(
        ["fab", "cost.audit", "--json", "--regions", ",".join(REGIONS)],
        env=environment, capture_output=True, text=True, timeout=LIMIT, check=False,
    )  # fmt: skip
    assert done.returncode == 8, done.stderr  # noqa: S101
    return time.monotonic() - begin, json.loads(done.stdout)


if __name__ == "__main__":
    main()
