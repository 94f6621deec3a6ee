"""Secrets beside the inventory, which infra leaves for provision to bring to machines.

They lie with the operator's key, readable by their owner alone, and go with the machines.
"""

from pathlib import Path


def folder(state: Path, cluster_id: str) -> Path:
    """Return where the secrets of a cluster's machines are kept."""
    return state / "machines" / cluster_id


def operator_key(state: Path, cluster_id: str) -> Path:
    """Return the private half of the key with which the operator logs in."""
    return folder(state, cluster_id) / "id_ed25519"


def ending(state: Path, cluster_id: str) -> Path:
    """Return what lets the head delete the cluster's machines and nothing else, as JSON."""
    return folder(state, cluster_id) / "ending.json"


def store(state: Path, cluster_id: str) -> Path:
    """Return the S3 credentials of the cluster's bucket, where machines have no role for it.

    The format is that of the AWS SDK's configuration file.
    """
    return folder(state, cluster_id) / "store.ini"
