"""The databases of the test bed's cloud: MariaDB on loopback, and every service's tables."""

import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.doubles.openstack import processes
from tests.doubles.openstack.configuration import DATABASES, database
from tests.doubles.openstack.environment import SERVER
from tests.doubles.openstack.places import HOST, Bed

SECONDS = 1200.0
# What it stores may be lost with the computer; waiting for the disk costs half of the time.
_OPTIONS = (
    *("--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0", "--sync-binlog=0"),
    *("--innodb-buffer-pool-size=128M", "--innodb-log-file-size=64M", "--max-connections=300"),
    *("--performance-schema=0", "--skip-name-resolve", "--character-set-server=utf8mb3"),
)
# neutron's own migrations take minutes; its newest tables are made directly.
_NEUTRON = (
    "import sys; from neutron.db.migration.models import head; "
    "from sqlalchemy import create_engine; "
    "head.get_metadata().create_all(create_engine(sys.argv[1]))"
)


def start_server(bed: Bed) -> None:
    """Start MariaDB, and give it an empty data folder at the first time."""
    data, socket = bed.run / "database", _socket(bed)
    if not (data / "mysql").exists():
        data.mkdir(parents=True, exist_ok=True)
        install = ["mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={data}"]
        login = ["--auth-root-authentication-method=normal", "--skip-test-db"]
        _run(bed, [*install, *login])
    where = [f"--bind-address={HOST}", f"--port={bed.port('database')}", f"--socket={socket}"]
    command = [SERVER, "--no-defaults", "--user=root", f"--datadir={data}", *where, *_OPTIONS]
    processes.start(bed, "database", command)
    processes.await_port(bed, "database", "database")


def fill(bed: Bed) -> None:
    """Make every service's databases, tables and keys."""
    words = "".join(
        f"create database if not exists {name}; "
        f"grant all on {name}.* to bed@'{HOST}' identified by 'bed'; "
        for name in DATABASES
    )
    _run(bed, ["mariadb", "-uroot", "-S", str(_socket(bed)), "-e", words])
    works = (_keystone, _small, _nova, _neutron)
    with ThreadPoolExecutor(len(works)) as pool:
        for done in [pool.submit(work, bed) for work in works]:
            done.result()


def _keystone(bed: Bed) -> None:
    keys = bed.run / "keys"
    for name in ("fernet", "credential"):
        (keys / name).mkdir(parents=True, exist_ok=True)
    manage = [
        _tool(bed, "keystone-manage"),
        "--config-file",
        _file(bed, "keystone/keystone.conf"),
    ]
    owner = ["--keystone-user", "root", "--keystone-group", "root"]
    _run(bed, [*manage, "db_sync"])
    _run(bed, [*manage, "fernet_setup", *owner])
    _run(bed, [*manage, "credential_setup", *owner])
    url = bed.url("identity", "/v3")
    urls = [f"--bootstrap-{kind}-url={url}" for kind in ("admin", "public", "internal")]
    first = [f"--bootstrap-password={bed.password}", "--bootstrap-region-id=EAST-1", *urls]
    _run(bed, [*manage, "bootstrap", *first])


def _small(bed: Bed) -> None:
    placement = _file(bed, "placement/placement.conf")
    _run(bed, [_tool(bed, "placement-manage"), "--config-file", placement, "db", "sync"])
    glance = _file(bed, "glance/glance-api.conf")
    _run(bed, [_tool(bed, "glance-manage"), "--config-file", glance, "db_sync"])


def _nova(bed: Bed) -> None:
    manage = [_tool(bed, "nova-manage"), "--config-file", _file(bed, "nova/nova.conf")]
    first_cell = ["--database_connection", database(bed, "nova_cell0")]
    _run(bed, [*manage, "api_db", "sync"])
    _run(bed, [*manage, "cell_v2", "map_cell0", *first_cell])
    _run(bed, [*manage, "db", "sync"])
    _run(bed, [*manage, "cell_v2", "create_cell", "--name", "cell1"])


def _neutron(bed: Bed) -> None:
    _run(bed, [str(bed.python), "-c", _NEUTRON, database(bed, "neutron")])
    stamp = ["--config-file", _file(bed, "neutron/neutron.conf"), "stamp", "heads"]
    _run(bed, [_tool(bed, "neutron-db-manage"), *stamp])


def discover(bed: Bed) -> None:
    """Tell nova of its one machine that computes, once that has said that it is there."""
    manage = [_tool(bed, "nova-manage"), "--config-file", _file(bed, "nova/nova.conf")]
    _run(bed, [*manage, "cell_v2", "discover_hosts"])


def _run(bed: Bed, command: Sequence[str]) -> None:
    begin = time.monotonic()
    done = subprocess.run(
        command,
        env=processes.environment(bed),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    with open(bed.run / "log" / "databases.out", "a") as log:
        said = f"{done.stdout}{done.stderr}"
        log.write(f"{time.monotonic() - begin:.1f} s: {' '.join(command)}\n{said}")
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command[:4])}: {done.stderr.strip()[-1500:]}")


def _tool(bed: Bed, name: str) -> str:
    return str(bed.environment / "bin" / name)


def _file(bed: Bed, name: str) -> str:
    return str(bed.etc / name)


def _socket(bed: Bed) -> str:
    return str(bed.run / "database.sock")
