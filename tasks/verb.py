"""What every verb has in common: `--json`, exit codes, and errors in plain words."""

import errno
import functools
import inspect
import json as json_format
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from contracts.errors import DONE, FAILED, INTERRUPTED, TandemError, UsageError
from contracts.files import state_folder

_DISK_TROUBLE = {"ENOSPC", "EDQUOT", "EACCES", "EPERM", "EROFS", "ENOENT", "ENOTDIR"}


@dataclass(frozen=True)
class Answer:
    """What a verb has to say: an object for `--json`, and the same in words.

    The object is empty where all was printed already. `exit_code` is for outcomes that are no
    error and yet not plain success.
    """

    document: Mapping[str, Any]
    text: str
    exit_code: int = DONE


def verb(*, help: Mapping[str, str] | None = None) -> Callable[[Callable[..., Answer]], Any]:
    """Turn a function that returns an Answer into a task of `fab`.

    The task gains `--json`: the answer's document, alone, on standard output; a function that
    prints as it goes takes the flag as its own parameter `json`. Progress and errors go to
    standard error. A TandemError becomes its message and its exit code; any
    other error is a defect of ours, is written to a log file, and ends with 1.
    """

    def decorate(function: Callable[..., Answer]) -> Any:
        signature = inspect.signature(function)
        knows = "json" in signature.parameters

        @functools.wraps(function)
        def run(context: Context, *args: Any, json: bool = False, **options: Any) -> None:
            known = {"json": json} if knows else {}
            code = _run(function, context, args, {**options, **known}, json)
            if code != DONE:
                raise Exit(code=code)

        flag = inspect.Parameter("json", inspect.Parameter.KEYWORD_ONLY, default=False)
        own = [one for one in signature.parameters.values() if one.name != "json"]
        shown: Any = run
        shown.__signature__ = signature.replace(parameters=[*own, flag])
        texts = {"json": "print one JSON object on standard output and nothing else there"}
        return task(shown, help={**texts, **_with_defaults(help or {}, own)})

    return decorate


def _with_defaults(
    help: Mapping[str, str], parameters: Sequence[inspect.Parameter]
) -> dict[str, str]:
    """Return the help with each default that is a text of its own; a flag's name says its."""
    defaults = {one.name.replace("_", "-"): one.default for one in parameters}
    found = {name: value for name, value in defaults.items() if isinstance(value, str)}
    return {
        name: f"{text} (default {found[name]})" if found.get(name) else text
        for name, text in help.items()
    }


def whole_number(text: str, option: str, *, least: int = 1) -> int:
    """Return what was typed for an option as a whole number.

    Raises
    ------
    UsageError
        If it is not one, or below `least`.
    """
    try:
        number = int(str(text))
    except ValueError:
        number = least - 1
    if number < least:
        raise UsageError(
            f"{option} must be a whole number from {least}, not {text!r}.",
            next_step=f"{option} {max(least, 3)}",
        )
    return number


def listed(text: str) -> list[str]:
    """Return the parts of a comma-separated option, without blanks or empty parts."""
    return [part.strip() for part in str(text).split(",") if part.strip()]


def _run(
    function: Callable[..., Answer],
    context: Context,
    args: tuple[Any, ...],
    options: Mapping[str, Any],
    json: bool,
) -> int:
    try:
        answer = function(context, *args, **options)
    except TandemError as error:
        return _fail(str(error), error.as_json(), error.exit_code, json)
    except KeyboardInterrupt as stopped:
        words = str(stopped) or (
            "Interrupted. What is done is kept.\nNext: the same command goes on from there"
        )
        return _fail(words, {"error": "Interrupted", "problem": words}, INTERRUPTED, json)
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0)
        if name not in _DISK_TROUBLE or not error.filename:
            return _defect(error, json)
        trouble = TandemError(
            f"{error.filename} cannot be used: {error.strerror}.",
            next_step="make room or mend the permissions there, then the same command again; "
            "TANDEM_STATE names another state folder",
        )
        return _fail(str(trouble), trouble.as_json(), trouble.exit_code, json)
    except Exit:
        raise
    except Exception as error:
        return _defect(error, json)
    if json:
        if answer.document:
            print(json_format.dumps(answer.document, indent=2, sort_keys=True))
    elif answer.text:
        print(answer.text)
    return answer.exit_code


def _fail(words: str, document: Mapping[str, Any], code: int, json: bool) -> int:
    print(words, file=sys.stderr)
    if json:
        print(json_format.dumps({**document, "exit_code": code}, indent=2, sort_keys=True))
    return code


def _defect(error: Exception, json: bool) -> int:
    details = "".join(traceback.format_exception(error))
    log = state_folder() / "logs" / f"defect-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(details)
        where = f"The details are in {log}"
    except OSError:
        where = details
    words = f"Tandem met an error it did not expect: {type(error).__name__}: {error}\n{where}"
    document = {"error": type(error).__name__, "problem": str(error), "log": str(log)}
    return _fail(words, document, FAILED, json)
