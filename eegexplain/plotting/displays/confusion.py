"""Which classes are taken for which: counts, and the recall of each class beside its chance."""

from typing import Any

import numpy as np

from eegexplain._text import plain
from eegexplain.plotting._ink import tone

# Okabe and Ito's blue, and a grey for what chance reaches: apart in colour and in lightness.
_FOUND_COLOUR, _CHANCE, _MATRIX = "#0072B2", 0.2, "Blues"  # chance: a share of ink


class ConfusionDisplay:
    """Counts of classes against predictions, and beside each class its recall, with its interval and what chance gives.

    Made by ``plot()`` of `eegexplain.inspection.Confusion`.

    Parameters
    ----------
    confusion : eegexplain.inspection.Confusion

    Attributes
    ----------
    axes_, figure_, image_, texts_, points_, chance_
        Artists of the last `plot`: both panels, the matrix and its numbers, the recalls and the bars of chance.

    Examples
    --------
    >>> from eegexplain.inspection import confusion_table
    >>> found = confusion_table(["a", "b"] * 10, ["a", "b"] * 9 + ["b", "b"], random_state=0)
    >>> found.plot().axes_[0].get_ylabel()
    'class'
    """

    def __init__(self, confusion: Any):
        self.confusion = confusion

    def plot(self, *, axes=None):
        """Draw the matrix (shares of each class's trials) and the recalls.

        Parameters
        ----------
        axes : pair of matplotlib.axes.Axes, optional
            None makes a figure.

        Returns
        -------
        self : ConfusionDisplay

        Raises
        ------
        ValueError
            For other than two axes.
        """
        import matplotlib.pyplot as plt

        names = [plain(name) for name in self.confusion.classes]
        if axes is None:
            side = 1.6 + 0.45 * len(names)
            _, axes = plt.subplots(1, 2, figsize=(side + 3.0, max(side, 2.4)), layout="constrained",
                                   width_ratios=(side, 3.0))  # fmt: skip
        if np.size(axes) != 2:
            raise ValueError(f"axes takes two panels, got {np.size(axes)}.")
        self.axes_ = np.ravel(axes)
        self.figure_ = self.axes_[0].figure
        self._draw_matrix(self.axes_[0], names)
        self._draw_recalls(self.axes_[1], names)
        return self

    def _draw_matrix(self, ax, names):
        counts = self.confusion.counts
        n_trials = counts.sum(1, keepdims=True)
        shares = np.divide(counts, n_trials, out=np.zeros(counts.shape), where=n_trials > 0)
        self.image_ = ax.imshow(shares, cmap=_MATRIX, vmin=0, vmax=1, aspect="equal")
        self.texts_ = [
            ax.text(column, row, f"{counts[row, column]}\n{100 * shares[row, column]:.0f} %", ha="center", va="center",
                    fontsize="small", color="white" if shares[row, column] > 0.6 else "black")
            for row, column in np.ndindex(counts.shape)
        ]  # fmt: skip
        places = np.arange(len(names))
        turned = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if max(map(len, names)) > 6 else {}
        ax.set_xticks(places, names, **turned)
        ax.set_yticks(places, names)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        ax.set(xlabel="predicted", ylabel="class")

    def _draw_recalls(self, ax, names):
        found, places = self.confusion, np.arange(len(names))
        limits, grey = np.nan_to_num(found.chance_upper), tone(ax, _CHANCE)
        self.chance_ = ax.barh(places, limits, height=0.7, color=grey, label="5 % of permuted labels reach")
        means, grey = np.nan_to_num(found.chance), tone(ax, 0.7)
        ax.vlines(means, places - 0.35, places + 0.35, color=grey, linestyle=":", label="mean of permuted labels")
        reach = np.abs(np.stack([found.low, found.high]) - found.recall)
        self.points_ = ax.errorbar(found.recall, places, xerr=reach, fmt="o", color=_FOUND_COLOUR, capsize=3,
                                   label="recall, 95 % interval")  # fmt: skip
        ax.set_yticks(places, [f"{100 * value:.0f} %" if np.isfinite(value) else "no trials" for value in found.recall])
        ax.set(xlim=(0, 1.02), ylim=(len(names) - 0.5, -0.5), xlabel="recall")
        ax.yaxis.set_ticks_position("right")
        ax.tick_params(axis="y", length=0)
        ax.spines[["top", "right", "left"]].set_visible(False)
        ax.figure.legend(*ax.get_legend_handles_labels(), frameon=False, fontsize=7, loc="outside lower center",
                         ncols=3)  # fmt: skip
