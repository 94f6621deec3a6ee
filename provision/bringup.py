"""From machines to a running cluster, and back: desired minus actual, in one visible list."""

import contextlib
import dataclasses
import datetime
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from contracts import endpoint as endpoints
from contracts.endpoint import Endpoint
from contracts.errors import PARTIAL, REFUSED, RefusedError, TandemError
from contracts.files import single_writer
from contracts.inventory import Inventory
from contracts.progress import Tell, step, tell_nobody
from provision import bringup_steps as steps
from provision import code_bundle, credentials, engine_settings, identity, lock
from provision.bringup_context import Context, Request, members_of
from provision.links import Links
from provision.node_requests import STOP_GRACE
from provision.parallel import on_each
from provision.remote_program import Program, call

__all__ = [
    "STEPS",
    "Context",
    "Request",
    "Started",
    "endpoint_path",
    "prepare",
    "start",
    "stop",
]

# Nothing is changed anywhere before `make_ready`, apart from environments that need repair,
# and from limits, which must hold whatever comes of the rest.
STEPS: tuple[Callable[[Context], None], ...] = (
    steps.reach,
    steps.check,
    steps.environment,
    steps.limit,
    steps.bucket,
    steps.decide,
    steps.make_ready,
    steps.start,
    steps.prove,
)
DECIDED = STEPS.index(steps.decide) + 1
WITHOUT_ENGINE = STEPS[: DECIDED + 1]
PURPOSE = "Bringing the cluster up or down"
RELEASE = Program("release", needs=("records",))
RELEASE_SECONDS = 60.0


@dataclass(frozen=True)
class Started:
    """What came of a bring-up.

    `changed` says what had to be done, node by node, and is empty where all was as wanted.
    `notes` are things to know that kept nothing from working.
    """

    endpoint: Endpoint
    changed: tuple[str, ...]
    notes: tuple[str, ...]
    seconds: float


def start(request: Request, tell: Tell = tell_nobody, links: Links | None = None) -> Started:
    """Make a cluster what the request says, and write its endpoint into the state folder.

    Running it again changes nothing. Pass `links` to keep the connections for later.

    Raises
    ------
    TandemError
        One of its leaves; what was reached is kept, and the same command goes on from there.
    """
    members_of(request)
    with _one_at_a_time(request.state), _links(request.inventory, links) as open_links:
        begin = time.monotonic()
        context = open_context(request, tell, open_links)
        for each in STEPS[:DECIDED]:
            each(context)
        if all(work.nothing for work in context.todo.values()) and not _proved(context):
            steps.start_everything(context)
        if not all(work.nothing for work in context.todo.values()):
            endpoint_path(request.state).unlink(missing_ok=True)
            _carry_out(context)
        steps.claim(context)
        found = _endpoint(context, request.engine or "")
        if context.changed or not _describes(known_endpoint(request.state), found):
            endpoints.dump(found, endpoint_path(request.state))
        return _started(context, found, begin)


def prepare(request: Request, tell: Tell = tell_nobody, links: Links | None = None) -> Started:
    """Bring environment and code to the nodes, and end every engine there.

    The endpoint that is returned names the engine `plain` and no address; it is not written.
    """
    members_of(request)
    with _one_at_a_time(request.state), _links(request.inventory, links) as open_links:
        begin = time.monotonic()
        context = open_context(request, tell, open_links)
        for each in WITHOUT_ENGINE:
            each(context)
        if any(work.stop for work in context.todo.values()):
            endpoint_path(request.state).unlink(missing_ok=True)
        return _started(context, _endpoint(context, "plain"), begin)


