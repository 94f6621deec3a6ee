"""What operator and nodes must agree on about the locked environment and Ray's clients."""

import hashlib

# Mirrors that the operator's own uv uses; the lock itself names none.
INDEX_VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL")

# Every process that speaks to Ray has these: on nodes, and in the driver.
RAY_CLIENT = {
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    # Open calls to a node that was cut off fail after ten seconds instead of seven minutes.
    "RAY_grpc_client_keepalive_time_ms": "5000",
    "RAY_grpc_client_keepalive_timeout_ms": "5000",
    # Who has lost the head gives up after this many seconds.
    "RAY_gcs_rpc_server_reconnect_timeout_s": "15",
}


def lock_fingerprint(content: bytes) -> str:
    """Return the name of a locked environment: 16 hexadecimal digits of the lock's SHA-256."""
    return hashlib.sha256(content).hexdigest()[:16]
