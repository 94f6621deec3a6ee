"""What `fab doctor` finds of a cloud before anything is made there."""

import dataclasses
from pathlib import Path

import pytest

from infra import openstack_checks as checks
from infra.openstack_settings import parse_openstack
from infra.openstack_site import look
from tests.command_line import fab
from tests.doubles.scripted_openstack import ScriptedCloud, failure, thing
from tests.unit.openstack_examples import SITE

GIVEN = {"name": "demo", "head-flavor": "ssc.medium", "worker-flavors": "ssc.small"}


def settings(**changes):
    given = {name.replace("_", "-"): value for name, value in changes.items()}
    return parse_openstack({**GIVEN, **given}, state=Path("/state"), user="ada")


def choice(**changes):
    found, _ = checks.offers(settings(**changes), SITE)
    return found


def states(findings):
    return {one.what: one.state for one in findings}


@pytest.mark.parametrize(
    ("used", "most", "state"),
    [(0, 3, "ok"), (1, 3, "bad"), (500, -1, "ok"), (None, None, "ok"), (None, 2, "bad")],
)
def test_a_quota_has_room_or_has_not(used, most, state):
    found = checks.room("CPUs", 3, used, most)
    assert (found.what, found.state) == ("quota CPUs", state)
    assert bool(found.fix) is (state == "bad")


def limits(servers=(), **changes):
    usual = {"instances": 10, "instances_used": 1, "total_cores": 10, "total_cores_used": 2}
    memory = {"total_ram": 20480, "total_ram_used": 2048}
    told = thing(absolute=thing(**{**usual, **memory, **changes}))
    return ScriptedCloud(get_limits=[told], servers=[list(servers)])


def test_machines_cpus_and_memory_are_counted_over_all_flavors():
    found = list(checks.compute_quota(limits(), settings(), choice()))
    assert [one.words for one in found] == [
        "3 wanted, 1 in use, 10 allowed",
        "4 wanted, 2 in use, 10 allowed",
        "8192 wanted, 2048 in use, 20480 allowed",
    ]
    tight = limits(total_cores=5, total_ram=10239)
    found = list(checks.compute_quota(tight, settings(), choice()))
    assert [one.state for one in found] == ["ok", "bad", "bad"]


def test_the_clusters_own_machines_are_not_in_its_way():
    def server(cluster, **flavor):
        marks = {"tandem:cluster": cluster}
        return thing(
            metadata=marks, flavor=thing(**{"id": None, "original_name": "", **flavor})
        )

    there = [
        server("demo", original_name="ssc.medium"),
        server("demo", id="f1"),
        server("demo", original_name="that the site no longer has"),
        server("other", original_name="ssc.large"),
        thing(metadata=None),
    ]
    full = limits(there, instances=5, instances_used=5, total_cores=8, total_cores_used=7)
    found = list(checks.compute_quota(full, settings(), choice()))
    assert [one.words for one in found] == [
        "3 wanted, 2 in use, 5 allowed",
        "4 wanted, 4 in use, 8 allowed",
        "8192 wanted, -4096 in use, 20480 allowed",
    ]
    assert {one.state for one in found} == {"ok"}


def test_what_the_cluster_has_of_the_network_is_not_in_its_way():
    def mark(cluster):
        return [f"tandem:cluster={cluster}"]

    one = {"limit": 1, "used": 1, "reserved": 0}
    ports = {"limit": 6, "used": 7, "reserved": 0}
    short = {"floating_ips": one, "security_groups": one, "subnets": one, "ports": ports}

    def found(cluster):
        cloud = network_quota(**short, security_group_rules={**ports, "limit": 19, "used": 18})
        cloud._answers |= {
            "ips": [[thing(tags=mark(cluster))]],
            "security_groups": [[thing(id="g1", tags=mark(cluster))]],
            "security_group_rules": [[thing(security_group_id="g1")] * 18],
            "networks": [[thing(id="n1", tags=mark(cluster))]],
            "subnets": [[thing(network_id="n1", tags=None)]],
            # Three machines, the router, DHCP twice; and somebody else's.
            "ports": [
                [thing(network_id="n1", tags=[])] * 6 + [thing(network_id="n2", tags=None)]
            ],
        }
        return states(checks.network_quota(cloud, settings(), choice()))

    bad = {"quota floating ips", "quota security groups", "quota subnets", "quota ports"}
    assert {what for what, state in found("other").items() if state == "bad"} == {
        *bad,
        "quota security group rules",
    }
    assert {what for what, state in found("demo").items() if state == "bad"} == {"quota ports"}


