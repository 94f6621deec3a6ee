"""The way to an OpenStack cloud: one connection, with deadlines, and refusals in plain words.

Who we are is found as OpenStack's own tools find it: a name in clouds.yaml, or the variables
OS_* of a sourced openrc.sh, with a password or an application credential.
"""

import contextlib
import logging
from collections.abc import Iterator, Mapping
from typing import Any

import openstack
from keystoneauth1 import exceptions as auth_errors
from openstack import exceptions

from contracts.errors import RefusedError, TandemError, UsageError
from infra.openstack_site import NO_REGION

SILENCE_SECONDS = 60.0
# What they log is told by our own errors; without a handler it would be printed beside them.
for _name in ("keystoneauth", "openstack"):
    logging.getLogger(_name).addHandler(logging.NullHandler())
ATTEMPTS = 3
_LOG_IN = (
    "source the project's openrc.sh, or set OS_CLOUD to a cloud of clouds.yaml; then the same "
    "command again"
)


class NoLogin(UsageError):
    """There are no credentials for the cloud, or it does not take them."""


class NoAnswer(TandemError):
    """The cloud cannot be reached from here, or its services fail."""


class Denied(RefusedError):
    """The cloud does not let these credentials do what was asked."""


def connect(cloud: str | None, region: str | None) -> Any:
    """Return a connection of the SDK; nothing is asked of the cloud yet.

    A service may be silent for `SILENCE_SECONDS`, or for what clouds.yaml has as `api_timeout`.

    Raises
    ------
    NoLogin
        If nothing says which cloud, or as whom.
    """
    chosen = {key: value for key, value in (("region_name", region),) if value}
    with in_our_words("find out how to log in"):
        found = openstack.config.get_cloud_region(
            cloud=cloud or None,
            app_name="tandem",
            connect_retries=ATTEMPTS,
            status_code_retries=ATTEMPTS,
            **chosen,
        )
        if found.config.get("api_timeout") is None:
            found.config["api_timeout"] = SILENCE_SECONDS
        return openstack.connection.Connection(config=found)


@contextlib.contextmanager
def cloud_of(props: Mapping[str, Any], what: str = "make this resource") -> Iterator[Any]:
    """Give a connection for a resource with `cloud` and `region`; `what` completes "Cannot".

    Raises
    ------
    RuntimeError
        For every refusal, in the cloud's own words: Pulumi shows no other detail of an error.
    """
    try:
        with (
            contextlib.closing(connect(props.get("cloud"), props.get("region"))) as link,
            in_our_words(what),
        ):
            yield link
    except TandemError as error:
        # Without what led to it: the traceback of that would be printed, too.
        raise RuntimeError(str(error)) from None


def refuse_elsewhere(link: Any, props: Mapping[str, Any]) -> None:
    """Refuse to look for a machine where it never was, because there it seems to have gone.

    `props` has the `project` and the `site_region` in which it was made, if they are known.

    Raises
    ------
    RefusedError
        If the login is for another project or another region.
    """
    for what, made, here in (
        ("project", props.get("project"), link.current_project_id),
        ("region", props.get("site_region"), link.config.get_region_name()),
    ):
        # A region that a login did not name may be called anything by another.
        if made not in (None, "", NO_REGION) and here and here != made:
            raise RefusedError(
                f"This stack's machines are in {what} {made}, and the login is for {here}.",
                next_step=f"source the openrc.sh of that {what}, or set OS_CLOUD to a cloud "
                "with it; then the same command again",
            )


@contextlib.contextmanager
def in_our_words(what: str) -> Iterator[None]:
    """Turn a refusal in the block into an error of ours; `what` completes "Cannot".

    Raises
    ------
    NoLogin
        If there are no credentials, or they are wrong or expired.
    Denied
        If a policy forbids it; a quota is told as what it is.
    NoAnswer
        If a service does not answer, or fails by itself.
    TandemError
        For every other refusal, with the cloud's own words.
    """
    try:
        yield
    except TandemError:
        raise
    except (
        exceptions.ConfigException,
        auth_errors.MissingRequiredOptions,
        auth_errors.AuthPluginException,
        auth_errors.MissingAuthPlugin,
    ) as error:
        raise NoLogin(
            "There are no credentials for an OpenStack cloud.",
            cause=_first(error),
            next_step=_LOG_IN,
        ) from error
    except auth_errors.Unauthorized as error:
        raise NoLogin(
            "The cloud does not take the credentials: wrong, expired, or of another project.",
            cause=_first(error),
            next_step=_LOG_IN,
        ) from error
    except (
        auth_errors.ConnectionError,
        auth_errors.DiscoveryFailure,
        auth_errors.EndpointNotFound,
        exceptions.EndpointNotFound,
        exceptions.ResourceTimeout,
    ) as error:
        raise NoAnswer(
            f"Cannot {what}: a service of the cloud was not reached.",
            cause=_first(error),
            next_step="check the network and the name of the region, then the same command "
            "again",
        ) from error
    except (exceptions.HttpException, auth_errors.HttpError) as error:
        raise _refusal(what, error) from error
    except (exceptions.SDKException, auth_errors.ClientException) as error:
        raise TandemError(f"Cannot {what}.", cause=_first(error)) from error


def status_of(error: BaseException | None) -> int:
    """Return the HTTP status that an error came with; 0 if with none."""
    return int(getattr(error, "status_code", None) or getattr(error, "http_status", 0) or 0)


def _refusal(what: str, error: Exception) -> TandemError:
    code, words = status_of(error), _first(error)
    if code == 401:
        return NoLogin(f"Cannot {what}: the login expired.", cause=words, next_step=_LOG_IN)
    if "quota" in words.lower():
        return TandemError(
            f"Cannot {what}: the project's quota is used up.",
            cause=words,
            next_step="fab doctor shows what is used; ask for fewer or smaller machines, or "
            "the site for more",
        )
    if code == 403:
        return Denied(
            f"Cannot {what}: the credentials are not allowed to.",
            cause=words,
            next_step="ask for the role member in the project; an application credential needs "
            "to be made with --unrestricted",
        )
    if code >= 500:
        return NoAnswer(
            f"Cannot {what}: the cloud failed with {code}.",
            cause=words,
            next_step="wait a minute, then the same command again",
        )
    return TandemError(f"Cannot {what}.", cause=words)


def _first(error: BaseException) -> str:
    words = str(getattr(error, "details", None) or error).strip()
    return " ".join(words.split())[:400] or type(error).__name__
