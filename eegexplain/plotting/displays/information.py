"""Information maps: bars of bits per cell, steps along an axis, scalps with one scale from zero."""

import textwrap
from typing import Any

import numpy as np

from eegexplain._text import plain
from eegexplain._total import total_information
from eegexplain.plotting._drafts import draft, replace_draft
from eegexplain.plotting._ink import ink
from eegexplain.plotting.displays import _shares
from eegexplain.plotting.displays._bars import Bars
from eegexplain.plotting.displays._shares import ORDERED, SMALLEST_FONT, cell_names
from eegexplain.plotting.scalp.positions import own_positions

WIDTH = 3.35  # inches: a column of 85 mm
MOST_SCALPS = 8
SMALLEST_SCALE = 0.01  # of the entropy of the label: no colors for less


class InformationDisplay:
    """How many bits a decoder takes from each cell, beside the total and the entropy of the label.

    One axis of cells is drawn as bars (an axis of numbers as steps), channels in bands as one scalp per band with one
    scale in bits, other pairs of axes as a table of colors. Where the gate is closed all cells are grey, and the title
    says that information is not shown. Shares of a whole (Shapley) are bars that begin where the last one ended, and
    reach the total.

    Parameters
    ----------
    explanation : xarray.Dataset
        Of `eegexplain.information.InformationMapper`, of one network or cross-validated.
    truth : dict of str to array, optional
        Exact values, drawn as diamonds: under "unique", "alone" and "shapley" an array of the shape of the cells, under
        "total" a number.
    mask : array of bool of the shape of the cells, optional
        Cells that are told from 0; others are light, on scalps without a dot. None takes those with a corrected p of
        at most .05, in maps without p values those whose 95 % interval lies above 0.

    Attributes
    ----------
    ax_, axes_, figure_, title_
        Artists of the last `plot`.

    Examples
    --------
    >>> from sklearn.frozen import FrozenEstimator
    >>> from eegexplain import SyncNetClassifier
    >>> from eegexplain.datasets import make_oscillatory_eeg
    >>> from eegexplain.information import InformationMapper
    >>> from eegexplain.plotting import InformationDisplay
    >>> eeg = make_oscillatory_eeg(n_trials=160, random_state=0)
    >>> net = SyncNetClassifier(sfreq=eeg.sfreq).fit(eeg.X[:100], eeg.y[:100])
    >>> mapper = InformationMapper(FrozenEstimator(net), sfreq=eeg.sfreq, random_state=0).fit(eeg.X[100:], eeg.y[100:])
    >>> InformationDisplay.from_estimator(mapper).ax_.get_ylabel()
    'information (bits)'
    """

    def __init__(self, explanation: Any, *, truth: dict | None = None, mask: Any = None):
        self.total = total_information(explanation)
        self.explanation = explanation
        value = explanation["value"]
        if value.ndim not in (1, 2):
            raise ValueError(
                f"Information is drawn over one or two axes, this map has {', '.join(value.dims) or 'none'}: take one "
                "of them, for example explanation.isel(...)."
            )
        if not np.isfinite(value).any():
            raise ValueError("No value is finite: there is nothing to draw.")
        self.amounts = _shares.read_amounts(explanation, mask)
        self.truth = _shares.read_truth(truth, value.shape)

    @classmethod
    def from_explanation(cls, explanation, *, truth=None, mask=None):
        """Make a display from a labelled explanation; nothing is drawn yet.

        Parameters
        ----------
        explanation : xarray.Dataset
            Of one network, or cross-validated.
        truth, mask
            As of the class.

        Returns
        -------
        InformationDisplay

        Raises
        ------
        ValueError
            For an explanation of something else, more than two axes, no finite value, and a truth or mask of another
            shape.
        """
        return cls(explanation, truth=truth, mask=mask)

    @classmethod
    def from_estimator(cls, estimator, *, truth=None, mask=None, **plot_options):
        """Draw the explanation of a fitted explainer; a later `plot` takes the place of this figure.

        Parameters
        ----------
        estimator : fitted InformationMapper
        truth, mask
            As of the class.
        **plot_options : dict
            For `plot`.

        Returns
        -------
        InformationDisplay
        """
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(estimator, "explanation_")
        display = cls.from_explanation(estimator.explanation_, truth=truth, mask=mask)
        plot_options.setdefault("positions", own_positions(estimator, estimator.explanation_))
        return draft(display.plot(**plot_options), plot_options.get("ax"))

    def plot(self, *, ax=None, positions=None, figsize=None, title=None):
        """Draw the map.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw bars, steps or a table; None makes a figure.
        positions : None, str, mne.channels.DigMontage, mne.Info or array of shape (n_channels, 2 or 3)
            Where the electrodes lie, for scalps; None looks their names up.
        figsize : (float, float), optional
            In inches; None is a column of a paper, or as wide as the cells need.
        title : str, optional
            None is the sentence of the total, which says whether information is shown.

        Returns
        -------
        self : InformationDisplay

        Raises
        ------
        ValueError
            For one `ax` and several scalps.
        """
        replace_draft(self)
        dims = self.explanation["value"].dims
        if len(dims) == 1:
            self._plot_bars(ax, figsize)
        elif (plane := self._places(positions)) is not None:
            if ax is not None:
                raise ValueError("ax takes one panel, but there is a scalp for each band: leave it out.")
            self._plot_scalps(plane, figsize)
        else:
            self._plot_table(ax, figsize)
        self._write_title(str(self.total) if title is None else title, alone=ax is None)
        return self

    # ------------------------------------------------------------------------------------------------------ pieces

    @property
    def label(self):
        """What the values are."""
        return str(self.explanation.attrs.get("label", f"information ({self.total.unit}s)"))

    def _plot_bars(self, ax, figsize):
        """One axis of cells: bars, shares that add up, or steps along numbers."""
        import matplotlib.pyplot as plt

        dim = self.explanation["value"].dims[0]
        names, ordered = cell_names(self.explanation), dim in ORDERED
        alone = ax is None
        if alone:
            width = WIDTH if ordered else max(WIDTH, 0.33 * (len(names) + 2) * len(self.amounts) ** 0.5)
            _, ax = plt.subplots(figsize=figsize or (width, 2.6), layout="constrained")
        bars = Bars(ax, self.total, _shares.quantile(self.explanation), self.truth)
        if ordered:
            bars.steps(np.asarray(self.explanation[dim].values, dtype=float), self.amounts[0], dim)
        elif self.amounts[0].name == "shapley":
            bars.waterfall(names, self.amounts[0])
        else:
            bars.groups(names, self.amounts)
        ax.set_ylabel(plain(self.label), fontsize=8)
        bars.dress(alone=alone)
        if alone and figsize is None:
            bars.make_room()
        self.ax_, self.axes_, self.figure_ = ax, np.array([ax]), ax.figure

    def _plot_scalps(self, plane, figsize):
        """Channels in bands: one map each, with one scale."""
        from eegexplain.plotting.scalp.maps import TopomapDisplay

        channels, others = self._two("channel")
        names = [str(name) for name in self.explanation["channel"].values]
        main, shown = self.amounts[-1], self.total.shown
        values, told = (main.values, main.told) if channels == 1 else (main.values.T, main.told.T)
        labels = [str(name) for name in self.explanation[others].values]
        display = TopomapDisplay(values[None], plane, names, bands=labels, label=f"{self.total.unit}s")
        colors = _Colors(values, self.total)
        size = min(1.3, 7.0 / len(labels)) if figsize is None else figsize[0] / (len(labels) + 0.7)
        display.plot_grid(
            mask=(told & shown)[None], panel_size=size, vlim=colors.limits, cmap=colors.map, contours=0,
            sensors=True,
        )  # fmt: skip
        self.scalps_, self.axes_, self.figure_ = display, display.axes_[0], display.figure_
        self.ax_ = self.axes_[0]
        self.figure_.set_size_inches(figsize or (size * len(labels) + 0.75, size + 0.75))
        for panel in self.axes_:
            panel.title.set_fontsize(9)
        if (told & shown).any():
            self.figure_.supxlabel("white dots: told from 0", fontsize=SMALLEST_FONT)
        _dress_bar(display.colorbar_)

    def _plot_table(self, ax, figsize):
        """Any two axes as colors."""
        import matplotlib.pyplot as plt

        from eegexplain.plotting.displays.spectra import SpectralMapDisplay

        rows, columns = self.explanation["value"].dims
        if columns == "channel":
            rows, columns = columns, rows
        values, told = self.amounts[-1].values, self.amounts[-1].told
        if self.explanation["value"].dims[0] != rows:
            values, told = values.T, told.T
        names, labels = ([str(one) for one in self.explanation[dim].values] for dim in (rows, columns))
        axis = {"frequencies": self.explanation[columns].values} if columns == "frequency" else {"bands": labels}
        if ax is None:
            size = (max(WIDTH, min(0.5 * len(labels) + 1.4, 7.0)), float(np.clip(0.16 * len(names) + 1.1, 1.9, 9.0)))
            _, ax = plt.subplots(figsize=figsize or size, layout="constrained")
        colors, unsure = _Colors(values, self.total), ~(told & self.total.shown)
        display = SpectralMapDisplay(values[None], names, **axis, label=plain(self.label))
        display.plot(ax=ax, vlim=colors.limits, cmap=colors.map, fade=unsure[None])
        self.ax_, self.axes_, self.figure_ = ax, np.array([ax]), ax.figure
        ax.tick_params(labelsize=8)
        for tick in ax.get_yticklabels():
            tick.set_fontsize(max(SMALLEST_FONT, tick.get_fontsize()))
        if unsure.any():
            told_as = filter(None, (ax.get_xlabel(), "pale: not told from 0"))
            ax.set_xlabel(", ".join(told_as), fontsize=SMALLEST_FONT)
        _dress_bar(display.colorbar_)

    def _two(self, first):
        """Place of an axis, and the name of the other."""
        dims = self.explanation["value"].dims
        return dims.index(first), next(dim for dim in dims if dim != first)

    def _places(self, positions):
        """Where the electrodes lie; None where nobody knows, and where there are too many scalps to draw."""
        from eegexplain.plotting.scalp.positions import channel_positions

        value = self.explanation["value"]
        if "channel" not in value.dims or value.size // value.sizes["channel"] > MOST_SCALPS:
            return None
        names = [str(name) for name in self.explanation["channel"].values]
        if positions is not None:
            return channel_positions(names, positions)
        try:
            return channel_positions(names)
        except ValueError:  # names of no montage
            return None

    def _write_title(self, text, alone):
        """The sentence above everything, in lines that fit."""
        width = self.figure_.get_figwidth() if alone else self.ax_.get_position().width * self.figure_.get_figwidth()
        lines = textwrap.fill(plain(text), max(24, int(width / 0.062)))
        look = {"fontsize": 8, "color": ink(self.ax_) if self.total.shown else "#b3261e"}
        if alone:
            self.title_ = self.figure_.suptitle(lines, x=0.02, ha="left", **look)
        else:
            self.title_ = self.ax_.set_title(lines, loc="left", **look)


class _Colors:
    """One scale in bits for all maps: white is 0, what misleads is blue, grey where nothing is shown."""

    def __init__(self, values, total):
        from matplotlib import colormaps
        from matplotlib.colors import LinearSegmentedColormap

        finite = values[np.isfinite(values)]
        # a few cells beyond the rest saturate instead of making all others white, and rounding gets no colors
        high = max(float(np.quantile(np.abs(finite), 0.99)), SMALLEST_SCALE * total.entropy)
        low = float(np.clip(finite.min(), -high, -0.05 * high))  # white keeps its place
        start, stop = (0.5 * (1 + low / high), 1.0) if total.shown else (0.0, 0.6)
        whole = colormaps["RdBu_r" if total.shown else "Greys"]
        self.limits = (low, high)
        self.map = LinearSegmentedColormap.from_list("information", whole(np.linspace(start, stop, 256)))


def _dress_bar(bar):
    bar.ax.tick_params(labelsize=SMALLEST_FONT)
    bar.ax.yaxis.label.set_fontsize(8)
