"""The way to an AWS account: clients with deadlines and retries, refusals in plain words."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from botocore import exceptions
from botocore.config import Config

from contracts.errors import TandemError, UsageError

ATTEMPTS = 6
CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 20.0
CONNECTIONS = 32
# The price list and the identity service have few homes; this is the one of both.
PRICE_REGION = "us-east-1"

_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
_UNKNOWN = {
    "AuthFailure",
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}
_THROTTLED = {"RequestLimitExceeded", "SlowDown", "Throttling", "ThrottlingException"}
_LOG_IN = (
    "aws sso login, or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; then "
    "the same command again"
)


class NoCredentials(UsageError):
    """There are no credentials for AWS, or they are not valid any more."""


class NoAnswer(TandemError):
    """AWS cannot be reached from here."""


class Denied(TandemError):
    """The account's policies do not let these credentials do what was asked."""


class Account:
    """One account, seen through the credentials that the AWS SDK finds, or those of `profile`.

    Calls that are throttled, or not answered, are tried `attempts` times with growing pauses.
    """

    def __init__(
        self,
        region: str | None = None,
        *,
        profile: str | None = None,
        attempts: int = ATTEMPTS,
    ) -> None:
        import boto3  # here, because every other verb would wait for it as well

        try:
            self._session = boto3.Session(profile_name=profile)
        except exceptions.ProfileNotFound as error:
            raise _no_credentials(error) from error
        self._region = region or self._session.region_name
        self._config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=SILENCE_SECONDS,
            retries={"mode": "standard", "total_max_attempts": attempts},
            max_pool_connections=CONNECTIONS,
        )
        self._clients: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()

    @property
    def region(self) -> str:
        """The region that was asked for, or the SDK's default.

        Raises
        ------
        UsageError
            If there is neither.
        """
        if not self._region:
            raise UsageError(
                "No AWS region is set.",
                next_step="--region eu-north-1, or set AWS_REGION",
            )
        return self._region

    def client(self, service: str, region: str | None = None) -> Any:
        """Return the client of a service; the same one each time, for any thread."""
        where = region or self.region
        # Clients are safe to share between threads; making one is not.
        with self._lock, in_our_words(f"ask {service} in {where}"):
            key = (service, where)
            if key not in self._clients:
                self._clients[key] = self._session.client(
                    service, region_name=where, config=self._config
                )
            return self._clients[key]

    def identity(self) -> dict[str, str]:
        """Return who the credentials say we are: `account` and `arn`."""
        with in_our_words("ask who we are"):
            found = self.client("sts", self._region or PRICE_REGION).get_caller_identity()
        return {"account": found["Account"], "arn": found["Arn"]}

    def number(self) -> str:
        """Return the account's number, to be named in an answer; empty where it is not told.

        Raises
        ------
        NoCredentials
            If there are none that work.
        """
        try:
            return self.identity()["account"]
        except NoCredentials:
            raise
        except TandemError:
            return ""


@contextlib.contextmanager
def in_our_words(what: str) -> Iterator[None]:
    """Turn what AWS refuses in the block into an error of ours; `what` completes "Cannot".

    Raises
    ------
    NoCredentials
        If there are none, or they expired.
    Denied
        If a policy forbids it.
    NoAnswer
        If AWS cannot be reached.
    TandemError
        For every other refusal, with the cloud's own words.
    """
    try:
        yield
    except exceptions.ClientError as error:
        raise _refusal(what, error) from error
    except (
        exceptions.NoCredentialsError,
        exceptions.PartialCredentialsError,
        exceptions.CredentialRetrievalError,
        exceptions.TokenRetrievalError,
        exceptions.SSOError,
        exceptions.ProfileNotFound,
    ) as error:
        raise _no_credentials(error) from error
    except (exceptions.HTTPClientError, exceptions.ConnectionError) as error:
        raise NoAnswer(
            f"Cannot {what}: AWS did not answer.",
            cause=str(error),
            next_step="check the network, then the same command again",
        ) from error
    except exceptions.BotoCoreError as error:
        raise TandemError(f"Cannot {what}.", cause=str(error)) from error


def code_of(error: Exception) -> str:
    """Return AWS's name for an error, such as `DependencyViolation`; empty for others."""
    if not isinstance(error, exceptions.ClientError):
        return ""
    return str(error.response.get("Error", {}).get("Code", ""))


def _refusal(what: str, error: exceptions.ClientError) -> TandemError:
    code, words = code_of(error), str(error)
    if code in _EXPIRED | _UNKNOWN:
        return _no_credentials(error)
    if code in _DENIED:
        return Denied(
            f"Cannot {what}: the credentials are not allowed to.",
            cause=words,
            next_step="ask whoever keeps the account for the action that is named above",
        )
    if code in _THROTTLED:
        return TandemError(
            f"Cannot {what}: AWS throttled it {ATTEMPTS} times in a row.",
            cause=words,
            next_step="wait a minute, then the same command again",
        )
    return TandemError(f"Cannot {what}.", cause=words)


def _no_credentials(error: Exception) -> NoCredentials:
    expired = code_of(error) in _EXPIRED or "expired" in str(error).lower()
    problem = (
        "The AWS credentials expired."
        if expired
        else "There are no AWS credentials that work here."
    )
    return NoCredentials(problem, cause=str(error), next_step=_LOG_IN)