def network_quota(**changes):
    plenty = {"limit": 100, "used": 0, "reserved": 0}
    names = ("floating_ips", "networks", "subnets", "routers", "ports", "security_groups")
    known = {**dict.fromkeys((*names, "security_group_rules"), plenty), **changes}
    cloud = ScriptedCloud(get_quota=[thing(**known)], ips=[[]])
    cloud.current_project_id = "p1"
    return cloud


def test_no_floating_address_left_is_found():
    none = {"limit": 2, "used": 1, "reserved": 1}
    found = list(checks.network_quota(network_quota(floating_ips=none), settings(), choice()))
    bad = [one for one in found if one.state == "bad"]
    assert [(one.what, one.words) for one in bad] == [
        ("quota floating ips", "1 wanted, 2 in use, 2 allowed")
    ]
    assert len(found) == 7


def test_a_given_network_takes_neither_network_nor_router():
    own = {"given_network": "project"}
    found = states(checks.network_quota(network_quota(), settings(**own), choice(**own)))
    assert "quota routers" not in found
    assert "quota floating ips" in found


def test_a_cloud_that_does_not_tell_a_quota_is_no_fault():
    cloud = ScriptedCloud(get_quota=[failure(404)])
    cloud.current_project_id = "p1"
    assert states(checks.network_quota(cloud, settings(), choice())) == {
        "network quota": "note"
    }


def test_volumes_count_only_where_machines_boot_from_them():
    cloud = ScriptedCloud(
        get_limits=[
            thing(
                absolute=thing(
                    total_volumes_used=9,
                    max_total_volumes=10,
                    total_gigabytes_used=0,
                    max_total_volume_gigabytes=1000,
                )
            )
        ]
    )
    cloud.has_service = lambda name: True
    assert not list(checks.volume_quota(cloud, settings()))
    found = states(checks.volume_quota(cloud, settings(volume_gib=40)))
    assert found == {"quota volumes": "bad", "quota GiB of volumes": "ok"}
    cloud.has_service = lambda name: False
    assert states(checks.volume_quota(cloud, settings(volume_gib=40))) == {"volumes": "bad"}


def test_a_wrong_name_and_a_wrong_user_each_have_their_fix():
    found, findings = checks.offers(settings(head_flavor="ssc.huge", zone="moon"), SITE)
    assert found is None
    assert {one.what: one.fix.split()[3] for one in findings} == {
        "head-flavor": "head-flavor",
        "zone": "zone",
    }
    _, findings = checks.offers(settings(ssh_user="debian"), SITE)
    (wrong,) = [one for one in findings if one.state == "bad"]
    assert wrong.fix == "pulumi config set ssh-user ubuntu"
    assert {one.state for one in checks.offers(settings(), SITE)[1]} == {"ok"}


@pytest.mark.parametrize(
    ("gateway", "device", "state"),
    [("n1", "r1", "ok"), ("n9", "r1", "bad"), (None, "r1", "bad"), ("n1", "r2", "bad")],
)
def test_a_given_network_needs_a_router_to_the_floating_addresses(gateway, device, state):
    info = {"network_id": gateway} if gateway else None
    cloud = ScriptedCloud(
        ports=[[thing(device_id=device, device_owner="network:router_interface")]],
        routers=[[thing(id="r1", name="way out", external_gateway_info=info)]],
    )
    own = {"given_network": "project"}
    (found,) = checks.outside(cloud, settings(**own), choice(**own))
    assert found.state == state
    (plain,) = checks.outside(cloud, settings(), choice())
    assert plain.state == "ok"


