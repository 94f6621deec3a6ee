"""What may be asked of machines on OpenStack: all that is wrong is told at once."""

import dataclasses
from pathlib import Path

import pytest
import yaml

from contracts.errors import InvalidDocument
from infra import aws_settings
from infra.openstack_choice import choose, newest_ubuntu
from infra.openstack_settings import DEFAULTS, parse_openstack
from infra.openstack_site import GIB, Image, Site
from tests.command_line import ROOT
from tests.unit.openstack_examples import SITE
from tests.unit.project_settings import described_settings

EXAMPLES = ("Pulumi.ssc.yaml", "Pulumi.jetstream2.yaml")


def parse(**changes):
    given = {name.replace("_", "-"): value for name, value in changes.items()}
    usual = {"name": "demo", "head-flavor": "ssc.medium"}
    return parse_openstack({**usual, **given}, state=Path("/state"), user="ada l")


def chosen(site: Site = SITE, **changes):
    return choose(parse(**changes), site)


def test_what_is_left_out_has_the_default_that_the_project_describes():
    described = described_settings()
    for name, default in DEFAULTS.items():
        if name != "name":
            assert str(described[name]["default"]) == str(default), name
    settings = parse()
    assert [one.flavor for one in settings.machines] == ["ssc.medium"] * 3
    assert [one.role for one in settings.machines] == ["head", "worker", "worker"]
    assert (settings.ends, settings.volume_gib, settings.renew) == ("delete", None, None)
    assert settings.owner == "ada l"


def test_each_provider_knows_the_settings_of_the_others():
    described = described_settings()
    assert set(described) <= {*aws_settings.DEFAULTS, *aws_settings.OF_OTHERS}
    everything = {name: str(one["default"]) for name, one in described.items()}
    assert parse(**{**everything, "name": "demo", "head-flavor": "ssc.medium"}) == parse()


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_are_configurations_that_work(name):
    text = (ROOT / name).read_text()
    given = yaml.safe_load(text)["config"]
    ours = {key.removeprefix("tandem:"): value for key, value in given.items()}
    settings = parse_openstack(ours, state=Path("/s"), user="ada")
    # A name of its own, or an audit of one of the examples would have to ask which is meant.
    assert settings.cluster_id == f"forest-{name.split('.')[1]}"
    named = {
        line.split("tandem:", 1)[1].split(":")[0]
        for line in text.splitlines()
        if " tandem:" in line and not line.startswith("# ")
    }
    assert named <= {*DEFAULTS, "provider", "ends to stop. Then"}


def test_the_table_of_coins_is_read():
    settings = parse(coins="ssc.small=1, ssc.medium=2.5,volume-gib=0.001", budget="40")
    assert settings.coins == {"ssc.small": 1.0, "ssc.medium": 2.5, "volume-gib": 0.001}
    assert settings.budget == 40


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "Demo"}, "name: must match"),
        ({"nodes": 0}, "nodes: must be a whole number from 1 to 64, is 0"),
        ({"worker_flavors": "a,b,c"}, "one for each of the 2, names 3"),
        ({"coins": "ssc.small"}, "coins: must be NAME=COINS"),
        ({"coins": "ssc.small=-1"}, "coins: must be NAME=COINS"),
        ({"budget": "5", "coins": "ssc.small=1"}, "the table coins lacks ssc.medium"),
        ({"volume_gib": "half"}, "volume-gib: must be a number"),
        ({"volume_type": "fast"}, "set volume-gib"),
        ({"floating_ip": "false"}, "may be false in a given network only"),
        ({"network": "8.8.8.0/24"}, "must be private"),
        ({"network": "10.0.0.0/28", "nodes": 12}, "room for 10 machines, and 12"),
        ({"nameservers": "dns.example.org"}, "nameservers: must be addresses"),
        ({"operator_cidrs": "0.0.0.0/0"}, "opens SSH to 4294967296 addresses"),
        ({"bucket": "a/b"}, "bucket: must be the name of a container"),
        ({"bucket": "mine", "purge_bucket": True}, "a given one is never emptied"),
        ({"s3_endpoint": "http://example.org"}, "s3-endpoint: must be the https://"),
        ({"s3_endpoint": "https://x.org", "container": "false"}, "is for a container"),
        ({"ends": "sleep"}, "ends: must be delete or stop"),
        ({"renew": "yes"}, "renew: must be the number"),
        ({"head_type": "c7i.large"}, "on OpenStack it is head-flavor"),
        ({"workers": "spot"}, "workers: is for another provider"),
        ({"head_flavr": "x"}, "head-flavr: unknown field"),
    ],
)
def test_a_bad_value_is_named_with_its_rule(changes, words):
    with pytest.raises(InvalidDocument) as caught:
        parse(**changes)
    assert words in str(caught.value)
    assert len(caught.value.problems) == 1


