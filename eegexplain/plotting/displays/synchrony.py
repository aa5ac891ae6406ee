"""Information in phase relations: pairs as arcs on the head and as a matrix, beside both controls."""

import textwrap
from types import SimpleNamespace
from typing import Any

import numpy as np

from eegexplain._exchange import LEVEL
from eegexplain._judge import one_sided_p
from eegexplain._text import plain
from eegexplain._total import total_information
from eegexplain.plotting._drafts import draft, replace_draft
from eegexplain.plotting._ink import ink
from eegexplain.plotting._selection import pick_label
from eegexplain.plotting.displays._shares import SMALLEST_FONT, quantile, read_amounts
from eegexplain.plotting.scalp.positions import own_positions

MOST_ARCS = 60
CONTROLS = {
    "total": "whole output",
    "relations": "all phase relations",
    "reversal": "lost when time\nruns backwards",
    "diagonal": "components without\ncovariance",
}
COLOURS = {"total": "0.55", "relations": "#B2182B", "reversal": "#0072B2", "diagonal": "#0072B2"}
CLOSED = "0.75"
SMALLEST_SCALE = 0.005  # of the entropy of the label: no colours for less


class SynchronyDisplay:
    """Pairs of one band: arcs between electrodes, a matrix, and bars of both controls with 95 % intervals.

    Arcs are the pairs whose evidence is told from 0 (corrected p of at most .05; over folds those whose interval lies
    above 0), as wide as what is lost without them; in the matrix they have a dot. Where the gate is closed - of the
    whole output, or of all relations of the band - all is grey. Components have no place: their topographies are drawn
    instead.

    Parameters
    ----------
    explanation : xarray.Dataset
        Of `eegexplain.information.SynchronyMapper`, of one network or cross-validated.
    band : str or int, optional
        Name or place; None is the band whose relations hold most information.

    Attributes
    ----------
    ax_, axes_, figure_, title_, arcs_, image_
        Artists of the last `plot`; `axes_` are those of head (or topographies), matrix and bars, by name.

    Examples
    --------
    >>> from sklearn.frozen import FrozenEstimator
    >>> from eegexplain import SyncNetClassifier
    >>> from eegexplain.datasets import make_synchrony_eeg
    >>> from eegexplain.information import SynchronyMapper
    >>> from eegexplain.plotting import SynchronyDisplay
    >>> eeg = make_synchrony_eeg(160, n_channels=3, random_state=0)
    >>> net = SyncNetClassifier(sfreq=eeg.sfreq).fit(eeg.X[:100], eeg.y[:100])
    >>> mapper = SynchronyMapper(FrozenEstimator(net), space="channels", bands={"alpha": (8, 12)}, random_state=0)
    >>> SynchronyDisplay.from_estimator(mapper.fit(eeg.X[100:], eeg.y[100:])).band
    'alpha'
    """

    def __init__(self, explanation: Any, *, band: Any = None):
        self.total = total_information(explanation)
        if "relations_value" not in explanation:
            raise ValueError(
                f"This explanation (method {explanation.attrs.get('method')!r}) has no phase relations: give one of "
                "SynchronyMapper."
            )
        self.explanation = explanation
        bands = [str(name) for name in explanation["band"].values]
        strongest = int(np.nan_to_num(explanation["relations_value"].values, nan=-np.inf).argmax())
        self._place = strongest if band is None else pick_label(bands, band, "band")
        self.band = bands[self._place]
        amounts = read_amounts(explanation)[-1]
        self.values, self.told = amounts.values[self._place], amounts.told[self._place]
        self.units = [str(name) for name in explanation[explanation["value"].dims[-2]].values]

    @classmethod
    def from_explanation(cls, explanation, *, band=None):
        """Make a display from a labelled explanation; nothing is drawn yet.

        Parameters
        ----------
        explanation : xarray.Dataset
        band : str or int, optional
            As of the class.

        Returns
        -------
        SynchronyDisplay

        Raises
        ------
        ValueError
            For an explanation of something else, and an unknown band.
        """
        return cls(explanation, band=band)

    @classmethod
    def from_estimator(cls, estimator, *, band=None, **plot_options):
        """Draw the explanation of a fitted explainer; a later `plot` takes the place of this figure.

        Parameters
        ----------
        estimator : fitted SynchronyMapper
        band : str or int, optional
            As of the class.
        **plot_options : dict
            For `plot`.

        Returns
        -------
        SynchronyDisplay
        """
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(estimator, "explanation_")
        display = cls.from_explanation(estimator.explanation_, band=band)
        plot_options.setdefault("positions", own_positions(estimator, estimator.explanation_))
        return draft(display.plot(**plot_options), plot_options.get("ax"))

    @property
    def shown(self):
        """Whether both gates are open: of the whole output, and of all relations of the band."""
        found = (self.explanation[f"relations_{name}"].values for name in ("value", "standard_error"))
        value, error = (float(one[self._place]) for one in found)
        p = one_sided_p(value, error, self.explanation.attrs.get("degrees_of_freedom", np.inf))
        return self.total.shown and bool(p <= LEVEL)

    def plot(self, *, ax=None, positions=None, figsize=None):
        """Draw head, matrix and bars; into one `ax` the matrix alone.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw the matrix; None makes a figure of all.
        positions : None, str, mne.channels.DigMontage, mne.Info or array of shape (n_channels, 2 or 3)
            Where the electrodes lie; None looks their names up, and draws no head where nobody knows them.
        figsize : (float, float), optional
            In inches.

        Returns
        -------
        self : SynchronyDisplay
        """
        import matplotlib.pyplot as plt

        replace_draft(self)
        self.arcs_, self._maps = [], None
        if ax is not None:
            self.ax_, self.figure_, self.axes_ = ax, ax.figure, {"matrix": ax}
            self._plot_matrix(ax)
            return self
        plane = self._places(positions)
        heads = [] if plane is None else ["head"]
        size = figsize or (2.6 * len(heads) + 5.2, 3.2)
        self.figure_ = plt.figure(figsize=size, layout="constrained")
        names, widths = [*heads, "matrix", "bars"], [*([1.0] * len(heads)), 1.05, 0.62]
        drawn = self.figure_.subplots(1, len(names), width_ratios=widths)
        self.axes_ = dict(zip(names, np.ravel(drawn), strict=True))
        self.ax_ = self.axes_["matrix"]
        self._plot_matrix(self.ax_)
        self._plot_bars(self.axes_["bars"])
        if heads and self._are_channels:
            self._plot_head(self.axes_["head"], plane)
        elif heads:
            self._plot_topographies(self.axes_["head"], plane)
        self._write()
        return self

    # ------------------------------------------------------------------------------------------------------ pieces

    @property
    def _are_channels(self):
        return self.explanation["value"].dims[-2] == "channel"

    def _places(self, positions):
        """Where the electrodes lie; None where nobody knows, or nothing has a place."""
        from eegexplain.plotting.scalp.positions import channel_positions

        if not self._are_channels and "pattern" not in self.explanation:
            return None
        dim = "channel" if self._are_channels else "electrode"
        names = [str(name) for name in self.explanation[dim].values]
        if positions is not None:
            return channel_positions(names, positions)
        try:
            return channel_positions(names)
        except ValueError:  # names of no montage
            return None

    def _colors(self):
        """Limits and map: white is 0; what misleads is blue; grey where nothing is shown."""
        from matplotlib import colormaps
        from matplotlib.colors import LinearSegmentedColormap, Normalize

        high = max(float(np.abs(self.values).max(initial=0.0)), SMALLEST_SCALE * self.total.entropy)
        low = float(np.clip(self.values.min(initial=0.0), -high, -0.02 * high))
        start, stop = (0.5 * (1 + low / high), 1.0) if self.shown else (0.0, 0.5)
        whole = colormaps["RdBu_r" if self.shown else "Greys"]
        return Normalize(low, high), LinearSegmentedColormap.from_list("pairs", whole(np.linspace(start, stop, 256)))

    def _plot_matrix(self, ax):
        """Pairs below the diagonal, those told from 0 with a dot."""
        n_units, (norm, colors) = len(self.units), self._colors()
        lower = np.tril(np.ones((n_units, n_units), bool), -1)
        cells = np.ma.array(self.values, mask=~lower)[1:, :-1]
        edges = np.arange(max(n_units, 1)) - 0.5
        self.image_ = ax.pcolormesh(edges, edges + 1, cells, norm=norm, cmap=colors, rasterized=True)
        if self.shown:
            rows, columns = np.nonzero(self.told & lower)
            size = float(np.clip(36 / max(n_units, 1), 1.0, 3.5))
            ax.plot(columns, rows, "o", color="white", markersize=size, markeredgecolor="black", markeredgewidth=0.4)
        font = float(np.clip(100 / max(n_units, 1), 4.5, 8.0))
        ax.set_xticks(np.arange(n_units - 1), [plain(name) for name in self.units[:-1]], rotation=90, fontsize=font)
        ax.set_yticks(np.arange(1, n_units), [plain(name) for name in self.units[1:]], fontsize=font)
        ax.invert_yaxis()
        ax.set_aspect("equal")
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        inset = ax.inset_axes((0.62, 0.93, 0.36, 0.035))
        bar = ax.figure.colorbar(self.image_, cax=inset, orientation="horizontal")
        bar.outline.set_linewidth(0.5)
        bar.locator = _few_ticks(norm.vmax)
        bar.ax.tick_params(labelsize=SMALLEST_FONT, width=0.5, length=2)
        bar.set_label(f"lost without a pair ({self.total.unit}s)", fontsize=SMALLEST_FONT)
        self.colorbar_ = bar

    def _plot_bars(self, ax):
        """The total, all relations and both controls, with 95 % intervals."""
        half, data = quantile(self.explanation), self.explanation
        for place, name in enumerate(CONTROLS):
            value, error = data[f"{name}_value"].values, data[f"{name}_standard_error"].values
            value, error = (float(one if name == "total" else one[self._place]) for one in (value, error))
            color = COLOURS[name] if self.shown else CLOSED
            ax.barh(place, value, height=0.6, color=color, zorder=2)
            ax.errorbar(value, place, xerr=half * error, color=ink(ax), linewidth=0.9, zorder=3)
        ax.axvline(0, color=ink(ax), linewidth=0.6, zorder=4)
        ax.set_yticks(range(len(CONTROLS)), list(CONTROLS.values()), fontsize=SMALLEST_FONT)
        ax.invert_yaxis()
        ax.set_xlabel(f"information ({self.total.unit}s)", fontsize=8)
        ax.tick_params(axis="x", labelsize=SMALLEST_FONT)
        ax.tick_params(axis="y", length=0)
        ax.spines[["top", "right", "left"]].set_visible(False)
        ax.set_box_aspect(1.1)

    def _plot_head(self, ax, plane):
        """Arcs between electrodes, the strongest on top."""
        from matplotlib.collections import PathCollection
        from matplotlib.path import Path

        from eegexplain.plotting.scalp import _head
        from eegexplain.plotting.scalp.positions import HEAD_RADIUS

        angle = np.linspace(0, 2 * np.pi, 90, endpoint=False)
        circle = HEAD_RADIUS * np.column_stack([np.cos(angle), np.sin(angle)])
        radius = max(HEAD_RADIUS, float(np.hypot(*plane.T).max()))
        _head.draw_head(ax, SimpleNamespace(outline=circle, radius=radius))
        rows, columns = np.nonzero(np.tril(self.told if self.shown else np.ones_like(self.told), -1))
        amounts = self.values[rows, columns]
        strongest = np.argsort(amounts)[-MOST_ARCS:] if self.shown else []
        norm, colors = self._colors()
        if len(strongest):
            paths = [Path(_bent(plane[rows[k]], plane[columns[k]]), [1, 3, 3]) for k in strongest]
            share = np.clip(amounts[strongest] / norm.vmax, 0, 1)
            arcs = PathCollection(
                paths, facecolors="none", edgecolors=colors(norm(amounts[strongest])), linewidths=0.6 + 3.2 * share,
                capstyle="round", zorder=4.5,
            )  # fmt: skip
            self.arcs_ = [ax.add_collection(arcs, autolim=False)]
        _head.draw_sensors(ax, plane)
        _head.draw_names(ax, plane, self.units)

    def _plot_topographies(self, ax, plane):
        """Patterns of the components, each in units of its strongest electrode."""
        from eegexplain.plotting.scalp.maps import TopomapDisplay

        patterns = self.explanation["pattern"].values[self._place].T
        drawn = [k for k in range(len(self.units)) if np.isfinite(patterns[k]).all()]
        ax.set_axis_off()
        n_columns = int(np.ceil(np.sqrt(max(len(drawn), 1))))
        names = [str(name) for name in self.explanation["electrode"].values]
        for place, k in enumerate(drawn):
            row, column = divmod(place, n_columns)
            side = 1 / n_columns
            box = ax.inset_axes((column * side, 1 - (row + 1) * side, 0.96 * side, 0.76 * side))
            largest = np.abs(patterns[k]).max() or 1.0
            display = TopomapDisplay((patterns[k] / largest)[None, None], plane, names)
            display.plot(ax=box, colorbar=False, contours=0, vlim=1.0, title=plain(self.units[k]))
            box.title.set_fontsize(8)

    def _write(self):
        """The sentences above and below."""
        gate = str(self.total)
        if self.total.shown:
            known = "" if self.shown else " Information in their phase relations is not shown above 0."
            gate = f"Pairs in {self.band}. {gate}{known}"
        width = int(self.figure_.get_figwidth() / 0.062)
        look = {"fontsize": 8, "color": ink(self.ax_) if self.shown else "#b3261e"}
        self.title_ = self.figure_.suptitle(textwrap.fill(plain(gate), width), x=0.02, ha="left", **look)
        caution = str(self.explanation.attrs.get("caution", ""))
        marks = "Dots and arcs" if self.arcs_ else "Dots"
        told = f"{marks}: told from 0. " if self.shown and self.told.any() else ""
        note = textwrap.fill(plain(told + caution), int(width * 8 / SMALLEST_FONT))
        self.note_ = self.figure_.supxlabel(note, x=0.02, ha="left", fontsize=SMALLEST_FONT)


def _bent(one, other):
    """An arc that bends towards the middle of the head, and never is a straight line."""
    middle, across = (one + other) / 2, (other - one) @ np.array([[0.0, 1.0], [-1.0, 0.0]])
    side = 1.0 if across @ middle <= 0 else -1.0
    return np.array([one, middle + side * 0.22 * across, other])


def _few_ticks(high):
    from matplotlib.ticker import FixedLocator

    step = 10 ** np.floor(np.log10(high))
    top = step * np.floor(high / step)
    return FixedLocator([0.0, top])
