"""The main job without its pictures: folds, training, held-out predictions and maps."""

import functools
from dataclasses import dataclass, field

import numpy as np

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
from eegexplain.inspection.cross_validation import (
    HeldOutPredictions,
    fold_numbers,
    predict_held_out,
    split_trials,
    train_folds,
)
from eegexplain.inspection.decoding import is_shared
from eegexplain.inspection.fold_maps import errors_over, explain_folds
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


@dataclass
class Job:
    """Data, networks and what is known about both; sections of the report read this."""

    data: object
    options: Options
    bands: dict
    folds: list
    predicted: HeldOutPredictions
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
        subject = self.data.get("identities", {}).get("subject")
        return subject is not None and is_shared(fold_numbers(self.folds, len(subject)), subject)

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
        return errors_over(self.folds, self.groups)

    def held_out(self, fold):
        """Trials, classes and groups that a fold's network never saw."""
        test = fold.test
        return self.data.X[test], self.data.y[test], None if self.groups is None else self.groups[test]

    def explain_folds(self, explainer, prefix=""):
        """Explain each fold's networks on its held-out trials; see `eegexplain.inspection.fold_maps.explain_folds`."""
        options = {"groups": self.groups, "random_state": self.options.seed, "prefix": prefix}
        return explain_folds(explainer, self.folds, self.data.X, self.data.y, **options)


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
    splits = split_trials(data.y, groups, options.n_folds, options.seed)
    make_net = functools.partial(make_model, data.sfreq)
    settings = {"groups": groups, "n_seeds": n_seeds, "seed": options.seed, "notify": notify}
    folds = train_folds(make_net, data.X, data.y, splits, **settings)
    predicted = predict_held_out(folds, data.X, data.y)
    decoding = judge(data, predicted.together, fold_numbers(folds, len(data.y)), options.seed)
    return Job(data, options, bands, folds, predicted, decoding, left_out, bands_left_out)


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
