"""The policy pack in the real engine's hands, over the stack that it is made for."""

import json

import pytest

from tests.integration import aws_clusters
from tests.integration.pulumi_project import PulumiProject

pytestmark = [pytest.mark.long, pytest.mark.pulumi_cli, pytest.mark.timeout(900)]


@pytest.fixture
def stack(aws_cluster, tmp_path):
    if not aws_clusters.has_pulumi():
        pytest.skip("no pulumi program on PATH: fab setup.run installs it where it can be had")
    made: PulumiProject = aws_clusters.real_of(aws_cluster, tmp_path)
    with aws_clusters.destroyed_at_the_end(made):
        yield made
        aws_cluster.account.clear()


def test_a_stack_as_it_is_passes_and_one_beyond_a_cap_makes_nothing(
    stack, aws_cluster, tmp_path
):
    caps = tmp_path / "caps.json"
    caps.write_text(json.dumps({"caps": {"most_nodes": 1}}))
    stack.settings["nodes"] = 2
    with_pack = ("--policy-pack", "policy")
    stack.preview()
    refused = stack.run(
        "up", "--yes", *with_pack, "--policy-pack-config", str(caps), check=False
    )
    told = refused.stdout + refused.stderr
    assert refused.returncode != 0, told
    assert "2 machines" in told, told
    assert aws_cluster.instances() == []

    made = stack.run("up", "--yes", *with_pack, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    assert len(aws_cluster.instances()) == 2
