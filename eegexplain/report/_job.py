"""The main job without its pictures: folds, training, held-out predictions and maps."""

import functools
from dataclasses import dataclass, field

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from eegexplain._text import readable
from eegexplain._validation import (
    check_array_like,
    check_bands,
    check_groups,
    check_option,
    lookup,
    positive_int,
    refuse_masked,
)
from eegexplain.inspection._errors import total_error
from eegexplain.inspection.decoding import is_shared
from eegexplain.report._decoding import banner, judge


def _syncnet(sfreq, seed):
    """SyncNet for trials at this sampling rate, with a start of its own for each seed."""
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
    n_seeds: int = 3
    seed: int = 0
    title: str = "EEG explained"


@dataclass(frozen=True)
class Fold:
    """Networks that differ by their seed alone, the trials they were trained on and the trials they never saw."""

    nets: tuple
    train: np.ndarray
    test: np.ndarray

    @property
    def net(self):
        """The first of the networks, for sections that show a single one."""
        return self.nets[0]


@dataclass
class Job:
    """Data, networks and what is known about both; sections of the report read this."""

    data: object
    options: Options
    bands: dict
    folds: list
    predicted: np.ndarray
    predicted_alone: np.ndarray
    decoding: object
    left_out: list = field(default_factory=list)
    bands_left_out: list = field(default_factory=list)

    @property
    def banner(self):
        """What every figure must carry; empty where the networks are shown to decode the classes."""
        return banner(self.decoding)

    @property
    def shared_subjects(self):
        """Whether trials of one subject are in training and test parts alike."""
        subject, folds = self.data.get("identities", {}).get("subject"), np.empty(len(self.data.y), int)
        for number, fold in enumerate(self.folds):
            folds[fold.test] = number
        return subject is not None and is_shared(folds, subject)

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
        """Explain each fold's networks on its held-out trials and average, over seeds first, then over folds.

        Parameters
        ----------
        make_explainer : callable
            Takes a frozen network and returns an unfitted explainer.
        prefix : str, default=""
            Which ``value`` and ``standard_error`` of the explanation to take, for example "class_".

        Returns
        -------
        xarray.Dataset
            What `average` describes, but ``standard_error`` is the total error: over networks and folds, or that of
            the same name there, now ``error_given_networks``, where it is larger. ``degrees_of_freedom`` is the number
            of folds less one. Where a fold holds out a single group, which tells nothing about the spread over groups,
            the error given the networks is over trials; the spread over folds holds that over groups.
        """
        parts = []
        for fold in self.folds:
            X, y, groups = self.held_out(fold)
            groups = groups if self.errors_over != "trials" and len(np.unique(groups)) > 1 else None
            explainers = (make_explainer(FrozenEstimator(net)) for net in fold.nets)
            parts.append([explainer.fit(X, y, groups=groups).explanation_ for explainer in explainers])
        mean = average(parts, prefix)
        mean["error_given_networks"] = mean["standard_error"]
        sizes = [len(fold.test) for fold in self.folds], [len(fold.train) for fold in self.folds]
        total = total_error(mean["network_value"].values, mean["standard_error"].values, *sizes)
        mean["standard_error"] = mean["standard_error"].copy(data=total)
        return mean.assign_attrs(degrees_of_freedom=len(self.folds) - 1)


def average(parts, prefix=""):
    """Mean of the explanations of several networks, over the seeds of a fold first, then over folds.

    Parameters
    ----------
    parts : list of list of xarray.Dataset
        One list per fold, in it one explanation per seed.
    prefix : str, default=""
        Which ``value`` and ``standard_error`` of the explanations to take, for example "class_".

    Returns
    -------
    xarray.Dataset
        ``network_value``, with dims ``fold`` and ``seed`` before the others, is the map of each network, ``value``
        their mean; ``seed_sd`` is the standard deviation over the seeds of a fold (root mean square over folds),
        ``fold_sd`` that of the folds' means, both NaN where there is only one. ``standard_error`` is that of
        ``value`` given these networks: networks of one fold share their trials, so their errors are averaged, not
        reduced, and those of folds add up as independent.
    """
    import xarray as xr

    def stacked(name):
        return xr.concat([xr.concat([part[f"{prefix}{name}"] for part in fold], "seed") for fold in parts], "fold")

    networks, errors = stacked("value"), stacked("standard_error").mean("seed")
    means = networks.mean("seed")
    mean = xr.Dataset(
        {
            "value": means.mean("fold"),
            "standard_error": np.sqrt((errors**2).sum("fold")) / len(parts),
            "seed_sd": np.sqrt((_deviation(networks, "seed") ** 2).mean("fold")),
            "fold_sd": _deviation(means, "fold"),
            "network_value": networks,
        }
    )
    every = [part.attrs for fold in parts for part in fold]
    scores = [attributes["perturbed_score"] for attributes in every if "perturbed_score" in attributes]
    return mean.assign_attrs(every[0] | ({"perturbed_score": float(np.mean(scores))} if scores else {}))


