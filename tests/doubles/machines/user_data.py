"""What user data asks of a machine, read as cloud-init reads it, for what is asked here."""

import base64
import gzip
import os
from dataclasses import dataclass, field
from email import message_from_bytes
from typing import Any

import yaml

# What changes nothing that a container has.
_IGNORED = {
    "disable_root",
    "package_update",
    "package_upgrade",
    "ssh_deletekeys",
    "ssh_genkeytypes",
    "ssh_pwauth",
}


@dataclass
class Wishes:
    """Files and commands; commands are texts for a shell, or lists of words."""

    files: list[dict[str, Any]] = field(default_factory=list)
    every_boot: list[Any] = field(default_factory=list)
    first_boot: list[Any] = field(default_factory=list)


def read(data: bytes) -> Wishes:
    """Return what user data asks for; ValueError for what this double does not know."""
    wishes = Wishes()
    _read_part(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data, wishes)
    return wishes


def _read_part(data: bytes, wishes: Wishes) -> None:
    text = data.decode()
    if not text.strip():
        return
    if text.startswith("#!"):
        wishes.first_boot.append(text.split("\n", 1)[1] if "sh" in text[:30] else text)
    elif text.startswith("#cloud-boothook"):
        wishes.every_boot.append(text.split("\n", 1)[1])
    elif text.startswith("#cloud-config"):
        _read_config(yaml.safe_load(text) or {}, wishes)
    elif text.startswith(("Content-Type:", "MIME-Version:")):
        for part in message_from_bytes(data).walk():
            if not part.is_multipart():
                _read_part(part.get_payload(decode=True), wishes)
    else:
        raise ValueError(f"user data of an unknown kind: {text[:40]!r}")


def _read_config(config: dict[str, Any], wishes: Wishes) -> None:
    keys = config.pop("ssh_keys", {})
    for name, mode in (("private", 0o600), ("public", 0o644)):
        if f"ed25519_{name}" in keys:
            suffix = ".pub" if name == "public" else ""
            path = f"/etc/ssh/ssh_host_ed25519_key{suffix}"
            content = keys[f"ed25519_{name}"].rstrip("\n") + "\n"
            wishes.files.append(_file(path, content, mode))
    for one in config.pop("write_files", []):
        content = one.get("content", "")
        encoding = one.get("encoding", "")
        if encoding in ("b64", "base64"):
            content = base64.b64decode(content).decode()
        elif encoding:
            raise ValueError(f"write_files: encoding {encoding!r} is not known here")
        mode = int(str(one.get("permissions", "0644")), 8)
        wishes.files.append(_file(one["path"], content, mode))
    wishes.every_boot += config.pop("bootcmd", [])
    wishes.first_boot += config.pop("runcmd", [])
    unknown = set(config) - _IGNORED
    if unknown:
        raise ValueError(f"cloud-config keys that this double does not know: {unknown}")


def _file(path: str, content: str, mode: int) -> dict[str, Any]:
    return {"path": os.path.normpath(path), "content": content, "mode": mode, "owner": "root"}
