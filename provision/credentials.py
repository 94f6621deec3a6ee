"""A cluster's own secrets: made on the operator, one set for each cluster, kept at 0600."""

import datetime
import ipaddress
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from contracts import database, ports
from contracts.files import write_atomically
from contracts.inventory import Inventory, Node
from provision.command import Secret

TOKEN = "ray_token"  # noqa: S105  a file's name
DATABASE_PASSWORD = "database_password"  # noqa: S105  a file's name
CA, CERTIFICATE, KEY = "dask_ca.pem", "dask_node.pem", "dask_node.key"
VALID = datetime.timedelta(days=365)
RENEW_BEFORE = datetime.timedelta(days=30)
# A node whose clock is behind must not find its certificate "not yet valid".
BACK_DATED = datetime.timedelta(hours=1)


@dataclass(frozen=True)
class Authority:
    """A private certificate authority; its key never leaves the operator."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


class Credentials:
    """The secrets of one cluster, in a folder of mode 0700; made where they are missing."""

    def __init__(self, state: Path, inventory: Inventory) -> None:
        self._folder = state / "credentials" / inventory.cluster_id
        self._cluster_id = inventory.cluster_id

    def for_node(self, engine: str, node: Node) -> dict[str, Secret]:
        """Return the files that a node needs for an engine, by name."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        if engine == "ray":
            return {TOKEN: self._token()}
        authority = self._authority()
        certificate, key = self._pair(authority, node)
        ca = authority.certificate.public_bytes(serialization.Encoding.PEM)
        return {
            CA: Secret(ca.decode()),
            CERTIFICATE: Secret(certificate.decode()),
            KEY: Secret(key.decode()),
        }

    def for_database(self, head: Node) -> dict[str, Secret]:
        """Return the files of the database, by their places in Tandem's folder.

        Members need the settings, which hold the password, and the authority; the head needs
        all of them.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        authority = self._authority()
        certificate, key = self._pair(authority, head)
        ca = authority.certificate.public_bytes(serialization.Encoding.PEM)
        settings = {
            "host": head.private_ip,
            "port": ports.DATABASE.first,
            "database": database.NAME,
            "user": database.USER,
            "password": self._token(DATABASE_PASSWORD).reveal(),
            "authority": database.AUTHORITY,
        }
        return {
            database.SETTINGS: Secret(json.dumps(settings, sort_keys=True)),
            database.AUTHORITY: Secret(ca.decode()),
            database.CERTIFICATE: Secret(certificate.decode()),
            database.KEY: Secret(key.decode()),
        }

    def _token(self, name: str = TOKEN) -> Secret:
        path = self._folder / name
        if not path.exists():
            write_atomically(path, secrets.token_hex(32), mode=0o600)
        return Secret(path.read_text().strip())

    def _authority(self) -> Authority:
        key_path, path = self._folder / "dask_ca.key", self._folder / CA
        if key_path.exists() and path.exists():
            found = Authority(
                _read_key(key_path), x509.load_pem_x509_certificate(path.read_bytes())
            )
            if _fresh(found.certificate):
                return found
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(f"Tandem cluster {self._cluster_id}")
        certificate = (
            _builder(name, name, key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(authority=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        write_atomically(key_path, _pem(key), mode=0o600)
        write_atomically(path, certificate.public_bytes(serialization.Encoding.PEM), mode=0o600)
        return Authority(key, certificate)

    def _pair(self, authority: Authority, node: Node) -> tuple[bytes, bytes]:
        path, key_path = self._folder / f"{node.name}.pem", self._folder / f"{node.name}.key"
        if path.exists() and key_path.exists():
            found = path.read_bytes()
            if _usable(x509.load_pem_x509_certificate(found), authority, node):
                return found, key_path.read_bytes()
        key = ec.generate_private_key(ec.SECP256R1())
        address = ipaddress.ip_address(node.private_ip)
        names = x509.SubjectAlternativeName([x509.DNSName(node.name), x509.IPAddress(address)])
        both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        certificate = (
            _builder(_name(node.name), authority.certificate.subject, key)
            .add_extension(names, critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(both), critical=False)
            .sign(authority.key, hashes.SHA256())
        )
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        write_atomically(key_path, _pem(key), mode=0o600)
        write_atomically(path, pem, mode=0o600)
        return pem, _pem(key)


def paths(engine: str, home: str) -> Mapping[str, str]:
    """Return where an engine's credentials lie on every node."""
    folder = f"{home}/credentials"
    if engine == "ray":
        return {"ray_token": f"{folder}/{TOKEN}"}
    return {
        "dask_ca": f"{folder}/{CA}",
        "dask_certificate": f"{folder}/{CERTIFICATE}",
        "dask_key": f"{folder}/{KEY}",
    }


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACK_DATED)
        .not_valid_after(now + VALID)
    )


def _usable(certificate: x509.Certificate, authority: Authority, node: Node) -> bool:
    """Say whether a node's certificate is fresh, this authority's, and for its address."""
    try:
        certificate.verify_directly_issued_by(authority.certificate)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except Exception:
        return False
    addresses = names.value.get_values_for_type(x509.IPAddress)
    return _fresh(certificate) and ipaddress.ip_address(node.private_ip) in addresses


def _fresh(certificate: x509.Certificate) -> bool:
    now = datetime.datetime.now(datetime.UTC)
    return certificate.not_valid_after_utc > now + RENEW_BEFORE


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{path} does not hold an elliptic-curve key")
    return key
