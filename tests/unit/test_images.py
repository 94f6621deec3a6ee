"""Images that were made are found, told by an audit, and removed with their snapshots."""

import boto3
import pytest
from invoke.context import Context

from cost import images
from cost.account import Account
from cost.audit import audit
from infra import aws_image
from tasks import audit as audits
from tasks import image
from tests.doubles.aws_cluster import make_machines, make_network
from tests.in_process import answer

pytestmark = pytest.mark.slow

REGION = "eu-north-1"


@pytest.fixture
def made(aws, tmp_path, monkeypatch):
    """An image of ours: (its client, its id)."""
    monkeypatch.setenv("TANDEM_STATE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    ec2 = boto3.client("ec2")
    (machine,) = make_machines(ec2, make_network(ec2), 1)
    ec2.create_image(InstanceId=machine, Name="somebody's")
    tags = {aws_image.IMAGE_TAG: "abc", "Name": "tandem-abc"}
    return ec2, aws_image.take(ec2, machine, "tandem-abc", tags, lambda event: None)


def ours(ec2):
    found = ec2.describe_snapshots(
        OwnerIds=["self"], Filters=[{"Name": "tag-key", "Values": [images.IMAGE_TAG]}]
    )
    return [one["SnapshotId"] for one in found["Snapshots"]]


def test_an_image_is_listed_with_its_snapshot_and_nobody_elses_is(made, capsys):
    ec2, name = made
    code, found = answer(image.list_, capsys)
    (one,) = found["images"]
    assert (code, one["id"], one["environment"]) == (0, name, "abc")
    assert (one["kind"], one["snapshots"], one["gib"] > 0) == ("image", ours(ec2), True)
    assert (found["regions"], bool(found["account"])) == ([REGION], True)
    assert images.IMAGE_TAG == aws_image.IMAGE_TAG


def test_an_audit_names_images_and_calls_nothing_left_for_them(made, capsys):
    found = audit(Account(), [REGION], "another")
    assert (found.clean, [one.id for one in found.kept]) == (True, [made[1]])
    audits.audit(Context(), regions=REGION, cluster="another")
    told = capsys.readouterr().out
    assert f"KEPT image              {made[1]}" in told
    assert "Clean: " in told


def test_an_image_is_removed_with_its_snapshot_and_again_is_told(made, capsys):
    ec2, name = made
    others = len(ec2.describe_images(Owners=["self"])["Images"]) - 1
    snapshots = ours(ec2)
    code, found = answer(image.remove, capsys, image=name)
    assert (code, found["removed"]) == (0, [name, *snapshots])
    assert (len(ec2.describe_images(Owners=["self"])["Images"]), ours(ec2)) == (others, [])
    code, found = answer(image.remove, capsys, image=name)
    assert (code, "there are none" in found["problem"]) == (2, True)


def test_a_snapshot_that_lost_its_image_is_found_and_removed(made, capsys):
    ec2, name = made
    ec2.deregister_image(ImageId=name)
    (lone,) = ours(ec2)
    _, found = answer(image.list_, capsys)
    assert [(one["kind"], one["id"]) for one in found["images"]] == [("snapshot", lone)]
    assert answer(image.remove, capsys, image=lone)[0] == 0
    assert ours(ec2) == []


def test_an_image_that_a_stack_starts_from_stays(made, capsys, tmp_path):
    ec2, name = made
    text = f"config:\n  tandem:provider: aws\n  aws:region: {REGION}\n  tandem:image: {name}\n"
    (tmp_path / "Pulumi.aws.yaml").write_text(text)
    code, found = answer(image.remove, capsys, image=name)
    assert (code, "pulumi config rm image" in found["next_step"]) == (2, True)
    assert ours(ec2)


def test_somebody_elses_image_is_never_removed(made, capsys):
    ec2, _ = made
    every = ec2.describe_images(Owners=["self"])["Images"]
    theirs = next(one["ImageId"] for one in every if one["Name"] == "somebody's")
    assert answer(image.remove, capsys, image=theirs)[0] == 2
    assert ec2.describe_images(ImageIds=[theirs])["Images"]
