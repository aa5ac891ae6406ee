"""A network beside decoders that need none, on the same trials in the same folds."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from eegexplain._arrays import check_array_like
from eegexplain._bits import UncalibratedError, UsableInformation, usable_information
from eegexplain._explanation import fold_error, population_error


@dataclass(frozen=True)
class ReferenceComparison:
    """A decoder that needs no network on the same folds, and how far the network is from it.

    Parameters
    ----------
    name : str
    balanced_accuracy : float
        Of the reference.
    difference : float
        Balanced accuracy of the network less that of the reference.
    standard_error : float
        Of `difference`: over folds, whose training parts overlap, or over trials or groups, whichever is larger.
    degrees_of_freedom : int
    error_over : {"folds", "trials", "groups"}
        Which of both is larger.
    information : UsableInformation or None
        Of the reference, where it is known of the network, too.
    """

    name: str
    balanced_accuracy: float
    difference: float
    standard_error: float
    degrees_of_freedom: int
    error_over: str
    information: UsableInformation | None = None

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of `difference`."""
        width = float(stats.t.ppf(1 - 0.025, self.degrees_of_freedom) * self.standard_error)
        return self.difference - width, self.difference + width


def known_information(y, scores, folds, groups):
    """Usable information, or None where there are too few trials or groups for a calibration.

    Parameters
    ----------
    y, scores, folds, groups : ndarray
        Of `usable_information`.

    Returns
    -------
    UsableInformation or None
    """
    try:
        return usable_information(y, scores, folds=folds, groups=groups)
    except UncalibratedError:
        return None


def compare(name, y, hits, scores, folds, groups, *, informed):
    """Pair a reference with the predictions that are judged.

    Parameters
    ----------
    name : str
    y, folds : ndarray of shape (n_trials,)
    hits : ndarray of bool of shape (n_trials,)
        Which trials the network predicted right.
    scores : array-like of shape (n_trials,) or (n_trials, n_classes)
        Of the reference.
    groups : ndarray of shape (n_trials,) or None
    informed : bool
        Whether its information is asked for.

    Returns
    -------
    ReferenceComparison

    Raises
    ------
    ValueError
        For scores of another shape.
    """
    classes, codes = np.unique(y, return_inverse=True)
    scores = check_array_like(name, scores, dtype=np.float64)
    if scores.shape not in {(len(y), len(classes)), *([(len(y),)] if len(classes) == 2 else [])}:
        raise ValueError(
            f"The reference {name!r} must have one score per trial and class, {len(y)} x {len(classes)}: got scores of "
            f"shape {scores.shape}"
        )
    chosen = scores.argmax(axis=1) if scores.ndim == 2 else (scores > 0).astype(int)
    reference = chosen == codes
    counts = np.bincount(codes)
    # each trial's part of the difference; their mean is the difference of balanced accuracies
    share = (len(codes) / (len(counts) * counts))[codes]
    gains = (hits.astype(float) - reference) * share
    means = np.bincount(codes, weights=gains) / counts
    given = float(population_error(gains - means[codes], groups))
    sizes = np.bincount(folds)
    over_folds = float(fold_error(np.bincount(folds, weights=gains) / sizes, sizes, len(codes) - sizes))
    by_fold = over_folds > given or np.isnan(given)
    free = (len(codes) if groups is None else int(groups.max()) + 1) - 1
    return ReferenceComparison(
        name=name,
        balanced_accuracy=float(np.mean(np.bincount(codes, weights=reference) / counts)),
        difference=float(gains.mean()),
        standard_error=over_folds if by_fold else given,
        degrees_of_freedom=max(1, len(sizes) - 1 if by_fold else free),
        error_over="folds" if by_fold else "trials" if groups is None else "groups",
        information=known_information(y, scores, folds, groups) if informed else None,
    )
