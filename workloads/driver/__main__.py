"""Run the driver: `python -m workloads.driver RUN_FOLDER/spec.json`."""

import os
import sys

from contracts.errors import TandemError
from workloads.driver.run import main

try:
    code = main(sys.argv[1:])
except TandemError as refused:
    print(refused, file=sys.stderr)
    code = refused.exit_code
sys.stdout.flush()
sys.stderr.flush()
os._exit(code)  # an engine's library may wait at exit for a peer that is gone
