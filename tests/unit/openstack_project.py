"""A project on OpenStack that holds things of Tandem's and of others, as tests look at it."""

from tests.doubles.scripted_openstack import ScriptedCloud, thing

MARKS = {"tandem:cluster": "demo", "tandem:owner": "ada", "tandem:expires-at": "2026-11-21"}
OTHER = {"tandem:cluster": "other"}


def tags(marks):
    return [f"{key}={value}" for key, value in marks.items()]


def on_network(id_, marks=MARKS, **more):
    return thing(id=id_, tags=tags(marks), status="ACTIVE", **more)


def volume(id_, **more):
    usual = {"metadata": {}, "status": "in-use", "attachments": [], "is_bootable": True}
    return thing(id=id_, **{**usual, **more})


def cloud(**changes):
    """A project with one thing of each kind of ours, and others of somebody else's."""
    interface = thing(
        id="p2", tags=[], status="", device_owner="network:router_interface", device_id="r1"
    )
    answers = {
        "servers": [
            [
                thing(id="s1", metadata=MARKS, status="ACTIVE"),
                thing(id="s2", metadata=OTHER, status="ERROR"),
                thing(id="s3", metadata=None, status="ACTIVE"),
            ]
        ],
        "volumes": [
            [
                volume("v1", attachments=[{"server_id": "s1"}]),
                volume("v2", status="available"),
                # Somebody's own data, on a machine of ours.
                volume("v3", is_bootable=False, attachments=[{"server_id": "s1"}]),
            ]
        ],
        "ips": [[on_network("a1"), thing(id="a2", tags=None, status="DOWN")]],
        "ports": [[on_network("p1", device_owner="compute:nova"), interface]],
        "routers": [[on_network("r1")]],
        "networks": [
            [
                # A second call would have tagged it, and the `up` was killed before that.
                on_network("n1", {}, name="tandem-demo-network-0a1b2c3d"),
                on_network("n2", OTHER, name="tandem-demo-network-0a1b2c3d"),
                on_network("n3", {}, name="tandem-demo-network-of-mine"),
            ]
        ],
        "security_groups": [[thing(id="g1", tags=tags(MARKS))]],
        "keypairs": [[thing(name="tandem-demo-key-1a2b3c4"), thing(name="mine")]],
        "containers": [
            [
                thing(name="tandem-demo-results-0a1b"),
                thing(name="theirs"),
                thing(name="tandem-x"),
            ]
        ],
        "get_container_metadata": [
            thing(metadata={"Tandem-Cluster": "demo"}),
            thing(metadata=None),
        ],
        "get_application_credential": [thing(access_rules=[{"id": "rule"}])],
        "application_credentials": [
            [thing(id="c1", name="tandem-demo-ending-0a1b2c3d"), thing(id="c2", name="mine")]
        ],
    }
    found = ScriptedCloud(**{**answers, **changes})
    found.current_project_id = "p"
    found.has_service = lambda name: True
    return found