def test_all_that_is_wrong_is_told_at_once():
    with pytest.raises(InvalidDocument) as caught:
        parse(name="X", nodes=0, network="x", ttl_hours=-1, coins="x", ends="x")
    assert len(caught.value.problems) == 6
    assert "pulumi config set" in str(caught.value)


def test_names_and_ids_are_found_in_what_the_cloud_offers():
    found = chosen(head_flavor="f1", worker_flavors="ssc.small,f2", image="Debian 13",
                   given_network="n2", volume_gib=40)  # fmt: skip
    assert [found.flavors[name].id for name in ("f1", "ssc.small", "f2")] == ["f1", "f1", "f2"]
    assert found.image.id == "i4"
    assert found.external.id == "n1"
    assert (found.given.id, found.given_subnet.id) == ("n2", "s4")
    assert found.site.servers_path == "/v2.1/servers"


def test_without_an_image_the_newest_ubuntu_is_meant():
    assert chosen().image.id == "i3"
    assert newest_ubuntu((Image("i", "Ubuntu 22.04"),)) is None
    snapshot = Image("i", "my Ubuntu 24.04 with notes", "2027", public=False)
    assert newest_ubuntu((*SITE.images, snapshot)).id == "i3", "nobody's snapshot"
    assert newest_ubuntu((snapshot,)) == snapshot


def test_a_name_that_two_images_have_means_the_newer():
    twice = (
        *SITE.images,
        dataclasses.replace(SITE.images[0], id="i9", created_at="2026-12-01"),
    )
    site = dataclasses.replace(SITE, images=twice)
    assert chosen(site, image="Ubuntu 22.04").image.id == "i9"


TWO_OUTSIDE = dataclasses.replace(
    SITE,
    networks=(*SITE.networks, dataclasses.replace(SITE.networks[0], id="n9", name="public")),
)


@pytest.mark.parametrize(
    ("changes", "site", "words"),
    [
        ({"head_flavor": ""}, SITE, "head-flavor: missing; there are ssc.large, ssc.medium"),
        ({"head_flavor": "ssc.medum"}, SITE, "did you mean ssc.medium"),
        ({"worker_flavors": "x"}, SITE, "worker-flavors: this cloud has no flavor 'x'"),
        ({"image": "Ubuntu"}, SITE, "image: this cloud has no image 'Ubuntu'"),
        ({}, dataclasses.replace(SITE, images=()), "image: missing, and none is called Ubuntu"),
        ({}, TWO_OUTSIDE, "missing; there are Public External IPv4 Network, public"),
        (
            {},
            dataclasses.replace(SITE, networks=()),
            "external-network: missing; there are none",
        ),
        ({"external_network": "project"}, SITE, "no external network 'project'"),
        ({"given_network": "mine"}, SITE, "given-network: this cloud has no network 'mine'"),
        ({"given_network": "bare"}, SITE, "bare has no subnet of IPv4"),
        ({"zone": "nov"}, SITE, "did you mean nova?; there are nova, gpu"),
        ({"head_flavor": "ssc.large"}, SITE, "set volume-gib to boot from a volume"),
        ({"volume_gib": 8}, SITE, "10 GiB of disk are wanted, there are 8"),
        ({"bucket": "mine"}, dataclasses.replace(SITE, store=False), "keeps no objects"),
        (
            {"s3_endpoint": "https://s3.example.org"},
            dataclasses.replace(SITE, store=False),
            "s3-endpoint: is for a container",
        ),
    ],
)
def test_what_the_cloud_has_not_is_told_with_what_it_has(changes, site, words):
    with pytest.raises(InvalidDocument) as caught:
        chosen(site, **changes)
    assert words in str(caught.value)
    assert len(caught.value.problems) == 1


def test_an_image_that_wants_more_memory_than_a_flavor_has_is_told():
    large = Image("i", "Ubuntu 24.04 large", "2027", 0, 3 * GIB)
    site = dataclasses.replace(SITE, images=(*SITE.images, large))
    with pytest.raises(InvalidDocument, match=r"3.0 GiB of memory are wanted, there are 2.0"):
        chosen(site, worker_flavors="ssc.small")
