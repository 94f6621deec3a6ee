"""Lets the real engine find the double: a `pulumi-resource-aws` first on PATH."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
COMMAND = (sys.executable, "-m", "tests.doubles.aws.plugin")


def on_path(folder: Path) -> str:
    """Write the plugin's launcher into a folder, and return a PATH that begins with it."""
    folder.mkdir(parents=True, exist_ok=True)
    launcher = folder / "pulumi-resource-aws"
    launcher.write_text(
        f"#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m tests.doubles.aws.plugin\n"
    )
    launcher.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"
