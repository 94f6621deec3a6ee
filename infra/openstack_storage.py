"""The container of a cluster on OpenStack, and S3 access to it where the site offers that."""

from dataclasses import dataclass

import pulumi
import pulumi_openstack as openstack

from contracts import machine_files
from infra.openstack_frame import Frame
from infra.secret_file import SecretFile

# boto3 reads it. Checksums of its newer kind are understood by AWS alone, and a site's
# containers have no host names of their own.
_FILE = """[default]
aws_access_key_id = {access}
aws_secret_access_key = {secret}
endpoint_url = {endpoint}
request_checksum_calculation = when_required
response_checksum_validation = when_required
s3 =
    addressing_style = path
"""


@dataclass(frozen=True)
class OpenStackStorage:
    """One container, if the cloud keeps objects; `bucket` is it for machines, over S3."""

    container: pulumi.Input[str] | None
    bucket: pulumi.Input[str] | None


def declare_storage(frame: Frame) -> OpenStackStorage:
    """Declare the cluster's container, or take the one that was given and leave it as it is."""
    settings = frame.settings
    name: pulumi.Input[str] | None = settings.bucket
    if name is None and settings.container and frame.choice.site.store:
        container = openstack.objectstorage.Container(
            "container",
            name=frame.marked_name("results"),
            force_destroy=settings.purge_bucket,
            metadata={
                # Swift's headers take no colon.
                key.replace(":", "-"): value
                for key, value in frame.metadata().items()
            },
            opts=frame.options(),
        )
        name = container.name
    if name is None or settings.s3_endpoint is None:
        return OpenStackStorage(name, None)
    key = openstack.identity.Ec2CredentialV3("store-key", opts=frame.options())
    content = pulumi.Output.all(key.access, key.secret).apply(
        lambda pair: _FILE.format(access=pair[0], secret=pair[1], endpoint=settings.s3_endpoint)
    )
    path = machine_files.store(settings.state, settings.cluster_id)
    SecretFile("store-file", path, content, frame.options())
    return OpenStackStorage(name, name)
