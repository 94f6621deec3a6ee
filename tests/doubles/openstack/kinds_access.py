"""Keys, credentials and containers."""

from typing import Any

from tests.doubles.aws.kind import Gone, Inputs, Kind
from tests.doubles.openstack.kinds_network import gone


class Keypair(Kind):
    named = "name"
    replaces = ("name", "publicKey")

    def create(self, inputs: Inputs, name: str) -> str:
        wanted = {"name": inputs["name"], "public_key": inputs["publicKey"]}
        return self.account.compute.create_keypair(**wanted).name

    def read(self, id_: str, known: Inputs) -> dict[str, Any]:
        with gone():
            found = self.account.compute.get_keypair(id_)
        return {"name": found.name, "publicKey": known.get("publicKey")}

    def delete(self, id_: str, known: Inputs) -> None:
        with gone():
            self.account.compute.delete_keypair(id_, ignore_missing=False)


class ApplicationCredential(Kind):
    replaces = ("name", "accessRules", "description", "unrestricted")
    first_delete = True

    def create(self, inputs: Inputs, name: str) -> str:
        made = self.account.identity.create_application_credential(
            self.account.current_user_id,
            inputs["name"],
            description=inputs.get("description"),
            access_rules=list(inputs.get("accessRules") or []),
        )
        self._secret = made.secret
        return made.id

    def read(self, id_: str, known: Inputs) -> dict[str, Any]:
        with gone():
            user = self.account.current_user_id
            self.account.identity.get_application_credential(user, id_)
        # It is told once.
        secret = getattr(self, "_secret", None)
        return {"secret": secret} if secret else {}

    def delete(self, id_: str, known: Inputs) -> None:
        user = self.account.current_user_id
        with gone():
            self.account.identity.delete_application_credential(user, id_, ignore_missing=False)
        for rule in self.account.identity.access_rules(user):
            # Those that another credential still has are kept by keystone.
            self.account.identity.delete_access_rule(user, rule, ignore_missing=True)


class Ec2CredentialV3(Kind):
    def _path(self, id_: str = "") -> str:
        return f"/users/{self.account.current_user_id}/credentials/OS-EC2/{id_}".rstrip("/")

    def create(self, inputs: Inputs, name: str) -> str:
        wanted = {"tenant_id": self.account.current_project_id}
        answer = self.account.identity.post(self._path(), json=wanted)
        answer.raise_for_status()
        return answer.json()["credential"]["access"]

    def read(self, id_: str, known: Inputs) -> dict[str, Any]:
        answer = self.account.identity.get(self._path(id_))
        if answer.status_code == 404:
            raise Gone(id_)
        found = answer.json()["credential"]
        return {"access": found["access"], "secret": found["secret"]}

    def delete(self, id_: str, known: Inputs) -> None:
        self.account.identity.delete(self._path(id_))


class Container(Kind):
    named = "name"
    replaces = ("name",)

    def create(self, inputs: Inputs, name: str) -> str:
        store = self.account.object_store
        store.create_container(inputs["name"])
        self.update(inputs["name"], {}, inputs)
        return inputs["name"]

    def read(self, id_: str, known: Inputs) -> dict[str, Any]:
        with gone():
            self.account.object_store.get_container_metadata(id_)
        return {"name": id_}

    def update(self, id_: str, old: Inputs, new: Inputs) -> None:
        if old.get("metadata") != new.get("metadata"):
            self.account.object_store.set_container_metadata(id_, **(new.get("metadata") or {}))

    def delete(self, id_: str, known: Inputs) -> None:
        store = self.account.object_store
        with gone():
            if known.get("forceDestroy"):
                for one in store.objects(id_):
                    store.delete_object(one, container=id_)
            store.delete_container(id_, ignore_missing=False)


KINDS: dict[str, type[Kind]] = {
    "openstack:compute/keypair:Keypair": Keypair,
    "openstack:identity/applicationCredential:ApplicationCredential": ApplicationCredential,
    "openstack:identity/ec2CredentialV3:Ec2CredentialV3": Ec2CredentialV3,
    "openstack:objectstorage/container:Container": Container,
}
