"""The steps of a bring-up, in the order in which `bringup.STEPS` lists them."""

import dataclasses
import json
import threading
import time
from collections.abc import Mapping

from contracts.errors import PartialError
from contracts.progress import Event, step
from provision import guard, identity, node_requests, plan, preflight, python_env, store
from provision.bringup_context import Context
from provision.environment_plan import environment_plan, table
from provision.facts import Facts, parse
from provision.place import Place
from provision.remote_program import NodeFailure, Program, call

CHECK = Program("check", needs=("environment", "records"))
PREPARE = Program("prepare", needs=("records", "monitor"))
CHECK_SECONDS = 60.0
PREPARE_SECONDS = 60.0
START_SECONDS = 150.0
PROBE_SECONDS = 60.0
_MARGIN = 15.0


def reach(context: Context) -> None:
    """Connect to every machine and see that it is the one that the inventory means.

    A surplus machine that does not answer is noted; it cannot keep the others from working.
    """
    everyone = [*context.names, *context.surplus]
    outcomes = context.links.open(everyone, context.tell)
    for name in context.surplus:
        if name in outcomes.failed:
            words = str(outcomes.failed[name]).splitlines()[0]
            context.notes.append(f"{name} takes no part and could not be asked: {words}")
    members = {name: outcomes.failed[name] for name in context.names if name in outcomes.failed}
    dataclasses.replace(outcomes, failed=members).values()
    reached = list(outcomes.done)

    def identify(name: str) -> None:
        node = context.request.inventory.node(name)
        owner = identity.read_owner(context.links[name])
        identity.check_owner(context.request.inventory, node, owner)
        context.owners[name] = owner

    context.each("identifying", reached, identify, CHECK_SECONDS)
    context.reached = reached


def check(context: Context) -> None:
    """Look at every machine; go no further unless all members can take part."""
    context.facts = context.each(
        "checking",
        context.reached,
        lambda name: _look(context, name),
        CHECK_SECONDS + _MARGIN,
    )
    context.plans = {
        name: environment_plan(context.facts[name], context.lock) for name in context.names
    }
    problems = [
        complaint
        for node in context.members
        for complaint in preflight.complaints(
            node, context.facts[node.name], context.plans[node.name], context.request.engine
        )
    ]
    problems += preflight.same_python(
        {name: context.facts[name].python for name in context.names}
    )
    preflight.refuse(problems)
    context.notes += preflight.clock_notes(context.facts)


def environment(context: Context) -> None:
    """Make or repair the environments that are not what the lock says, and look again."""
    wrong = [name for name in context.names if context.plans[name].action != "keep"]
    origin = python_env.source(context.request.state)

    def bring(name: str) -> None:
        intended = context.plans[name]
        with step(context.tell, name, "environment"):
            python_env.bring(
                context.links[name],
                context.facts[name],
                intended,
                context.lock,
                origin,
                context.tell,
            )
            context.facts[name] = _look(context, name)
        found = environment_plan(context.facts[name], context.lock)
        if found.action != "keep":
            raise NodeFailure(
                f"The environment of {name} still differs from the lock: {found.reason}.",
                cause=table(found.rows),
                next_step=f"remove {found.path} on {name}, then run the same command again",
            )
        context.plans[name] = found
        done = {"create": "created", "repair": "repaired"}[intended.action]
        context.changed.append(f"{name}: environment {done} ({intended.reason})")

    context.each(
        "bringing the environment", wrong, bring, python_env.NODE_SECONDS + 2 * CHECK_SECONDS
    )


def limit(context: Context) -> None:
    """Give every machine its limits where the inventory sets any, surplus machines too."""
    inventory = context.request.inventory
    if guard.limits_of(inventory) is None:
        return
    last = {}
    if inventory.bucket is not None:
        last = {
            name: store.last_work(
                inventory,
                name,
                context.facts[name].home.removesuffix("/.tandem"),
                f"{context.plans[name].path}/bin/python",
            )
            for name in context.names
        }
    end = guard.ending(context.request.state, inventory)
    outcomes = guard.apply(context.links, inventory, context.reached, context.tell, last, end)
    started = outcomes.values()
    context.changed += [f"{name}: watchdog started" for name, new in started.items() if new]


def bucket(context: Context) -> None:
    """See that every member reaches the cluster's bucket, where the inventory names one."""
    inventory = context.request.inventory
    if inventory.bucket is None:
        return
    pythons = {name: f"{context.plans[name].path}/bin/python" for name in context.names}
    homes = {name: context.facts[name].home for name in context.names}
    store.bring_key(context.links, inventory, context.request.state, homes)
    store.check(context.links, inventory, pythons, context.tell).values()


def decide(context: Context) -> None:
    """Work out what each machine is to have, and from that what has to be done."""
    for node in context.members:
        facts = context.facts[node.name]
        context.places[node.name] = Place(
            home=facts.home,
            environment=context.plans[node.name].path,
            code=f"{facts.home}/code/{context.bundle.fingerprint}",
            shared_memory=facts.shared_memory,
        )
        context.wanted[node.name] = node_requests.wanted(context, node.name)
    context.todo = plan.work(context.wanted, context.facts, context.head.name)
    plan.refuse_disturbance(context.todo, context.facts, context.head.name)


