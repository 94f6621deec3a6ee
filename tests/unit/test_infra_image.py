"""The node image and the keys: names that follow from content, and no key in an image."""

import os
import stat
import tarfile
from pathlib import Path

import paramiko
import pytest

from contracts.errors import TandemError, UsageError
from infra import base_image, local_nodes, node_image, ssh_keys

ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "infra" / "node_recipe"


def test_the_tag_follows_from_every_byte_of_the_recipe():
    files = {"Dockerfile": b"FROM x", "uv": b"1"}
    tag = node_image.image_tag("0" * 16, files)
    assert tag == node_image.image_tag("0" * 16, dict(reversed(files.items())))
    assert tag != node_image.image_tag("0" * 16, {**files, "uv": b"2"})
    assert tag != node_image.image_tag("1" * 16, files)
    assert tag != node_image.image_tag("0" * 16, {"Dockerfile": b"FROM xuv", "": b"1"})


def test_the_fingerprint_is_of_the_lock_that_nodes_install():
    fingerprint = node_image.lock_fingerprint(local_nodes.LOCK)
    assert local_nodes.LOCK == ROOT / "requirements.lock"
    assert len(fingerprint) == 16
    assert fingerprint in node_image.wanted_tag(local_nodes.LOCK)


def test_a_missing_lock_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"none\.lock"):
        node_image.wanted_tag(tmp_path / "none.lock")


def test_the_stock_image_comes_before_our_own():
    assert base_image.STOCK.startswith("debian:")


def test_what_is_sent_to_the_build_holds_no_key():
    files = node_image.build_files(local_nodes.LOCK)
    assert {"Dockerfile", "sshd_config", "requirements.lock", "uv"} <= set(files)
    assert not any(b"PRIVATE KEY-----" in data for name, data in files.items() if name != "uv")
    with tarfile.open(fileobj=node_image.build_context(files)) as archive:
        assert set(archive.getnames()) == set(files)


@pytest.mark.parametrize(
    "line",
    [
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "PermitRootLogin no",
        "AllowUsers tandem",
        "UsePAM no",
        "UseDNS no",
    ],
)
def test_sshd_lets_in_one_user_by_key_alone(line):
    assert line in (RECIPE / "sshd_config").read_text().splitlines()


def test_the_operator_s_key_is_made_once_and_is_nobody_else_s_to_read(tmp_path):
    path = tmp_path / "machines" / "local" / "id_ed25519"
    made = ssh_keys.operator_key(path)
    assert ssh_keys.operator_key(path) == made
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(path.parent).st_mode) == 0o700
    loaded = paramiko.Ed25519Key.from_private_key_file(str(path))
    assert f"ssh-ed25519 {loaded.get_base64()}" == made.public


def test_a_private_key_is_in_no_repr():
    assert "PRIVATE" not in repr(ssh_keys.make_key())


def test_a_file_that_is_no_key_is_left_alone_and_named(tmp_path):
    path = tmp_path / "id_ed25519"
    path.write_text("not a key")
    with pytest.raises(TandemError, match="id_ed25519 is no ed25519 key"):
        ssh_keys.operator_key(path)
    assert path.read_text() == "not a key"
