"""The account in which the machines of an inventory lie."""

import contextlib

from contracts.inventory import Inventory
from cost.account import ATTEMPTS, Account, NoCredentials
from cost.prices import Prices
from infra import stack_file


def account_of(machines: Inventory, attempts: int = ATTEMPTS) -> Account:
    """Return the account in which machines on AWS lie, seen as their stack sees it."""
    profile = stack_file.profile(machines.cluster_id)
    return Account(machines.region, profile=profile, attempts=attempts)


def prices_of(machines: Inventory) -> Prices:
    """Return the prices where machines lie; of the bundled table if AWS does not tell them."""
    account = None
    if machines.provider == "aws":
        with contextlib.suppress(NoCredentials):
            account = account_of(machines, attempts=2)
    return Prices(account, machines.region)
