"""One machine on OpenStack, made by calls of our own.

The provider's own resource cannot do three things that matter here: tell why nova gave a
machine up (its fault), forget a machine that failed instead of keeping it as if it were well,
and take over what an interrupted `up` had made.
"""

import contextlib
import datetime
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pulumi
from keystoneauth1 import exceptions as auth_errors
from openstack import exceptions
from pulumi.dynamic import (
    CreateResult,
    DiffResult,
    ReadResult,
    Resource,
    ResourceProvider,
    UpdateResult,
)

from infra.openstack_calls import ATTEMPTS, cloud_of, refuse_elsewhere
from infra.openstack_frame import EXPIRES, STACK
from infra.openstack_settings import OpenStackSettings

NODE = "tandem:node"
BOOT_SECONDS = 600.0
DELETE_SECONDS = 300.0
POLL_SECONDS = 1.0
# A service that fails now and then does not make a machine fail.
MOST_FAILED_LOOKS = 5
# Not what is true of the first boot only, nor the id of an image that the site renews.
_REPLACING = ("flavor", "image_name", "port", "key_name", "zone", "volume_gib", "volume_type")
_WELL, _ASLEEP, _WRONG = "ACTIVE", "SHUTOFF", "ERROR"
_GONE = ("DELETED", "SOFT_DELETED")
_ADVICE = (
    ("no valid host", "another flavor or zone, or wait: the site has no room for it now"),
    ("quota", "fab doctor shows what is used; ask for less, or the site for more"),
    (
        "maximum number of retries",
        "another flavor, zone or network; the site could not start it",
    ),
    ("volume", "a smaller volume-gib or another volume-type; fab doctor shows the quota"),
)


class ServerProvider(ResourceProvider):
    """Speaks to nova with the operator's own credentials."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Make the machine, or take over what an interrupted attempt made."""
        with cloud_of(props) as link:
            made = _adopt(link, props) or start(link, props)
            settle(link, made, props["node"])
            # Now it has no other volumes; later somebody may have attached one of their own.
            mark_volumes(link, made, props)
        return CreateResult(made, props)

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Compare what it was made of, and look whether it is there and well."""
        replaces = [name for name in _REPLACING if _olds.get(name) != _news.get(name)]
        with cloud_of(_news, "look at this machine") as link:
            refuse_elsewhere(link, _olds)
            status = status_of_server(link, _id)
        if status in (None, _WRONG) or (status == _ASLEEP and _is_over(_olds)):
            replaces.append("node")
        changed = _olds.get("metadata") != _news.get("metadata") or status == _ASLEEP
        return DiffResult(
            changes=bool(replaces) or changed,
            replaces=replaces,
            # It has a port of its own, which only one machine can have.
            delete_before_replace=True,
        )

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Write the metadata anew, and start a machine that was switched off."""
        with cloud_of(_news, "change this machine") as link:
            link.compute.set_server_metadata(_id, **_news["metadata"])
            # What somebody paused, shelved or rescued is not ours to wait for.
            if status_of_server(link, _id) == _ASLEEP:
                link.compute.start_server(_id)
                settle(link, _id, _news["node"])
        return UpdateResult(_news)

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Say whether the machine is still there."""
        with cloud_of(props, "look at this machine") as link:
            refuse_elsewhere(link, props)
            there = status_of_server(link, id_) is not None
        return ReadResult(id_, props) if there else ReadResult("", {})

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Delete the machine and wait until it has let go of its port."""
        with cloud_of(_props, "delete this machine") as link:
            refuse_elsewhere(link, _props)
            delete(link, _id)


class Server(Resource, name="Server"):
    """One machine; its id is nova's."""

    def __init__(
        self,
        name: str,
        settings: OpenStackSettings,
        wanted: Mapping[str, Any],
        opts: pulumi.ResourceOptions,
    ) -> None:
        inputs = {
            **wanted,
            "node": name,
            "cloud": settings.cloud,
            "region": settings.region,
            "zone": settings.zone,
            "volume_gib": settings.volume_gib,
            "volume_type": settings.volume_type,
        }
        super().__init__(ServerProvider(), name, inputs, opts)


def request(props: Mapping[str, Any]) -> dict[str, Any]:
    """Return what nova is asked for."""
    wanted: dict[str, Any] = {
        "name": props["name"],
        "flavor_id": props["flavor"],
        "key_name": props["key_name"],
        "networks": [{"port": props["port"]}],
        "user_data": props["user_data"],
        "metadata": dict(props["metadata"]),
    }
    if props.get("zone"):
        wanted["availability_zone"] = props["zone"]
    if not props.get("volume_gib"):
        return {**wanted, "image_id": props["image"]}
    disk: dict[str, Any] = {
        "boot_index": 0,
        "uuid": props["image"],
        "source_type": "image",
        "destination_type": "volume",
        "volume_size": int(props["volume_gib"]),
        "delete_on_termination": True,
    }
    if props.get("volume_type"):
        disk["volume_type"] = props["volume_type"]
    return {**wanted, "block_device_mapping": [disk]}


