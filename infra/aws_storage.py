"""The bucket of a cluster on EC2: private, encrypted, versioned, and tidied up by itself."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.aws_frame import Frame

OLD_VERSIONS_DAYS = 7
UNFINISHED_UPLOAD_DAYS = 1


@dataclass(frozen=True)
class AwsStorage:
    """One bucket. `guards` are what makes it private; machines wait for them."""

    name: pulumi.Input[str]
    arn: pulumi.Input[str]
    guards: Sequence[pulumi.Resource]


def declare_storage(frame: Frame) -> AwsStorage:
    """Declare the cluster's bucket, or take the one that was given and leave it as it is."""
    given = frame.settings.bucket
    if given is not None:
        return AwsStorage(given, f"arn:aws:s3:::{given}", ())
    bucket = aws.s3.Bucket(
        "bucket",
        bucket_prefix=frame.prefix,
        force_destroy=frame.settings.purge_bucket,
        tags=frame.tags("bucket"),
        opts=frame.options(),
    )
    private = aws.s3.BucketPublicAccessBlock(
        "bucket-private",
        bucket=bucket.bucket,
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=True,
        restrict_public_buckets=True,
        opts=frame.options(),
    )
    encrypted = aws.s3.BucketServerSideEncryptionConfiguration(
        "bucket-encrypted",
        bucket=bucket.bucket,
        rules=[{"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}],
        opts=frame.options(),
    )
    versioned = aws.s3.BucketVersioning(
        "bucket-versioned",
        bucket=bucket.bucket,
        versioning_configuration={"status": "Enabled"},
        opts=frame.options(),
    )
    tidy = aws.s3.BucketLifecycleConfiguration(
        "bucket-tidy",
        bucket=bucket.bucket,
        rules=[
            {
                "id": "tidy",
                "status": "Enabled",
                "filter": {"prefix": ""},
                "noncurrent_version_expiration": {"noncurrent_days": OLD_VERSIONS_DAYS},
                "abort_incomplete_multipart_upload": {
                    "days_after_initiation": UNFINISHED_UPLOAD_DAYS
                },
            }
        ],
        # S3 refuses rules about old versions while versioning is being switched on.
        opts=frame.options(depends_on=[versioned]),
    )
    return AwsStorage(bucket.bucket, bucket.arn, (private, encrypted, versioned, tidy))
