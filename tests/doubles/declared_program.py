"""What a Pulumi program declares, by Pulumi's own mocks: no engine, no provider, no cloud."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
from google.protobuf import json_format
from pulumi.runtime import mocks, set_all_config

from infra.ssh_keys import make_key

SECRET_MARK = "1b47061264138c4ac30d75fd1eb44270"
DYNAMIC = "pulumi-python:dynamic:"
IMAGE = "ami-0aaaabbbbccccdddd"
KEYS = {f"node-{number}": make_key() for number in range(1, 9)}
TIMES = {
    "created_at": "2026-11-21T09:00:00+00:00",
    "expires_at": "2026-11-21T17:00:00+00:00",
}
OFFERINGS = "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings"


@dataclass(frozen=True)
class Declared:
    """One resource: its inputs by Pulumi's names, and how it was asked for."""

    kind: str
    name: str
    inputs: dict[str, Any]
    kept: tuple[str, ...]
    needs: tuple[str, ...]
    secrets: tuple[str, ...]
    parent: str
    anew: tuple[str, ...]


@dataclass
class Declaration:
    """All that a program declared, what it looked up, and what it exported."""

    resources: list[Declared] = field(default_factory=list)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)

    def all(self, kind: str) -> list[Declared]:
        """Return the resources whose type ends so."""
        return [one for one in self.resources if one.kind.endswith(kind)]

    def one(self, kind: str, name: str | None = None) -> Declared:
        """Return the only resource of that type, or the one of that name."""
        found = [one for one in self.all(kind) if name in (None, one.name)]
        assert len(found) == 1, [one.name for one in found]
        return found[0]


def declare(
    configuration: Mapping[str, Any], *, answers: Mapping[str, Any] | None = None
) -> Declaration:
    """Run the project's program with a stack's configuration, such as `tandem:nodes`.

    `answers` are what look-ups return beside the usual, by token.
    """
    from infra import program

    found = Declaration()
    pulumi.runtime.set_mocks(
        _Cloud(found, dict(answers or {})),
        project="tandem",
        stack="aws",
        preview=False,
        monitor=_Monitor(_Cloud(found, dict(answers or {})), found),
    )
    set_all_config({key: str(value) for key, value in configuration.items()})
    exported: dict[str, Any] = {}

    def run() -> pulumi.Output[Any]:
        original, pulumi.export = pulumi.export, exported.__setitem__
        try:
            program.declare()
        finally:
            pulumi.export = original
        return pulumi.Output.all(**exported).apply(found.outputs.update)

    mocks.test(run)()
    return found


def offered(*pairs: tuple[str, str]) -> dict[str, Any]:
    """Return the answer that these types are offered in these zones."""
    return {"instanceTypes": [one[0] for one in pairs], "locations": [one[1] for one in pairs]}


def _asked_for(args: mocks.MockCallArgs) -> list[str]:
    named = {one["name"]: one["values"] for one in args.args.get("filters") or ()}
    return list(named.get("instance-type", ()))


class _Cloud(mocks.Mocks):
    """Answers as the clouds and the dynamic resources would."""

    def __init__(self, found: Declaration, answers: dict[str, Any]) -> None:
        self._found = found
        self._answers = answers

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        if args.custom is False:
            return "", {}
        return f"{args.name}-id", {**args.inputs, **self._made(args)}

    def _made(self, args: mocks.MockResourceArgs) -> dict[str, Any]:
        kind = args.typ.rsplit(":", 1)[-1]
        if kind == "HostKey":
            key = KEYS[args.name.removesuffix("-first-host-key")]
            return {"private": key.private.decode(), "public": key.public}
        if kind == "OperatorKey":
            return {"public": KEYS["node-8"].public}
        if kind == "Lifetime":
            return TIMES
        if kind == "Instance" or kind == "SpotOrOnDemand":
            number = args.name.rsplit("-", 1)[-1]
            made = {"privateIp": f"10.210.0.{number}", "publicIp": f"198.51.100.{number}"}
            return made if kind == "Instance" else {**_snake(made), "market": "spot"}
        if kind == "InventoryFile":
            return {"inventory": {"written": args.inputs["document"]}}
        if kind == "Port":
            return {"allFixedIps": [f"10.210.0.{args.name.split('-')[1]}"]}
        named = {
            "Sweep": {"mark": args.inputs.get("mark") or "0a1b2c3d"},
            "Keypair": {"name": "key-made"},
            "FloatingIp": {"address": "198.51.100.1"},
            "ApplicationCredential": {"secret": "opens-nothing"},
            "Ec2CredentialV3": {"access": "a1", "secret": "opens-nothing-either"},
            "KeyPair": {"keyName": "key-made"},
            "Bucket": {"bucket": "bucket-made", "arn": "arn:aws:s3:::bucket-made"},
            "Role": {"name": "role-made"},
            "InstanceProfile": {"name": "profile-made"},
        }
        return named.get(kind, {})

    def call(self, args: mocks.MockCallArgs) -> dict[str, Any]:
        self._found.calls.append((args.token, dict(args.args)))
        usual = {
            "aws:ec2/getAmi:getAmi": {"id": IMAGE},
            "aws:index/getAvailabilityZones:getAvailabilityZones": {
                "names": ["eu-north-1b", "eu-north-1a"]
            },
            "aws:ec2/getSubnet:getSubnet": {
                "vpcId": "vpc-0123456789abcdef0",
                "availabilityZone": "eu-north-1b",
            },
            # Every zone offers every type.
            OFFERINGS: offered(
                *((kind, f"eu-north-1{zone}") for kind in _asked_for(args) for zone in "abc")
            ),
        }
        return {**usual, **self._answers}[args.token]


class _Monitor(mocks.MockMonitor):
    """Keeps each request whole, options included, before the mocks answer it."""

    def __init__(self, cloud: _Cloud, found: Declaration) -> None:
        super().__init__(cloud)
        self._found = found

    def RegisterResource(self, request: Any) -> Any:
        sent = json_format.MessageToDict(request.object)
        plain = {key: _plain(value) for key, value in sent.items() if key != "__provider"}
        self._found.resources.append(
            Declared(
                kind=request.type,
                name=request.name,
                inputs={key: value for key, value in plain.items() if value is not None},
                kept=tuple(request.ignoreChanges),
                needs=tuple(urn.rsplit("::", 1)[-1] for urn in request.dependencies),
                secrets=(
                    *(key for key, value in sent.items() if _is_secret(value)),
                    *request.additionalSecretOutputs,
                ),
                parent=request.parent.rsplit("::", 1)[-1],
                anew=tuple(request.replaceOnChanges),
            )
        )
        return super().RegisterResource(request)


def _is_secret(value: Any) -> bool:
    return isinstance(value, dict) and SECRET_MARK in value.values()


def _plain(value: Any) -> Any:
    if _is_secret(value):
        return _plain(value["value"])
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, float) and value == int(value):
        return int(value)
    return value


def _snake(names: dict[str, str]) -> dict[str, str]:
    return {"private_ip": names["privateIp"], "public_ip": names["publicIp"]}
