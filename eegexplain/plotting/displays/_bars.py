"""Bars of information: side by side, shares that add up, or steps along numbers."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eegexplain._text import plain
from eegexplain._total import TotalInformation
from eegexplain.plotting._ink import ink, tone
from eegexplain.plotting.displays._shares import COLOUR, GREY, MEANING, OUTSIDE, SMALLEST_FONT, Amounts, borders

CEILING = 0.07  # of ink
SMALLEST_SPAN = 0.05  # of the entropy of the label
LEGEND = (*MEANING.values(), "light: not told from 0", "95 % interval", "each fold", "exact", "entropy of the label")
LIGHT = 0.72  # how much white is in a cell that is not told from 0


class Bars:
    """Draws on one axes; what all kinds of bars share is decided here.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    total : TotalInformation
    quantile : float
        Errors in half an interval.
    truth : dict of str to ndarray
    """

    def __init__(self, ax: Any, total: TotalInformation, quantile: float, truth: dict):
        self.ax = ax
        self.total = total
        self.quantile = quantile
        self.truth = truth
        self.color = COLOUR if total.shown else GREY
        # what the axis must reach: no zoom makes a thousandth of a bit a tall bar
        self.tops: list[float] = [SMALLEST_SPAN * total.entropy]
        self.handles: dict[str, Any] = {}  # of the legend, by what they mean

    def groups(self, names: list[str], kinds: list[Amounts]) -> None:
        """Bars of every kind side by side for each cell, then the total.

        Parameters
        ----------
        names : list of str
        kinds : list of Amounts
        """
        width = 0.8 / len(kinds)
        for place, kind in enumerate(kinds):
            x = np.arange(len(names)) + (place - (len(kinds) - 1) / 2) * width
            self._bars(x, kind, width=0.94 * width)
            self._truth(x, kind.name, width)
        self._total(len(names) + 0.3)
        self._name([*range(len(names)), len(names) + 0.3], [*names, "total"])

    def waterfall(self, names: list[str], shares: Amounts) -> None:
        """Shares, each from where the last one ended: the end of the last is the total.

        Parameters
        ----------
        names : list of str
        shares : Amounts
        """
        x, ends = np.arange(len(names)), np.cumsum(shares.values)
        starts = np.concatenate([[0.0], ends[:-1]])
        self._bars(x, shares, width=0.8, bottom=starts, plain_cells=np.array([name == OUTSIDE for name in names]))
        line = {"color": tone(self.ax, 0.6), "linewidth": 0.6, "zorder": 1}
        for place in range(len(names)):
            stop = len(names) + 0.3 if place == len(names) - 1 else place + 1
            self.ax.plot([place - 0.4, stop + 0.4], [ends[place]] * 2, **line)
        self._truth(x, shares.name, 0.8, starts)
        self._total(len(names) + 0.3)
        self._name([*x, len(names) + 0.3], [*names, "total"])

    def steps(self, centers: NDArray, amounts: Amounts, dim: str) -> None:
        """Bars as wide as the cells along an axis of numbers.

        Parameters
        ----------
        centers : ndarray of shape (n_cells,)
        amounts : Amounts
        dim : str
        """
        edges = borders(centers)
        self._bars(centers, amounts, width=np.diff(edges))
        self._truth(centers, amounts.name, np.diff(edges))
        self.ax.set_xlim(edges[0], edges[-1])
        label = {"frequency": "frequency (Hz)"}.get(dim, f"{dim.replace('_', ' ')} (s)")
        self.ax.set_xlabel(label, fontsize=8)
        self.ax.tick_params(axis="x", labelsize=8)

    def dress(self, *, alone: bool) -> None:
        """Limits, spines and the legend.

        Parameters
        ----------
        alone : bool
            Whether the figure is ours, with room below the axes.
        """
        ax = self.ax
        low, high = min(0.0, *self.tops), max(self.tops)
        span = high - low or 1.0
        ax.set_ylim(low - 0.05 * span if low < 0 else 0.0, high + 0.08 * span)
        ax.axhline(0, color=tone(ax, 0.8), linewidth=0.8, zorder=4)
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(axis="y", labelsize=8)
        options: dict[str, Any] = {"frameon": False, "fontsize": SMALLEST_FONT, "handlelength": 1.2}
        if alone:
            options |= {"loc": "outside lower center", "ncols": 2, "columnspacing": 1.0}
        names = sorted(self.handles, key=LEGEND.index)
        (ax.figure if alone else ax).legend([self.handles[name] for name in names], names, **options)

    def make_room(self) -> None:
        """Let the figure grow with its legend, so that this takes no height from the axes."""
        rows = (len(self.handles) + 1) // 2
        self.ax.figure.set_figheight(self.ax.figure.get_figheight() + 0.14 * max(0, rows - 2))

    # -------------------------------------------------------------------------------------------------------- pieces

    def _bars(self, x, amounts, *, width, bottom=0.0, plain_cells=False):
        """Bars with intervals and folds; cells that are not told from 0 are light."""
        color, told = self.color[amounts.name], amounts.told | plain_cells
        faces = [_mixed("0.5" if one else color, 0.0 if sure else LIGHT)
                 for one, sure in zip(np.broadcast_to(plain_cells, told.shape), told, strict=True)]  # fmt: skip
        ends, width = bottom + amounts.values, np.broadcast_to(width, told.shape)
        self.ax.bar(x, amounts.values, width, bottom, color=faces, edgecolor=color, linewidth=0.6, zorder=2)
        self.handles[MEANING[amounts.name]] = _patch(color, color)
        if not told.all() and self.total.shown:
            self.handles["light: not told from 0"] = _patch(_mixed("0.4", LIGHT), "0.4")
        half = self.quantile * amounts.errors
        if np.isfinite(half).any():
            self._interval(x, ends, half)
        if amounts.folds is not None and np.ndim(bottom) == 0:
            spread = np.broadcast_to(x + 0.22 * width, amounts.folds.shape)
            look = {"s": 5, "color": tone(self.ax, 0.65), "linewidths": 0, "zorder": 3}
            self.handles["each fold"] = self.ax.scatter(spread, amounts.folds, **look)
        self.tops += [*np.nan_to_num(ends + np.nan_to_num(half)), *np.nan_to_num(ends - np.nan_to_num(half))]

    def _interval(self, x, y, half):
        look = {"fmt": "none", "ecolor": ink(self.ax), "elinewidth": 0.8, "capsize": 1.5, "zorder": 3}
        self.handles["95 % interval"] = self.ax.errorbar(x, y, yerr=half, **look)

    def _truth(self, x, name, width, bottom=0.0):
        if name in self.truth:
            ends = bottom + self.truth[name]
            self._diamonds(x, ends)
            self.tops += list(ends)

    def _diamonds(self, x, y):
        look = {"color": "w", "markeredgecolor": "0", "markersize": 3.5, "markeredgewidth": 0.8, "linestyle": ""}
        self.handles["exact"] = self.ax.plot(x, y, "D", zorder=5, **look)[0]

    def _total(self, x):
        """The whole output, in front of the most that there is."""
        total = self.total
        half = self.quantile * total.standard_error
        self.tops += [total.value + half, total.value - half]
        most = self.ax.bar([x], [total.entropy], 0.8, color=tone(self.ax, CEILING), zorder=0)
        self.handles["entropy of the label"] = most
        self.ax.bar([x], [total.value], 0.5, color=self.color["total"], zorder=2)
        self._interval([x], [total.value], half)
        if max(self.tops) > 0.3 * total.entropy:
            self.tops.append(total.entropy)
        if "total" in self.truth:
            self._diamonds([x], [float(self.truth["total"])])

    def _name(self, places, names):
        letters = max(map(len, names)) * len(names) / (self.ax.figure.get_figwidth() - 0.7)  # per inch
        self.ax.set_xticks(places, [plain(name) for name in names], fontsize=8 if letters < 14 else SMALLEST_FONT)
        self.ax.tick_params(axis="x", length=0)
        if letters > 18:
            for tick in self.ax.get_xticklabels():
                tick.set(rotation=40, ha="right", rotation_mode="anchor")


def _patch(face, edge):
    """A square in the legend."""
    from matplotlib.patches import Patch

    return Patch(facecolor=face, edgecolor=edge, linewidth=0.6)


def _mixed(color, share):
    """A color with so much white."""
    from matplotlib.colors import to_rgb

    return tuple(1 - (1 - np.array(to_rgb(color))) * (1 - share))
