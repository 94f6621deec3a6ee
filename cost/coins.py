"""What a cluster costs where no price can be asked for: by the table in the configuration.

The table has coins for an hour of each flavor, and of what stays beside machines.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from contracts.errors import UsageError
from cost.estimate import Estimate, Line

SOURCE = "the stack's table of coins"
CURRENCY = "coins"
ADDRESS, VOLUME, CONTAINER, NETWORK = "floating-ip", "volume-gib", "container-gib", "network"


def estimate(
    flavors: Sequence[str],
    coins: Mapping[str, float],
    hours: float,
    *,
    volume_gib: int = 0,
    address: bool = True,
) -> Estimate:
    """Work out what machines of these flavors cost, the head's first.

    Raises
    ------
    UsageError
        If the table lacks one of the flavors.
    """
    missing = sorted(set(flavors) - set(coins))
    if missing:
        raise UsageError(
            f"The table of coins has no {', '.join(missing)}.",
            cause="A cloud of OpenStack has no price list that could be asked.",
            next_step=f"pulumi config set coins '{missing[0]}=1', from the site's own pages",
        )
    lines = [
        Line(f"machine {name}", count, coins[name], SOURCE)
        for name, count in sorted(Counter(flavors).items())
    ]
    if volume_gib:
        gib = volume_gib * coins.get(VOLUME, 0.0)
        lines.append(Line(f"volume of {volume_gib} GiB", len(flavors), gib, SOURCE))
    if address:
        lines.append(Line("floating address", 1, coins.get(ADDRESS, 0.0), SOURCE))
    return Estimate(tuple(lines), hours, currency=CURRENCY)


def remains(
    coins: Mapping[str, float], *, address: bool, network: bool, container: bool
) -> str:
    """Return in one sentence what stays when the machines have ended, at what cost."""
    there = [
        (address, "the floating address", coins.get(ADDRESS), "an hour"),
        (network, "router and network", coins.get(NETWORK), "an hour"),
        (container, "the container", coins.get(CONTAINER), "a GiB and hour"),
    ]
    words = [
        f"{name} ({'cost not in the table' if price is None else f'{price:g} coins {per}'})"
        for stays, name, price, per in there
        if stays
    ]
    if not words:
        return "Nothing stays when the machines end."
    return (
        f"When the machines end, these stay: {', '.join(words)}; pulumi destroy removes them."
    )
