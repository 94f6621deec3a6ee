"""Who may reach SSH: one rule changes when the operator's address does, and no other."""

import boto3
import pytest

from contracts import inventory as inventories
from contracts.errors import UsageError
from infra import aws_access, stack_file
from tasks import access
from tests.doubles.aws_cluster import CLUSTER, make_network
from tests.in_process import answer
from tests.unit.provision_examples import inventory

pytestmark = pytest.mark.slow

REGION = "eu-north-1"
HERE, THERE, OFFICE = "203.0.113.9/32", "198.51.100.7/32", "192.0.2.16/28"


@pytest.fixture
def group(aws):
    ec2 = boto3.client("ec2")
    made = make_network(ec2)["group"]
    aws_access.allow(ec2, made, "198.51.100.7/32")
    return ec2, made


def ssh_rules(ec2, group):
    found = ec2.describe_security_group_rules(
        Filters=[{"Name": "group-id", "Values": [group]}]
    )["SecurityGroupRules"]
    return [one for one in found if one.get("FromPort") == 22 and not one["IsEgress"]]


def test_a_new_address_changes_the_rule_in_place(group):
    ec2, name = group
    before = ssh_rules(ec2, name)[0]["SecurityGroupRuleId"]
    done = aws_access.allow(ec2, name, "203.0.113.9/32")
    assert (done.before, done.after) == (("198.51.100.7/32",), ("203.0.113.9/32",))
    rules = ssh_rules(ec2, name)
    assert [one["CidrIpv4"] for one in rules] == ["203.0.113.9/32"]
    assert rules[0]["SecurityGroupRuleId"] == before
    assert not aws_access.allow(ec2, name, "203.0.113.9/32").changed


def test_other_rules_of_the_group_are_left_alone(group):
    ec2, name = group
    aws_access.allow(ec2, name, "203.0.113.9/32")
    found = ec2.describe_security_groups(GroupIds=[name])["SecurityGroups"][0]
    assert 6379 in {one.get("FromPort") for one in found["IpPermissions"]}


def test_a_rule_that_was_removed_by_hand_is_made_again(group):
    ec2, name = group
    ids = [one["SecurityGroupRuleId"] for one in ssh_rules(ec2, name)]
    ec2.revoke_security_group_ingress(GroupId=name, SecurityGroupRuleIds=ids)
    done = aws_access.allow(ec2, name, "203.0.113.9/32")
    assert (done.before, aws_access.blocks(ec2, name)) == ((), ("203.0.113.9/32",))


def let_in(ec2, group, *blocks):
    ranges = [{"CidrIp": one, "Description": "by hand"} for one in blocks]
    permission = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": ranges}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])


def test_a_colleagues_network_stays_when_the_own_address_changes(group):
    ec2, name = group
    let_in(ec2, name, OFFICE)
    done = aws_access.allow(ec2, name, HERE)
    assert (done.replaced, aws_access.blocks(ec2, name)) == (THERE, (OFFICE, HERE))
    inside = aws_access.allow(ec2, name, "192.0.2.17/32")
    assert (inside.changed, aws_access.blocks(ec2, name)) == (False, (OFFICE, HERE))


def test_among_several_addresses_the_former_one_has_to_be_named(group):
    ec2, name = group
    let_in(ec2, name, "198.51.100.8/32")
    with pytest.raises(UsageError, match="which rule") as caught:
        aws_access.allow(ec2, name, HERE)
    assert f"--instead-of {THERE}" in str(caught.value)
    with pytest.raises(UsageError, match="which rule"):
        aws_access.allow(ec2, name, HERE, "198.51.100.9/32")
    aws_access.allow(ec2, name, HERE, THERE)
    assert aws_access.blocks(ec2, name) == ("198.51.100.8/32", HERE)


@pytest.mark.parametrize(
    "text",
    ["0.0.0.0/0", "0.0.0.0/1", "10.0.0.0/15", "::/0", "2001:db8::1", "here", "10.0.0.0/33"],
)
def test_ssh_is_opened_to_few_addresses_of_the_kind_that_a_stack_may_have(text):
    with pytest.raises(UsageError):
        aws_access.as_block(text)


def test_more_addresses_have_to_be_acknowledged_and_the_world_never_is():
    assert aws_access.as_block("10.0.0.0/16") == "10.0.0.0/16"
    assert aws_access.as_block("10.0.0.0/8", wide=True) == "10.0.0.0/8"
    with pytest.raises(UsageError, match="never the whole world"):
        aws_access.as_block("0.0.0.0/0", wide=True)


@pytest.mark.parametrize(
    ("known", "wanted"),
    [
        ("", f"{OFFICE},{HERE}"),
        (f"198.51.100.7, {OFFICE}", f"{HERE},{OFFICE}"),
        (OFFICE, f"{OFFICE},{HERE}"),
        ("203.0.113.0/24", "203.0.113.0/24"),
    ],
)
def test_the_stack_is_told_and_keeps_its_order_and_its_other_networks(known, wanted):
    done = aws_access.Allowed(HERE, (OFFICE, THERE), (OFFICE, HERE), THERE)
    assert done.configured(known) == wanted


def test_a_stack_that_finds_the_address_itself_is_left_to_it_where_nothing_changed():
    assert aws_access.Allowed(HERE, (HERE,), (HERE,)).configured("") == ""
    # Cut off between the rule and the stack, the second try does what is missing.
    assert aws_access.Allowed(HERE, (HERE,), (HERE,)).configured(THERE) == f"{THERE},{HERE}"


def test_the_verb_repairs_the_rule_and_the_stack(group, tmp_path, monkeypatch, capsys):
    ec2, name = group
    let_in(ec2, name, OFFICE)
    found = inventory(cluster_id=CLUSTER, provider="aws", region=REGION, security_group_id=name)
    inventories.dump(found, tmp_path / "inventory.json")
    monkeypatch.setenv("TANDEM_STATE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Pulumi.aws.yaml").write_text(
        f"config:\n  tandem:provider: aws\n  tandem:name: {CLUSTER}\n"
        f"  tandem:operator-cidrs: {THERE},{OFFICE}\n"
    )
    code, told = answer(access.allow, capsys, address="203.0.113.9")
    assert (code, told["after"]) == (0, [OFFICE, HERE]), told
    assert aws_access.blocks(ec2, name) == (OFFICE, HERE)
    assert stack_file.read("aws")["tandem:operator-cidrs"] == f"{HERE},{OFFICE}"
    code, told = answer(access.allow, capsys, address="203.0.113.9")
    assert (code, told["changed"]) == (0, False)
