"""Runs a Pulumi program as Pulumi's own host for Python does, against a given monitor.

A script: the first argument is a JSON object with the address of the monitor, the names of
project and stack, the folder of the program, and whether this is a preview. The configuration
comes in PULUMI_CONFIG, as it does from the real engine.
"""

import asyncio
import json
import runpy
import sys
import traceback

import pulumi
from pulumi.runtime import Settings, configure, get_config_env, run_in_stack, set_all_config


def main() -> int:
    """Run the program; return 0 if it ended well."""
    given = json.loads(sys.argv[1])
    set_all_config(get_config_env())
    configure(
        Settings(
            project=given["project"],
            stack=given["stack"],
            organization="organization",
            root_directory=given["folder"],
            monitor=given["monitor"],
            engine=given["monitor"],
            dry_run=given["dry_run"],
            parallel=4,
        )
    )
    sys.path.insert(0, given["folder"])
    try:
        asyncio.new_event_loop().run_until_complete(run_in_stack(_program(given["folder"])))
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
        return 1
    except Exception:
        traceback.print_exc()
        return 1
    return 0


def _program(folder: str):
    def run() -> None:
        runpy.run_path(f"{folder}/__main__.py", run_name="__main__")

    return run


if __name__ == "__main__":
    sys.exit(main())
