"""The policy pack: `pulumi up --stack aws --policy-pack policy`."""

import sys
from pathlib import Path

# Pulumi starts this with the pack's own folder as the current one.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from policy.pack import make_pack

make_pack()
