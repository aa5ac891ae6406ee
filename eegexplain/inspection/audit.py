"""Is it the brain? How much of a map lies where eyes, muscles and mains show, beside the same share in the data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from eegexplain._containers import is_container, trials_of
from eegexplain._text import readable
from eegexplain._validation import check_bands, check_groups, check_number, check_sfreq
from eegexplain.inspection._artifacts import line_columns, muscle_columns, ocular_columns, place_of
from eegexplain.inspection._errors import SMALLEST
from eegexplain.inspection._families import as_explanation
from eegexplain.inspection._grid import channels_of
from eegexplain.inspection.contrast import contrasts_without, power, power_contrast

N_BLOCKS = 20  # of trials or groups, each left out once
MEANING = {
    "ocular": "eye movements",
    "muscle": "muscles",
    "line": "the mains",
}


@dataclass(frozen=True)
class ArtifactShare:
    """How much of a map lies on the cells of one kind of artifact.

    Parameters
    ----------
    kind : {"ocular", "muscle", "line"}
    share, standard_error : float
        Of the sum of absolute values of the map (0 to 1). NaN where errors are not known.
    data_share, data_standard_error : float
        The same of how the power of the classes differs in the data.
    difference_interval : tuple of (float, float)
        95 % interval of `share` less `data_share`.
    cells : float
        Share of the cells: what a map without any structure has.
    peak : str
        Largest of these cells, if in its band (or bin) no other channel is larger and it is beyond zero; else empty.
    unknown : str
        Why there is nothing to say; else empty.
    """

    kind: str
    share: float = np.nan
    standard_error: float = np.nan
    data_share: float = np.nan
    data_standard_error: float = np.nan
    difference_interval: tuple[float, float] = (np.nan, np.nan)
    cells: float = np.nan
    peak: str = ""
    unknown: str = ""

    @property
    def beside_data(self) -> str:
        """The share is "more than", "less than" or "not shown to differ from" that of the data."""
        low, high = self.difference_interval
        return "more than" if low > 0 else "less than" if high < 0 else "not shown to differ from"

    def __str__(self):
        """One clause."""
        if self.unknown:
            return f"{self.kind}: not audited, {self.unknown}"
        error = "" if np.isnan(self.standard_error) else f" ± {100 * self.standard_error:.1f}"
        told = (
            f"{self.kind}: {100 * self.share:.1f} %{error} of the map, {self.beside_data} the "
            f"{100 * self.data_share:.1f} % ± {100 * self.data_standard_error:.1f} of the data's class difference"
        )
        return f"{told}, with a peak at {self.peak}" if self.peak else told


@dataclass(frozen=True)
class ArtifactAudit:
    """What of a map may be artifact.

    Parameters
    ----------
    shares : tuple of ArtifactShare
        Ocular, muscle and line.
    unplaced : tuple of str
        Channels whose names say nothing about their place: neither ocular nor muscle cells.
    """

    shares: tuple
    unplaced: tuple = ()

    @property
    def flagged(self) -> tuple[str, ...]:
        """Kinds of which the map has a peak."""
        return tuple(one.kind for one in self.shares if one.peak)

    def __str__(self):
        """One sentence, the verdict first."""
        peaks = " and ".join(f"{MEANING[one.kind]} ({one.peak})" for one in self.shares if one.peak)
        verdict = f"Peaks where {peaks} show" if peaks else "No peak where eye movements, muscles or the mains show"
        if all(one.unknown for one in self.shares):
            verdict = "Artifacts not audited"
        told = f"{verdict}; {'; '.join(map(str, self.shares))}"
        return told + (f"; places not known: {', '.join(map(readable, self.unplaced))}" if self.unplaced else "") + "."


def artifact_audit(
    explanation: Any,
    X: Any,
    y: Any = None,
    *,
    sfreq: float | None = None,
    bands: Any = "eeg",
    groups: Any = None,
    line_frequency: float = 50.0,
    ocular: Sequence[str] | None = None,
    muscle: Sequence[str] | None = None,
) -> ArtifactAudit:
    """Compare how much of a map lies where eyes, muscles and the mains show with how much of the class difference does.

    Parameters
    ----------
    explanation : fitted explainer, CrossValidatedExplanation or dataset
        By channel, and band or frequency.
    X : array-like of shape (n_trials, n_channels, n_times)
        The trials, with the channels of the explanation.
    y : array-like of shape (n_trials,)
        Classes.
    sfreq : float, optional
        Sampling rate in Hz; needed for arrays.
    bands : "eeg" or dict of str to (float, float), default="eeg"
        Limits of the explanation's bands in Hz.
    groups : array-like of shape (n_trials,), optional
        Subjects or recordings: the error of the data's share is over them.
    line_frequency : float, default=50.0
        Of the mains, in Hz.
    ocular, muscle : sequence of str, optional
        Channels near the eyes, and over muscles. None tells them by name: frontal rows; the edge of the 10-05
        system [1]_.

    Returns
    -------
    ArtifactAudit

    Raises
    ------
    ValueError
        For a map by anything but channel and band or frequency, other channels or bands than the trials have, unknown
        names in `ocular` or `muscle`, and one class.

    Notes
    -----
    Ocular cells are frontal channels below 8 Hz, muscle cells channels of the edge from 13 Hz on, line cells all
    channels within 1 Hz of the mains and its harmonics. What lies there need not be artifact: frontal theta and
    temporal beta are of the brain, too, and volume conduction brings what has its peak elsewhere. A kind is therefore
    *flagged* only if in one of its bands the map is largest there, and beyond zero (Bonferroni over the kind's bands).

    The error of a share comes from the folds of a cross-validation, with the factor of the map's own errors: the share
    is linearized, so that how cells go together is in it. Without folds it is an upper bound, as though all cells erred
    together. The data's share has the jackknife's error over 20 blocks of trials, or groups. "More" and "less" mean
    that the 95 % interval of the difference leaves out 0, with both errors taken as independent. The shares of data
    and map are of different quantities: noise is spread over all cells of the data's difference.

    References
    ----------
    .. [1] I. I. Goncharova et al., "EMG contamination of EEG: spectral and topographical characteristics", Clinical
           Neurophysiology 114 (2003), doi:10.1016/S1388-2457(03)00093-2.

    Examples
    --------
    >>> from eegexplain.datasets import make_oscillatory_eeg
    >>> from eegexplain.inspection import artifact_audit, power_contrast
    >>> eeg = make_oscillatory_eeg(200, random_state=0)
    >>> found = power_contrast(eeg.X, eeg.y, sfreq=eeg.sfreq, bands="eeg", ch_names=eeg.ch_names)
    >>> artifact_audit(found, eeg.X, eeg.y, sfreq=eeg.sfreq).flagged
    ()
    """
    found = as_explanation(explanation)
    channels = channels_of(found, "The explanation")
    X, y, groups = read = trials_of(X, y, groups, sfreq=sfreq, ch_names=channels if is_container(X) else None)
    sfreq = check_sfreq(read.sfreq)
    table = _columns(found, bands, sfreq)
    given = {"ocular": ocular, "muscle": muscle}
    for kind, names in given.items():
        unknown = [name for name in names or () if name not in channels]
        if unknown:
            raise ValueError(f"{kind} names {', '.join(unknown)}, which are no channels of the explanation.")
    data = _contrasts(found, X, y, bands, sfreq, groups)
    check_number("line_frequency", line_frequency, above=0)
    masks = _masks(channels, list(table.values()), given, line_frequency)
    shares = tuple(_share(kind, mask, found, data, table) for kind, mask in masks.items())
    placed = {name for names in given.values() for name in names or ()}
    unplaced = tuple(name for name in channels if name not in placed and place_of(name) is None)
    return ArtifactAudit(shares, () if ocular is not None and muscle is not None else unplaced)


def _columns(found, bands, sfreq):
    """Limits of each band, or of each bin twice its frequency."""
    value = found["value"]
    if "frequency" in value.dims:
        return {f"{f:g} Hz": (float(f), float(f)) for f in value["frequency"].values}
    if "band" not in value.dims:
        raise ValueError(f"The explanation has the axes {', '.join(value.dims)}: an audit needs bands or frequencies.")
    limits: Mapping[str, Any] = check_bands(bands, sfreq)
    names = [name for name in value["band"].values.astype(str) if name != "residual"]
    missing = [name for name in names if name not in limits]
    if missing:
        raise ValueError(f"The limits of {', '.join(missing)} are not known: give bands as a dict, in Hz.")
    return {name: limits[name] for name in names}


def _contrasts(found, X, y, bands, sfreq, groups):
    """The data's class difference, of all trials and without each block: (1 + n_blocks, n_outputs, ...)."""
    n_channels, shape = found.sizes["channel"], np.shape(X)
    if len(shape) != 3 or shape[1] != n_channels:
        raise ValueError(f"X must be (n_trials, {n_channels} channels, n_times) as the explanation, got {shape}.")
    dim = "frequency" if "frequency" in found["value"].dims else "band"
    bands = None if dim == "frequency" else check_bands(bands, sfreq, shape[-1])
    whole = power_contrast(X, y, sfreq=sfreq, bands=bands, groups=groups)
    columns = _places(found["value"][dim].values, whole[dim].values)
    codes = np.unique(y, return_inverse=True)[1]
    blocks = _blocks(codes, None if groups is None else check_groups(groups, len(X)))
    X = np.asarray(X, dtype=np.float64)
    powers = power(X / (np.abs(X).max() or 1.0), sfreq, bands)
    without = contrasts_without(powers, codes, blocks)
    every = [whole["value"].values[None], *([without] if len(without) else [])]
    return np.concatenate(every)[..., columns]


def _places(wanted, known):
    """Where the columns of the explanation are among those of the trials."""
    if known.dtype.kind == "f":
        places = np.abs(np.subtract.outer(wanted, known)).argmin(axis=1)
        if not np.allclose(known[places], wanted):
            raise ValueError("The explanation has frequencies that trials of this length and sfreq do not have.")
        return places
    return [known.tolist().index(name) for name in wanted.astype(str) if name != "residual"]


def _blocks(codes, groups):
    """At most so many blocks of whole groups, or of trials with equal shares of the classes."""
    if groups is not None:
        return groups % N_BLOCKS
    place = np.empty(len(codes), int)
    for code in range(codes.max() + 1):
        inside = np.flatnonzero(codes == code)
        place[inside] = np.arange(len(inside)) % N_BLOCKS
    return place


def _masks(channels, columns, given, line):
    """Cells (n_channels, n_columns) of each kind."""
    places = [place_of(name) for name in channels]
    by_name = {
        kind: [place is not None and getattr(place, kind) for place in places] for kind in ("ocular", "muscle")
    }
    rows = {
        kind: np.array(by_name[kind]) if names is None else np.isin(channels, list(names))
        for kind, names in given.items()
    }
    return {
        "ocular": np.outer(rows["ocular"], ocular_columns(columns)),
        "muscle": np.outer(rows["muscle"], muscle_columns(columns)),
        "line": np.outer(np.ones(len(channels), bool), line_columns(columns, line)),
    }


def _share(kind, mask, found, data, table):
    """Everything about one kind."""
    if not mask.any():
        why = "no cell at its frequency" if kind == "line" else "no cell of such channels and frequencies"
        return ArtifactShare(kind, unknown=why)
    value = _by_column(found["value"], table)
    size = np.abs(value).sum()
    if not np.isfinite(size) or not size > 0:
        return ArtifactShare(kind, unknown="the map is 0, or not finite")
    share = float(np.abs(value)[..., mask].sum() / size)
    error, degrees = _error(found, value, mask, share, table)
    of_data = _shares_of(data, mask)
    blocks = of_data[1:]
    data_error = float(np.sqrt((len(blocks) - 1) * blocks.var())) if len(blocks) > 1 else np.nan
    both, t = np.hypot(np.nan_to_num(error), np.nan_to_num(data_error)), stats.t.isf(0.025, max(1, degrees))
    difference = share - float(of_data[0])
    interval = (-np.inf, np.inf) if np.isnan(error) else (difference - t * both, difference + t * both)
    return ArtifactShare(
        kind,
        share,
        error,
        float(of_data[0]),
        data_error,
        (float(interval[0]), float(interval[1])),
        float(mask.mean()),
        _peak(found, value, mask, table, kind),
    )


def _by_column(value, table):
    """Values with channels and columns last."""
    dim = "frequency" if "frequency" in value.dims else "band"
    value = value if dim == "frequency" else value.sel(band=list(table))
    return value.transpose(..., "channel", dim).values.astype(float)


def _shares_of(values, mask):
    size = np.abs(values).sum(axis=(1, 2, 3))
    return np.abs(values)[..., mask].sum(axis=(1, 2)) / np.where(size > 0, size, 1.0)


def _error(found, value, mask, share, table):
    """Standard error of a share and its degrees of freedom.

    A share S = sum |v| inside / sum |v| moves with each cell by (inside - S) sign(v) / sum |v|.
    """
    degrees = int(found.attrs.get("degrees_of_freedom", 0))
    slope = (mask - share) * np.sign(value) / np.abs(value).sum()
    if "fold_value" in found and found.sizes["fold"] > 1:
        folds = found["fold_value"].mean("seed").transpose("fold", ...)
        moved = np.array([(slope * _by_column(fold, table)).sum() for fold in folds])
        with np.errstate(divide="ignore", invalid="ignore"):
            factors = (found["standard_error"] / found["fold_sd"]).values  # one for all cells, or more in a few
        factors = factors[np.isfinite(factors)]
        if len(factors):
            return float(moved.std(ddof=1) * np.median(factors)), degrees
    if "standard_error" not in found or not degrees:
        return np.nan, degrees
    return float((np.abs(slope) * np.nan_to_num(_by_column(found["standard_error"], table))).sum()), degrees


def _peak(found, value, mask, table, kind):
    """The largest cell of a kind, if no other channel is larger in its column and it is beyond zero."""
    size = np.abs(value)
    size = size.reshape(-1, *mask.shape)
    known = np.ones(size.shape, bool)
    if "standard_error" in found and found.attrs.get("degrees_of_freedom"):
        error = _by_column(found["standard_error"], table).reshape(size.shape)
        known = _known(size, error, kind, mask, int(found.attrs["degrees_of_freedom"]))
    if kind == "line":  # of all channels: larger than at neighboring frequencies
        outside = np.where(mask, 0.0, size).max(axis=2, keepdims=True)
        largest = mask & (size > outside)
    else:
        largest = mask & (size == size.max(axis=1, keepdims=True))
    peaks = np.where(largest & known & (size > 0), size, 0.0)
    if not peaks.any():
        return ""
    _, channel, column = np.unravel_index(peaks.argmax(), peaks.shape)
    return f"{readable(found['value']['channel'].values[channel])} {readable(list(table)[column])}"


def _known(size, error, kind, mask, degrees):
    """Cells beyond zero if they are the peak of their column; at least a twentieth of the largest cell of the map.

    A kind has one candidate in each of its columns, so Bonferroni's limit counts columns (of two classes' mirrored maps
    once); of the mains, whose candidates are of all channels, cells.
    """
    candidates = mask.sum() if kind == "line" else mask.any(axis=0).sum()
    limit = stats.t.isf(0.025 / (candidates * (1 if len(size) == 2 else len(size))), degrees)
    return (size > limit * np.nan_to_num(error)) & (size >= SMALLEST * size.max())
