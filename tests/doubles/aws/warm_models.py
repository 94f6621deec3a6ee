"""Importing this gives every later session of the AWS SDK the same descriptions of services.

Each session reads and parses them anew otherwise, some tenths of a second for each service.
"""

import boto3
import botocore.loaders
import botocore.session

SERVICES = ("ec2", "iam", "s3", "sts")
_shared = botocore.loaders.create_loader()
botocore.session.create_loader = lambda search_path_string=None: _shared

for _name in SERVICES:
    _client = boto3.client(
        _name, "eu-north-1", aws_access_key_id="warm", aws_secret_access_key="warm"
    )
    if _name == "ec2":
        _client.get_waiter("instance_running")
        _client.get_paginator("describe_instances")
    _client.close()
