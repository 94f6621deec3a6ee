"""Where the test bed's cloud lies: its folder, its addresses on loopback, its accounts."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
LOCK = HERE / "services.lock"
REGION = "EAST-1"
HOST = "127.0.0.1"
# In the catalogue, which is kept between runs, so they cannot be taken as they come. They are
# none of the engines': on machines the services are found at the same ports.
_FIRST_PORT = 12310
# The image of a machine that has the locked environment; one of the other has not.
BAKED, BARE = "Tandem baked", "Tandem bare"


@dataclass(frozen=True)
class Bed:
    """One cloud. `root` is kept between runs; what is below `run` is state of services."""

    root: Path
    password: str = "opens-nothing"
    first_port: int = _FIRST_PORT

    @property
    def python(self) -> Path:
        """The interpreter of the services' own environment."""
        return self.environment / "bin" / "python"

    @property
    def environment(self) -> Path:
        """The services' environment, named by its lock."""
        name = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]
        return self.root / f"environment-{name}"

    @property
    def run(self) -> Path:
        """Configuration, databases, logs and process ids."""
        return self.root / "run"

    @property
    def etc(self) -> Path:
        """Configuration files, a folder for each service."""
        return self.run / "etc"

    @property
    def socket(self) -> Path:
        """Where drivers ask for containers."""
        return self.run / "machines.sock"

    @property
    def outside(self) -> str:
        """The network of its floating addresses: 198.18.0.0/15 is for tests (RFC 2544)."""
        return f"198.19.{self.first_port // 10 % 256}.0/24"

    def port(self, service: str) -> int:
        """Return the port of a service."""
        return self.first_port + _SERVICES.index(service)

    def url(self, service: str, path: str = "") -> str:
        """Return the address of a service."""
        return f"http://{HOST}:{self.port(service)}{path}"

    def clouds(self) -> dict[str, object]:
        """Return clouds.yaml: `member` for tests, `admin` for setting the cloud up."""
        return {
            "clouds": {
                "member": self._cloud("s00001", "NAISS 2026/1-1", "snic"),
                "admin": self._cloud("admin", "admin", "Default"),
            }
        }

    def _cloud(self, user: str, project: str, domain: str) -> dict[str, object]:
        return {
            "auth": {
                "auth_url": self.url("identity", "/v3"),
                "username": user,
                "password": self.password,
                "project_name": project,
                "user_domain_name": domain,
                "project_domain_name": domain,
            },
            "region_name": REGION,
            "interface": "public",
            "identity_api_version": 3,
        }


_SERVICES = (
    "database",
    "identity",
    "image",
    "placement",
    "compute",
    "network",
    "object-store",
    "account",
    "container",
    "object",
)


def usual() -> Bed:
    """Return the bed of this user, in the folder for caches.

    TANDEM_TEST_CLOUD names another folder, and TANDEM_TEST_CLOUD_PORT the first of its ten
    ports: two beds at once need both.
    """
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = os.environ.get("TANDEM_TEST_CLOUD") or f"{cache}/tandem-test-cloud"
    port = os.environ.get("TANDEM_TEST_CLOUD_PORT")
    return at(Path(folder), int(port) if port else _FIRST_PORT)


def at(root: Path, first_port: int) -> Bed:
    """Return a bed somewhere else."""
    return Bed(root, first_port=first_port)
