"""The locked environment: its fingerprint, and what each package of it should be on a node."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from contracts.environment import lock_fingerprint
from contracts.errors import UsageError

SUPPORTED = ((3, 11), (3, 13))


@dataclass(frozen=True)
class Lock:
    """A hash-locked list of packages; `fingerprint` names it on every machine."""

    path: Path
    content: bytes
    fingerprint: str

    def expected(self, markers: Mapping[str, str]) -> dict[str, str]:
        """Return name and version of each package that a machine with these markers has."""
        found: dict[str, str] = {}
        for text in _requirements(self.content.decode()):
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate(dict(markers)):
                version = next(iter(requirement.specifier)).version
                found[canonicalize_name(requirement.name)] = version
        return found


def load(path: Path) -> Lock:
    """Read a lock.

    Raises
    ------
    UsageError
        If there is no such file.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"The lock file {path} cannot be read: {error.strerror}.",
            next_step="run fab from the project's folder",
        ) from error
    return Lock(path, content, lock_fingerprint(content))


def markers_of(*, python: str, system: str, machine: str, release: str) -> dict[str, str]:
    """Return the environment markers of CPython `python` on a machine."""
    return {
        "implementation_name": "cpython",
        "implementation_version": python,
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_release": release,
        "platform_system": system,
        "platform_version": "",
        "python_full_version": python,
        "python_version": ".".join(python.split(".")[:2]),
        "sys_platform": system.lower(),
        "extra": "",
    }


def differences(
    expected: Mapping[str, str], found: Mapping[str, str]
) -> tuple[tuple[str, str, str], ...]:
    """Return a row for each package that differs: its name, the lock's version, the node's."""
    names = sorted({*expected, *found})
    return tuple(
        (name, expected.get(name, "-"), found.get(name, "-"))
        for name in names
        if expected.get(name) != found.get(name)
    )


def _requirements(text: str) -> list[str]:
    joined = re.sub(r"\\\n\s*", " ", text)
    lines = (line.split(" --hash=")[0].strip() for line in joined.splitlines())
    return [line for line in lines if line and not line.startswith("#")]
