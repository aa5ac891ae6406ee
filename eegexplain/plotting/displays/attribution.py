"""Attributions over time and frequency, and over trials."""


from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from eegexplain._text import plain
from eegexplain._validation import check_array_like, refuse_masked
from eegexplain.plotting._look import DIVERGING, make_look
from eegexplain.plotting._selection import pick_label, row_kind, row_title


class TimeFrequencyDisplay:
    """Attributions over time and frequency: STFT, wavelet, or band over time.

    Parameters
    ----------
    values : ndarray of shape (n_cells,)
        One value per cell.
    times : ndarray of shape (n_cells,)
        Centre of each cell in seconds.
    rows : ndarray of shape (n_cells,)
        Frequency of each cell in Hz, or its band's name.
    label : str
        What the values are; written at the colour bar.
    title : str

    Attributes
    ----------
    ax_, figure_, images_, colorbar_
        Artists of the last `plot`.

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.plotting import TimeFrequencyDisplay
    >>> times, frequencies = np.meshgrid(np.arange(5) / 2, np.arange(4) * 10.0)
    >>> display = TimeFrequencyDisplay(np.ones(20), times.ravel(), frequencies.ravel()).plot()
    >>> len(display.images_)
    1
    """

    def __init__(
        self, values: ArrayLike, times: ArrayLike, rows: ArrayLike, *, label: str = "", title: str = ""
    ):
        gaps = {"allow_nan": True, "allow_inf": True}
        self.values, self.times = check_array_like("values", values, **gaps), check_array_like("times", times, **gaps)
        self.rows = _cells("rows", rows, **gaps)
        if not self.values.shape == self.times.shape == self.rows.shape or self.values.ndim != 1:
            raise ValueError("values, times and rows are one per cell, got shapes "
                             f"{self.values.shape}, {self.times.shape} and {self.rows.shape}")
        self.label = label
        self.title = title

    @classmethod
    def from_explanation(cls, explanation, *, channel=None, output=None, trial=None, label=None):
        """Make a display from a `FLEXAttributor` explanation with times and frequencies (or bands) per coefficient.

        Parameters
        ----------
        explanation : xarray.Dataset
            For the bases "stft", "wavelet" or "time_bands".
        channel : str, optional
            Channel (or component) to show; None sums over all.
        output : str or int, optional
            Output, by label, else by index; needed where there are several.
        trial : int, optional
            Trial; None averages over trials.
        label : str, optional

        Returns
        -------
        TimeFrequencyDisplay

        Raises
        ------
        ValueError
            For an explanation without times per coefficient, and what is not there.
        """
        if "time" not in explanation.coords or "coefficient" not in explanation["value"].dims:
            raise ValueError("this explanation has no times per coefficient: explain with basis='stft', 'wavelet' or "
                             "'time_bands'")
        value, parts = explanation["value"], []
        if "output" in value.dims:
            value, name = _pick(value, "output", output)
            parts.append(row_title(name, row_kind(explanation)))
        if "trial" in value.dims:
            value = value.mean("trial") if trial is None else value.isel(trial=trial)
        row = next(dim for dim in value.dims if dim != "coefficient")
        if channel is None:
            value = value.sum(row)
        else:
            value, name = _pick(value, row, channel)
            parts.insert(0, name)
        rows = explanation["band" if "band" in explanation.coords else "frequency"].values
        label = explanation.attrs.get("label", "attribution") if label is None else label
        return cls(value.values, explanation["time"].values, rows, label=label, title=plain(", ".join(parts)))

    def plot(self, *, ax=None, vlim=None, cmap=None, fmin=0.0, fmax=45.0):
        """Draw the map.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
        vlim : float or pair, optional
            Limits of the colours; None is symmetric around zero.
        cmap : str, optional
        fmin, fmax : float
            Frequencies to show, in Hz.

        Returns
        -------
        self : TimeFrequencyDisplay

        Raises
        ------
        ValueError
            If no cell lies between the two frequencies.
        """
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots(figsize=(5.2, 3.2), layout="constrained")
        by_band = self.rows.dtype.kind == "U"
        names = list(dict.fromkeys(self.rows.tolist()))
        if not by_band:
            names = sorted(name for name in names if fmin <= name <= fmax)
            if not names:
                raise ValueError(f"no cell between {fmin:g} and {fmax:g} Hz")
        lows, highs = _edges(np.array(names, dtype=float)) if not by_band else (np.arange(len(names)) - 0.5,
                                                                              np.arange(len(names)) + 0.5)
        shown = np.isin(self.rows, names)
        look = make_look(self.values[shown], vlim, cmap or DIVERGING, False, 0)
        options = {"cmap": look.cmap, "vmin": look.vlim[0], "vmax": look.vlim[1], "rasterized": True}
        patches = self._patches(names, lows, highs)
        self.images_ = [ax.pcolormesh(patch.times, patch.frequencies, patch.values, **options) for patch in patches]
        self.ax_, self.figure_ = ax, ax.figure
        self.colorbar_ = ax.figure.colorbar(self.images_[0], ax=ax, label=self.label, aspect=25, pad=0.02)
        self.colorbar_.outline.set_linewidth(0.5)
        ax.set(xlabel="time (s)", title=self.title, xlim=(self.times.min(), self.times.max()))
        if by_band:
            ax.set_yticks(np.arange(len(names)), [plain(name) for name in names])
            ax.tick_params(axis="y", length=0)
        else:
            ax.set(ylabel="frequency (Hz)", ylim=(lows[0], min(highs[-1], fmax)))
        return self

    def _patches(self, names, lows, highs):
        """One grid where all rows share their times, else one strip per row."""
        rows = [np.flatnonzero(self.rows == name) for name in names]
        first = self.times[rows[0]]
        if all(len(row) == len(first) and np.array_equal(self.times[row], first) for row in rows):
            yield _Patch(np.append(*_last(_edges(first))), np.append(lows, highs[-1]), self.values[np.stack(rows)])
            return
        for row, low, high in zip(rows, lows, highs, strict=True):
            times = np.append(*_last(_edges(self.times[row])))
            yield _Patch(times, np.array([low, high]), self.values[row][None])


