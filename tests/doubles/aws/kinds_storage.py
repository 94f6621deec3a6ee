"""The bucket, and each of the settings that are resources of their own beside it."""

import json
from typing import Any

from botocore.exceptions import ClientError

from tests.doubles.aws.kind import Inputs, Kind, pairs


class Bucket(Kind):
    replaces = ("bucket", "bucketPrefix", "objectLockEnabled")
    named = "bucket"

    def create(self, inputs: Inputs, name: str) -> str:
        place = {"LocationConstraint": self.account.region}
        configuration = (
            {} if self.account.region == "us-east-1" else {"CreateBucketConfiguration": place}
        )
        self.account.s3.create_bucket(Bucket=inputs["bucket"], **configuration)
        self._tag(inputs["bucket"], inputs)
        return str(inputs["bucket"])

    def _tag(self, id_: str, inputs: Inputs) -> None:
        tags = self.tags(inputs)
        if tags:
            self.account.s3.put_bucket_tagging(Bucket=id_, Tagging={"TagSet": pairs(tags)})
        else:
            self.account.s3.delete_bucket_tagging(Bucket=id_)

    def read(self, id_: str, known: Inputs) -> dict[str, Any]:
        s3 = self.account.s3
        s3.head_bucket(Bucket=id_)
        try:
            found = {"Tags": s3.get_bucket_tagging(Bucket=id_)["TagSet"]}
        except ClientError:
            found = {}
        region = self.account.region
        return {
            "bucket": id_,
            "arn": f"arn:aws:s3:::{id_}",
            "region": region,
            "bucketDomainName": f"{id_}.s3.amazonaws.com",
            "bucketRegionalDomainName": f"{id_}.s3.{region}.amazonaws.com",
            **self.seen_tags(found),
        }

    def update(self, id_: str, old: Inputs, new: Inputs) -> None:
        self._tag(id_, new)

    def delete(self, id_: str, known: Inputs) -> None:
        if known.get("forceDestroy"):
            self._empty(id_)
        self.account.s3.delete_bucket(Bucket=id_)

    def _empty(self, id_: str) -> None:
        """Delete every version of every object, as `forceDestroy` asks."""
        s3 = self.account.s3
        while True:
            page = s3.list_object_versions(Bucket=id_)
            found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            if not found:
                return
            objects = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in found]
            s3.delete_objects(Bucket=id_, Delete={"Objects": objects})


class Setting(Kind):
    """One setting of a bucket: put, read back in the program's spelling, and taken away."""

    replaces = ("bucket", "expectedBucketOwner")
    required = ("bucket",)

    def put(self, bucket: str, inputs: Inputs) -> None:
        """Write it."""
        raise NotImplementedError

    def get(self, bucket: str) -> Any:
        """Return what is there, as the cloud says it."""
        raise NotImplementedError

    def create(self, inputs: Inputs, name: str) -> str:
        self.put(inputs["bucket"], inputs)
        return str(inputs["bucket"])

    def read(self, id_: str, known: Inputs) -> dict[str, Any]:
        found = self.get(id_)
        remembered = known.get("__seen")
        seen = json.dumps(found, sort_keys=True, default=str)
        drift = {} if remembered in (None, seen) else self.drifted(found)
        return {"bucket": id_, "__seen": seen, **drift}

    def drifted(self, found: Any) -> dict[str, Any]:
        """Return inputs that differ from every program's, for what was changed by hand."""
        return {"drift": json.dumps(found, default=str)}

    def update(self, id_: str, old: Inputs, new: Inputs) -> None:
        self.put(id_, new)


class Versioning(Setting):
    required = ("bucket", "versioningConfiguration")

    def put(self, bucket: str, inputs: Inputs) -> None:
        status = inputs["versioningConfiguration"]["status"]
        self.account.s3.put_bucket_versioning(
            Bucket=bucket, VersioningConfiguration={"Status": status}
        )

    def get(self, bucket: str) -> Any:
        return self.account.s3.get_bucket_versioning(Bucket=bucket).get("Status")

    def drifted(self, found: Any) -> dict[str, Any]:
        return {"versioningConfiguration": {"status": found or "Disabled"}}

    def delete(self, id_: str, known: Inputs) -> None:
        self.account.s3.put_bucket_versioning(
            Bucket=id_, VersioningConfiguration={"Status": "Suspended"}
        )


