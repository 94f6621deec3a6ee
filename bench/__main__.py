"""All measurements, one after the other: `make bench`, or `python -m bench NAME ...`."""

import subprocess
import sys

MEASUREMENTS = ("bring_up", "peers", "speedup", "demo")


def main() -> None:
    """Run the measurements that are named, or all; stop at the first that fails."""
    names = sys.argv[1:] or MEASUREMENTS
    for name in names:
        if name not in MEASUREMENTS:
            raise SystemExit(
                f"There is no measurement {name!r}; there is: {', '.join(MEASUREMENTS)}."
            )
        print(f"\n== {name}", flush=True)
        subprocess.run([sys.executable, "-m", f"bench.{name}"], check=True)


if __name__ == "__main__":
    main()
