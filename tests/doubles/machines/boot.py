"""Runs inside a container, as its first program: what cloud-init does on a machine of a cloud.

The host leaves what is to be done in /var/lib/machine/boot.json. At the first boot the user,
the authorized key and the host key are set up; at every boot the commands for that are run;
then sshd is all there is. It has the standard library alone, and no systemd beside it.
"""

import json
import os
import pathlib
import pwd
import shutil
import subprocess
import sys
import uuid

FOLDER = pathlib.Path("/var/lib/machine")
HOST_KEY = "/etc/ssh/ssh_host_ed25519_key"
COMMAND_SECONDS = 120
SSHD = """\
Include /etc/ssh/sshd_config.d/*.conf
Port 22
HostKey /etc/ssh/ssh_host_ed25519_key
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin no
UsePAM no
UseDNS no
MaxStartups 100:30:200
MaxSessions 100
PidFile /run/sshd.pid
Subsystem sftp internal-sftp
"""
SHUTDOWN = '#!/bin/sh\ncase "$*" in *now*) kill -TERM 1;; esac\n'


def main() -> None:
    """Boot, and become sshd."""
    given = json.loads((FOLDER / "boot.json").read_text())
    name_machine()
    marker = FOLDER / "booted"
    if not marker.exists() or marker.read_text() != given["instance"]:
        first_boot(given)
        marker.write_text(given["instance"])
    for command in given["every_boot"]:
        run(command)
    print_host_key()
    # Some images have no `sudo`; one that asks a helper stands in for it.
    if shutil.which("sudo") is None or os.path.islink("/usr/bin/sudo"):
        subprocess.Popen([sys.executable, "-I", str(FOLDER / "sudo.py"), "serve"])
    os.makedirs("/run/sshd", exist_ok=True)
    os.execv("/usr/sbin/sshd", ["/usr/sbin/sshd", "-D", "-e"])  # noqa: S606


def name_machine() -> None:
    """Do what systemd does where the machine has no id, as after an image was taken."""
    path = pathlib.Path("/etc/machine-id")
    if not path.exists() or not path.read_text().strip():
        path.write_text(f"{uuid.uuid4().hex}\n")


def first_boot(given: dict) -> None:
    """Set up what belongs to this instance."""
    user = given["user"]
    try:
        pwd.getpwnam(user)
    except KeyError:
        subprocess.run(
            ["useradd", "--create-home", "--shell", "/bin/bash", "--password", "*", user],
            check=True,
        )
    entry = pwd.getpwnam(user)
    home = pathlib.Path(entry.pw_dir)
    write(home / ".ssh/authorized_keys", given["authorized_key"], 0o600, entry.pw_uid)
    for owner, folder in ((entry.pw_uid, home), (0, pathlib.Path("/root"))):
        for name, content in given["home_files"].items():
            write(folder / name, content, 0o644, owner)
    write(pathlib.Path("/etc/ssh/sshd_config"), SSHD, 0o644, 0)
    os.makedirs("/etc/ssh/sshd_config.d", exist_ok=True)
    write(pathlib.Path("/usr/sbin/shutdown"), SHUTDOWN, 0o755, 0)
    if shutil.which("sudo") is None:
        os.symlink(FOLDER / "sudo.py", "/usr/bin/sudo")
    for path in pathlib.Path("/etc/ssh").glob("ssh_host_*"):
        path.unlink()
    for one in given["files"]:
        owner = pwd.getpwnam(one["owner"]).pw_uid
        write(pathlib.Path(one["path"]), one["content"], one["mode"], owner)
    if not os.path.exists("/etc/ssh/ssh_host_ed25519_key"):
        subprocess.run(
            [
                "ssh-keygen",
                "-q",
                "-t",
                "ed25519",
                "-N",
                "",
                "-f",
                "/etc/ssh/ssh_host_ed25519_key",
            ],
            check=True,
        )
    for command in given["first_boot"]:
        run(command)


def print_host_key() -> None:
    """Write the host key to the console, as cloud-init does, for whoever pins it from there."""
    for path in sorted(pathlib.Path("/etc/ssh").glob("ssh_host_*_key")):
        words = ["ssh-keygen", "-y", "-f", str(path)]
        key = subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()
        begin, end = (f"-----{word} SSH HOST KEY KEYS-----" for word in ("BEGIN", "END"))
        print(f"{begin}\n{key}\n{end}", flush=True)


def run(command: object) -> None:
    """Run one command; cloud-init, too, notes what fails and goes on."""
    words = ["sh", "-c", command] if isinstance(command, str) else [str(w) for w in command]
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, timeout=COMMAND_SECONDS)
        code: object = done.returncode
    except (OSError, subprocess.SubprocessError) as error:
        code = error
    if code != 0:
        print(f"boot: {str(words)[:200]}: {code}", flush=True)


def write(path: pathlib.Path, content: str, mode: int, owner: int) -> None:
    """Write a file with its folder, for an owner."""
    made = not path.parent.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    if made:
        os.chown(path.parent, owner, -1)
        path.parent.chmod(0o700 if ".ssh" in path.parts else 0o755)
    path.write_text(content)
    path.chmod(mode)
    os.chown(path, owner, -1)


if __name__ == "__main__":
    main()
