"""Parameters of estimators that are numbers or folds: declared once per class, checked before any work."""

import numbers
from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import check_cv
from sklearn.utils import check_random_state

from eegexplain._arrays import check_number


@dataclass(frozen=True)
class Number:
    """What a numeric parameter may be; a number is always finite, and never a boolean."""

    least: float = -np.inf
    above: float = -np.inf
    most: float = np.inf
    whole: bool = False
    other: tuple = ()  # values with a meaning of their own, as None or "auto"

    def check(self, name, value):
        """Raise a `ValueError` that names the parameter unless `value` is allowed."""
        if any(value is item or (type(value) is type(item) and value == item) for item in self.other):
            return
        try:
            if self.whole and not isinstance(value, numbers.Integral):
                raise ValueError("no whole number")
            check_number(name, value, above=self.above, least=self.least, most=self.most)
        except (ValueError, TypeError, OverflowError):
            raise ValueError(f"{name} must be {self._wanted()}, got {value!r}.") from None

    def _wanted(self):
        limits = {"above": self.above, "at least": self.least, "at most": self.most}
        limits = " and ".join(f"{word} {limit:g}" for word, limit in limits.items() if np.isfinite(limit))
        wanted = " ".join(filter(None, ("a whole number" if self.whole else "a finite number", limits)))
        return " or ".join([wanted.replace("number at least", "number of at least"), *map(repr, self.other)])


AT_LEAST_ONE = Number(least=1, whole=True)
# The same name means the same everywhere; a class adds its own parameters, or its own reading of these.
COMMON = {
    "batch_size": Number(least=1, whole=True, other=(None,)),
    "memory_limit": Number(least=1),
    "n_jobs": Number(whole=True, other=(None,)),
    "tol": Number(above=0),
    "verbose": Number(least=0, whole=True, other=(False, True)),
}


def check_numbers(estimator):
    """Check all parameters of an estimator that are numbers, and its ``random_state``.

    Parameters
    ----------
    estimator : estimator instance
        Its attribute ``_numbers`` (a dict of name to `Number`) adds to what `COMMON` says of its parameters.

    Raises
    ------
    ValueError
        Naming the parameter, what it may be and what was given.
    """
    params = estimator.get_params(deep=False)
    for name, number in {**COMMON, **getattr(estimator, "_numbers", {})}.items():
        if name in params:
            number.check(name, params[name])
    try:
        check_random_state(params.get("random_state"))
    except ValueError as error:
        raise ValueError(f"random_state must be a seed from 0, a RandomState or None: {error}.") from None


def as_splits(cv, X, y=None, groups=None, *, classifier=False):
    """Return the folds that `cv` asks for as a list of pairs of index arrays.

    Parameters
    ----------
    cv : int, splitter or iterable of (train, test)
        As everywhere in scikit-learn.
    X, y, groups : array-like
        What is split.
    classifier : bool
        A number of folds is stratified by `y`.

    Returns
    -------
    splits : list of (ndarray, ndarray)

    Raises
    ------
    ValueError
        For what is none of these, without folds, or with indices that are not of these trials.
    """
    try:
        splitter = check_cv(cv, y, classifier=classifier)
        splits = [tuple(np.arange(len(X))[part] for part in pair) for pair in splitter.split(X, y, groups)]
        bad = not splits or any(len(pair) != 2 for pair in splits)
    except (TypeError, ValueError, IndexError) as error:
        if hasattr(cv, "split") and not isinstance(cv, str):
            raise  # a splitter has its own words
        raise ValueError(_folds_wanted(cv, error)) from None
    if any(not np.size(part) for pair in splits for part in pair):
        raise ValueError(_folds_wanted(cv, "a fold has no training or no test trials"))
    if bad or any(np.ndim(part) != 1 for pair in splits for part in pair):
        raise ValueError(_folds_wanted(cv, "there is no fold" if not splits else "not pairs of indices"))
    return splits


def _folds_wanted(cv, reason):
    return (
        f"cv must be a number of folds of at least 2, a splitter, or pairs of training and test indices; got {cv!r} "
        f"({reason})."
    )
