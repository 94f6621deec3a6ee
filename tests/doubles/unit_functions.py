"""Functions that tests run as units, in a real unit process."""

import ctypes
import os
import signal
import sys
import time


def add(a: int, b: int) -> int:
    print("a unit may print; nobody takes it for a reply")
    return a + b


def fail(words: str) -> None:
    raise ValueError(words)


def leave(code: int) -> None:
    sys.exit(code)


def vanish(code: int) -> None:
    os._exit(code)


def sleep(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def hang_holding_the_interpreter() -> None:
    """Sleep without letting another thread of the process run."""
    ctypes.PyDLL(None).sleep(600)


def end_oneself(name: str) -> None:
    os.kill(os.getpid(), getattr(signal, name))


def burn(cpu_seconds: float) -> int:
    begin = time.process_time()
    while time.process_time() - begin < cpu_seconds:
        sum(range(1000))
    return os.getpid()


def lack_memory() -> None:
    raise MemoryError


def not_json() -> object:
    return float("nan")


def environment(name: str) -> str | None:
    return os.environ.get(name)


def oom_score() -> int:
    with open("/proc/self/oom_score_adj") as stream:
        return int(stream.read())


def tell_steps(seconds: float) -> int:
    """Tell of a step each few milliseconds; return how many there were."""
    from workloads.engines.telling import teller

    steps, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        steps += 1
        teller.tell(steps, 1000, "steps")
        time.sleep(0.005)
    return steps
