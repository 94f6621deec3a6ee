"""An Optuna study in which each trial is a function of its number and of the trials before.

Optuna gives the next trial to whoever asks first, so that two runs of one study differ. Here
trial i is chosen from the results of all trials up to i - `parallel`, while those between are
under way, as if exactly `parallel` trials always were. So every engine, on any number of nodes,
does the very same trials; the study needs no storage, because the results that the operator
has are all there is to it; and `parallel=1` is Optuna's own sequential study of that sampler.
"""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

optuna.logging.set_verbosity(optuna.logging.WARNING)

# XGBoost's names; ranges around its defaults.
SPACE: Mapping[str, BaseDistribution] = {
    "eta": FloatDistribution(0.02, 0.5, log=True),
    "max_depth": IntDistribution(2, 8),
    "min_child_weight": FloatDistribution(1.0, 32.0, log=True),
    "subsample": FloatDistribution(0.5, 1.0),
    "colsample_bytree": FloatDistribution(0.5, 1.0),
    "lambda": FloatDistribution(0.01, 100.0, log=True),
}
_MOST_TRIALS = 1 << 12


class Study:
    """What is known of a study: choices of trials, and values of those that ended.

    Parameters
    ----------
    parallel : int
        How many trials are under way at once, as the sampler sees it.
    sampler : str
        `tpe` or `random`.
    constant_liar : bool
        Whether TPE takes trials under way for bad ones, and so keeps away from them.
    """

    def __init__(self, *, seed: int, parallel: int, sampler: str, constant_liar: bool) -> None:
        self._seed = seed
        self._parallel = parallel
        self._sampler = sampler
        self._liar = constant_liar
        self._chosen: dict[int, dict[str, Any]] = {}
        self._values: dict[int, float | None] = {}

    def tell(self, number: int, value: float | None) -> None:
        """Take the value of a trial, higher is better; None if it failed."""
        self._values[number] = value

    def told_again(self, number: int, value: float, extra: Mapping[str, float]) -> None:
        """Take a trial that ended in an earlier attempt, from the record of it."""
        self._chosen[number] = {
            name: int(extra[name]) if isinstance(kind, IntDistribution) else extra[name]
            for name, kind in SPACE.items()
        }
        self.tell(number, value)

    def ready(self, number: int) -> bool:
        """Return whether all trials have ended that a trial is chosen from."""
        return all(one in self._values for one in range(number - self._parallel + 1))

    def chosen(self, number: int) -> dict[str, Any]:
        """Return what a trial tries; it must be ready."""
        if number not in self._chosen:
            self._chosen[number] = self._ask(number)
        return self._chosen[number]

    def _ask(self, number: int) -> dict[str, Any]:
        study = optuna.create_study(direction="maximize", sampler=self._new_sampler(number))
        known = max(0, number - self._parallel + 1)
        for one in range(number):
            value = self._values.get(one) if one < known else None
            state = TrialState.COMPLETE if value is not None else TrialState.FAIL
            study.add_trial(
                create_trial(
                    state=state if one < known else TrialState.RUNNING,
                    value=value,
                    params=self.chosen(one),
                    distributions=dict(SPACE),
                )
            )
        return dict(study.ask(dict(SPACE)).params)

    def _new_sampler(self, number: int) -> optuna.samplers.BaseSampler:
        """Return a sampler whose random numbers are of this trial alone."""
        seed = (self._seed * _MOST_TRIALS + number) % (1 << 32)
        if self._sampler == "random":
            return optuna.samplers.RandomSampler(seed=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return optuna.samplers.TPESampler(seed=seed, constant_liar=self._liar)


def of(parameters: Mapping[str, Any], seed: int) -> Study:
    """Return the study that a run's parameters describe, with nothing told yet."""
    names = ("parallel", "sampler", "constant_liar")
    return Study(seed=seed, **{name: parameters[name] for name in names})


def sequence(study: Study, count: int, evaluate: Callable[..., Any]) -> list[Any]:
    """Do a whole study here, one trial after the other; return what `evaluate` returned.

    `evaluate(chosen)` returns a mapping with `scores`, of which the first is told.
    """
    found = []
    for number in range(count):
        found.append(evaluate(study.chosen(number)))
        study.tell(number, found[-1]["scores"][0])
    return found
