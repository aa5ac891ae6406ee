"""Groups that stay in their files: each is read where its unit runs, and tells what is needed to compare it."""

import hashlib
import os
import pathlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eegexplain._validation import check_group_names
from eegexplain.inspection._group_trials import GroupTrials, check_group, warn_of_sizes
from eegexplain.inspection.models import Trainable, check_trainable


@dataclass(frozen=True, eq=False)
class FileGroup:
    """One group's explanation, and what is known of its trials.

    Parameters
    ----------
    found : CrossValidatedExplanation
    classes : ndarray or None
        None of numbers.
    counts : ndarray of int
        Trials of each class, or of all.
    digests : frozenset of bytes
        Of the trials that are not silent.
    """

    found: Any
    classes: Any
    counts: NDArray
    digests: frozenset


def name_files(files: Sequence[Any], groups: ArrayLike | None) -> dict[Any, Any]:
    """Files by the name of their group, in the order of names.

    Parameters
    ----------
    files : sequence
        Paths, or whatever is read.
    groups : array-like of shape (n_files,) or None
        None takes the names of the files without their ending.

    Returns
    -------
    dict

    Raises
    ------
    ValueError
        For fewer than two, and for names that are not unique.
    """
    files = list(files)
    if groups is None:
        groups = [pathlib.Path(one).stem if isinstance(one, (str, os.PathLike)) else "" for one in files]
    names = check_group_names(groups, len(files))
    if len(np.unique(names)) < max(2, len(files)):
        raise ValueError(
            f"Each file is a group of its own, and there must be several: got {len(files)} files with "
            f"{len(np.unique(names))} names. Name them by groups, one for each file."
        )
    return {names[place].item(): files[place] for place in np.argsort(names)}


def stamp(file: Any) -> Any:
    """What tells a file from what it was before: its size and time; what is no path stands for itself.

    Parameters
    ----------
    file : object

    Returns
    -------
    object
    """
    if not isinstance(file, (str, os.PathLike)) or not os.path.exists(file):
        return None
    known = os.stat(file)
    return known.st_size, known.st_mtime_ns


def read_group(explainer: Any, read: Callable[[Any], Any], file: Any, name: Any, cv: Any) -> Trainable:
    """Read and check one group's trials.

    Parameters
    ----------
    explainer : explainer
    read : callable
        Gives ``(X, y)``, or something that has both.
    file : object
    name : object
        Of the group.
    cv : int, splitter or None

    Returns
    -------
    Trainable
    """
    trials = read(file)
    X, y = trials if isinstance(trials, tuple) else (trials.X, trials.y)
    checked = check_trainable(explainer, X, y)
    check_group(checked, GroupTrials(np.array([name]), np.zeros(len(checked.X), int)), cv)
    return checked


def tell_group(checked: Trainable, found: Any) -> FileGroup:
    """What is known of a group, without its trials.

    Parameters
    ----------
    checked : Trainable
    found : CrossValidatedExplanation

    Returns
    -------
    FileGroup
    """
    digests = frozenset(
        hashlib.blake2b(np.ascontiguousarray(one).tobytes(), digest_size=16).digest()
        for one in checked.X
        if np.ptp(one) > 0
    )
    if checked.regression:
        return FileGroup(found, None, np.array([len(checked.y)]), digests)
    return FileGroup(found, *np.unique(checked.y, return_counts=True), digests)


def compare_groups(told: dict[Any, FileGroup]) -> dict[str, Any]:
    """Check what can only be known of all groups.

    Parameters
    ----------
    told : dict of FileGroup by name

    Returns
    -------
    dict
        How many trials each group has: variables and coordinates of a Dataset.

    Raises
    ------
    ValueError
        For a trial in two groups, and for other classes.
    """
    owner: dict[bytes, Any] = {}
    for name, one in told.items():
        for digest in one.digests:
            if owner.setdefault(digest, name) != name:
                raise ValueError(
                    f"The files of {owner[digest]!r} and {name!r} share a trial: groups that share trials are not "
                    "independent. Remove copies, or put them into one file."
                )
    names, first = list(told), next(iter(told.values()))
    for name, one in told.items():
        if first.classes is not None and not np.array_equal(one.classes, first.classes):
            raise ValueError(f"Group {name!r} has the classes {one.classes.tolist()}, {names[0]!r} has "
                             f"{first.classes.tolist()}: maps of other classes have no mean.")  # fmt: skip
    counts = np.array([one.counts for one in told.values()])
    warn_of_sizes(counts.sum(axis=1), GroupTrials(np.array(names), np.arange(len(names))))
    if first.classes is None:
        return {"n_trials": ("group", counts[:, 0])}
    return {"n_trials": (("group", "class"), counts), "class": first.classes.astype(str)}
