"""User data for a machine of a cloud: its first host key, and an end if nobody comes."""

import json

LIFETIME_UNIT = "tandem-lifetime"
# They hold apt's lock at a time when nobody can wait for it.
_HOLDERS = ("apt-daily.timer", "apt-daily-upgrade.timer", "unattended-upgrades.service")


def user_data(*, private_host_key: str, public_host_key: str, ttl_hours: float) -> str:
    """Return user data in cloud-init's format.

    It installs nothing. The shutdown, which ends a machine for good where the cloud is told
    so, counts from each boot; the node's own watchdog takes over by stopping the timer.
    """
    document = {
        "ssh_deletekeys": True,
        "ssh_keys": {
            "ed25519_private": private_host_key,
            "ed25519_public": public_host_key,
        },
        "ssh_pwauth": False,
        "disable_root": True,
        "package_update": False,
        "package_upgrade": False,
        "bootcmd": [
            ["systemctl", "--no-block", "mask", "--now", *_HOLDERS],
            # Logind, which `shutdown` wants, is not up yet; and what waits here waits for ever.
            [
                *("systemd-run", "--no-block", f"--unit={LIFETIME_UNIT}"),
                f"--on-active={max(60, round(ttl_hours * 3600))}",
                *("systemctl", "poweroff"),
            ],
        ],
    }
    # JSON is YAML, and needs no library to be written right.
    return "#cloud-config\n" + json.dumps(document, indent=1) + "\n"
