"""Train many estimators on one data set: those that know how share what does not depend on labels."""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone, is_classifier
from sklearn.utils.validation import has_fit_parameter

from eegexplain._checkpoint import Checkpoint, open_checkpoint
from eegexplain._containers import trials_to_study
from eegexplain._lazy import kept_lazy
from eegexplain._units import STACK, Unit, run_units
from eegexplain._validation import check_group_names, refuse_masked


def fit_many(
    estimator: Any,
    X: Any,
    y: Any = None,
    *,
    subsets: Any = None,
    targets: Any = None,
    random_states: Any = None,
    params: Any = None,
    groups: Any = None,
    n_jobs: int | None = None,
    checkpoint: str | os.PathLike | Checkpoint | None = None,
    verbose: int = 0,
) -> list[Any]:
    """Train many networks on one data set, as clones of one estimator.

    Each equals the clone that is fitted alone on its trials, targets and settings. Networks on the same trials share
    what depends neither on labels nor on seeds: with ``training="closed"`` spectra, whitening and
    logarithms. These are made of the trials of the subset alone; filters, regularisation and folds are chosen anew for
    each network, so that permuted labels give a valid null distribution.

    Parameters
    ----------
    estimator : estimator instance
        Is cloned, never changed. Estimators without a way to share are fitted one by one.
    X : array-like of shape (n_trials, ...), or a container
        Trials of all subsets, or what `datasets.read_trials` takes.
    y : array-like of shape (n_trials,) or (n_trials, n_outputs), str or None
        Labels or numbers; None with `targets`, or for those of a container.
    subsets : list of arrays of int, optional
        Numbers of the trials that each network is trained on; None is all of them. Like the next three a list with one
        entry per network, or with one entry for all.
    targets : array-like of shape (n_networks, n_trials), or list of arrays, optional
        In the place of `y`, each for all trials of `X`: permuted labels, say.
    random_states : list of int, optional
        Values of ``random_state``; None leaves the estimator's.
    params : list of dict, optional
        Settings as of ``set_params``.
    groups : array-like of shape (n_trials,), optional
        Passed to ``fit``, where this takes groups.
    n_jobs : int, optional
        Processes; the result does not depend on it.
    checkpoint : str or path-like, optional
        Folder that keeps what is trained: the same call goes on from there after an interruption. It holds pickles, so
        resume only what you trust. Give `random_states` with it, or an estimator that has one.
    verbose : int
        1 shows a progress bar.

    Returns
    -------
    fitted : list of estimators
        In the order of the lists.

    Raises
    ------
    ValueError
        For lists of several lengths, for trials that are not there, for a subset that lacks a class of its target, and
        for a damaged checkpoint, or one of another call.

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.models import SyncNetClassifier, fit_many
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.standard_normal((40, 2, 64)), np.arange(40) % 2
    >>> net = SyncNetClassifier(training="closed", readout="log_power", num_filters=4, sfreq=64, random_state=0)
    >>> null = fit_many(net, X, None, targets=[rng.permutation(y) for _ in range(3)])
    >>> len(null), null[0].predict(X).shape
    (3, (40,))
    """
    estimator, (X, own, groups) = trials_to_study(estimator, X, y if targets is None else None, groups)
    y = own if targets is None else y
    trials: Any = kept_lazy(X) if hasattr(X, "shape") else np.asarray(X)
    if trials.ndim < 2:
        raise ValueError(f"X must have shape (n_trials, ...) with trials of at least one value, got {trials.shape}.")
    groups = None if groups is None else check_group_names(groups, len(trials))
    checked = {
        "subsets": _checked_subsets(subsets, len(trials)),
        "targets": _checked_targets(targets, y, len(trials)),
        "random_states": [None] if random_states is None else list(random_states),
        "params": [{}] if params is None else list(params),
    }
    jobs = [Job(**dict(zip(_FIELDS, values, strict=True))) for values in _broadcast(checked)]
    if is_classifier(estimator):
        _refuse_lost_classes(jobs)
    # Training without chance shares nearly all, so that many networks of a stack cost less; of others, smaller stacks
    # spread better over processes.
    shared = not getattr(estimator, "_depends_on_seed", True)
    size = min(max(STACK, len(jobs) // 32), 4 * STACK) if shared else STACK // 2
    stacks = _stacks([job.subset for job in jobs], size)
    units = [Unit(_train, (estimator, trials, [jobs[place] for place in places], groups)) for places in stacks]
    fitted: list[Any] = [None] * len(jobs)
    kept = open_checkpoint(checkpoint, "networks", {"estimator": estimator, "X": trials, "groups": groups})
    found = run_units(units, n_jobs=n_jobs, checkpoint=kept, verbose=verbose, desc="training")
    for places, networks in zip(stacks, found, strict=True):
        for place, network in zip(places, networks, strict=True):
            fitted[place] = network
    return fitted


@dataclass(frozen=True)
class Job:
    """One network: numbers of its trials (None is all), target of all trials, seed (None: the clone's), settings."""

    subset: NDArray[Any] | None
    target: Any
    random_state: Any
    params: dict[str, Any]


_FIELDS = tuple(Job.__dataclass_fields__)


def _train(estimator, X, jobs, groups):
    """The networks of a stack, which have their trials in common."""
    subset = jobs[0].subset
    trials = X if subset is None else X[subset]
    settings = {}
    if groups is not None and has_fit_parameter(estimator, "groups"):
        settings = {"groups": groups if subset is None else groups[subset]}
    networks = [_network(estimator, job) for job in jobs]
    targets = [job.target if subset is None else job.target[subset] for job in jobs]
    together = getattr(estimator, "_fit_many", None)
    if together is not None:
        return together(networks, trials, targets, settings)
    return [network.fit(trials, target, **settings) for network, target in zip(networks, targets, strict=True)]


def _network(estimator, job):
    network = clone(estimator).set_params(**job.params)
    return network if job.random_state is None else network.set_params(random_state=job.random_state)


def _checked_subsets(subsets, n_trials):
    """Numbers of trials as arrays; [None] for all."""
    if subsets is None:
        return [None]
    checked = []
    for place, subset in enumerate(subsets):
        refuse_masked(f"subsets[{place}]", subset)
        subset = np.asarray(subset)
        if subset.ndim != 1 or not len(subset) or subset.dtype.kind not in "iu":
            raise ValueError(
                f"subsets[{place}] must hold numbers of trials (int), one axis, at least one; got shape "
                f"{subset.shape}, dtype {subset.dtype}. Turn a mask into numbers with np.flatnonzero."
            )
        if subset.min() < 0 or subset.max() >= n_trials:
            raise ValueError(
                f"subsets[{place}] names trial {subset.min() if subset.min() < 0 else subset.max()}, but X has "
                f"{n_trials} trials, 0 to {n_trials - 1}."
            )
        checked.append(subset)
    return checked


def _checked_targets(targets, y, n_trials):
    """Targets of all trials; y where none are given."""
    if targets is None and y is None:
        raise ValueError("y and targets are both None: give y, or one target per network.")
    named = [("y", y)] if targets is None else [(f"targets[{place}]", own) for place, own in enumerate(targets)]
    checked = []
    for name, target in named:
        target = target if hasattr(target, "shape") and not hasattr(target, "iloc") else np.asarray(target)
        if target.ndim == 0 or len(target) != n_trials:
            raise ValueError(f"{name} has shape {target.shape}, but X has {n_trials} trials: give one entry for each.")
        checked.append(target)
    return checked


def _broadcast(lists):
    """Tuples with one entry of each list; lists of one entry are repeated."""
    lengths = {name: len(values) for name, values in lists.items()}
    several = {name: length for name, length in lengths.items() if length != 1}
    if len(set(several.values())) > 1 or 0 in several.values():
        told = ", ".join(f"{length} {name}" for name, length in several.items())
        raise ValueError(f"every list needs one entry per network, or one for all networks; got {told}.")
    n_networks = max(lengths.values())
    return list(zip(*(list(values) * (n_networks // len(values)) for values in lists.values()), strict=True))


def _refuse_lost_classes(jobs):
    """Every class of a target must be among the trials of its subset: probabilities had other columns else."""
    for place, job in enumerate(jobs):
        if job.subset is None:
            continue
        lost = np.setdiff1d(job.target, job.target[job.subset])
        if len(lost):
            raise ValueError(
                f"the subset of network {place} ({len(job.subset)} trials) has no trial of class {lost.tolist()}: "
                "give subsets with trials of every class."
            )


def _stacks(subsets, size):
    """Places of networks with equal subsets, a few at a time, whatever the number of processes."""
    by_subset: dict[Any, list[int]] = {}
    for place, subset in enumerate(subsets):
        by_subset.setdefault(None if subset is None else subset.astype(np.int64).tobytes(), []).append(place)
    return [places[i : i + size] for places in by_subset.values() for i in range(0, len(places), size)]
