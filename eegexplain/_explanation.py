"""The labelled result of an analysis: its dataset, its standard errors, the names of its cells."""

import functools
import hashlib
import importlib.metadata
import warnings

import numpy as np

from eegexplain._validation import check_groups

_UNITS = {"frequency": "Hz", "time": "s", "lag": "s"}
# Column names read "C3@10Hz@left": where, then what, then for whom.
_NAME_ORDER = ("channel", "region", "component", "source", "pair", "frequency", "band", "window", "time", "lag",
               "coefficient", "parameter", "filter", "unit", "layer", "output")  # fmt: skip


def make_explanation(value, dims, coords, *, standard_error=None, variables=None, **attrs):
    """Build the labelled result that every explainer stores as ``explanation_``.

    Parameters
    ----------
    value : array
        The explanation.
    dims : sequence of str
        One name per axis of `value`: ``output, channel, frequency | band | time | coefficient | filter`` and the like.
    coords : dict of str to sequence
        Coordinates per dim; dims without one are left bare.
    standard_error : array, optional
        Of the shape of `value`.
    variables : dict of str to (dims, array), optional
        Further variables.
    **attrs : dict
        ``method``, ``response`` and other facts of the analysis; the package's version is added.

    Returns
    -------
    dataset : xarray.Dataset
    """
    import xarray as xr

    from eegexplain import __version__

    data = {"value": (tuple(dims), value)}
    if standard_error is not None:
        data["standard_error"] = (tuple(dims), standard_error)
    data.update(variables or {})
    used = {dim for variable_dims, _ in data.values() for dim in variable_dims}
    coords = {dim: np.asarray(values) for dim, values in coords.items() if dim in used}
    return xr.Dataset(data, coords=coords, attrs={"version": __version__, **attrs})


ORIGIN = ("parameters", "data_hash", "libraries")  # attributes that say where an explanation is from
HASHED = 64  # trials that stand for all: a recording on disk is not read once more


def origin(explainer, X, y):
    """Return what tells an explanation from others: its parameters, its data, the versions it was made with.

    Parameters
    ----------
    explainer : explainer
    X : array of shape (n_trials, n_channels, n_times)
    y : array of shape (n_trials, ...) or None

    Returns
    -------
    dict of str to str
        ``data_hash`` is of the shape and type of `X`, of up to 64 of its trials, evenly spaced, and of all of `y`.
    """
    some = np.ascontiguousarray(X[np.unique(np.linspace(0, len(X) - 1, min(len(X), HASHED)).astype(int))])
    digest = hashlib.blake2b(f"{X.shape} {X.dtype.str}".encode(), digest_size=16)
    digest.update(some.data)
    if y is not None:
        digest.update(" ".join(map(str, np.asarray(y).ravel().tolist())).encode())
    parameters = " ".join(explainer.__repr__(N_CHAR_MAX=4000).split())
    return {"parameters": parameters, "data_hash": digest.hexdigest(), "libraries": _versions()}


@functools.cache
def _versions():
    names = ("numpy", "scipy", "scikit-learn", "torch", "skorch")
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)


def dismantled(dataset):
    """Return an explanation as dicts, lists and arrays alone, which every kind of storage keeps.

    Parameters
    ----------
    dataset : xarray.Dataset

    Returns
    -------
    dict
        ``variables`` and ``coords`` as name to (dims, array), and ``attrs``.
    """
    parts = {"variables": dataset.data_vars, "coords": dataset.coords}
    plain = {part: {name: (list(one.dims), _named(one.values)) for name, one in parts[part].items()} for part in parts}
    return {**plain, "attrs": dict(dataset.attrs)}


def _named(values):
    return values.astype(str) if values.dtype.kind == "O" else values


