"""What a virtual environment really holds, by its own installation records."""

from __future__ import annotations

import glob
import os
import re
from typing import Any

MOST_EXAMPLES = 5


def canonical(name: str) -> str:
    """Return a package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def inspect(path: str) -> dict[str, Any] | None:
    """Return the packages of an environment and what is missing of them; None without one.

    Each file that a package installed is looked up and its size compared with the
    package's record, so that a package that lost a part counts as damaged.
    """
    site = site_packages(path)
    python = os.path.join(path, "bin", "python")
    if site is None or not os.access(python, os.X_OK):
        return None
    packages, damaged = {}, {}
    for entry in os.listdir(site):
        if not entry.endswith(".dist-info"):
            continue
        name, _, version = entry[: -len(".dist-info")].partition("-")
        packages[canonical(name)] = version
        problems = _verify(site, entry)
        if problems:
            damaged[canonical(name)] = problems
    return {
        "path": path,
        "python": _version(path),
        "packages": packages,
        "damaged": damaged,
        "writable": os.access(site, os.W_OK),
    }


def site_packages(path: str) -> str | None:
    """Return the folder that holds an environment's packages; None if there is none."""
    found = glob.glob(os.path.join(path, "lib", "python3.*", "site-packages"))
    return found[0] if len(found) == 1 else None


def intact(folder: str) -> bool:
    """Say whether a folder holds one unpacked package, complete by its record."""
    found = glob.glob(os.path.join(folder, "*.dist-info"))
    return len(found) == 1 and not _verify(folder, os.path.basename(found[0]))


def _verify(site: str, entry: str) -> list[str]:
    """Return the first few files of a package that are missing or of another size."""
    try:
        with open(os.path.join(site, entry, "RECORD"), encoding="utf-8") as stream:
            lines = stream.read().splitlines()
    except OSError:
        return [f"{entry}/RECORD is missing"]
    problems = []
    for line in lines:
        name, _, size = line.rpartition(",")
        name = name.rpartition(",")[0].strip('"')
        try:
            found = os.stat(f"{site}/{name}").st_size
        except OSError:
            problems.append(f"{name} is missing")
        else:
            if size and int(size) != found:
                problems.append(f"{name} has {found} bytes, not {size}")
        if len(problems) >= MOST_EXAMPLES:
            break
    return problems


def _version(path: str) -> str:
    try:
        with open(os.path.join(path, "pyvenv.cfg"), encoding="utf-8") as stream:
            for line in stream:
                key, _, value = line.partition("=")
                if key.strip() in ("version", "version_info"):
                    return value.strip()
    except OSError:
        pass
    return ""
