"""One instance as a container: made, started, its network as EC2 would have it, removed."""

import base64
import contextlib
import io
import itertools
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import docker.errors
from moto.ec2.models.instance_types import INSTANCE_TYPES

from infra import node_image
from infra.local_nodes import LOCK
from tests.doubles.aws import laws, metadata, namespace, user_data
from tests.doubles.aws.machine_labels import INSTANCE, LABEL

# Where nodes find the API: an address that, like the metadata service's, leaves no machine.
API = "169.254.169.253"
IMAGES = "tandem-test-ec2"
# The node image without what is baked into it stands for the maker's image of Ubuntu.
STOCK = "tandem-test-stock"
_BAKED_IN = ("/opt/tandem", "/usr/local/bin/uv")
_HERE = Path(__file__).parent
_BOOT = ["python3", "-I", "/var/lib/machine/boot.py"]


def image_of(client: Any, ami: str, baked: str) -> str:
    """Return the image of an AMI: one made of a machine, the baked one, or a stock one."""
    made, whole = f"{IMAGES}:{ami}", node_image.wanted_tag(LOCK)
    with contextlib.suppress(docker.errors.ImageNotFound):
        client.images.get(made)
        return made
    if ami == baked:
        return whole
    stock = f"{STOCK}:{whole.partition(':')[2]}"
    try:
        client.images.get(stock)
    except docker.errors.ImageNotFound:
        recipe = f"FROM {whole}\nRUN rm -rf {' '.join(_BAKED_IN)}\n"
        client.images.build(fileobj=io.BytesIO(recipe.encode()), tag=stock, rm=True)
    return stock


class Machine:
    """The container of one instance; `instance` is moto's."""

    def __init__(self, instance: Any, region: str, container: Any, application: Any) -> None:
        self.instance, self.region, self.container = instance, region, container
        self._application = application
        self._servers: list[Any] = []
        self._filter = ""
        self._routes: list[str] = []
        self._pid = 0

    def wire(self, bridge: str) -> None:
        """Give the running container its public address, the filters, and the services."""
        self.container.reload()
        self._pid = self.container.attrs["State"]["Pid"]
        self._filter = ""
        self.refilter()
        public = self.instance.public_ip
        if public:
            address = f"{public}/32"
            namespace.run_in(self._pid, "ip", "address", "replace", address, "dev", "eth0")
            namespace.on_host("ip", "route", "replace", address, "dev", bridge)
            self._routes.append(address)
        service = metadata.Metadata(self.instance, self.region)
        for place, application in ((metadata.ADDRESS, service), (API, self._application)):
            self._servers.append(namespace.serve(self._pid, place, 80, application))

    def refilter(self) -> None:
        """Bring the packet filter to what the security groups say now."""
        groups = {
            group.id: group for nic in self.instance.nics.values() for group in nic.group_set
        }
        text = namespace.filter_text(
            _rules(self.region, [one.ingress_rules for one in groups.values()]),
            _rules(self.region, [one.egress_rules for one in groups.values()]),
            metadata=metadata.ADDRESS,
            hop_limit=self.instance.metadata_options.http_put_response_hop_limit,
        )
        if text != self._filter:
            namespace.apply_filter(self._pid, text)
            self._filter = text

    def unwire(self) -> None:
        """Stop the services: their sockets would keep the container's network alive."""
        for server in self._servers:
            server.shutdown()
            server.server_close()
        for route in self._routes:
            namespace.on_host("ip", "route", "del", route, check=False)
        self._servers, self._routes, self._pid = [], [], 0

    @property
    def wired(self) -> bool:
        """Whether the container's network is as it should be, as far as we know."""
        return self._pid != 0

    def remove(self) -> None:
        """Remove the container."""
        self.unwire()
        with contextlib.suppress(docker.errors.NotFound):
            self.container.remove(force=True, v=True)


def make(client: Any, instance: Any, region: str, network: Any, label: str, baked: str) -> Any:
    """Make and start the container of an instance."""
    image = image_of(client, instance.image_id, baked)
    api = client.api
    endpoint = api.create_endpoint_config(ipv4_address=instance.private_ip)
    made = api.create_container(
        image,
        _BOOT,
        name=f"tandem-test-aws-{instance.id}",
        hostname=f"ip-{instance.private_ip.replace('.', '-')}",
        labels={LABEL: label, INSTANCE: instance.id},
        host_config=api.create_host_config(
            network_mode=network.name,
            init=True,
            nano_cpus=int(float(os.environ.get("TANDEM_TEST_CPUS", "0.6")) * 1e9),
            mem_limit=f"{INSTANCE_TYPES[instance.instance_type]['MemoryInfo']['SizeInMiB']}m",
            pids_limit=4096,
            shm_size="1g",
            security_opt=["no-new-privileges"],
        ),
        networking_config=api.create_networking_config({network.name: endpoint}),
    )
    api.put_archive(made["Id"], "/var/lib", _files(instance, region))
    api.start(made["Id"])
    return client.containers.get(made["Id"])


def _files(instance: Any, region: str) -> bytes:
    data = instance.user_data or b""
    wishes = user_data.read(_bytes(data))
    pair = laws.ec2(region).key_pairs.get(instance.key_name)
    public = pair.material_public.decode() if pair else ""
    given = {
        "instance": instance.id,
        "user": "ubuntu",
        "authorized_key": f"{public.strip()}\n",
        "aws_config": f"[default]\nendpoint_url = http://{API}\n",
        "files": wishes.files,
        "every_boot": wishes.every_boot,
        "first_boot": wishes.first_boot,
    }
    files = {
        "boot.json": (json.dumps(given).encode(), 0o600),
        "boot.py": ((_HERE / "boot.py").read_bytes(), 0o755),
        "sudo.py": ((_HERE / "sudo.py").read_bytes(), 0o755),
    }
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        folder = tarfile.TarInfo("machine")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(folder)
        for name, (content, mode) in files.items():
            entry = tarfile.TarInfo(f"machine/{name}")
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _bytes(data: Any) -> bytes:
    """Return user data as it was before it was sent."""
    return base64.b64decode(data.as_bytes()) if hasattr(data, "as_bytes") else bytes(data)


def _rules(region: str, lists: list[list[Any]]) -> list[tuple[str, str, str]]:
    """Return rules as (protocol, ports, network); members of a group by their addresses."""
    found = []
    for rule in itertools.chain(*lists):
        protocol = "all" if str(rule.ip_protocol) == "-1" else str(rule.ip_protocol)
        ports = "" if protocol in ("all", "icmp") else f"{rule.from_port}:{rule.to_port}"
        networks = [rule.cidr_ipv4] if rule.cidr_ipv4 else []
        wanted = rule.source_group.get("GroupId")
        for one in laws.living(region) if wanted else ():
            groups = {group.id for nic in one.nics.values() for group in nic.group_set}
            if wanted in groups:
                networks.append(f"{one.private_ip}/32")
        found += [(protocol, ports, network) for network in networks]
    return found