def assembled(parts):
    """Return the explanation that `dismantled` took apart.

    Parameters
    ----------
    parts : dict

    Returns
    -------
    xarray.Dataset
    """
    import xarray as xr

    return xr.Dataset(
        {name: tuple(one) for name, one in parts["variables"].items()},
        {name: tuple(one) for name, one in parts["coords"].items()},
        parts["attrs"],
    )


def population_error(influence, groups=None):
    """Return the standard error of a population value from its influence function.

    Parameters
    ----------
    influence : array of shape (n_trials, ...)
        Each trial's influence on the value; its mean over trials is close to zero. For a plain mean this is
        ``x - x.mean(0)``.
    groups : array of shape (n_trials,), optional
        Trials of one group (a subject, or the crops of a trial) are not independent: their influences are summed
        before squaring.

    Returns
    -------
    error : array of shape (...)
        NaN with fewer than two independent units.

    References
    ----------
    .. [1] K.-Y. Liang, S. L. Zeger, "Longitudinal data analysis using generalized linear models", Biometrika 73
           (1986), doi:10.1093/biomet/73.1.13.
    """
    influence = np.asarray(influence, dtype=np.float64)
    n_trials = len(influence)
    codes = check_groups(groups, n_trials)
    n_groups = int(codes.max()) + 1
    if n_groups < 2:
        return np.full(influence.shape[1:], np.nan)
    flat = influence.reshape(n_trials, -1)
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(n_groups))
    sums = flat if groups is None else np.add.reduceat(flat[order], starts, axis=0)
    scale = np.sqrt(n_groups / (n_groups - 1)) / n_trials
    return scale * np.sqrt((sums**2).sum(0)).reshape(influence.shape[1:])


def fold_error(values, n_test, n_train):
    """Standard error of a mean over cross-validation folds, whose training parts overlap.

    Parameters
    ----------
    values : array-like of shape (n_folds, ...)
        One value per fold: its networks' mean.
    n_test, n_train : array-like of shape (n_folds,)
        Trials of each fold's two parts.

    Returns
    -------
    ndarray of shape (...)
        ``fold_sd * sqrt(1 / n_folds + n_test / n_train)``, with the mean ratio; NaN for a single fold. Divided by it,
        the mean has a t distribution with ``n_folds - 1`` degrees of freedom.

    References
    ----------
    .. [1] C. Nadeau, Y. Bengio, "Inference for the generalization error", Machine Learning 52 (2003),
           doi:10.1023/A:1024068626366.
    """
    values = np.asarray(values, dtype=float)
    if len(values) < 2:
        return np.full(values.shape[1:], np.nan)
    overlap = np.mean(np.asarray(n_test, dtype=float) / np.asarray(n_train, dtype=float))
    return values.std(axis=0, ddof=1) * np.sqrt(1 / len(values) + overlap)


class RunningMean:
    """Mean of trial maps that arrive in blocks, and its standard error, clustered where there are groups.

    Held are sums of deviations from the first block's mean: squares of the maps themselves would cancel. Trials of one
    group are not independent, so groups keep a sum each, and the error is that of a ratio: `population_error` of each
    group's summed deviations from the grand mean (Liang and Zeger 1986, as there).

    Attributes
    ----------
    count : int
        Trials so far.
    """

    def __init__(self):
        self.count = 0
        self.total = self.square = self.shift = None
        self.groups = {}

    def add(self, maps: np.ndarray, groups: np.ndarray | None = None) -> None:
        """Add the maps of some trials.

        Parameters
        ----------
        maps : ndarray of shape (n_trials, ...)
        groups : ndarray of int, shape (n_trials,), optional
            Code of each trial's group; either every call has them, or none.
        """
        if not len(maps):
            return
        if self.shift is None:
            self.shift = maps.mean(0)
            self.total, self.square = np.zeros_like(self.shift), np.zeros_like(self.shift)
        centered = maps - self.shift
        self.count += len(maps)
        self.total += centered.sum(0)
        if groups is None:
            self.square += (centered**2).sum(0)
            return
        for group in np.unique(groups):
            inside = groups == group
            total, count = self.groups.get(group, (0.0, 0))
            self.groups[group] = total + centered[inside].sum(0), count + int(inside.sum())

    def mean(self) -> np.ndarray:
        """Mean over trials."""
        return self.shift + self.total / self.count

    def standard_error(self) -> np.ndarray:
        """Standard error of the mean; NaN with fewer than two independent units."""
        offset = self.total / self.count
        if self.groups:
            sums = np.stack([total - count * offset for total, count in self.groups.values()])
            return population_error(sums * (len(sums) / self.count))
        if self.count < 2:
            return np.full_like(offset, np.nan)
        variance = np.maximum(self.square / self.count - offset**2, 0.0)
        return np.sqrt(variance / (self.count - 1))