def stop(
    inventory: Inventory, state: Path, tell: Tell = tell_nobody, links: Links | None = None
) -> tuple[str, ...]:
    """End everything that Tandem runs on the machines; return what was ended.

    The machines stay, with environment, code and logs. Every machine is tried.
    """
    with _one_at_a_time(state), _links(inventory, links) as open_links:
        names = [node.name for node in inventory.nodes]
        known = known_endpoint(state)
        if known is None or known.cluster_id == inventory.cluster_id:
            endpoint_path(state).unlink(missing_ok=True)
        outcomes = open_links.open(names, tell)
        ended: list[str] = []

        def release(name: str) -> None:
            owner = identity.read_owner(open_links[name])
            identity.check_owner(inventory, inventory.node(name), owner)
            with step(tell, name, "stop"):
                words = call(
                    open_links[name],
                    RELEASE,
                    {"grace": STOP_GRACE},
                    timeout=RELEASE_SECONDS,
                )
            ended.extend(f"{name}: {one} stopped" for one in words)

        reached = list(outcomes.done)
        released = on_each("stopping", reached, release, seconds=RELEASE_SECONDS + 15.0)
        outcomes.values()
        released.values()
        return tuple(sorted(ended))


def endpoint_path(state: Path) -> Path:
    """Return where the endpoint of the running cluster is written."""
    return state / "endpoint.json"


def known_endpoint(state: Path) -> Endpoint | None:
    """Return the endpoint of the running cluster; None if there is none that can be read."""
    try:
        return endpoints.load(endpoint_path(state))
    except TandemError:
        return None


def _describes(known: Endpoint | None, found: Endpoint) -> bool:
    """Return whether what is written is what runs, whenever and however fast it came up."""
    if known is None:
        return False
    now = dataclasses.replace(known, started_at=found.started_at, phases=found.phases)
    return now == found


def open_context(request: Request, tell: Tell, links: Links) -> Context:
    """Return what the steps of a bring-up share, as it is before the first of them."""
    identity.check_generation(request.inventory, known_endpoint(request.state))
    with step(tell, "operator", "code"):
        bundle = code_bundle.build(request.state, request.root)
    return Context(
        request=request,
        links=links,
        lock=lock.load(request.lock),
        bundle=bundle,
        members=members_of(request),
        listener=tell,
        notes=list(bundle.notes),
    )


def _carry_out(context: Context) -> None:
    """Do what was decided; an engine that lets strangers in is ended again."""
    for each in STEPS[DECIDED:]:
        try:
            each(context)
        except TandemError as error:
            if each is steps.prove and error.exit_code == REFUSED:
                _end_unsafe(context, error)
            raise


def _end_unsafe(context: Context, refusal: TandemError) -> None:
    try:
        steps.end_unsafe(context)
    except TandemError as error:
        raise RefusedError(
            f"{refusal.problem} It should be ended for that, and some of it may still run.",
            cause=str(error),
            next_step="fab cluster.stop, until it says that all is stopped",
        ) from refusal


def _proved(context: Context) -> bool:
    """Say whether a cluster that looks as wanted proves to be so."""
    try:
        steps.prove(context)
    except TandemError as error:
        if error.exit_code == PARTIAL:
            raise
        context.notes.append(f"started anew, because: {str(error).splitlines()[0]}")
        return False
    return True


def _endpoint(context: Context, engine: str) -> Endpoint:
    place = context.places[context.head.name]
    secrets = credentials.paths(engine, place.home) if engine != "plain" else {}
    return Endpoint(
        cluster_id=context.request.inventory.cluster_id,
        generation=context.request.inventory.generation,
        engine=engine,
        address=context.engine.address(context.head) if engine != "plain" else "",
        dashboard_port=context.engine.DASHBOARD_PORT if engine != "plain" else 0,
        nodes=tuple(context.names),
        slots={node.name: engine_settings.slots(node) for node in context.members},
        credentials=secrets,
        environment=place.environment,
        code=place.code,
        home=place.home,
        lock_fingerprint=context.lock.fingerprint,
        code_fingerprint=context.bundle.fingerprint,
        started_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        phases=context.phases,
    )


def _started(context: Context, found: Endpoint, begin: float) -> Started:
    return Started(
        endpoint=found,
        changed=tuple(sorted(context.changed)),
        notes=tuple(context.notes),
        seconds=time.monotonic() - begin,
    )


def _one_at_a_time(state: Path) -> contextlib.AbstractContextManager[None]:
    return single_writer(state / "cluster.lock", purpose=PURPOSE)


def _links(
    inventory: Inventory, links: Links | None
) -> contextlib.AbstractContextManager[Links]:
    return contextlib.nullcontext(links) if links is not None else Links(inventory)
