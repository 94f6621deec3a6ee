"""Every verb of Tandem: `fab --list` shows them, `fab --help VERB` explains one."""

from tasks import namespace  # noqa: F401  fab looks for this name