def start(link: Any, props: Mapping[str, Any], attempts: int = ATTEMPTS) -> str:
    """Ask for a machine; return its id.

    An answer may be lost although the work was done, and asked again nova makes a second one.
    """
    try:
        with _asked_once(link.compute):
            return str(link.compute.create_server(**request(props)).id)
    except auth_errors.ConnectionError:
        made = _adopt(link, props)
        if made is not None:
            return made
        if attempts <= 1:
            raise
    time.sleep(POLL_SECONDS)
    return start(link, props, attempts - 1)


@contextlib.contextmanager
def _asked_once(service: Any) -> Iterator[None]:
    """Let the SDK make no call again whose answer does not come."""
    before, service.connect_retries = service.connect_retries, 0
    try:
        yield
    finally:
        service.connect_retries = before


def settle(link: Any, server: str, node: str, seconds: float = BOOT_SECONDS) -> None:
    """Wait until a machine runs; one that failed is deleted and its fault told.

    Raises
    ------
    RuntimeError
        With nova's own words if it gave the machine up, or did not start it in time.
    """
    give_up, failed = time.monotonic() + seconds, 0
    while True:
        try:
            found = link.compute.get_server(server)
            status, failed = found.status, 0
        except exceptions.NotFoundException:
            raise RuntimeError(
                f"{node} vanished while it was being made.\nNext: pulumi up again"
            ) from None
        except exceptions.HttpException:
            failed += 1
            if failed > MOST_FAILED_LOOKS:
                raise
            status = "unknown"
        if status == _WELL:
            return
        if status == _WRONG:
            words = fault_words(node, found.fault)
            delete(link, server)
            raise RuntimeError(words)
        if time.monotonic() > give_up:
            delete(link, server)
            raise RuntimeError(
                f"Waited {seconds:.0f} s on {node} to run, in vain; it was deleted again.\n"
                f"Last state seen: {status}\nNext: pulumi up again, or another zone"
            )
        time.sleep(POLL_SECONDS)


def mark_volumes(link: Any, server: str, props: Mapping[str, Any]) -> None:
    """Write on the volume that a machine boots from whose it is, for when it is left behind.

    Nova makes it and says nothing of that. A cloud that refuses loses this help and no machine.
    """
    if not props.get("volume_gib"):
        return
    with contextlib.suppress(exceptions.HttpException):
        for one in link.compute.volume_attachments(server):
            link.block_storage.set_volume_metadata(one.volume_id, **props["metadata"])


def fault_words(node: str, fault: Any) -> str:
    """Return why a machine could not be made, and what to do."""
    told = (fault or {}).get("message") or "nova tells no reason"
    known = [words for mark, words in _ADVICE if mark in told.lower()]
    advice = known[0] if known else "pulumi up again, or another flavor or zone"
    return f"{node} could not be made and was deleted again: {told}\nNext: {advice}"


def status_of_server(link: Any, server: str) -> str | None:
    """Return nova's word for the state of a machine; None if there is no such machine."""
    try:
        status = str(link.compute.get_server(server).status)
    except exceptions.NotFoundException:
        return None
    return None if status in _GONE else status


def delete(link: Any, server: str, seconds: float = DELETE_SECONDS) -> None:
    """Delete a machine, if it is there, and wait until it has gone."""
    link.compute.delete_server(server, ignore_missing=True)
    give_up = time.monotonic() + seconds
    while (status := status_of_server(link, server)) is not None:
        if time.monotonic() > give_up:
            raise RuntimeError(
                f"Waited {seconds:.0f} s for machine {server} to go, in vain.\n"
                f"Last state seen: {status}\nNext: the same command again"
            )
        time.sleep(POLL_SECONDS)


def _is_over(props: Mapping[str, Any]) -> bool:
    """Say whether a machine's time was up, so that it would switch itself off once more."""
    end = (props.get("metadata") or {}).get(EXPIRES)
    now = datetime.datetime.now(datetime.UTC)
    return end is not None and datetime.datetime.fromisoformat(end) <= now


def _adopt(link: Any, props: Mapping[str, Any]) -> str | None:
    """Return the machine that an attempt made whose end Pulumi did not see."""
    mark, flavor = props["metadata"][STACK], {props["flavor"], props["flavor_name"]}
    for one in link.compute.servers(name=props["name"]):
        said = one.metadata or {}
        if said.get(STACK) != mark or said.get(NODE) != props["node"]:
            continue
        # Newer versions of nova tell the name of a flavor, older ones its id.
        same = flavor & {one.flavor.id, one.flavor.original_name}
        # One that is off has ended by itself meanwhile, and would do so again.
        if same and one.status not in (_WRONG, _ASLEEP):
            return str(one.id)
        delete(link, one.id)
    return None
