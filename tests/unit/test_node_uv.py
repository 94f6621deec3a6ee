"""uv for nodes: the operator's own, or the locked one for another kind of machine."""

import base64
import functools
import hashlib
import platform
import threading
import time
import zipfile
from pathlib import Path

import pytest
from uv import find_uv_bin

from contracts.errors import TandemError
from contracts.progress import tell_nobody
from provision import node_uv, python_env
from provision.node import sync

OTHER = {"x86_64": "aarch64", "aarch64": "x86_64"}[platform.machine()]
PROGRAM = b"\x7fELF for another machine"


def wheel(folder, version="0.0.1"):
    """Make a wheel of uv as its makers do, for the other kind of machine; return its hash."""
    folder.mkdir(parents=True, exist_ok=True)
    kind = f"manylinux_2_17_{OTHER}.manylinux2014_{OTHER}"
    members = {
        f"uv-{version}.data/scripts/uv": PROGRAM,
        f"uv-{version}.dist-info/METADATA": b"Metadata-Version: 2.3\nName: uv\nVersion: %s\n"
        % version.encode(),
        f"uv-{version}.dist-info/WHEEL": b"Wheel-Version: 1.0\nGenerator: us\n"
        b"Root-Is-Purelib: false\nTag: py3-none-manylinux_2_17_%s\n" % OTHER.encode(),
    }
    record = "".join(
        f"{name},sha256={_digest(content)},{len(content)}\n"
        for name, content in members.items()
    )
    path = folder / f"uv-{version}-py3-none-{kind}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        archive.writestr(
            f"uv-{version}.dist-info/RECORD", f"{record}uv-{version}.dist-info/RECORD,,\n"
        )
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _digest(content):
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def locked(tmp_path, digest, version="0.0.1"):
    path = tmp_path / "operator.lock"
    hashes = f"    --hash=sha256:{'0' * 64} \\\n    --hash=sha256:{digest}"
    path.write_text(f"urllib3==2.0.0 \\\n{hashes}\nuv=={version} \\\n{hashes}\nzict==3.0.0\n")
    return path


def test_a_node_like_the_operator_gets_the_operators_own(tmp_path):
    found = node_uv.binary(platform.system(), platform.machine(), tmp_path)
    assert found == Path(find_uv_bin())


def test_the_operators_own_is_looked_for_by_one_thread_at_a_time(tmp_path, monkeypatch):
    inside, most = [], []

    def find():
        inside.append(threading.get_ident())
        time.sleep(0.02)
        most.append(len(inside))
        inside.pop()
        return "/usr/bin/uv"

    monkeypatch.setattr(node_uv, "find_uv_bin", find)
    ask = functools.partial(node_uv.binary, platform.system(), platform.machine(), tmp_path)
    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 6


def test_a_node_of_another_kind_gets_the_locked_wheel_once(tmp_path):
    lock = locked(tmp_path, wheel(tmp_path / "wheelhouse"))
    found = node_uv.binary("Linux", OTHER, tmp_path, lock)
    assert found.read_bytes() == PROGRAM
    for path in (tmp_path / "wheelhouse").iterdir():
        path.unlink()
    assert node_uv.binary("Linux", OTHER, tmp_path, lock) == found
    assert [one.name for one in (tmp_path / "tools").iterdir()] == [f"uv-0.0.1-{OTHER}"]


def test_a_wheel_that_the_lock_does_not_know_is_refused(tmp_path):
    wheel(tmp_path / "wheelhouse")
    with pytest.raises(TandemError, match="could not be fetched") as caught:
        node_uv.binary("Linux", OTHER, tmp_path, locked(tmp_path, "1" * 64))
    assert "hash" in str(caught.value).lower()
    assert str(tmp_path / "wheelhouse") in caught.value.next_step
    assert list((tmp_path / "tools").iterdir()) == []


def test_a_machine_for_which_there_is_no_uv_is_refused(tmp_path):
    with pytest.raises(TandemError, match="no uv for Linux riscv64"):
        node_uv.binary("Linux", "riscv64", tmp_path)


def test_the_projects_lock_has_uv_with_its_hashes():
    found = node_uv._locked(node_uv.OPERATOR_LOCK)
    assert found.startswith("uv==")
    assert found.count("--hash=sha256:") > 5
    assert "virtualenv" not in found


def test_what_is_sent_to_a_node_is_for_its_machine(tmp_path, monkeypatch):
    lock = locked(tmp_path, wheel(tmp_path / "wheelhouse"))
    real = node_uv.binary
    monkeypatch.setattr(node_uv, "binary", lambda *machine: real(*machine, lock))
    sent = {}

    class Link:
        node_name = "node-2"

        def put(self, data, path, mode):
            sent[path] = (data, mode)

    class Of:
        system, machine, home = "Linux", OTHER, "/home/ubuntu/.tandem"

    path = python_env._push_uv(Link(), Of(), python_env.source(tmp_path), tell_nobody)
    assert path == "/home/ubuntu/.tandem/tools/uv.gz"
    ((content, mode),) = sent.values()
    assert mode == 0o600
    arrived, program = tmp_path / "uv.gz", tmp_path / "uv"
    arrived.write_bytes(content)
    sync._unpack(str(arrived), str(program))
    assert (program.read_bytes(), program.stat().st_mode & 0o777) == (PROGRAM, 0o700)
    assert not arrived.exists()
