"""Which setting matters by how much: main effects on time, and what depends on what.

Times are compared within blocks: observations that differ in one setting alone. So what the
others do to the time is in no ratio, and a setting that was not tried in every combination is
judged where it was. Main effects and blocks are those of any book on designed experiments (Box,
Hunter and Hunter, Statistics for Experimenters, chapter 5), in ratios of medians.
"""

import itertools
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

MATTERS = 1.1  # a smaller ratio of the slowest to the fastest is nothing to choose by
FLIPS = 1.03  # the least by which a level must lose where another one is best
ELSEWHERE = 1.25  # no block may be further from the median of a setting that does not matter

Verdict = Literal["matters", "depends", "unclear", "does not matter"]


@dataclass(frozen=True)
class Observation:
    """The seconds of equal runs with these settings, each a text by name."""

    settings: Mapping[str, str]
    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle of the repeats, in seconds."""
        return statistics.median(self.seconds)


@dataclass(frozen=True)
class Level:
    """One value of a setting: its median over all blocks, in seconds, and as times the best."""

    value: str
    seconds: float
    relative: float


@dataclass(frozen=True)
class Interaction:
    """The best level of a setting is another one with each of these levels of `other`.

    `best` has it by level of the other; `loss` is how many times as long it takes to keep to
    the best level of one where another is best, at its worst.
    """

    other: str
    best: Mapping[str, str]
    loss: float


@dataclass(frozen=True)
class Effect:
    """What one setting does to the time.

    `levels` go from the slowest to the fastest. `ratio` is the slowest over the fastest, the
    median of all blocks, `low` and `high` the least and the most of any pair of their runs.
    """

    name: str
    levels: tuple[Level, ...]
    ratio: float
    low: float
    high: float
    blocks: int
    verdict: Verdict
    interactions: tuple[Interaction, ...] = ()


_Block = dict[str, Observation]


def main_effects(observations: Sequence[Observation]) -> list[Effect]:
    """Return the effect of each setting that has several levels, the largest first.

    A setting of which no block has every level has none.
    """
    names = list(dict.fromkeys(name for one in observations for name in one.settings))
    found = [_effect(name, observations) for name in names]
    return sorted((one for one in found if one is not None), key=lambda one: -one.ratio)


def _effect(name: str, observations: Sequence[Observation]) -> Effect | None:
    blocks = _blocks(name, observations)
    if not blocks:
        return None
    levels = _levels([block for _, block in blocks])
    slow, fast = levels[0].value, levels[-1].value
    ratios = [block[slow].median / block[fast].median for _, block in blocks]
    pairs = [_pairs(block[slow], block[fast]) for _, block in blocks]
    ratio = statistics.median(ratios)
    low, high = min(one for one, _ in pairs), max(one for _, one in pairs)
    interactions = tuple(_interactions(name, blocks))
    return Effect(
        name,
        levels,
        ratio,
        low,
        high,
        len(blocks),
        _verdict(ratio, low, ratios, bool(interactions)),
        interactions,
    )


def _verdict(ratio: float, low: float, ratios: Sequence[float], crossed: bool) -> Verdict:
    if crossed:
        return "depends"
    if ratio < MATTERS:
        return "depends" if max(ratios) >= ELSEWHERE else "does not matter"
    return "matters" if low > 1 else "unclear"


def _blocks(
    name: str, observations: Sequence[Observation]
) -> list[tuple[Mapping[str, str], _Block]]:
    """Return what all but one setting have in common, with an observation for each level."""
    every = list(dict.fromkeys(o.settings[name] for o in observations if name in o.settings))
    found: dict[frozenset[tuple[str, str]], _Block] = {}
    for one in observations:
        if name in one.settings:
            others = {key: value for key, value in one.settings.items() if key != name}
            found.setdefault(frozenset(others.items()), {})[one.settings[name]] = one
    if len(every) < 2:
        return []
    return [
        (dict(others), {level: block[level] for level in every})
        for others, block in found.items()
        if len(block) == len(every)
    ]


def _levels(blocks: Sequence[_Block]) -> tuple[Level, ...]:
    """Return the levels from the slowest to the fastest, by their place within the blocks."""
    relative: dict[str, list[float]] = {}
    for block in blocks:
        middle = statistics.geometric_mean([one.median for one in block.values()])
        for level, one in block.items():
            relative.setdefault(level, []).append(one.median / middle)
    places = {level: statistics.median(values) for level, values in relative.items()}
    best = min(places.values())
    found = [
        Level(level, statistics.median(block[level].median for block in blocks), place / best)
        for level, place in places.items()
    ]
    return tuple(sorted(found, key=lambda one: -one.relative))


def _pairs(slow: Observation, fast: Observation) -> tuple[float, float]:
    return (
        min(slow.seconds) / max(fast.seconds),
        max(slow.seconds) / min(fast.seconds),
    )


def _interactions(
    name: str, blocks: Sequence[tuple[Mapping[str, str], _Block]]
) -> Iterator[Interaction]:
    """Yield each other setting by whose level the best level of this one changes."""
    for other in dict.fromkeys(key for others, _ in blocks for key in others):
        parts: dict[str, list[_Block]] = {}
        for others, block in blocks:
            if other in others:
                parts.setdefault(others[other], []).append(block)
        best = {level: _levels(part)[-1].value for level, part in parts.items()}
        loss = max(
            (
                _loss((parts[one], best[one]), (parts[two], best[two]))
                for one, two in itertools.combinations(parts, 2)
            ),
            default=1.0,
        )
        if loss >= MATTERS:
            yield Interaction(other, best, loss)


def _loss(one: tuple[list[_Block], str], two: tuple[list[_Block], str]) -> float:
    """Return what it costs to take one part's best level in the other; 1 if that is chance."""
    losses = [
        statistics.median(block[wrong].median / block[right].median for block in part)
        for (part, right), wrong in ((one, two[1]), (two, one[1]))
    ]
    return max(losses) if min(losses) >= FLIPS else 1.0


def number(value: float) -> str:
    """Return a ratio with three significant digits, and two decimals near 1.

    >>> number(3.14159), number(1.0234), number(123.4)
    ('3.14', '1.02', '123')
    """
    return f"{value:.2f}" if value < 10 else f"{value:.{max(0, 2 - int(math.log10(value)))}f}"
