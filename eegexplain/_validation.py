"""The one door: every array, name and option given by a user is checked here."""

import difflib
import numbers
import sys
import warnings
from collections.abc import Collection, Iterable, Mapping
from typing import Any, overload

import numpy as np
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, column_or_1d, validate_data

from eegexplain._arrays import (  # noqa: F401  (the door of functions, re-exported: callers import from here)
    check_array_like,
    check_indices,
    check_labels,
    check_largest,
    check_mask,
    check_number,
    check_same_shape,
    first_not_finite,
    refuse_masked,
    refuse_text,
)
from eegexplain._lazy import LazyTrials, as_trials, kept_lazy, mean_trial  # noqa: F401  (re-exported)
from eegexplain._scale import level_range, warn_of_scale
from eegexplain._seeds import (  # noqa: F401  (re-exported)
    drawn_seeds,
    random_seed,
    seeded_parameters,
    spawn_seeds,
    with_seeds,
)

EEG_BANDS = {
    "delta": (1.0, 4.0),
    "theta": (4.0, 8.0),
    "alpha": (8.0, 13.0),
    "beta": (13.0, 30.0),
    "gamma": (30.0, 45.0),
}


def suggest(word: object, options: Iterable) -> str:
    """Return ``' Did you mean ...?'`` for the nearest option, or an empty string."""
    near = difflib.get_close_matches(str(word), [str(option) for option in options], n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else ""


def check_option(name: str, value: Any, allowed: Collection) -> Any:
    """Return `value` if it is one of `allowed`.

    Parameters
    ----------
    name : str
        The parameter's name, for the error.
    value : object
        What the user gave.
    allowed : sequence
        Valid values.

    Returns
    -------
    value : object

    Raises
    ------
    ValueError
        Naming the parameter, the valid values and the nearest one.
    """
    if isinstance(value, str) or value is None:
        if value in allowed:
            return value
    elif any(value is option or (type(value) is type(option) and value == option) for option in allowed):
        return value
    valid = ", ".join(repr(option) for option in allowed)
    raise ValueError(f"{name}={value!r} is not valid: choose one of {valid}.{suggest(value, allowed)}")


def lookup(registry: Mapping[str, Any], key: str, what: str) -> Any:
    """Return ``registry[key]``, or raise a `ValueError` that lists the keys and suggests the nearest."""
    return registry[check_option(what, key, list(registry))]


def _check_finite(X, estimator_name):
    """Raise a `ValueError` that names the first trial with a NaN or an infinity."""
    found = first_not_finite(X)
    if found is not None:
        (trial, *position), kind = found
        raise ValueError(
            f"Input X contains {kind} (first in trial {trial}, position {tuple(position)}). "
            f"{estimator_name} does not accept missing values encoded as NaN, nor infinities: drop or repair "
            "these trials first."
        )


def _check_shape(estimator, shape):
    """Compare the shape of given trials with that seen in ``fit``; scikit-learn compares the first axis only."""
    name = type(estimator).__name__
    if len(shape) == 3 and 0 in shape[1:]:
        raise ValueError(f"{name} got trials of shape {tuple(shape[1:])}: both axes need at least 1 entry.")
    fitted = getattr(estimator, "trial_shape_", None)
    if fitted is None or (len(shape) == 2 and len(fitted) == 1) or tuple(shape[1:]) == tuple(fitted):
        return  # 2-D against 2-D is scikit-learn's own check, with its own words
    raise ValueError(
        f"X has trials of shape {tuple(shape[1:])}, but {name} was fitted on trials of shape {tuple(fitted)} "
        "(n_channels, n_times): give trials with the same channels and times, in the same order."
    )


@overload
def validate_trials(estimator, X, *, reset: bool, kind: str | None = None) -> np.ndarray: ...
@overload
def validate_trials(estimator, X, y, *, reset: bool, kind: str | None = None) -> tuple[np.ndarray, np.ndarray]: ...
def validate_trials(estimator, X, y="no_validation", *, reset, kind=None):
    """Check trials (and targets) and remember their shape.

    Parameters
    ----------
    estimator : estimator instance
        Gets ``trial_shape_``, ``input_scale_`` (and ``n_features_in_``) when `reset` is true and is compared with them
        otherwise: another shape is an error, another unit a warning.
    X : array-like of shape (n_trials, n_channels, n_times) or (n_trials, n_times)
        Trials. Integers and numeric objects are converted to float64; float32 and float64 are kept, without a copy.
        Those that a file holds become `LazyTrials`, of which subsets hold nothing.
    y : array-like of shape (n_trials,) or (n_trials, n_targets), optional
        Class labels for classifiers, numbers for regressors.
    reset : bool
        True in ``fit``.
    kind : {"classifier", "regressor"}, optional
        How to check `y`; by default as the estimator's tags say.

    Returns
    -------
    X : ndarray of the shape given
    y : ndarray
        Only when `y` was given.

    Raises
    ------
    ValueError
        For NaN, infinite, complex, empty or 4-D `X`, for masked arrays (their mask would be lost), for trials of
        another shape than in ``fit``, and for `y` of another length.
    TypeError
        For sparse `X` and for text.
    """
    name = type(estimator).__name__
    refuse_masked("X", X)
    refuse_text("X", X)
    shape = getattr(X, "shape", None)
    if shape is not None and len(shape) > 3:
        raise ValueError(
            f"{name} expects X of shape (n_trials, n_channels, n_times) or (n_trials, n_times), got {len(shape)} "
            f"dimensions, shape {tuple(shape)}: flatten or drop the extra axes."
        )
    if not reset and shape is not None and len(shape) > 1 and shape[0] > 0:
        _check_shape(estimator, shape)
    given_y = not (isinstance(y, str) and y == "no_validation")
    if given_y and y is None:
        raise ValueError(f"{name} requires y to be passed, but the target y is None")
    X = kept_lazy(X)
    lazy, settings = isinstance(X, LazyTrials), {"dtype": [np.float64, np.float32], "ensure_all_finite": False}
    checked = validate_data(estimator, X[:1] if lazy else X, reset=reset, allow_nd=True, **settings)
    X = X if lazy else checked
    if X.ndim > 3:
        raise ValueError(f"{name} expects 2-D or 3-D X, got shape {X.shape}: flatten or drop the extra axes.")
    if not reset:
        _check_shape(estimator, X.shape)
    # networks that train on the same trials look at them once
    once = getattr(estimator, "_once", lambda function, *given: function(*given))
    once(_check_finite, X, name)
    if reset:
        if X.ndim == 3 and 0 in X.shape:
            raise ValueError(f"{name} got an empty X of shape {X.shape}: at least one channel and time are needed.")
        estimator.trial_shape_ = X.shape[1:]
        estimator.input_scale_ = once(level_range, X)
    else:
        warn_of_scale(X, getattr(estimator, "input_scale_", None), name)
    if not given_y:
        return X
    y = _check_target(y, kind or estimator.__sklearn_tags__().estimator_type)
    check_consistent_length(X, y)
    return X, y


def _check_target(y, kind):
    """Labels as a 1-D array for classifiers, finite float64 for regressors."""
    refuse_masked("y", y)
    shape = np.asarray(y, dtype=object).shape
    several = len(shape) == 2 and shape[1] > 1
    if kind == "classifier" and several:
        raise ValueError(
            f"y has {shape[1]} columns, but a classifier takes one label per trial (1d array). Labels that do "
            "not exclude each other are explained as numbers: as_estimator(module, classes=False)."
        )
    if kind == "regressor" or several:
        refuse_text("y", y)
        y = np.asarray(y)
        if y.ndim != 2 or y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        y = y.astype(np.float64)
        if not np.isfinite(y).all():
            raise ValueError("Input y contains NaN or infinity: drop these trials first.")
        return y
    y = column_or_1d(y, warn=True)
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise ValueError("Input y contains NaN or infinity: drop these trials first.")
    _refuse_mixed("y", y)
    if kind == "classifier":
        check_classification_targets(y)
    return y


def _refuse_mixed(name, labels):
    """Raise a `TypeError` for labels of several types, which have no order."""
    if labels.dtype == object:
        try:
            np.unique(labels)
        except TypeError:
            kinds = ", ".join(sorted({type(label).__name__ for label in labels.tolist()}))
            raise TypeError(f"{name} mixes labels of several types ({kinds}): give all of one, such as text.") from None


def positive_int(name: str, value: Any) -> int:
    """Return `value` as int; ValueError unless it is a whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
        raise ValueError(f"{name} is {value!r}; expected a whole number of at least 1.")
    return int(value)


def check_sfreq(sfreq: Any) -> float:
    """Return the sampling frequency in Hz as a float; it must be a finite number above 0."""
    real: Any = sfreq if isinstance(sfreq, numbers.Real) and not isinstance(sfreq, bool) else 0
    if not 0 < real <= sys.float_info.max:
        raise ValueError(f"sfreq must be a finite number of Hz above 0, got {sfreq!r}.")
    return float(sfreq)


def check_ch_names(ch_names: Any, n_channels: int) -> list[str]:
    """Return a list of `n_channels` unique channel names; None gives ``ch0, ch1, ...``."""
    if ch_names is None:
        return [f"ch{i}" for i in range(n_channels)]
    if isinstance(ch_names, str):
        raise ValueError(f"ch_names must be a list of {n_channels} names, got the single string {ch_names!r}.")
    names = [str(name) for name in ch_names]
    if len(names) != n_channels:
        raise ValueError(f"ch_names has {len(names)} names, but the trials have {n_channels} channels.")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"ch_names must be unique, but {', '.join(twice)} occur more than once.")
    return names


def check_groups(groups: Any, n_trials: int) -> np.ndarray:
    """Return integer codes ``0 .. n_groups - 1`` per trial; None makes every trial its own group."""
    if groups is None:
        return np.arange(n_trials)
    return np.unique(check_group_names(groups, n_trials), return_inverse=True)[1]


def check_group_names(groups: Any, n_trials: int) -> np.ndarray:
    """Return the group of each trial as it was named."""
    refuse_masked("groups", groups)
    groups = column_or_1d(groups)
    if groups.dtype.kind == "f" and np.isnan(groups).any():
        raise ValueError("groups contains NaN: name the group of every trial, or drop the trials without one.")
    if len(groups) != n_trials:
        raise ValueError(f"groups has length {len(groups)}, but there are {n_trials} trials.")
    _refuse_mixed("groups", groups)
    return groups


def check_bands(bands: Any, sfreq: float, n_times: int | None = None) -> dict[str, tuple[float, float]]:
    """Return frequency bands as ``{name: (fmin, fmax)}`` in Hz; a bin f belongs to a band when fmin <= f < fmax.

    Parameters
    ----------
    bands : "eeg" or dict of str to (float, float)
        "eeg" is delta 1-4, theta 4-8, alpha 8-13, beta 13-30, gamma 30-45 Hz; of these, the ones that begin below the
        Nyquist frequency (and, with `n_times`, contain a bin) are kept.
    sfreq : float
        Sampling frequency in Hz.
    n_times : int, optional
        When given, a band without a bin of the discrete Fourier transform of that length is an error.

    Returns
    -------
    bands : dict of str to tuple of float

    Raises
    ------
    ValueError
        For an unknown preset, an empty dict, limits out of order, a band above Nyquist or one without bins.
    """
    preset = isinstance(bands, str)
    if preset:
        bands = lookup({"eeg": EEG_BANDS}, bands, "bands")
    if not isinstance(bands, dict) or not bands:
        raise ValueError(f"bands must be 'eeg' or a dict of name to (fmin, fmax) in Hz, got {bands!r}.")
    nyquist = sfreq / 2
    frequencies = None if n_times is None else np.fft.rfftfreq(n_times, 1 / sfreq)
    resolution = sfreq / n_times if n_times else 0.0  # Hz; only told where trials have a length
    checked, lost = {}, []
    forgotten = " (1 where none is given: give sfreq)" if sfreq == 1 else ""
    for name, limits in bands.items():
        low, high = _band_limits(name, limits)
        empty = frequencies is not None and not in_band(frequencies, (low, high)).any()
        if preset and (low >= nyquist or empty):
            lost += [f"{name} ({low:g}-{high:g} Hz)"] if low < nyquist else []
            continue
        if low >= nyquist or (high > nyquist and not preset):
            raise ValueError(
                f"Band {name!r} ({low:g}-{high:g} Hz) exceeds the Nyquist frequency of {nyquist:g} Hz "
                f"(sfreq {sfreq:g} Hz{forgotten}): lower the band or give the right sfreq."
            )
        if empty:
            raise ValueError(
                f"Band {name!r} ({low:g}-{high:g} Hz) contains no frequency bin: {n_times} samples at {sfreq:g} Hz "
                f"resolve {resolution:g} Hz. Widen the band or use longer trials."
            )
        checked[str(name)] = (low, high)
    if not checked:
        raise ValueError(
            f"No band of the preset lies below the Nyquist frequency {nyquist:g} Hz (sfreq {sfreq:g} Hz{forgotten}) "
            "and contains a bin."
        )
    if lost:
        warnings.warn(
            f"{', '.join(lost)} left out: trials of {n_times} samples at {sfreq:g} Hz resolve {resolution:g} Hz "
            "and have no frequency bin there. Use longer trials, or name the bands you want.",
            stacklevel=3,
        )
    return checked


def in_band(frequencies, limits):
    """Say which frequencies lie in a band: its lower edge does, its upper one does not."""
    low, high = limits
    return (frequencies >= low) & (frequencies < high)


def _band_limits(name, limits):
    try:
        low, high = (float(limit) for limit in limits)
    except (TypeError, ValueError):
        raise ValueError(f"Band {name!r} must be a pair (fmin, fmax) in Hz, got {limits!r}.") from None
    if not 0 <= low < high or not np.isfinite(high):
        raise ValueError(f"Band {name!r} must satisfy 0 <= fmin < fmax, got ({low:g}, {high:g}).")
    return low, high
