"""The command that was typed, as one would type it again."""

import copy
import itertools
import shlex
from collections.abc import Sequence
from typing import Any


def again(arguments: Sequence[str], task: Any, *, without: str) -> str:
    """Return the command of a task with one of its flags left out, in its short form too.

    Parameters
    ----------
    arguments : sequence of str
        What was typed after `fab`.
    task : invoke.tasks.Task
        The task, whose flags tell `-fd` (two of them) from `-nf` (a value of `-n`).
    without : str
        The long name of the flag, without dashes.
    """
    task = copy.copy(task)
    task.help = dict(task.help)  # reading the arguments uses a task's help up
    names = [one.names for one in task.get_arguments() if one.kind is bool]
    flags = {name for both in names for name in both if len(name) == 1}
    short = {name for both in names if without in both for name in both if len(name) == 1}

    def kept(argument: str) -> str:
        if argument == f"--{without}":
            return ""
        if not argument.startswith("-") or argument.startswith("--"):
            return argument
        group = "".join(itertools.takewhile(flags.__contains__, argument[1:]))
        rest = argument[1 + len(group) :]
        left = "".join(letter for letter in group if letter not in short) + rest
        return f"-{left}" if left else ""

    begin = next((at for at, one in enumerate(arguments) if not one.startswith("-")), 0)
    own = [left for one in arguments[begin:] if (left := kept(one)) or not one]
    return shlex.join(["fab", *arguments[:begin], *own])
