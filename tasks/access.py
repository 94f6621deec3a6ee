"""`fab cluster.allow`: who may reach the machines over SSH."""

from invoke.context import Context

from contracts import inventory as inventories
from contracts.errors import UsageError
from cost.account import in_our_words
from infra import aws_access, aws_settings, operator_address, stack_file
from tasks.account import account_of
from tasks.care import INVENTORY, path_of, stack_words
from tasks.verb import Answer, verb


@verb(
    help={
        "address": "the address or block to let in; by default this computer's own",
        "instead-of": "whose place it takes; by default the only single address that there is",
        "inventory": INVENTORY,
    }
)
def allow(
    context: Context, address: str = "", instead_of: str = "", inventory: str = ""
) -> Answer:
    """Let this computer reach the machines over SSH after its address changed.

    The rule of its former address is changed in place, and the stack's configuration with it,
    so that the next `pulumi up` agrees. Whoever else may reach them still may.
    """
    machines = inventories.load(path_of(inventory))
    if machines.provider == "openstack":
        # A rule of neutron cannot be changed in place, so the stack has to know of another.
        raise UsageError(
            "Who may reach machines on OpenStack is changed by the stack itself.",
            next_step="pulumi config set operator-cidrs ADDRESS/32, this computer's own, "
            "then pulumi up",
        )
    if machines.provider != "aws" or machines.security_group_id is None:
        raise UsageError(
            f"The machines of {machines.cluster_id!r} have no security group of ours.",
            cause=f"Their provider is {machines.provider!r}.",
            next_step="open SSH to this computer where those machines are kept",
        )
    stacks = stack_file.of_cluster(machines.cluster_id, provider="aws")
    known: dict[str, str] = {}
    for stack in stacks:
        known |= stack_file.read(stack)
    url = known.get("tandem:address-url") or str(aws_settings.DEFAULTS["address-url"])
    wide = known.get("tandem:allow-open-ssh") == "true"
    block = aws_access.as_block(address or operator_address.find(url), wide=wide)
    former = aws_access.as_block(instead_of, wide=True) if instead_of else None
    client = account_of(machines).client("ec2")
    with in_our_words("change who may reach SSH"):
        found = aws_access.allow(client, machines.security_group_id, block, former)
    written = [stack for stack in stacks if _let_in(stack, found)]
    document = {
        "changed": found.changed,
        "before": list(found.before),
        "after": list(found.after),
        "stacks": stacks,
    }
    also = stack_words(written) if written or not stacks else []
    if not found.changed:
        words = f"Nothing to change: {block} may reach SSH ({', '.join(found.before)})."
        return Answer(document, "\n".join([words, *also] if written else [words]))
    before = ", ".join(found.before) or "nobody"
    return Answer(document, "\n".join([f"{block} may reach SSH; before: {before}.", *also]))


def _let_in(stack: str, found: aws_access.Allowed) -> bool:
    """Write into a stack who may reach SSH; return whether that changed it."""
    known = stack_file.read(stack).get("tandem:operator-cidrs", "")
    wanted = found.configured(known)
    return wanted != known and stack_file.write(stack, "tandem:operator-cidrs", wanted)
