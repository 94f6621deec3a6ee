"""User data of a machine of a cloud: its first host key, and its limits from then on."""

import base64
import gzip
import json
from pathlib import Path

from contracts import limits as node_limits
from contracts.limits import Limits

# What EC2 takes, before base64.
MOST_BYTES = 16 * 1024
_ROOT = Path(__file__).resolve().parents[1]
# They hold apt's lock at a time when nobody can wait for it.
_HOLDERS = ("apt-daily.timer", "apt-daily-upgrade.timer", "unattended-upgrades.service")


def user_data(private_host_key: str, public_host_key: str, *, limits: Limits) -> str:
    """Return user data in cloud-init's format, packed and in base64.

    It installs no package. What it does at each boot, it may do again.

    Raises
    ------
    ValueError
        If it is larger than EC2 takes.
    """
    boot = node_limits.boot_script(node_limits.pack(_ROOT), limits)
    document = {
        "ssh_deletekeys": True,
        "ssh_keys": {"ed25519_private": private_host_key, "ed25519_public": public_host_key},
        "ssh_pwauth": False,
        "disable_root": True,
        "package_update": False,
        "package_upgrade": False,
        "bootcmd": [
            ["systemctl", "--no-block", "mask", "--now", *_HOLDERS],
            ["sh", "-c", boot],
        ],
    }
    # JSON is YAML, and needs no library to be written right.
    packed = gzip.compress(f"#cloud-config\n{json.dumps(document)}\n".encode(), mtime=0)
    if len(packed) > MOST_BYTES:
        raise ValueError(f"user data takes {len(packed)} bytes, and EC2 takes {MOST_BYTES}")
    return base64.b64encode(packed).decode()