class _Patch(NamedTuple):
    """A grid of cells: borders of its columns and rows, and the values between them."""

    times: np.ndarray
    frequencies: np.ndarray
    values: np.ndarray


def _cells(name, given, **gaps):
    """Frequencies, or names of bands."""
    refuse_masked(name, given)
    cells = np.asarray(given)
    if cells.dtype.kind == "O" and all(isinstance(cell, str) for cell in cells.flat):
        cells = cells.astype(str)
    return cells if cells.dtype.kind == "U" else check_array_like(name, cells, **gaps)


def _edges(centres):
    """Lower and upper borders of cells around ascending centres."""
    if len(centres) == 1:
        return centres - 0.5, centres + 0.5
    middle = (centres[1:] + centres[:-1]) / 2
    lows = np.concatenate([[max(2 * centres[0] - middle[0], 0.0) if centres[0] >= 0 else 2 * centres[0] - middle[0]],
                           middle])
    return lows, np.concatenate([middle, [2 * centres[-1] - middle[-1]]])


def _last(borders):
    lows, highs = borders
    return lows, highs[-1:]


def _pick(value, dim, wanted):
    """Take one label of a dimension; the only one where none is wanted."""
    labels = [str(label) for label in value[dim].values]
    if wanted is None:
        if len(labels) > 1:
            raise ValueError(f"choose {dim}: one of {', '.join(labels)}")
        wanted = labels[0]
    index = pick_label(labels, wanted, dim)
    return value.isel({dim: index}), labels[index]


