#!/usr/bin/python3 -I
"""Runs inside a container that has no `sudo`: a helper as root, and the command that asks it.

The command hands over its words and its three streams, and ends as the helper's child ends.
Every user may do everything, as `ubuntu` may on a machine of a cloud.
"""

import json
import os
import socket
import struct
import sys
import threading

SOCKET = "/run/sudo.sock"
ROOT = {"HOME": "/root", "USER": "root", "LOGNAME": "root"}
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def main() -> int:
    """Serve, or ask."""
    if sys.argv[1:] == ["serve"]:
        return serve()
    words = sys.argv[1:]
    while words and words[0] in ("-n", "-E", "-H", "--"):
        words = words[1:]
    if not words or words[0].startswith("-"):
        sys.stderr.write(f"sudo: this stand-in does not know {words}\n")
        return 1
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(SOCKET)
        asked = json.dumps({"words": words, "folder": os.getcwd()}).encode()
        socket.send_fds(line, [struct.pack("!I", len(asked))], [0, 1, 2])
        line.sendall(asked)
        answer = line.recv(4)
        return struct.unpack("!I", answer)[0] if len(answer) == 4 else 1


def serve() -> int:
    """Answer until the machine ends."""
    with socket.socket(socket.AF_UNIX) as listening:
        if os.path.exists(SOCKET):
            os.unlink(SOCKET)
        listening.bind(SOCKET)
        os.chmod(SOCKET, 0o666)  # noqa: S103  everybody may ask
        listening.listen(16)
        while True:
            line, _ = listening.accept()
            threading.Thread(target=answer, args=(line,), daemon=True).start()


def answer(line: socket.socket) -> None:
    """Run what one caller asks for."""
    with line:
        head, streams, _, _ = socket.recv_fds(line, 4, 3)
        asked = b""
        while len(asked) < struct.unpack("!I", head)[0]:
            asked += line.recv(65536)
        wanted = json.loads(asked)
        child = os.fork()
        if child == 0:
            become(wanted, streams)
        for one in streams:
            os.close(one)
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        line.sendall(struct.pack("!I", code if code >= 0 else 128 - code))


def become(wanted: dict, streams: list[int]) -> None:
    """Become the wanted program, on the caller's streams."""
    try:
        os.setsid()
        for number, one in enumerate(streams):
            os.dup2(one, number)
        # As sudo does: nobody behind it shall keep the caller's streams open.
        os.closerange(3, 256)
        os.chdir(wanted["folder"])
        environment = {**ROOT, "PATH": PATH}
        os.execvpe(wanted["words"][0], wanted["words"], environment)  # noqa: S606
    except OSError as error:
        sys.stderr.write(f"sudo: {wanted['words'][0]}: {error}\n")
        sys.stderr.flush()
    finally:
        os._exit(127)


if __name__ == "__main__":
    sys.exit(main())
