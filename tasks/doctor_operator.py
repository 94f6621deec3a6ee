"""What `fab doctor` looks at on the operator's own computer: its key and its address."""

from collections.abc import Iterator
from pathlib import Path

from contracts import machine_files
from infra import aws_access
from infra.findings import Finding


def key(state: Path, cluster_id: str) -> Iterator[Finding]:
    """Yield whether the key that machines know, or will know, is its owner's alone."""
    path = machine_files.operator_key(state, cluster_id)
    if not path.exists():
        yield Finding("key", "ok", f"{path} is made by the first pulumi up")
    elif path.stat().st_mode & 0o077:
        yield Finding("key", "bad", f"{path} can be read by others", f"chmod 600 {path}")
    else:
        yield Finding("key", "ok", str(path))


def covered(own: str, blocks: tuple[str, ...], where: str, fix: str) -> Finding:
    """Return whether this computer, whose block is `own`, may reach SSH."""
    if aws_access.covers(blocks, own):
        return Finding("address", "ok", f"{own} may reach SSH ({where})")
    words = f"this computer is {own}, and {where} lets in {', '.join(blocks) or 'nobody'}"
    return Finding("address", "bad", words, fix)
