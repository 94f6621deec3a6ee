"""What a training has done on each node, in a process that the node's slot keeps for it.

The process of a slot (workloads/engines/unit_process.py) does one call after another and keeps
what it has loaded and compiled, so that a warm-up serves the training after it.
"""

import contextlib
import functools
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from workloads.data.datasets import Data
from workloads.resnet.exchange import LEADER, Adding, Alone, Together
from workloads.resnet.links import Door, Peer

_door: list[Door] = []


def nobody(epochs: int) -> None:
    """Tell nobody how many epochs are done."""


def configure(threads: int) -> None:
    """Have XLA, which is not loaded yet, compute with as many threads as the node has slots."""
    os.environ["NPROC"] = str(threads)  # the size of XLA's pool of threads
    os.environ["JAX_PLATFORMS"] = "cpu"


def warm_up(
    home: str, data: Mapping[str, Any], recipe: Mapping[str, Any], members: int, threads: int
) -> dict[str, float]:
    """Load and compile what a training will need; return the seconds of compiling."""
    configure(threads)
    from workloads.resnet import training

    seconds = training.warm(home, data, training.Recipe(**recipe), members)
    return {"compile seconds": seconds}


def listen(host: str, key: str) -> int:
    """Listen for a training's other members; return the port."""
    while _door:
        _door.pop().close()  # of a training that was ended
    _door.append(Door(host, bytes.fromhex(key)))
    return _door[0].port


def train(
    home: str,
    data: Mapping[str, Any],
    recipe: Mapping[str, Any],
    rank: int,
    peers: Sequence[Sequence[Any]],
    key: str,
    threads: int,
) -> dict[str, Any]:
    """Train as one of the peers, after `listen`; return what came of it."""
    known, secret = [Peer(*peer) for peer in peers], bytes.fromhex(key)
    door = _door.pop()
    # Before libraries are loaded, which takes one member far longer than another.
    with (
        contextlib.closing(door),
        contextlib.closing(door.link(LEADER)) as leader,
        contextlib.closing(Together(door, rank, known, secret)) as together,
    ):
        together.watch(leader)
        done: Callable[[int], None] = nobody
        if rank == 0:
            done = functools.partial(_epoch_done, leader)
        return _trained(home, data, recipe, together, threads, done)


def train_alone(
    home: str,
    data: Mapping[str, Any],
    recipe: Mapping[str, Any],
    threads: int,
    done: Callable[[int], None] = nobody,
) -> dict[str, Any]:
    """Train as the only one there is; `done` is told how many epochs are."""
    return _trained(home, data, recipe, Alone(), threads, done)


def _epoch_done(leader: socket.socket, epochs: int) -> None:
    """Tell the program that began the training, a byte an epoch."""
    with contextlib.suppress(OSError):
        leader.sendall(b".")


def _trained(
    home: str,
    data: Mapping[str, Any],
    recipe: Mapping[str, Any],
    adding: Adding,
    threads: int,
    done: Callable[[int], None],
) -> dict[str, Any]:
    configure(threads)
    from workloads.resnet import training

    asked = training.Recipe(**recipe)
    found = training.images(home, Data(**data), asked.held_out, asked.seed)
    return training.train(found, asked, adding, done)[0]
