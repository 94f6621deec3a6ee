"""What a bucket's refusals mean: each kind has a name, which a row of results can tell."""

from contracts.errors import DeadlineError, TandemError

MISSING = ("404", "NoSuchKey", "NoSuchBucket", "NotFound")
DENIED = (
    "403",
    "401",
    "AccessDenied",
    "AllAccessDisabled",
    "ExpiredToken",
    "Forbidden",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
)
REPLACED = ("412", "PreconditionFailed")
_RIGHTS = "a node's credentials are its role's or those that bring-up brought, the operator's "
_RIGHTS += "those of AWS_PROFILE or of the cluster's store.ini; give them the right to read it"


class ObjectMissing(TandemError):
    """There is no such object, or no such bucket."""


class ObjectDenied(TandemError):
    """The object may not be used with these credentials."""


class ObjectReplaced(TandemError):
    """Another object lies where the one was that a run was planned with."""


class StoreSilent(DeadlineError):
    """The server took the request, or not even that, and did not answer in time."""


class StoreUnreachable(TandemError):
    """Nobody listens where the bucket should be."""


def named(error: Exception, where: str, seconds: float) -> TandemError:
    """Return what an error of boto3 means for the object at `where`.

    Parameters
    ----------
    error : Exception
        What boto3, botocore or a broken answer raised.
    where : str
        The object, as s3://BUCKET/KEY.
    seconds : float
        How long was waited.
    """
    from botocore import exceptions as told

    cause = f"{type(error).__name__}: {error}"
    if isinstance(error, told.ClientError):
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in MISSING:
            return ObjectMissing(
                f"Missing: {where} cannot be used here, because it is not there.",
                cause=cause,
                next_step="see what is there, and put it there (fab data.get --to bucket)",
            )
        if code in DENIED:
            return ObjectDenied(
                f"Denied: {where} cannot be used here with these credentials.",
                cause=cause,
                next_step=_RIGHTS,
            )
        if code in REPLACED:
            return ObjectReplaced(
                f"Replaced: {where} is another than when the run was planned.",
                cause=cause,
                next_step="the same sweep under another --name, with what is there now",
            )
    silent = (told.ReadTimeoutError, told.ConnectTimeoutError, TimeoutError)
    if isinstance(error, silent):
        return StoreSilent(
            waited_for="an answer",
            whom=f"the server of {where}",
            seconds=seconds,
            last_state=cause,
            next_step="see that it runs (fab local.status for local machines), then again",
        )
    if isinstance(error, told.ConnectionError):
        return StoreUnreachable(
            f"Unreachable: {where} cannot be used here, because nobody answers there.",
            cause=cause,
            next_step="see that the server runs and that this machine may reach it",
        )
    return TandemError(
        f"{where} cannot be used here.",
        cause=cause,
        next_step="see that the object is there and that these credentials may use it",
    )
