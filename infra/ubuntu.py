"""The system that machines of AWS start from: Ubuntu, by its maker and its name."""

MAKER = "099720109477"  # Canonical's account
NAME = "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-{}-server-*"
# What Ubuntu calls an architecture, by what `uname -m` calls it.
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
