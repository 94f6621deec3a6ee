"""The probes themselves: an open door must be seen as open, or a proof proves nothing."""

import contextlib
import datetime
import http.server
import os
import socket
import ssl
import stat
import threading
from concurrent import futures

import grpc
import pytest

from provision import credentials, engine_settings
from provision.node import dask_probe, ray_probe, ray_start, ray_wire, tls_probe
from provision.node.program import Failure
from tests.unit.provision_examples import inventory, node

TOKEN = "right"


@pytest.fixture
def files(tmp_path):
    """Give the certificates of a cluster as files."""
    made = credentials.Credentials(tmp_path / "state", inventory()).for_node("dask", node())
    for name, secret in made.items():
        (tmp_path / name).write_text(secret.reveal())
    return tmp_path


@contextlib.contextmanager
def tls_server(files, *, mutual):
    """Serve TLS; with `mutual`, to clients of the cluster's own authority only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files / credentials.CERTIFICATE, files / credentials.KEY)
    context.load_verify_locations(files / credentials.CA)
    context.verify_mode = ssl.CERT_REQUIRED if mutual else ssl.CERT_NONE
    server = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve():
        while not ended.is_set():
            try:
                plain, _ = server.accept()
            except OSError:
                return
            with contextlib.suppress(OSError, ssl.SSLError), plain:
                plain.settimeout(5)
                with context.wrap_socket(plain, server_side=True) as stream:
                    stream.sendall(b"welcome")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        ended.set()
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(timeout=10)


def test_a_port_that_demands_certificates_refuses_a_stranger(files):
    with tls_server(files, mutual=True) as port:
        assert tls_probe.refuses("127.0.0.1", port)
        own = ssl.create_default_context(cafile=str(files / credentials.CA))
        own.check_hostname = False
        own.load_cert_chain(files / credentials.CERTIFICATE, files / credentials.KEY)
        with (
            socket.create_connection(("127.0.0.1", port), 5) as plain,
            own.wrap_socket(plain) as stream,
        ):
            assert stream.recv(7) == b"welcome"


def test_a_port_that_demands_nothing_is_seen_as_open(files):
    with tls_server(files, mutual=False) as port:
        assert not tls_probe.refuses("127.0.0.1", port)
        request = {"expected": [], "probe": [["127.0.0.1", port]]}
        with pytest.raises(Failure, match="has no certificate") as caught:
            dask_probe.main(request, None)
        assert caught.value.record["kind"] == "refused"


def test_a_port_without_tls_is_seen_as_open():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet():
            for _ in range(2):
                line, _ = server.accept()
                with line:
                    line.sendall(b"hello")

        threading.Thread(target=greet, daemon=True).start()
        assert not tls_probe.refuses("127.0.0.1", server.getsockname()[1])


class _Guard(grpc.ServerInterceptor):
    """Answers every method; with `strict`, only to those who carry the token."""

    def __init__(self, strict):
        self.strict = strict

    def intercept_service(self, continuation, details):
        sent = dict(details.invocation_metadata).get("authorization")

        def answer(request, context):
            if self.strict and sent != f"Bearer {TOKEN}":
                context.abort(grpc.StatusCode.UNAUTHENTICATED, "no")
            return b""

        return grpc.unary_unary_rpc_method_handler(answer)


@contextlib.contextmanager
def grpc_server(*, strict):
    """Serve as Ray's services would."""
    server = grpc.server(futures.ThreadPoolExecutor(2), interceptors=[_Guard(strict)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(0).wait(10)


def test_a_service_with_tokens_refuses_those_without_and_with_a_wrong_one():
    with grpc_server(strict=True) as port:
        address = f"127.0.0.1:{port}"
        assert ray_wire.refuses(address, ray_wire.NODES)
        assert ray_wire.refuses(address, ray_wire.NODES, token="wrong")
        assert not ray_wire.refuses(address, ray_wire.NODES, token=TOKEN)


def test_a_service_without_tokens_is_seen_as_open():
    with grpc_server(strict=False) as port:
        request = {"address": "127.0.0.1:1", "ports": {"node_manager": port}}
        with pytest.raises(Failure, match="lets a client in that has no token"):
            ray_probe.refused(
                "127.0.0.1", {**request, "ports": {**PORTS, "node_manager": port}}
            )


def test_a_service_that_is_not_there_is_no_refusal():
    with pytest.raises(Failure, match="UNAVAILABLE"):
        ray_wire.refuses("127.0.0.1:1", ray_wire.NODES, timeout=2)


PORTS = {"gcs": 1, "runtime_env": 1, "agent_http": 1}


@pytest.mark.parametrize(("code", "refused"), [(401, True), (403, True), (200, False)])
def test_an_http_service_refuses_by_its_status(code, refused):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_response(code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            """Say nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        assert ray_wire.refuses_http("127.0.0.1", server.server_port, "/x") is refused


@pytest.mark.parametrize(
    ("name", "mode", "variable", "starts"),
    [
        ("good", 0o600, "token", True),
        ("readable by others", 0o644, "token", False),
        ("authentication off", 0o600, "disabled", False),
        ("no file", None, "token", False),
    ],
)
def test_ray_is_not_started_without_its_token(
    tmp_path, monkeypatch, name, mode, variable, starts
):
    path = tmp_path / "token"
    if mode is not None:
        path.write_text(TOKEN)
        path.chmod(mode)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(path))
    monkeypatch.setenv("RAY_AUTH_MODE", variable)
    if starts:
        ray_start._check_token()
    else:
        with pytest.raises(Failure, match="Ray is not started"):
            ray_start._check_token()


def test_credentials_are_made_once_kept_private_and_the_authority_stays(tmp_path):
    first = credentials.Credentials(tmp_path, inventory())
    again = credentials.Credentials(tmp_path, inventory())
    for engine in ("ray", "dask"):
        made = {name: one.reveal() for name, one in first.for_node(engine, node(1)).items()}
        assert made == {
            name: one.reveal() for name, one in again.for_node(engine, node(1)).items()
        }
        assert not any("dask_ca.key" in name for name in made), "the authority's key stays here"
    folder = tmp_path / "credentials" / "example"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert len(first.for_node("ray", node())["ray_token"].reveal()) == 64


def test_a_certificate_is_for_one_address_and_back_dated(tmp_path):
    from cryptography import x509

    own = credentials.Credentials(tmp_path, inventory())
    before = own.for_node("dask", node(1))[credentials.CERTIFICATE].reveal()
    moved = own.for_node("dask", node(1, private_ip="10.0.0.99"))
    assert moved[credentials.CERTIFICATE].reveal() != before
    certificate = x509.load_pem_x509_certificate(before.encode())
    now = datetime.datetime.now(datetime.UTC)
    age = now - certificate.not_valid_before_utc
    assert datetime.timedelta(minutes=59) < age < datetime.timedelta(minutes=70)


def test_each_cluster_has_an_authority_of_its_own(tmp_path):
    one = credentials.Credentials(tmp_path, inventory())
    two = credentials.Credentials(tmp_path, inventory(cluster_id="other"))
    files = [each.for_node("dask", node())[credentials.CA].reveal() for each in (one, two)]
    assert files[0] != files[1]


def test_dask_settings_are_names_that_dask_knows():
    import dask
    import distributed

    assert distributed
    given = dask.config.collect_env(dict(engine_settings.DASK))
    known = dask.config.config

    def check(found, defaults, where):
        for key, value in found.items():
            key = dask.config.canonical_name(key, defaults)
            assert key in defaults, f"{where}{key}"
            if isinstance(value, dict):
                check(value, defaults[key], f"{where}{key}.")

    check(given, known, "")
    assert os.environ.get("DASK_CONFIG") is None