class TrialMapDisplay:
    """Trials by frequency (or band): how attributions vary from trial to trial, sorted by class.

    Parameters
    ----------
    values : ndarray of shape (n_trials, n_cells)
    cells : ndarray of shape (n_cells,)
        Frequencies in Hz, or names of bands.
    labels : sequence of length n_trials, optional
        Classes, by which trials are sorted.
    label, title : str

    Attributes
    ----------
    ax_, figure_, image_, colorbar_
        Artists of the last `plot`.
    order_ : ndarray of shape (n_trials,)
        Trials from top to bottom.

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.plotting import TrialMapDisplay
    >>> display = TrialMapDisplay(np.eye(4), np.arange(4.0), labels=["N3", "REM", "N3", "REM"]).plot()
    >>> display.order_.tolist()
    [0, 2, 1, 3]
    """

    def __init__(
        self,
        values: ArrayLike,
        cells: ArrayLike,
        labels: ArrayLike | None = None,
        *,
        label: str = "",
        title: str = "",
    ):
        self.values = check_array_like("values", values, dtype=float, allow_nan=True, allow_inf=True)
        self.cells = _cells("cells", cells)
        if self.values.ndim != 2 or self.values.shape[1:] != self.cells.shape:
            raise ValueError(f"values are (n_trials, n_cells) for {self.cells.size} cells, got {self.values.shape}")
        self.labels = None if labels is None else np.asarray(labels).astype(str)
        if self.labels is not None and self.labels.shape != self.values.shape[:1]:
            raise ValueError(f"labels are one per trial ({len(self.values)}), got {self.labels.shape}")
        self.label = label
        self.title = title

    @classmethod
    def from_explanation(cls, explanation, labels=None, *, channel=None, output=None, label=None):
        """Make a display from what `FLEXAttributor.explain` returns.

        Parameters
        ----------
        explanation : xarray.Dataset
            With trials and frequencies or bands.
        labels : sequence of length n_trials, optional
        channel : str, optional
            None sums over channels.
        output : str or int, optional
            Needed where there are several outputs.
        label : str, optional

        Returns
        -------
        TrialMapDisplay

        Raises
        ------
        ValueError
            For an explanation without trials, an unknown channel or output, and several outputs where none is chosen.
        """
        value, title = explanation["value"], []
        if "trial" not in value.dims:
            raise ValueError("this explanation has no trials: give what explain(X) returns")
        if "output" in value.dims:
            value, name = _pick(value, "output", output)
            title.append(row_title(name, row_kind(explanation)))
        row = value.dims[1]
        if channel is None:
            value = value.sum(row)
        else:
            value, name = _pick(value, row, channel)
            title.insert(0, name)
        cells = value[value.dims[-1]].values
        label = explanation.attrs.get("label", "attribution") if label is None else label
        return cls(value.values, cells, labels, label=label, title=plain(", ".join(title)))

    def plot(self, *, ax=None, vlim=None, cmap=None, fmin=0.0, fmax=45.0):
        """Draw one row per trial.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
        vlim : float or pair, optional
            Limits of the colours; None is symmetric around zero, at the 99th percentile of absolute values, so that
            single trials do not pale all others.
        cmap : str, optional
        fmin, fmax : float
            Frequencies to show, in Hz.

        Returns
        -------
        self : TrialMapDisplay

        Raises
        ------
        ValueError
            If no frequency lies between the two.
        """
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots(figsize=(5.2, 3.6), layout="constrained")
        by_band = self.cells.dtype.kind == "U"
        shown = np.ones(len(self.cells), bool) if by_band else (self.cells >= fmin) & (self.cells <= fmax)
        if not shown.any():
            raise ValueError(f"no frequency between {fmin:g} and {fmax:g} Hz")
        self.order_ = np.arange(len(self.values)) if self.labels is None else np.argsort(self.labels, kind="stable")
        values = self.values[self.order_][:, shown]
        vlim = np.quantile(np.abs(values), 0.99) or None if vlim is None else vlim
        look = make_look(values, vlim, cmap or DIVERGING, False, 0)
        lows, highs = ((np.arange(shown.sum()) - 0.5, np.arange(shown.sum()) + 0.5) if by_band
                       else _edges(self.cells[shown]))
        self.image_ = ax.pcolormesh(np.append(lows, highs[-1]), np.arange(len(values) + 1), values, cmap=look.cmap,
                                    vmin=look.vlim[0], vmax=look.vlim[1], rasterized=True)
        self.ax_, self.figure_ = ax, ax.figure
        self.colorbar_ = ax.figure.colorbar(self.image_, ax=ax, label=self.label, aspect=25, pad=0.02, extend="both")
        self.colorbar_.outline.set_linewidth(0.5)
        ax.invert_yaxis()
        ax.set(title=self.title, xlabel="" if by_band else "frequency (Hz)")
        if by_band:
            ax.set_xticks(np.arange(len(self.cells)), [plain(cell) for cell in self.cells])
        self._mark_classes(ax)
        return self

    def _mark_classes(self, ax):
        """Name the classes at the left and separate them."""
        if self.labels is None:
            ax.set_ylabel("trial")
            return
        names, counts = np.unique(self.labels, return_counts=True)
        ends = np.cumsum(counts)
        ax.set_yticks(ends - counts / 2, [plain(name) for name in names])
        ax.tick_params(axis="y", length=0)
        for end in ends[:-1]:
            ax.axhline(end, color="0.2", linewidth=0.8)
