"""Writes `contracts/aws_catalogue.json` from what moto has recorded of EC2's own answers."""

import datetime
import gzip
import json
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from contracts.aws_catalogue import TABLE

# Tandem's nodes run Linux on one of these; the rest are Macs.
ARCHITECTURES = {"x86_64": "x86_64", "arm64": "aarch64"}


def main() -> None:
    """Write the table, a type to a line."""
    found = {
        "as_of": datetime.date.today().isoformat(),
        "source": f"DescribeInstanceTypes and DescribeInstanceTypeOfferings in moto "
        f"{version('moto')}",
        "regions": sorted(_offers()),
        "types": types(),
    }
    head = json.dumps({key: value for key, value in found.items() if key != "types"})
    rows = ",\n".join(
        f"{json.dumps(name)}: {json.dumps(row)}" for name, row in found["types"].items()
    )
    TABLE.write_text(f'{head[:-1]},\n"types": {{\n{rows}\n}}}}\n')


def types() -> dict[str, list[Any]]:
    """Return CPUs, MiB, architecture, GPUs and a bit for each region, by type."""
    offers = _offers()
    rows: dict[str, list[Any]] = {}
    for name, kind in sorted(_read("instance_types.json.gz").items()):
        named = [one for one in ARCHITECTURES if one in _architectures(kind)]
        if not named:
            continue
        bits = sum(
            1 << index for index, region in enumerate(sorted(offers)) if name in offers[region]
        )
        rows[name] = [
            kind["VCpuInfo"]["DefaultVCpus"],
            kind["MemoryInfo"]["SizeInMiB"],
            ARCHITECTURES[named[0]],
            sum(int(one["Count"]) for one in kind.get("GpuInfo", {}).get("Gpus", [])),
            f"{bits:x}",
        ]
    return rows


def _architectures(kind: dict[str, Any]) -> list[str]:
    found: list[str] = kind["ProcessorInfo"]["SupportedArchitectures"]
    return found


def _offers() -> dict[str, set[str]]:
    folder = files("moto") / "ec2/resources/instance_type_offerings/region"
    return {
        entry.name.split(".")[0]: {
            one["InstanceType"] for one in _read(f"instance_type_offerings/region/{entry.name}")
        }
        for entry in folder.iterdir()
    }


def _read(name: str) -> Any:
    packed = (files("moto") / "ec2/resources" / name).read_bytes()
    return json.loads(gzip.decompress(packed))


if __name__ == "__main__":
    main()
