"""The main job without its pictures: folds, training, held-out predictions and maps."""

import functools
from dataclasses import dataclass, field

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from eegexplain._validation import check_bands, check_groups, check_option, lookup
from eegexplain.report._decoding import assess


def _syncnet(sfreq, seed):
    from eegexplain.models import SyncNetClassifier

    return SyncNetClassifier(sfreq=sfreq, random_state=seed)


MODELS = {"syncnet": _syncnet}


@dataclass(frozen=True)
class Options:
    """What the user chose."""

    model: str = "syncnet"
    bands: str | dict = "eeg"
    noise: str = "data"
    n_folds: int | None = None
    seed: int = 0
    title: str = "EEG explained"


@dataclass(frozen=True)
class Fold:
    """A network, the trials it was trained on and the trials it never saw."""

    net: object
    train: np.ndarray
    test: np.ndarray


@dataclass
class Job:
    """Data, networks and what is known about both; sections of the report read this."""

    data: object
    options: Options
    bands: dict
    folds: list
    predicted: np.ndarray
    decoding: object
    left_out: list = field(default_factory=list)

    @property
    def shared_subjects(self):
        """Whether trials of one subject are in training and test parts alike."""
        return self.groups is None and bool(self.data.get("shared_subjects", False))

    @property
    def groups(self):
        """Group of each trial, or None."""
        return self.data.subject

    @functools.cached_property
    def on_scalp(self):
        """Whether every channel has a place on the scalp, so that maps can be drawn."""
        return _have_places(self.data.ch_names)

    @property
    def errors_over(self):
        """What the errors of maps are over: "trials", "groups", or "folds" where one holds out a single group."""
        if self.groups is None:
            return "trials"
        return "groups" if all(len(np.unique(self.groups[fold.test])) > 1 for fold in self.folds) else "folds"

    def held_out(self, fold):
        """Trials, classes and groups that a fold's network never saw."""
        test = fold.test
        return self.data.X[test], self.data.y[test], None if self.groups is None else self.groups[test]

    def explain_folds(self, make_explainer, prefix=""):
        """Explain each fold's network on its held-out trials and average.

        Parameters
        ----------
        make_explainer : callable
            Takes a frozen network and returns an unfitted explainer.
        prefix : str, default=""
            Which ``value`` and ``standard_error`` of the explanation to take, for example "class_".

        Returns
        -------
        xarray.Dataset
            Means over folds; ``standard_error`` is that of the mean over trials or groups, ``fold_sd`` the standard
            deviation over the folds, their networks and their trials. A single group tells nothing about the spread
            over groups; where a fold holds out only one, the error is at least that of the mean over folds, each of
            which holds groups of its own.
        """
        parts = []
        for fold in self.folds:
            X, y, groups = self.held_out(fold)
            groups = groups if self.errors_over != "trials" and len(np.unique(groups)) > 1 else None
            parts.append(make_explainer(FrozenEstimator(fold.net)).fit(X, y, groups=groups).explanation_)
        mean = average(parts, prefix)
        if self.errors_over == "folds":
            mean["standard_error"] = np.maximum(mean["standard_error"], mean["fold_sd"] / np.sqrt(len(parts)))
        return mean


def average(parts, prefix=""):
    """Mean of the explanations of several folds: see `Job.explain_folds`."""
    import xarray as xr

    values = xr.concat([part[f"{prefix}value"] for part in parts], "fold")
    errors = xr.concat([part[f"{prefix}standard_error"] for part in parts], "fold")
    mean = xr.Dataset({"value": values.mean("fold"), "standard_error": np.sqrt((errors**2).sum("fold")) / len(parts)})
    mean["fold_sd"] = values.std("fold", ddof=1) if len(parts) > 1 else xr.full_like(mean["value"], np.nan)
    scores = [part.attrs["perturbed_score"] for part in parts if "perturbed_score" in part.attrs]
    return mean.assign_attrs(parts[0].attrs | ({"perturbed_score": float(np.mean(scores))} if scores else {}))


def run_job(data, options, notify):
    """Split, train and predict.

    Parameters
    ----------
    data : Bunch
        With ``X, y, sfreq, ch_names`` and ``subject``, the groups that are never split (or None).
    options : Options
    notify : callable
        Takes a sentence about the progress.

    Returns
    -------
    Job

    Raises
    ------
    ValueError
        For unknown options, one class, or fewer groups or trials than folds.
    """
    check_option("noise", options.noise, ("data", "independent"))
    model = lookup(MODELS, options.model, "model")(data.sfreq, options.seed)
    bands = check_bands(options.bands, data.sfreq, data.X.shape[2])
    data, left_out = only_scalp(data)
    groups = None if data.subject is None else check_groups(data.subject, len(data.y))
    splits = split(data.y, groups, options.n_folds, options.seed)
    folds, predicted = [], np.empty_like(data.y)
    for number, (train, test) in enumerate(splits, start=1):
        notify(f"training network {number} of {len(splits)} on {len(train)} trials")
        extra = {} if groups is None else {"groups": groups[train]}
        net = clone(model).fit(data.X[train], data.y[train], **extra)
        predicted[test] = net.predict(data.X[test])
        folds.append(Fold(net, train, test))
    return Job(data, options, bands, folds, predicted, assess(data.y, predicted, groups), left_out)


def only_scalp(data):
    """Leave out channels that are no electrode of the 10-05 system, where most are."""
    located = np.array([_have_places([name]) for name in data.ch_names])
    if located.all() or located.mean() < 0.5:
        return data, []
    kept = type(data)(**data)
    kept.X = data.X[:, located]
    kept.ch_names = [name for name, inside in zip(data.ch_names, located, strict=True) if inside]
    return kept, [name for name, inside in zip(data.ch_names, located, strict=True) if not inside]


def _have_places(ch_names):
    """Whether these channels have places on the scalp, each its own."""
    from eegexplain.plotting import channel_positions

    try:
        channel_positions(ch_names)
    except ValueError:
        return False
    return True


def split(y, groups, n_folds, seed):
    """Folds of trials, stratified by class; groups are never split.

    Raises
    ------
    ValueError
        For one class, and for fewer groups or trials of a class than folds.
    """
    counts = np.unique(y, return_counts=True)[1]
    if len(counts) < 2:
        raise ValueError(f"Decoding needs at least 2 classes, but all {len(y)} trials are of one")
    units = int(counts.min()) if groups is None else min(int(counts.min()), len(np.unique(groups)))
    what = "trials of the smallest class" if groups is None else "groups (or trials of the smallest class)"
    n_folds = min(5, units) if n_folds is None else n_folds
    if units < 2:
        raise ValueError(f"Decoding needs at least 2 {what}, there is {units}")
    if n_folds < 2 or n_folds > units:
        raise ValueError(f"There must be at least 2 folds and at most as many as {what} ({units}), got {n_folds}")
    if groups is None:
        return list(StratifiedKFold(n_folds, shuffle=True, random_state=seed).split(y, y))
    splits = list(StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed).split(y, y, groups))
    if any(len(np.unique(y[train])) < len(counts) or not len(test) for train, test in splits):
        raise ValueError(
            f"With {n_folds} folds of {units} groups a training part lacks a class: use fewer folds, or more groups of "
            "each class"
        )
    return splits
