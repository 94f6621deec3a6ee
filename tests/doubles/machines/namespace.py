"""The network of a container, worked on from the host: sockets, addresses, packet filters.

Nothing of it runs inside the container, and the container's own root cannot undo it without a
capability that it does not have.
"""

import ctypes
import os
import socket
import subprocess
import threading
from collections.abc import Iterable

_CLONE_NEWNET = 0x40000000
_SECONDS = 30
_LIBC = ctypes.CDLL(None, use_errno=True)


def run_in(pid: int, *command: str, given: str = "") -> None:
    """Run a program of the host in the network of a process; its words are the error's."""
    words = ["nsenter", "--target", str(pid), "--net", *command]
    done = subprocess.run(words, input=given, capture_output=True, text=True, timeout=_SECONDS)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")


def on_host(*command: str, check: bool = True) -> None:
    """Run a program that changes the host's routes."""
    subprocess.run(command, check=check, capture_output=True, timeout=_SECONDS)


def routes(kind: str) -> list[list[str]]:
    """Return the host's routes of a kind, each as the words that made it."""
    words = ["ip", "route", "show", "type", kind]
    done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=_SECONDS)
    return [line.split() for line in done.stdout.splitlines()]


def listen(pid: int, address: str, port: int) -> socket.socket:
    """Open a socket in the network of a process; a thread of its own enters it and ends there.

    An address that is not on loopback is put there, so that it is this machine's alone.
    """
    if not address.startswith("127."):
        run_in(pid, "ip", "address", "replace", f"{address}/32", "dev", "lo")
    made: list[socket.socket | Exception] = []

    def enter() -> None:
        descriptor = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
        try:
            if _LIBC.setns(descriptor, _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"setns to the network of {pid}")
            made.append(socket.create_server((address, port), backlog=64))
        except OSError as error:
            made.append(error)
        finally:
            os.close(descriptor)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if isinstance(made[0], Exception):
        raise made[0]
    return made[0]


def filter_text(
    ingress: Iterable[tuple[str, str, str]],
    egress: Iterable[tuple[str, str, str]],
    *,
    metadata: str = "",
    hop_limit: int = 2,
    unreachable: Iterable[tuple[str, str]] = (),
) -> str:
    """Return what iptables-restore makes the rules of security groups.

    A rule is (protocol or "all", ports as `a:b` or "", network). With a hop limit of 1 an
    answer of the metadata service does not get past the machine itself. `unreachable` are
    pairs of a source and an own address between which nothing may begin, whatever the rules.
    """
    own = [f"-A INPUT -d {metadata}/32 -p tcp --dport 80 -j ACCEPT"] if metadata else []
    lines = [
        "*filter",
        ":INPUT DROP",
        ":FORWARD ACCEPT",
        ":OUTPUT DROP",
        "-A INPUT -i lo -j ACCEPT",
        *own,
        "-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
        *(f"-A INPUT -s {source} -d {address} -j DROP" for source, address in unreachable),
        "-A OUTPUT -o lo -j ACCEPT",
    ]
    if hop_limit < 2:
        lines.append(f"-A OUTPUT -s {metadata}/32 -j DROP")
    lines.append("-A OUTPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT")
    for chain, side, rules in (("INPUT", "-s", ingress), ("OUTPUT", "-d", egress)):
        for protocol, ports, network in sorted(set(rules)):
            kind = "" if protocol == "all" else f" -p {protocol}"
            target = f" --dport {ports}" if ports else ""
            lines.append(f"-A {chain} {side} {network}{kind}{target} -j ACCEPT")
    return "\n".join([*lines, "COMMIT", ""])


def apply_filter(pid: int, text: str) -> None:
    """Put a filter in place of the one there is, at once and whole."""
    run_in(pid, "iptables-restore", given=text)
