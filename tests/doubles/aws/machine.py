"""One instance as a container: made, started, its network as EC2 would have it, removed."""

import base64
import contextlib
import itertools
import threading
from typing import Any

import docker.errors
from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import BaseWSGIServer, make_server

from tests.doubles.aws import laws, metadata
from tests.doubles.aws.machine_labels import INSTANCE, LABEL
from tests.doubles.machines import container as containers
from tests.doubles.machines import namespace
from tests.doubles.machines.container import Birth, Shape

# Where nodes find the API: an address that, like the metadata service's, leaves no machine.
API = "169.254.169.253"
IMAGES = "tandem-test-ec2"


def image_of(client: Any, ami: str, baked: str) -> str:
    """Return the image of an AMI: one made of a machine, the baked one, or a stock one."""
    made = f"{IMAGES}:{ami}"
    with contextlib.suppress(docker.errors.ImageNotFound):
        client.images.get(made)
        return made
    return containers.image(client, baked=ami == baked)


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
            self._servers.append(_serve(self._pid, place, application))

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
    pair = laws.ec2(region).key_pairs.get(instance.key_name)
    shape = Shape(
        name=f"tandem-test-aws-{instance.id}",
        hostname=f"ip-{instance.private_ip.replace('.', '-')}",
        labels={LABEL: label, INSTANCE: instance.id},
        network=network.name,
        address=instance.private_ip,
        # Of every type the same, so that types with many fit on this computer.
        cpus=containers.one_cpu(),
        memory_mib=INSTANCE_TYPES[instance.instance_type]["MemoryInfo"]["SizeInMiB"],
    )
    birth = Birth(
        identity=instance.id,
        authorized_key=pair.material_public.decode() if pair else "",
        user_data=_bytes(instance.user_data or b""),
        home_files={".aws/config": f"[default]\nendpoint_url = http://{API}\n"},
    )
    return containers.make(client, image, shape, birth)


def _serve(pid: int, address: str, application: Any) -> BaseWSGIServer:
    """Answer HTTP on an address of its own in the network of a process, from this process."""
    listening = namespace.listen(pid, address, 80)
    server = make_server(
        address,
        80,
        application,
        threaded=True,
        request_handler=MotoRequestHandler,
        fd=listening.fileno(),
    )
    listening.close()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


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
