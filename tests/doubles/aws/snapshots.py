"""What moto lacks of snapshots: tags given with an image, and whose a snapshot is."""

from types import SimpleNamespace
from typing import Any


def teach_moto() -> None:
    """Let moto, in this process, tag the snapshot of an image, and list an account's alone.

    moto makes a snapshot for each of thousands of public images, and would look through all.
    """
    from moto.ec2.models.amis import AmiBackend
    from moto.ec2.models.elastic_block_store import EBSBackend

    plain_create, plain_describe = AmiBackend.create_image, EBSBackend.describe_snapshots

    def create_image(
        self: Any, instance_id: str, name: str, description: str, tag_specifications: Any
    ) -> Any:
        others = [one for one in tag_specifications if one["ResourceType"] != "snapshot"]
        made = plain_create(self, instance_id, name, description, others)
        for one in tag_specifications:
            if one["ResourceType"] == "snapshot":
                made.ebs_snapshot.add_tags({tag["Key"]: tag["Value"] for tag in one["Tags"]})
        return made

    def describe_snapshots(self: Any, snapshot_ids: Any = None, filters: Any = None) -> Any:
        if snapshot_ids:
            return plain_describe(self, snapshot_ids, filters)
        every = self.snapshots.items()
        own = {name: one for name, one in every if one.owner_id == self.account_id}
        return plain_describe(SimpleNamespace(snapshots=own), None, filters)

    AmiBackend.create_image = create_image
    EBSBackend.describe_snapshots = describe_snapshots


if __name__ == "__main__":
    from moto.server import main

    teach_moto()
    main()
