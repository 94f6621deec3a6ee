"""What may be asked of machines on EC2: everything wrong is told at once, before any call."""

from pathlib import Path

import pytest
import yaml

from contracts import aws_catalogue
from contracts.errors import InvalidDocument
from infra.aws_settings import DEFAULTS, parse_aws
from tests.aws_catalogue import types
from tests.unit.project_settings import described_settings

ROOT = Path(__file__).resolve().parents[2]


def parse(region="eu-north-1", **changes):
    given = {name.replace("_", "-"): value for name, value in changes.items()}
    return parse_aws(
        {"name": "demo", **given}, region=region, state=Path("/state"), user="ada l"
    )


def test_what_is_left_out_has_the_default_that_the_project_describes():
    described = described_settings()
    assert set(DEFAULTS) <= set(described)
    for name, default in DEFAULTS.items():
        if name != "name":
            assert str(described[name]["default"]) == str(default), name
    assert all(one["description"] for one in described.values())
    settings = parse()
    assert [one.type_name for one in settings.machines] == ["m7i.large"] * 3
    assert [one.role for one in settings.machines] == ["head", "worker", "worker"]
    assert {one.market for one in settings.machines} == {"on-demand"}
    assert settings.owner == "ada l"
    assert (settings.vpc, settings.image, settings.bucket, settings.budget) == (None,) * 4


def test_the_example_is_a_configuration_that_works():
    given = yaml.safe_load((ROOT / "Pulumi.aws.yaml").read_text())["config"]
    ours = {
        key.removeprefix("tandem:"): value
        for key, value in given.items()
        if key.startswith("tandem:")
    }
    settings = parse_aws(ours, region=given["aws:region"], state=Path("/s"), user="ada")
    assert settings.cluster_id == "forest"


def test_every_commented_line_of_the_example_names_a_setting_that_there_is():
    text = (ROOT / "Pulumi.aws.yaml").read_text()
    named = {
        line.split("tandem:", 1)[1].split(":")[0]
        for line in text.splitlines()
        if "tandem:" in line
    }
    assert named <= {*DEFAULTS, "provider"}


def test_texts_numbers_and_booleans_mean_the_same():
    texts = parse(nodes="2", disk_gib="40", spot_fallback="true", ttl_hours="2.5", budget="7")
    values = parse(nodes=2, disk_gib=40, spot_fallback=True, ttl_hours=2.5, budget=7)
    assert texts == values
    assert (values.disk_gib, values.ttl_hours, values.budget) == (40, 2.5, 7.0)


