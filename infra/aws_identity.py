"""What machines on EC2 may do at AWS: read and write the cluster's bucket, and no more."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.aws_frame import Frame
from infra.aws_storage import AwsStorage

OF_THE_BUCKET = ("s3:ListBucket", "s3:GetBucketLocation", "s3:ListBucketMultipartUploads")
OF_ITS_OBJECTS = (
    "s3:GetObject",
    "s3:PutObject",
    "s3:DeleteObject",
    "s3:AbortMultipartUpload",
    "s3:ListMultipartUploadParts",
)
# What bring-up writes to prove that it may: no trace of it stays, and no other version goes.
OF_ITS_PROOFS = ("s3:DeleteObjectVersion",)
PROOFS = "*/reached/*"


@dataclass(frozen=True)
class AwsIdentity:
    """The instance profile, and what has to be there before it is of use."""

    profile_name: pulumi.Output[str]
    rights: Sequence[pulumi.Resource]


def declare_identity(frame: Frame, storage: AwsStorage) -> AwsIdentity:
    """Declare the role of the machines and its instance profile."""
    role = aws.iam.Role(
        "role",
        name_prefix=frame.prefix,
        description=f"Machines of the Tandem cluster {frame.settings.cluster_id}",
        assume_role_policy=json.dumps(_TRUST),
        tags=frame.tags("role"),
        opts=frame.options(),
    )
    policy = aws.iam.RolePolicy(
        "role-policy",
        role=role.name,
        name_prefix=frame.prefix,
        policy=pulumi.Output.from_input(storage.arn).apply(bucket_policy),
        opts=frame.options(),
    )
    profile = aws.iam.InstanceProfile(
        "profile",
        name_prefix=frame.prefix,
        role=role.name,
        tags=frame.tags("profile"),
        opts=frame.options(),
    )
    return AwsIdentity(profile.name, (policy,))


def bucket_policy(arn: str) -> str:
    """Return the policy that allows use of one bucket, in IAM's JSON."""
    statements = [
        {"Effect": "Allow", "Action": list(OF_THE_BUCKET), "Resource": arn},
        {"Effect": "Allow", "Action": list(OF_ITS_OBJECTS), "Resource": f"{arn}/*"},
        {"Effect": "Allow", "Action": list(OF_ITS_PROOFS), "Resource": f"{arn}/{PROOFS}"},
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"Service": "ec2.amazonaws.com"},
        }
    ],
}