def order_by_content(X):
    """Put trials into a pseudo-random order that depends on what they hold, not on where they stand.

    What looks at some of the trials only (or merges neighbors) takes them in this order, so that results do not change
    when trials are rearranged. A position in the order is the fraction of a large multiple of a random projection.

    Parameters
    ----------
    X : array of shape (n_trials, n_channels, n_times)

    Returns
    -------
    order : array of int of shape (n_trials,)
    """
    weights = np.random.default_rng(0).standard_normal(X.shape[1:])
    keys = np.empty(len(X))
    for start in range(0, len(X), 64):
        block = np.asarray(X[start : start + 64], dtype=float)
        size = np.sqrt(np.einsum("bct,bct->b", block, block))
        projection = np.einsum("bct,ct->b", block, weights)
        keys[start : start + 64] = np.divide(projection, size, out=np.zeros(len(block)), where=size > 0)
    return np.argsort((keys * 1e4) % 1, kind="stable")


def format_coordinates(dim, values):
    """Return the shortest distinct strings for coordinates, with their unit: ``10Hz``, ``0.25s``, ``alpha``."""
    values = list(values)
    if not values or not isinstance(values[0], (float, np.floating)):
        prefix = "filter" if dim == "filter" and isinstance(values[0], (int, np.integer)) else ""
        return [f"{prefix}{value}" for value in values]
    if len(values) == 1:
        return [f"{values[0]:g}{_UNITS.get(dim, '')}"]
    for decimals in range(16):
        names = [f"{value:.{decimals}f}" for value in values]
        if len(set(names)) == len(names):
            break
    return [name + _UNITS.get(dim, "") for name in names]


def flat_names(coords):
    """Return one name per cell of an array whose axes have these coordinates (C order), e.g. ``C3@10Hz@left``."""
    named = {
        dim: format_coordinates(dim, values) for dim, values in coords.items() if dim != "output" or len(values) > 1
    }
    order = sorted(named, key=lambda dim: _NAME_ORDER.index(dim) if dim in _NAME_ORDER else len(_NAME_ORDER))
    index = np.indices([len(values) for values in coords.values()]).reshape(len(coords), -1)
    where = dict(zip(coords, index, strict=True))
    return np.array(["@".join(named[dim][where[dim][i]] for dim in order) for i in range(index.shape[1])], dtype=object)


def with_degrees_of_freedom(dataset, n_trials, groups):
    """Say how many independent units the errors rest on, less one, unless the analysis said so itself."""
    if "standard_error" in dataset:
        dataset.attrs.setdefault("degrees_of_freedom", n_trials - 1 if groups is None else int(groups.max()))
    return dataset


def warn_of_zeros(dataset):
    """Warn when a whole map is 0, evidence beside it too: more often a mistake than a finding."""
    if not any(dataset[name].values.any() for name in ("value", "evidence_value") if name in dataset):
        warnings.warn(
            "The whole map is 0: nothing of these trials moves what is explained. Look at their unit (volts or "
            "microvolts), at constant channels and at whether the network was trained.",
            stacklevel=3,
        )
