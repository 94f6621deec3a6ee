"""The one place that opens SSH connections: pinned host keys, one key, deadlines."""

import base64
import contextlib
import logging
import secrets
import select
import socket
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import fabric
import paramiko

from contracts.errors import DeadlineError, TandemError
from contracts.inventory import Inventory, Node
from provision import tunnel
from provision.command import Command
from provision.connection_errors import ConnectionLost, check_key_file, explain
from provision.output import Kept, Result
from provision.words import plain_text

CONNECT_SECONDS = 10.0
KEEPALIVE_SECONDS = 5
POLL_SECONDS = 0.25
# What it logs is told by our own errors; without a handler it would print tracebacks.
logging.getLogger("paramiko").addHandler(logging.NullHandler())
SILENT_MILLISECONDS = 20_000
OUTPUT_LIMIT = 4 * 1024 * 1024
_CHUNK = 32 * 1024


class Connection(fabric.Connection):  # type: ignore[misc]
    """An SSH connection to one node that accepts the pinned host key and no other."""

    def __init__(
        self, node: Node, inventory: Inventory, gateway: "Connection | None", own: bool
    ) -> None:
        super().__init__(
            node.ssh_host,
            user=inventory.ssh_user,
            port=node.ssh_port,
            config=fabric.Config(overrides={"load_ssh_configs": False}, lazy=True),
            gateway=gateway,
            connect_kwargs={
                "key_filename": str(Path(inventory.ssh_key_path).expanduser()),
                "allow_agent": False,
                "look_for_keys": False,
            },
        )
        self.node_name = node.name
        self.own_gateway = own
        self.client = paramiko.SSHClient()
        self.client.set_missing_host_key_policy(paramiko.RejectPolicy())
        kind, text = node.host_key.split(" ")
        key = paramiko.PKey.from_type_string(kind, base64.b64decode(text))
        standard = node.ssh_port == paramiko.config.SSH_PORT
        name = node.ssh_host if standard else f"[{node.ssh_host}]:{node.ssh_port}"
        self.client.get_host_keys().add(name, kind, key)

    @property
    def where(self) -> str:
        """The node as people read it: name and address."""
        return f"{self.node_name} ({self.user}@{self.host}:{self.port})"

    def close(self) -> None:
        """Close it, and with it the connection that was opened to carry this one alone."""
        super().close()
        if self.own_gateway:
            self.gateway.close()

    def run(
        self,
        command: Command,
        *,
        timeout: float,
        stdin: bytes | None = None,
        hold_stdin: bool = False,
        watch: Callable[[bytes], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
        limit: int = OUTPUT_LIMIT,
    ) -> Result:
        """Run a command and return what it came to, whatever its exit code.

        Parameters
        ----------
        command : Command
            What to run.
        timeout : float
            Seconds after which the wait ends with a DeadlineError.
        stdin : bytes, optional
            What it reads. Its input ends afterwards, or with `hold_stdin` when the wait ends,
            so that it can tell that nobody waits for it any more.
        watch : callable, optional
            Is given its standard output as it comes, and then nothing of it is kept.
        cancelled : callable, optional
            Is asked several times a second; once true, the wait ends with InterruptedError.
        limit : int
            Bytes of each output that are kept.

        Raises
        ------
        DeadlineError
            If it did not end in time.
        ConnectionLost
            If the connection broke.
        """
        begin = time.monotonic()
        give_up = begin + timeout
        out, errors = Kept(limit), Kept(limit)
        keep = watch or out.add
        try:
            with contextlib.closing(self._channel(timeout)) as channel:
                channel.exec_command(command.render())
                if stdin:
                    channel.sendall(stdin)
                if not hold_stdin:
                    channel.shutdown_write()
                while not _ended(channel):
                    if time.monotonic() > give_up:
                        raise self._late(command, timeout, out.text() or errors.text())
                    if cancelled is not None and cancelled():
                        raise InterruptedError(f"gave up waiting for {self.where}")
                    _await_news(channel, min(POLL_SECONDS, timeout))
                    _drain(channel, keep, errors.add)
                    if not self.is_connected:
                        raise EOFError("the connection closed")
                _drain(channel, keep, errors.add)
                code = channel.recv_exit_status()
        except (TandemError, InterruptedError):
            raise
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise self._lost(error) from error
        if code == -1:
            raise self._lost(EOFError("it closed without an exit code"))
        seconds = time.monotonic() - begin
        return Result(code, out.data(), errors.data(), seconds, out.cut or errors.cut)

    def put(self, data: bytes, path: str, mode: int) -> None:
        """Write a remote file so that readers see all of it or none; folders are made 0700.

        The mode is set before the first byte is written.
        """
        temporary = f"{path}.{secrets.token_hex(6)}.part"
        try:
            files = self.sftp()
            _make_folders(files, str(PurePosixPath(path).parent))
            try:
                with files.open(temporary, "wx") as stream:
                    stream.chmod(mode)
                    stream.set_pipelined(True)
                    for start in range(0, len(data), _CHUNK):
                        stream.write(data[start : start + _CHUNK])
                files.posix_rename(temporary, path)
            except BaseException:
                with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
                    files.remove(temporary)
                raise
        except (paramiko.SSHException, EOFError) as error:
            raise self._lost(error) from error
        except OSError as error:
            if not self.is_connected:
                raise self._lost(error) from error
            raise TandemError(
                f"{path} could not be written on {self.where}.",
                cause=str(error),
                next_step=f"check space and rights: fab cluster.ssh --node {self.node_name}",
            ) from error

    def get(self, path: str, *, offset: int = 0, limit: int = OUTPUT_LIMIT) -> bytes | None:
        """Return up to `limit` bytes of a remote file from `offset`; None if there is none."""
        try:
            files = self.sftp()
            try:
                if not stat.S_ISREG(files.stat(path).st_mode or 0):
                    return None
                with files.open(path, "rb") as stream:
                    stream.seek(offset)
                    data: bytes = stream.read(limit)
                    return data
            except FileNotFoundError:
                return None
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise self._lost(error) from error

    @contextlib.contextmanager
    def forward(self, local_port: int, remote_port: int) -> Iterator[int]:
        """Carry a port of the operator's loopback to one of the node's for the block.

        Gives the local port; 0 asks for a free one. OSError if it is in use.
        """
        with tunnel.carry(self.transport, local_port, remote_port) as port:
            yield port

    def _channel(self, timeout: float) -> Any:
        if self.transport is None:
            raise EOFError("the connection is closed")
        channel = self.transport.open_session(timeout=timeout)
        channel.settimeout(timeout)
        return channel

    def _lost(self, error: Exception) -> ConnectionLost:
        return ConnectionLost(
            f"The connection to {self.where} broke.",
            cause=plain_text(str(error)) or type(error).__name__,
            next_step="run the same command again; it goes on where this one stopped",
        )

    def _late(self, command: Command, seconds: float, last: str) -> DeadlineError:
        words = str(command)
        return DeadlineError(
            waited_for=f"the end of `{words[:60]}{'…' if len(words) > 60 else ''}`",
            whom=self.where,
            seconds=seconds,
            last_state=last or "no output",
            next_step=f"look at the node: fab cluster.ssh --node {self.node_name}",
        )


def connect(
    inventory: Inventory,
    node_name: str,
    *,
    timeout: float = CONNECT_SECONDS,
    gateway: Connection | None = None,
) -> Connection:
    """Open a connection to a node, through its jump node where it has one.

    The host key must be the one in the inventory; the inventory's key is offered and no other.

    Raises
    ------
    RefusedError
        If the host key differs: nothing was sent after the key exchange.
    UsageError
        If the key file is missing or unusable.
    LoginError
        If the node does not accept the key; it is tried once.
    UnreachableError, DeadlineError
        If nothing answers.
    """
    node = inventory.node(node_name)
    check_key_file(inventory)
    own = node.jump is not None and gateway is None
    if own:
        gateway = connect(inventory, str(node.jump), timeout=timeout)
    connection = Connection(node, inventory, gateway, own)
    connection.connect_kwargs.update(
        timeout=timeout, banner_timeout=timeout, auth_timeout=timeout, channel_timeout=timeout
    )
    begin = time.monotonic()
    try:
        connection.open()
    except Exception as error:
        connection.close()
        seconds = time.monotonic() - begin
        late = seconds >= 0.9 * timeout
        explain(error, connection.where, node, inventory, seconds, late=late)
    connection.transport.set_keepalive(KEEPALIVE_SECONDS)
    line = connection.transport.sock
    if isinstance(line, socket.socket):
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A peer that vanished without a word is noticed, because keepalives stay unanswered.
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENT_MILLISECONDS)
    return connection


def _ended(channel: Any) -> bool:
    return bool(channel.exit_status_ready() and channel.eof_received)


def _await_news(channel: Any, seconds: float) -> None:
    """Wait until a channel has output or ended; after its last output only the end is left."""
    if channel.eof_received:
        channel.status_event.wait(seconds)
    else:
        select.select([channel], [], [], seconds)


def _drain(channel: Any, out: Callable[[bytes], None], errors: Callable[[bytes], None]) -> None:
    while channel.recv_ready():
        out(channel.recv(_CHUNK))
    while channel.recv_stderr_ready():
        errors(channel.recv_stderr(_CHUNK))


def _make_folders(files: paramiko.SFTPClient, folder: str) -> None:
    try:
        files.stat(folder)
    except FileNotFoundError:
        parent = str(PurePosixPath(folder).parent)
        if parent != folder:
            _make_folders(files, parent)
        with contextlib.suppress(FileExistsError):
            files.mkdir(folder, 0o700)
