"""In which zone all machines of a cluster can be: a program and `fab doctor` decide alike."""

from collections.abc import Collection, Iterable

FIX = (
    "pulumi config set head-type or worker-types to what one zone offers, or zone to one that "
    "offers them all"
)


def offering_all(offers: Iterable[tuple[str, str]], types: Collection[str]) -> list[str]:
    """Return the zones that offer all `types`, sorted; `offers` are pairs of type and zone."""
    by_zone: dict[str, set[str]] = {}
    for kind, zone in offers:
        by_zone.setdefault(zone, set()).add(kind)
    return sorted(zone for zone, offered in by_zone.items() if offered >= set(types))


def choose(zones: Iterable[str], allowed: Collection[str]) -> str | None:
    """Return the first of the zones that may be used; None if there is none."""
    return min((zone for zone in zones if zone in allowed), default=None)


def refusal(types: Iterable[str], allowed: Iterable[str], zones: Collection[str]) -> str:
    """Return why no zone can be used, and which others offer all types."""
    elsewhere = f"; all are offered in {', '.join(sorted(zones))}" if zones else ""
    return f"None of {', '.join(sorted(allowed))} offers all of {', '.join(types)}{elsewhere}"
