"""The settings of PostgreSQL on this node: where it listens, who may connect, and how."""

from __future__ import annotations

import json
import os
import pwd
from typing import Any

MIB = 1024**2


def write(home: str, data: str, request: dict[str, Any], owner: str) -> str:
    """Write the three files of settings into its folder; return the user of this machine."""
    user = pwd.getpwuid(os.geteuid()).pw_name
    with open(os.path.join(home, request["settings"])) as stream:
        settings = json.load(stream)
    files = {
        "postgresql.conf": server(home, request),
        "pg_hba.conf": doors(settings["database"], settings["user"], request["members"], owner),
        # Who is this machine's user is the owner, by the socket file and by nothing else.
        "pg_ident.conf": f'machine "{user}" {owner}\n',
    }
    for name, text in files.items():
        path = os.path.join(data, name)
        with open(f"{path}.part", "w") as stream:
            stream.write(text)
        os.replace(f"{path}.part", path)
    return user


def server(home: str, request: dict[str, Any]) -> str:
    """Return the text of postgresql.conf; all else is as PostgreSQL has it."""
    values = {
        "listen_addresses": request["address"],
        "port": request["port"],
        "max_connections": request["connections"],
        "unix_socket_directories": os.path.join(home, "database", "socket"),
        "unix_socket_permissions": "0700",
        "ssl": "on",
        "ssl_cert_file": os.path.join(home, request["certificate"]),
        "ssl_key_file": os.path.join(home, request["key"]),
        "ssl_min_protocol_version": "TLSv1.3",
        "password_encryption": "scram-sha-256",
        "shared_buffers": f"{max(16, request['memory'] // MIB)}MB",
        # A table that is made and filled in one transaction is then written once, and synced.
        "wal_level": "minimal",
        "max_wal_senders": 0,
        # A statement that fails may hold a password, and the log is read.
        "log_min_error_statement": "panic",
    }
    return "".join(f"{name} = '{value}'\n" for name, value in values.items())


def doors(database: str, user: str, members: list[str], owner: str) -> str:
    """Return the text of pg_hba.conf: members by their addresses, over TLS, with a password."""
    lines = [f"local all {owner} peer map=machine"]
    lines += [f"hostssl {database} {user} {one}/32 scram-sha-256" for one in members]
    return "".join(f"{line}\n" for line in lines)
