"""The operator's account in moto: a user who may do everything, made before moto asks who."""

import json

from moto.core import DEFAULT_ACCOUNT_ID
from moto.iam.models import iam_backends

EVERYTHING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}


def make_administrator() -> dict[str, str]:
    """Make the user and return the access key: `key_id` and `secret`."""
    iam = iam_backends[DEFAULT_ACCOUNT_ID]["aws"]
    iam.create_user("us-east-1", "operator")
    iam.put_user_policy("operator", "everything", json.dumps(EVERYTHING))
    key = iam.create_access_key("operator")
    return {"key_id": key.access_key_id, "secret": key.secret_access_key}