class Encryption(Setting):
    required = ("bucket", "rules")

    def put(self, bucket: str, inputs: Inputs) -> None:
        rules = []
        for one in inputs["rules"]:
            wanted = one["applyServerSideEncryptionByDefault"]
            default = {"SSEAlgorithm": wanted["sseAlgorithm"]}
            if wanted.get("kmsMasterKeyId"):
                default["KMSMasterKeyID"] = wanted["kmsMasterKeyId"]
            rules.append({"ApplyServerSideEncryptionByDefault": default})
        self.account.s3.put_bucket_encryption(
            Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": rules}
        )

    def get(self, bucket: str) -> Any:
        found = self.account.s3.get_bucket_encryption(Bucket=bucket)
        return found["ServerSideEncryptionConfiguration"]["Rules"]

    def delete(self, id_: str, known: Inputs) -> None:
        self.account.s3.delete_bucket_encryption(Bucket=id_)


class PublicAccessBlock(Setting):
    _PARTS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy")

    def put(self, bucket: str, inputs: Inputs) -> None:
        names = (*self._PARTS, "RestrictPublicBuckets")
        wanted = {name: bool(inputs.get(f"{name[0].lower()}{name[1:]}")) for name in names}
        self.account.s3.put_public_access_block(
            Bucket=bucket, PublicAccessBlockConfiguration=wanted
        )

    def get(self, bucket: str) -> Any:
        found = self.account.s3.get_public_access_block(Bucket=bucket)
        return found["PublicAccessBlockConfiguration"]

    def drifted(self, found: Any) -> dict[str, Any]:
        return {f"{name[0].lower()}{name[1:]}": value for name, value in found.items()}

    def delete(self, id_: str, known: Inputs) -> None:
        self.account.s3.delete_public_access_block(Bucket=id_)


class Lifecycle(Setting):
    required = ("bucket", "rules")

    def put(self, bucket: str, inputs: Inputs) -> None:
        self.account.s3.put_bucket_lifecycle_configuration(
            Bucket=bucket,
            LifecycleConfiguration={"Rules": [_lifecycle_rule(one) for one in inputs["rules"]]},
        )

    def get(self, bucket: str) -> Any:
        found = self.account.s3.get_bucket_lifecycle_configuration(Bucket=bucket)
        return found["Rules"]

    def delete(self, id_: str, known: Inputs) -> None:
        self.account.s3.delete_bucket_lifecycle(Bucket=id_)


def _lifecycle_rule(rule: Inputs) -> dict[str, Any]:
    made: dict[str, Any] = {
        "ID": rule["id"],
        "Status": rule["status"],
        "Filter": {"Prefix": (rule.get("filter") or {}).get("prefix") or ""},
    }
    if rule.get("expiration"):
        made["Expiration"] = {"Days": int(rule["expiration"]["days"])}
    if rule.get("noncurrentVersionExpiration"):
        days = int(rule["noncurrentVersionExpiration"]["noncurrentDays"])
        made["NoncurrentVersionExpiration"] = {"NoncurrentDays": days}
    if rule.get("abortIncompleteMultipartUpload"):
        days = int(rule["abortIncompleteMultipartUpload"]["daysAfterInitiation"])
        made["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": days}
    return made


class Ownership(Setting):
    required = ("bucket", "rule")

    def put(self, bucket: str, inputs: Inputs) -> None:
        rule = {"ObjectOwnership": inputs["rule"]["objectOwnership"]}
        self.account.s3.put_bucket_ownership_controls(
            Bucket=bucket, OwnershipControls={"Rules": [rule]}
        )

    def get(self, bucket: str) -> Any:
        found = self.account.s3.get_bucket_ownership_controls(Bucket=bucket)
        return found["OwnershipControls"]["Rules"]

    def delete(self, id_: str, known: Inputs) -> None:
        self.account.s3.delete_bucket_ownership_controls(Bucket=id_)


class BucketPolicy(Setting):
    required = ("bucket", "policy")

    def put(self, bucket: str, inputs: Inputs) -> None:
        policy = inputs["policy"]
        text = policy if isinstance(policy, str) else json.dumps(policy)
        self.account.s3.put_bucket_policy(Bucket=bucket, Policy=text)

    def get(self, bucket: str) -> Any:
        return self.account.s3.get_bucket_policy(Bucket=bucket)["Policy"]

    def delete(self, id_: str, known: Inputs) -> None:
        self.account.s3.delete_bucket_policy(Bucket=id_)


_SETTINGS = {
    "Versioning": Versioning,
    "ServerSideEncryptionConfiguration": Encryption,
    "LifecycleConfiguration": Lifecycle,
}
KINDS: dict[str, type[Kind]] = {
    "aws:s3/bucket:Bucket": Bucket,
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": PublicAccessBlock,
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": Ownership,
    "aws:s3/bucketPolicy:BucketPolicy": BucketPolicy,
    # Version 7 of the provider has these without the V2 that version 6 gave them.
    **{
        f"aws:s3/bucket{name}{version}:Bucket{name}{version}": kind
        for name, kind in _SETTINGS.items()
        for version in ("", "V2")
    },
}