def _deviation(values, dim):
    """Standard deviation of a sample along a dim, NaN for a single value."""
    if values.sizes[dim] > 1:
        return values.std(dim, ddof=1)
    return values.isel({dim: 0}, drop=True) * np.nan


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
    make_model = lookup(MODELS, options.model, "model")
    n_seeds = positive_int("the number of seeds", options.n_seeds)
    X = check_array_like("X", data.X, ndim="n_trials, n_channels, n_times")
    for name in ("y", "subject"):
        refuse_masked(name, data[name])
    subject = None if data.subject is None else np.asarray(data.subject)
    data = type(data)(**{**data, "X": X, "y": np.asarray(data.y), "subject": subject})
    bands = check_bands(options.bands, data.sfreq, X.shape[2])
    bands, bands_left_out = inside_passband(bands, data.get("highpass"), data.get("lowpass"))
    data, left_out = only_scalp(with_readable_names(data))
    groups = None if data.subject is None else check_groups(data.subject, len(data.y))
    splits = split(data.y, groups, options.n_folds, options.seed)
    folds, predicted, alone = [], np.empty_like(data.y), np.empty((n_seeds, len(data.y)), data.y.dtype)
    for number, (train, test) in enumerate(splits):
        notify(f"training {n_seeds} networks of fold {number + 1} of {len(splits)} on {len(train)} trials")
        extra = {} if groups is None else {"groups": groups[train]}
        seeds = (own_seed(options.seed, number, which) for which in range(n_seeds))
        nets = tuple(make_model(data.sfreq, seed).fit(data.X[train], data.y[train], **extra) for seed in seeds)
        logits = np.array([logits_of(net, data.X[test]) for net in nets])
        predicted[test] = nets[0].classes_[logits.mean(axis=0).argmax(axis=1)]
        alone[:, test] = nets[0].classes_[logits.argmax(axis=2)]
        folds.append(Fold(nets, train, test))
    decoding = judge(data, predicted, [fold.test for fold in folds], options.seed)
    return Job(data, options, bands, folds, predicted, alone, decoding, left_out, bands_left_out)


def inside_passband(bands, highpass, lowpass):
    """Keep the bands of which a filter left at least half.

    Parameters
    ----------
    bands : dict of str to (float, float)
        In Hz.
    highpass, lowpass : float or None
        Limits of the filter that the data went through, in Hz; None where there is no such limit.

    Returns
    -------
    kept : dict of str to (float, float)
    left_out : list of str

    Raises
    ------
    ValueError
        When no band is left.
    """
    low, high = highpass or 0.0, lowpass or np.inf
    shares = {name: (min(stop, high) - max(start, low)) / (stop - start) for name, (start, stop) in bands.items()}
    kept = {name: limits for name, limits in bands.items() if shares[name] >= 0.5}
    if not kept:
        raise ValueError(f"The data were filtered to {low:g}-{high:g} Hz, which leaves none of the bands {bands}")
    return kept, [name for name in bands if name not in kept]


def own_seed(seed, *position):
    """Seed of the network at a position (fold, and place in it): networks that share a start have alike maps."""
    return int(np.random.SeedSequence(seed, spawn_key=position).generate_state(1)[0])


def logits_of(net, X):
    """Logits of a classifier, one column per class; of two classes half their difference, with both signs."""
    logits = net.decision_function(X)
    return logits if logits.ndim == 2 else np.stack([-logits, logits], axis=1) / 2


def with_readable_names(data):
    """The same trials with names of channels, classes and groups that files and terminals can take."""
    named = type(data)(**data)
    named.ch_names = [readable(name) for name in data.ch_names]
    for key in ("y", "subject"):
        if data.get(key) is not None and np.asarray(data[key]).dtype.kind in "UO":
            named[key] = np.array([readable(name) for name in data[key]])
    return named


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