def make_ready(context: Context) -> None:
    """End what is not wanted any more; bring code, credentials and the monitor."""
    concerned = [name for name, work in context.todo.items() if not work.nothing]

    def prepare(name: str) -> None:
        work, facts = context.todo[name], context.facts[name]
        link = context.links[name]
        with step(context.tell, name, "prepare"):
            for file in work.put:
                secret = context.secrets[name][file]
                link.put(secret.reveal().encode(), f"{facts.home}/credentials/{file}", 0o600)
            if work.code:
                wheel = f"{facts.home}/code/{context.bundle.fingerprint}.whl"
                link.put(context.bundle.content, wheel, 0o600)
            done = call(
                link,
                PREPARE,
                node_requests.prepare_request(context, name),
                timeout=PREPARE_SECONDS,
            )
        context.changed += [f"{name}: {words}" for words in done]
        context.changed += [f"{name}: {file} brought" for file in work.put]

    context.each("preparing", concerned, prepare, PREPARE_SECONDS + _MARGIN)


def start(context: Context) -> None:
    """Start the engine on every machine at once; workers wait for the head by themselves."""
    concerned = [name for name in context.names if context.todo[name].start]
    head_failed = threading.Event()

    def begin(name: str) -> None:
        is_head = name == context.head.name
        words = "head" if is_head else "join"
        request = {
            **node_requests.start_request(context, name),
            "spec": context.wanted[name].spec,
            "seconds": START_SECONDS - _MARGIN,
        }

        def heard(event: Mapping[str, object]) -> None:
            detail = str(event.get("step", ""))
            context.tell(Event(name, f"{context.engine.NAME} {words}", "running", 0.0, detail))

        try:
            with step(context.tell, name, f"{context.engine.NAME} {words}"):
                call(
                    context.links[name],
                    context.engine.START,
                    request,
                    timeout=START_SECONDS,
                    python=context.places[name].python,
                    on_event=heard,
                    cancelled=None if is_head else head_failed.is_set,
                )
        except InterruptedError as error:
            raise PartialError("It was not started, because the head did not start.") from error
        except Exception:
            if is_head:
                head_failed.set()
            raise
        context.changed.append(f"{name}: {context.engine.NAME} started")

    context.each("starting", concerned, begin, START_SECONDS + _MARGIN)


def prove(context: Context) -> None:
    """See that the head counts exactly the members, and that strangers are refused.

    The head tries the ports of every worker as a stranger, and a worker those of the head, so
    that both directions are proved over the network.
    """
    workers = context.members[1:]
    head = context.head
    tasks = {head.name: (context.members, workers or (head,))}
    if workers:
        tasks[workers[0].name] = ((), (head,))

    def probe(name: str) -> None:
        expected, strangers = tasks[name]
        request = context.engine.probe_request(
            context.places[name], head, expected=expected, strangers=strangers
        )
        seconds = PROBE_SECONDS if context.changed else _MARGIN
        with step(context.tell, name, "probe"):
            call(
                context.links[name],
                context.engine.PROBE,
                {**request, "seconds": seconds},
                timeout=seconds + _MARGIN,
                python=context.places[name].python,
            )

    context.each("probing", list(tasks), probe, PROBE_SECONDS + 2 * _MARGIN)


def claim(context: Context) -> None:
    """Tell members that needed nothing else of a newer inventory; older ones are then stale."""
    inventory = context.request.inventory
    for node in context.members:
        owner = identity.owner_of(inventory, node)
        if context.todo[node.name].nothing and context.owners[node.name] != owner:
            path = f"{context.facts[node.name].home}/cluster.json"
            context.links[node.name].put(json.dumps(owner).encode(), path, 0o600)


def end_unsafe(context: Context) -> None:
    """End the engine on every member: it let a stranger in, and must not stay open."""
    records = (context.engine.NAME, context.engine.NAME + plan.DASHBOARD)
    context.todo = {name: plan.NodeWork(stop=records) for name in context.wanted}
    make_ready(context)


def start_everything(context: Context) -> None:
    """Plan a start on every member, whatever its records say."""
    context.todo = {
        name: dataclasses.replace(
            work, start=True, stop=plan.engine_records(context.facts[name])
        )
        if name in context.wanted
        else work
        for name, work in context.todo.items()
    }
    plan.refuse_disturbance(context.todo, context.facts, context.head.name)


def _look(context: Context, name: str) -> Facts:
    node = context.request.inventory.node(name)
    request = {
        "lock": context.lock.fingerprint,
        "code": context.bundle.fingerprint,
        "address": node.private_ip,
    }
    with step(context.tell, name, "check"):
        before = time.time()
        answer = call(context.links[name], CHECK, request, timeout=CHECK_SECONDS)
        after = time.time()
        if isinstance(answer, dict) and isinstance(answer.get("time"), float):
            # The node read its clock somewhere in between; what falls inside is no skew.
            clock = min(max(answer["time"], before), after)
        else:
            clock = before
        return parse(name, answer, clock=clock)
