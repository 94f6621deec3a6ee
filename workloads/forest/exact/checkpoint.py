"""Where a search on this computer keeps what is done, for the same search begun again."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from contracts.trial import canonical
from workloads.forest.exact.preparation import code_fingerprint


def checkpoint_folder(
    folder: str | Path,
    *,
    scoring: Any,
    labels: np.ndarray,
    error_score: Any,
    return_train_score: bool,
) -> Path:
    """Return the part of `folder` that belongs to searches scored in this way by this code.

    What the scores depend on beside the data and the plan is in its name: another version of
    this code or of a library, other labels or another score begin anew.

    Parameters
    ----------
    folder : str or Path
    scoring, error_score, return_train_score
        As in GridSearchCV.
    labels : ndarray
        What the class numbers stand for.

    Raises
    ------
    ValueError
        If a score is a function: an edit of it would not be seen, and scores of the old one
        would be taken up.
    """
    identity = [
        code_fingerprint(),
        _names(scoring),
        joblib.hash(labels),
        str(error_score),
        return_train_score,
    ]
    digest = hashlib.sha256(canonical(identity).encode()).hexdigest()
    return Path(folder).expanduser() / digest[:16]


def _names(scoring: Any) -> Any:
    named = scoring
    if isinstance(scoring, Mapping):
        named = scoring.values()
    elif scoring is None or isinstance(scoring, str) or callable(scoring):
        named = [scoring]
    if any(callable(one) for one in named):
        raise ValueError(
            f"With checkpoint= every score is given by name, and scoring={scoring!r} has a "
            "function: were it edited, scores of the old one would be taken up. "
            'Give a name such as scoring="accuracy", or leave checkpoint out.'
        )
    return dict(scoring) if isinstance(scoring, Mapping) else sorted(map(str, named))
