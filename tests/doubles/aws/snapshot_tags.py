"""What moto lacks: tags for an image's snapshot, given together with those of the image."""

from typing import Any


def teach_moto() -> None:
    """Let moto's CreateImage take tags of snapshots, in this process."""
    from moto.ec2.models.amis import AmiBackend

    plain = AmiBackend.create_image

    def create_image(
        self: Any, instance_id: str, name: str, description: str, tag_specifications: Any
    ) -> Any:
        others = [one for one in tag_specifications if one["ResourceType"] != "snapshot"]
        made = plain(self, instance_id, name, description, others)
        for one in tag_specifications:
            if one["ResourceType"] == "snapshot":
                made.ebs_snapshot.add_tags({tag["Key"]: tag["Value"] for tag in one["Tags"]})
        return made

    AmiBackend.create_image = create_image


if __name__ == "__main__":
    from moto.server import main

    teach_moto()
    main()