def config(**auth):
    return thing(get_auth_args=lambda: auth)


@pytest.mark.parametrize(
    ("auth", "unrestricted", "ends", "state"),
    [
        ({"username": "ada"}, None, "delete", "ok"),
        ({"application_credential_id": "c1"}, True, "delete", "ok"),
        ({"application_credential_id": "c1"}, False, "delete", "bad"),
        ({"application_credential_id": "c1"}, failure(403), "delete", "bad"),
        ({"username": "ada"}, None, "stop", "note"),
    ],
)
def test_a_login_that_cannot_hand_on_the_right_to_delete_is_found(
    auth, unrestricted, ends, state
):
    told = (
        unrestricted
        if isinstance(unrestricted, Exception)
        else thing(unrestricted=unrestricted)
    )
    cloud = ScriptedCloud(get_application_credential=[told])
    cloud.config = config(**auth)
    (found,) = checks.ending(cloud, settings(ends=ends))
    assert found.state == state
    if state == "bad":
        assert "--unrestricted" in found.fix


def test_what_a_cloud_offers_is_read_as_the_program_needs_it():
    cloud = ScriptedCloud(
        subnets=[[thing(id="s1", cidr="10.0.0.0/24", ip_version=4, network_id="n2")]],
        flavors=[
            [
                thing(id="f1", name="gpu", vcpus=4, ram=8192, disk=None,
                      extra_specs={"pci_passthrough:alias": "a100:2"}),
                thing(id="f2", name="plain", vcpus=1, ram=1024, disk=10, extra_specs=None),
            ]
        ],
        images=[
            [
                thing(id="i1", name="U", created_at="2026", min_disk=5, min_ram=512,
                      os_admin_user=None, properties={"default_user": "ubuntu"},
                      visibility="shared"),
            ]
        ],
        networks=[
            [
                thing(id="n1", name="out", is_router_external=True),
                thing(id="n2", name="in", is_router_external=False),
            ]
        ],
        availability_zones=[
            [
                thing(name="nova", state={"available": True}),
                thing(name="off", state={"available": False}),
            ]
        ],
        get_endpoint=["https://x:8774/v2.1"],
    )  # fmt: skip
    cloud.session = thing(get_token=lambda: "t")
    cloud.has_service = lambda name: name == "object-store"
    cloud.config = thing(
        get_region_name=lambda: "EAST-1",
        get_auth_args=lambda: {"auth_url": "https://x:5000"},
    )
    site = look(cloud)
    assert [(one.cpus, one.memory_bytes, one.disk_gib, one.gpus) for one in site.flavors] == [
        (4, 8 * 1024**3, 0, 2),
        (1, 1024**3, 10, 0),
    ]
    assert (site.images[0].user, site.images[0].least_disk_gib) == ("ubuntu", 5)
    assert site.images[0].public is False
    assert [(one.external, len(one.subnets)) for one in site.networks] == [
        (True, 0),
        (False, 1),
    ]
    assert site.zones == ("nova",)
    assert (site.store, site.project) == (True, "p")
    assert site.servers_path == "/v2.1/servers"
    assert dataclasses.replace(site, compute_url="https://x/c/v2.1/").servers_path == (
        "/c/v2.1/servers"
    )


def test_the_verb_says_how_to_log_in(tmp_path):
    nobody = {"OS_CLOUD": "nowhere", "HOME": str(tmp_path), "PULUMI_CONFIG_PASSPHRASE": "x"}
    answered = fab("doctor", "--provider", "openstack", "--json", state=tmp_path, **nobody)
    assert answered.code == 1, answered.err
    found = {one["what"]: one for one in answered.document["findings"]}
    assert found["configuration"]["state"] == "ok"
    assert found["login"]["state"] == "bad"
    assert "openrc.sh" in found["login"]["fix"]
