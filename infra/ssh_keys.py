"""SSH keys made by the operator, so that every host key is known before the first login."""

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts.errors import TandemError
from contracts.files import write_atomically


@dataclass(frozen=True, repr=False)
class KeyPair:
    """One ed25519 key pair: the private half in OpenSSH's format, the public on one line."""

    private: bytes
    public: str


def make_key() -> KeyPair:
    """Make a new key pair."""
    key = Ed25519PrivateKey.generate()
    return KeyPair(_private_text(key), _public_text(key))


def operator_key(path: Path) -> KeyPair:
    """Return the operator's key, made at first use with mode 0600 in a folder of 0700.

    Raises
    ------
    TandemError
        If the file is there and is no ed25519 key.
    """
    if not path.exists():
        made = make_key()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.parent.chmod(0o700)
        write_atomically(path, made.private, mode=0o600)
        return made
    content = path.read_bytes()
    try:
        key = serialization.load_ssh_private_key(content, password=None)
    except ValueError as error:
        key = None
        reason = str(error)
    if not isinstance(key, Ed25519PrivateKey):
        raise TandemError(
            f"{path} is no ed25519 key without a passphrase.",
            cause=None if key else reason,
            next_step=f"move {path} away and run the same command again: a new key is made, "
            "and machines that know only the old one are replaced",
        )
    return KeyPair(content, _public_text(key))


def _private_text(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )


def _public_text(key: Ed25519PrivateKey) -> str:
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return public.decode()
