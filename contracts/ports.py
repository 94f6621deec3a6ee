"""One table of ports: security groups, listeners and probes all read it."""

from dataclasses import dataclass
from enum import Enum


class Audience(Enum):
    """Who may reach a port."""

    OPERATOR = "operator"
    MEMBERS = "members"
    LOOPBACK = "loopback"


@dataclass(frozen=True)
class Port:
    """One port, or a range of them, of one service."""

    name: str
    first: int
    last: int
    audience: Audience
    purpose: str


def _port(name: str, first: int, audience: Audience, purpose: str, last: int = 0) -> Port:
    return Port(name, first, last or first, audience, purpose)


SSH = _port("ssh", 22, Audience.OPERATOR, "operator to nodes")
RAY_GCS = _port("ray-gcs", 6379, Audience.MEMBERS, "Ray head: cluster state")
RAY_NODE_MANAGER = _port("ray-node-manager", 6380, Audience.MEMBERS, "Ray: raylet")
RAY_OBJECT_MANAGER = _port("ray-object-manager", 6381, Audience.MEMBERS, "Ray: objects")
RAY_RUNTIME_ENV = _port("ray-runtime-env", 6382, Audience.MEMBERS, "Ray: environments")
RAY_AGENT_GRPC = _port("ray-agent-grpc", 6383, Audience.MEMBERS, "Ray: dashboard agent")
RAY_METRICS = _port("ray-metrics", 6384, Audience.MEMBERS, "Ray: metrics")
RAY_AGENT_HTTP = _port("ray-agent-http", 52365, Audience.MEMBERS, "Ray: agent over HTTP")
RAY_WORKERS = _port("ray-workers", 20000, Audience.MEMBERS, "Ray: task processes", 20999)
RAY_DASHBOARD = _port("ray-dashboard", 8265, Audience.LOOPBACK, "Ray head: dashboard")
DASK_SCHEDULER = _port("dask-scheduler", 8786, Audience.MEMBERS, "Dask head: scheduler")
DASK_DASHBOARD = _port("dask-dashboard", 8787, Audience.LOOPBACK, "Dask head: dashboard")
DASK_WORKERS = _port("dask-workers", 21000, Audience.MEMBERS, "Dask: workers", 21999)
TRAINING = _port("training", 22000, Audience.MEMBERS, "trainings: gradients", 22099)
DATABASE = _port("database", 5532, Audience.MEMBERS, "head: PostgreSQL")

PORTS: tuple[Port, ...] = (
    SSH,
    RAY_GCS,
    RAY_NODE_MANAGER,
    RAY_OBJECT_MANAGER,
    RAY_RUNTIME_ENV,
    RAY_AGENT_GRPC,
    RAY_METRICS,
    RAY_AGENT_HTTP,
    RAY_WORKERS,
    RAY_DASHBOARD,
    DASK_SCHEDULER,
    DASK_DASHBOARD,
    DASK_WORKERS,
    TRAINING,
    DATABASE,
)

# A slot takes a port, and Ray's drivers and helpers take some more. Both ranges lie below the
# ports that Linux gives to whoever connects to something (32768 and more).
MOST_SLOTS = 900


def open_to(audience: Audience) -> tuple[Port, ...]:
    """Return the ports that the given audience may reach."""
    return tuple(port for port in PORTS if port.audience is audience)
