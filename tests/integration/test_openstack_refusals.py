"""Logins that end, and what a cloud has no more of: told in its own words, nothing orphaned.

Every test runs by doubles of Pulumi's engine and plugin, and by the real ones where they are on
PATH.
"""

import contextlib

import pytest

from tests.doubles.openstack import content
from tests.doubles.openstack.places import usual
from tests.integration.openstack_clusters import check_gone, wait_for

pytestmark = [pytest.mark.long, pytest.mark.openstack, pytest.mark.timeout(3600)]


@pytest.fixture
def cluster(openstack_cluster):
    return openstack_cluster


@pytest.fixture
def stack(gated_stack):
    return gated_stack


def test_a_login_that_ends_in_the_middle_is_renewed(cluster, stack, gate):
    process = stack.start("up")
    ended = 0
    for path in ("/networks$", "/ports$", "/servers$"):
        wait_for(lambda path=path: gate.calls(method="POST", path=path), path, 900)
        ended += gate.revoke()
    assert process.wait(900) == 0
    assert ended > 2
    assert [one for one in gate.calls() if one.status == 401]
    assert set(cluster.servers()) == {"node-1", "node-2"}
    check_gone(cluster, stack)


def test_a_login_that_cannot_be_renewed_is_told_and_the_next_one_goes_on(
    cluster, stack, gate, behind_gate, tmp_path
):
    """Someone who logs in by a token has no password to get another one with."""
    with contextlib.closing(content.link(usual(), "member")) as link:
        token = link.session.get_token()
    path = tmp_path / "token.yaml"
    nothing = dict.fromkeys(("username", "password", "user_domain_name"))
    gate.clouds(path, 10.0, token=token, **nothing)
    text = path.read_text().replace("  member:\n", "  member:\n    auth_type: v3token\n")
    path.write_text(text)
    stack.use({"OS_CLIENT_CONFIG_FILE": str(path)})
    # When the network is there, its token ends.
    process = stack.start("up")
    wait_for(lambda: gate.calls("network", "POST", "/ports$"), "a port", 900)
    assert gate.revoke(token)
    assert process.wait(900) != 0
    refused = stack.up()
    assert not refused.succeeded
    assert "does not take the credentials: wrong, expired" in refused.told()
    assert "openrc.sh" in refused.told()
    stack.use(behind_gate)
    done = stack.up()
    assert done.succeeded, done.told()
    check_gone(cluster, stack)


@contextlib.contextmanager
def quota_of(**most):
    """Let the member's project have no more for the block."""
    with contextlib.closing(content.link(usual(), "admin")) as admin:
        domain = admin.identity.find_domain(content.DOMAIN)
        project = admin.identity.find_project(content.PROJECT, domain_id=domain.id)
        admin.network.update_quota(project.id, **most)
        try:
            yield
        finally:
            # Back to what every project has.
            admin.network.delete_quota(project.id)


def test_no_address_left_in_the_quota_is_told_before_and_after(cluster, stack, behind_gate):
    with quota_of(floating_ips=0):
        looked = cluster.fab("doctor", "--stack", "ssc", "--json", **behind_gate)
        found = {one["what"]: one for one in looked.document["findings"]}
        assert found["quota floating ips"]["state"] == "bad"
        assert "0 allowed" in found["quota floating ips"]["words"]
        failed = stack.up()
        assert not failed.succeeded
        assert "Quota exceeded for resources: ['floatingip']" in failed.told()
    done = stack.up()
    assert done.succeeded, done.told()
    check_gone(cluster, stack)


@contextlib.contextmanager
def tiny_pool():
    """Give a network outside with one address, which a router takes."""
    with contextlib.closing(content.link(usual(), "admin")) as admin:
        made = admin.network.create_network(
            name="tiny outside",
            is_router_external=True,
            provider_network_type="flat",
            provider_physical_network="tiny",
        )
        admin.network.create_subnet(
            network_id=made.id,
            ip_version=4,
            cidr="203.0.113.0/29",
            allocation_pools=[{"start": "203.0.113.2", "end": "203.0.113.2"}],
            enable_dhcp=False,
        )
        try:
            yield "tiny outside"
        finally:
            admin.network.delete_network(made)


def test_no_address_left_in_the_pool_is_told_and_leaves_nothing(cluster, stack):
    with tiny_pool() as name:
        stack.settings["external-network"] = name
        failed = stack.up()
        assert not failed.succeeded
        assert "No more IP addresses available" in failed.told()
        check_gone(cluster, stack)


def test_names_that_the_cloud_has_not_are_told_together_with_those_it_has(cluster, stack):
    stack.settings.update(
        {"head-flavor": "ssc.smal", "image": "Ubuntu 42", "external-network": "outside"}
    )
    refused = stack.up()
    assert not refused.succeeded
    told = " ".join(refused.told().split())
    assert "'ssc.smal'" in told
    assert "ssc.giant, ssc.medium, ssc.small, ssc.tiny" in told
    assert "Ubuntu 22.04, Ubuntu 24.04" in told
    assert "Public External IPv4 Network, public" in told
    assert cluster.left() == []
