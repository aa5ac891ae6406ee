"""The trials of each group: divided, and refused where networks inside a group could not be trained on them."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eegexplain._levels import is_trait
from eegexplain._validation import check_group_names
from eegexplain.inspection._symmetry import BALANCE, share_error, told_of_shares
from eegexplain.inspection.models import Trainable, copied_trials

UNEQUAL = 4  # ratio of trials in the largest and the smallest group from which one is told

_BETWEEN = (
    "networks inside a group have nothing to tell apart then. What differs between groups is asked between them: "
    "cross_validate_explanations(..., groups=groups), whose significance() exchanges the labels of whole groups."
)


@dataclass(frozen=True, eq=False)
class GroupTrials:
    """Which trials are whose.

    Parameters
    ----------
    names : ndarray of shape (n_groups,)
        Sorted.
    codes : ndarray of int of shape (n_trials,)
        Place of each trial's group among the names.
    """

    names: NDArray
    codes: NDArray

    @property
    def parts(self) -> list[NDArray]:
        """Places of the trials of each group."""
        return [np.flatnonzero(self.codes == code) for code in range(len(self.names))]

    def name(self, code: Any) -> Any:
        """Of the group with a code, as it was given."""
        return self.names[code].item()


def divide_trials(checked: Trainable, groups: ArrayLike, cv: Any) -> GroupTrials:
    """Divide trials into groups, and refuse before anything is trained what one of them cannot answer.

    Parameters
    ----------
    checked : Trainable
    groups : array-like of shape (n_trials,)
    cv : int, splitter or None

    Returns
    -------
    GroupTrials

    Raises
    ------
    ValueError
    """
    found = GroupTrials(*np.unique(check_group_names(groups, len(checked.X)), return_inverse=True))
    if len(found.names) < 2:
        raise ValueError(
            f"All trials are of one group, {found.name(0)!r}: what holds of groups needs several. Use "
            "cross_validate_explanations for one."
        )
    if cv is not None and not isinstance(cv, (int, np.integer)) and not hasattr(cv, "split"):
        raise ValueError(f"cv divides the trials of each group: give a number or a splitter, got {type(cv).__name__}.")
    _refuse_shared_trials(checked.X, found)
    check_group(checked, found, cv)
    warn_of_sizes(np.bincount(found.codes), found)
    return found


def check_group(checked: Trainable, divided: GroupTrials, cv: Any) -> None:
    """Refuse groups whose trials could not be cross-validated.

    Parameters
    ----------
    checked : Trainable
    divided : GroupTrials
    cv : int, splitter or None

    Raises
    ------
    ValueError
    """
    if checked.regression:
        _refuse_constant(checked.y, divided)
    else:
        _check_classes(checked.y, divided, 2 if cv is None or hasattr(cv, "split") else int(cv))


def count_trials(checked: Trainable, divided: GroupTrials) -> dict[str, Any]:
    """How many trials each group has, by class where there are classes.

    Parameters
    ----------
    checked : Trainable
    divided : GroupTrials

    Returns
    -------
    dict
        Variables and coordinates of a Dataset.
    """
    if checked.regression:
        return {"n_trials": ("group", np.bincount(divided.codes))}
    classes, counts = _counts(checked.y, divided)
    return {"n_trials": (("group", "class"), counts), "class": classes.astype(str)}


def _counts(y, divided):
    """Classes, and the trials of each group and class."""
    classes, labels = np.unique(y, return_inverse=True)
    counts = np.zeros((len(divided.names), len(classes)), int)
    np.add.at(counts, (divided.codes, labels), 1)
    return classes, counts


def _refuse_shared_trials(X, divided):
    for places in copied_trials(X):
        own = divided.codes[places]
        if len(np.unique(own)) > 1:
            other = int(np.argmax(own != own[0]))
            raise ValueError(
                f"Trials {places[0]} and {places[other]} are copies of one another, in the groups "
                f"{divided.name(own[0])!r} and {divided.name(own[other])!r}: groups that share trials are not "
                "independent. Remove copies, or put them into one group."
            )


def _refuse_constant(y, divided):
    for code, part in enumerate(divided.parts):
        if (np.ptp(y[part], axis=0) == 0).any():
            raise ValueError(f"The target is constant within group {divided.name(code)!r}: {_BETWEEN}")


def _check_classes(y, divided, n_folds):
    """Every group has trials of every class, of each at least as many as there are folds."""
    if is_trait(y, divided.codes):
        raise ValueError(f"The label is constant within each group: {_BETWEEN}")
    classes, counts = _counts(y, divided)
    for code, row in enumerate(counts):
        if np.count_nonzero(row) < 2:
            raise ValueError(
                f"The label is constant within group {divided.name(code)!r}: leave this group out, or else, {_BETWEEN}"
            )
        if row.min() < n_folds:
            raise ValueError(
                f"Group {divided.name(code)!r} has {row.min()} trials of class {classes[row.argmin()].item()!r}: "
                f"{n_folds} folds need at least as many of each class in every group. Use fewer folds, or leave this "
                "group out."
            )
    shares = share_error(counts)
    if shares.max() > BALANCE:
        worst = shares.argmax()
        warnings.warn(told_of_shares(divided.name(worst), counts[worst]), UserWarning, stacklevel=4)


def warn_of_sizes(sizes: NDArray, divided: GroupTrials) -> None:
    """Tell of groups whose sizes differ much.

    Parameters
    ----------
    sizes : ndarray of int of shape (n_groups,)
    divided : GroupTrials
    """
    if sizes.max() >= UNEQUAL * sizes.min():
        warnings.warn(
            f"Group {divided.name(sizes.argmin())!r} has {sizes.min()} trials and group "
            f"{divided.name(sizes.argmax())!r} {sizes.max()}: each counts once, and maps of small groups are less "
            "certain (group_error).",
            UserWarning,
            stacklevel=4,
        )
