"""Where things lie on a node."""

from dataclasses import dataclass

_PROGRAMS = "/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True)
class Place:
    """The folders of one node: Tandem's own, the environment, the unpacked code.

    `shared_memory` is the size of /dev/shm in bytes.
    """

    home: str
    environment: str
    code: str
    shared_memory: int = 0

    @property
    def python(self) -> str:
        """The environment's interpreter."""
        return f"{self.environment}/bin/python"

    def variables(self) -> dict[str, str]:
        """Return the environment variables by which processes find code and programs."""
        return {"PYTHONPATH": self.code, "PATH": f"{self.environment}/bin:{_PROGRAMS}"}