def test_workers_may_be_of_different_types_and_from_the_spot_market():
    settings = parse(
        nodes=3, head_type="m7i.large", worker_types="c7i.large, c7i.xlarge", workers="spot"
    )
    found = [(one.name, one.type_name, one.market, one.kind.cpus) for one in settings.machines]
    assert found == [
        ("node-1", "m7i.large", "on-demand", 2),
        ("node-2", "c7i.large", "spot", 2),
        ("node-3", "c7i.xlarge", "spot", 4),
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "Demo"}, "name: must match"),
        ({"name": ""}, "name: must match"),
        ({"nodes": 0}, "nodes: must be a whole number from 1 to 64, is 0"),
        ({"nodes": 65}, "nodes: must be"),
        ({"head_type": "t3.medum"}, "did you mean t3.medium"),
        ({"worker_types": "g6f.metal"}, "worker-types: eu-north-1 does not offer"),
        ({"worker_types": "c7i.large,c7i.large,c7i.large"}, "one for each of the 2, names 3"),
        ({"head_type": "t4g.large"}, "one architecture; t4g.large is aarch64"),
        ({"workers": "cheap"}, "workers: must be on-demand or spot"),
        ({"network": "10.0.0.1/24"}, "network: must be a network"),
        ({"network": "10.0.0.0/8"}, "prefix from /16 to /28"),
        ({"network": "8.8.8.0/24"}, "must be private"),
        ({"network": "fd00::/64"}, "must be IPv4"),
        ({"network": "10.0.0.0/28", "nodes": 12}, "room for 11 machines, and 12"),
        ({"zone": "us-east-1a"}, "zone: must be one of eu-north-1"),
        ({"vpc": "vpc-0123456789abcdef0"}, "goes together with subnet"),
        (
            {
                "vpc": "vpc-0123456789abcdef0",
                "subnet": "subnet-0123456789abcdef0",
                "zone": "eu-north-1a",
            },
            "is that of the given subnet",
        ),
        ({"image": "ubuntu"}, "image: must be an image"),
        ({"ssh_user": "-x"}, "ssh-user: must be a login name"),
        ({"disk_gib": 7}, "disk-gib: must be a number from 8"),
        ({"disk_gib": 10.5}, "disk-gib: must be a whole number"),
        ({"operator_cidrs": "0.0.0.0/0"}, "opens SSH to 4294967296 addresses"),
        ({"operator_cidrs": "128.0.0.0/1,0.0.0.0/1"}, "opens SSH to 2147483648 addresses"),
        ({"operator_cidrs": "198.51.100.7/24"}, "has host bits set"),
        ({"operator_cidrs": "::/0"}, "must be IPv4"),
        ({"address_url": "http://example.org"}, "must be an https:// address"),
        ({"allow_open_ssh": "perhaps"}, "must be true or false"),
        ({"bucket": "My_Bucket"}, "bucket: must be the name of a bucket"),
        ({"bucket": "mine", "purge_bucket": True}, "a given one is never emptied"),
        ({"owner": "a\tb"}, "owner: must be letters"),
        ({"ttl_hours": "for ever"}, "ttl-hours: must be a number"),
        ({"idle_minutes": 1}, "idle-minutes: must be a number from 5"),
        ({"budget": 0}, "budget: must be"),
        ({"spot_max_price": "cheap"}, "spot-max-price: must be"),
        ({"region": None}, "aws:region: missing"),
        ({"region": "eu-nort-1"}, "did you mean eu-north-1"),
        ({"head_typ": "t3.large"}, "head-typ: unknown field"),
    ],
)
def test_a_bad_value_is_named_with_its_rule(changes, words):
    with pytest.raises(InvalidDocument) as caught:
        parse(**changes)
    assert words in str(caught.value)
    assert len(caught.value.problems) == 1 or "0.0.0.0/1" in str(changes)


def test_all_that_is_wrong_is_told_at_once():
    with pytest.raises(InvalidDocument) as caught:
        parse(name="X", nodes=0, head_type="none.such", network="x", ttl_hours=-1, zone="q")
    assert len(caught.value.problems) == 6
    assert "pulumi config set" in str(caught.value)


def test_ssh_that_is_open_to_the_world_has_to_be_acknowledged():
    assert parse(operator_cidrs="0.0.0.0/0", allow_open_ssh="true").operator_cidrs == (
        "0.0.0.0/0",
    )
    assert parse(operator_cidrs="198.51.100.7, 198.51.0.0/16").operator_cidrs == (
        "198.51.100.7/32",
        "198.51.0.0/16",
    )


def test_a_type_newer_than_the_table_is_allowed_when_asked_for():
    settings = parse(head_type="t99.large", unlisted_types=True)
    assert settings.machines[0].kind is None
    assert parse(region="eu-north-9", unlisted_types=True).region == "eu-north-9"


def test_the_table_of_types_is_what_aws_answered():
    for name, (cpus, mebibytes, architecture, gpus, _) in list(types().items())[::10]:
        regions = aws_catalogue.offered_in(name)
        if regions:
            found = aws_catalogue.find(name, regions[0])
            assert (found.cpus, found.memory_bytes) == (cpus, mebibytes * 1024**2)
            assert (found.architecture, found.gpus) == (architecture, gpus)
    assert aws_catalogue.find("t3.large", "eu-north-1").memory_bytes == 8 * 1024**3
    assert aws_catalogue.find("t3.large", "nowhere-1") is None
    assert aws_catalogue.find("g5.xlarge", "eu-north-1").gpus == 1
