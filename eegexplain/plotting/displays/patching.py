"""What outputs lose when units do what they do on trials of another class: units as rows, classes as colors."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from eegexplain._arrays import check_number
from eegexplain._text import plain
from eegexplain._validation import check_array_like, positive_int
from eegexplain.plotting._ink import tone

# Okabe and Ito's: apart in color and lightness.
COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")


class PatchingDisplay:
    """Effects of the strongest units on each class's output, with intervals.

    Made by `from_explanation` of an `ActivationPatcher`.

    Parameters
    ----------
    value : array of shape (n_outputs, n_units)
        What the output of each class loses.
    standard_error : array of shape (n_outputs, n_units)
    units, outputs : sequence of str
        Names.
    degrees_of_freedom : float
        Of the t distribution of value over error.
    contrast : array of shape (n_outputs,), optional
        What there is to lose: drawn as a line for each class, where that is not far beyond the effects.
    label : str, default=""
        What the values are.

    Attributes
    ----------
    ax_, figure_, lines_
        Artists of the last `plot`: the axes, and one container of intervals per class.

    Examples
    --------
    >>> from eegexplain.plotting import PatchingDisplay
    >>> display = PatchingDisplay([[2.0, 0.1], [1.8, -0.1]], [[0.2, 0.1]] * 2, ["a", "b"], ["left", "right"], 19)
    >>> [tick.get_text() for tick in display.plot().ax_.get_yticklabels()]
    ['a', 'b']
    """

    def __init__(
        self,
        value: ArrayLike,
        standard_error: ArrayLike,
        units: Sequence[str],
        outputs: Sequence[str],
        degrees_of_freedom: float,
        *,
        contrast: ArrayLike | None = None,
        label: str = "",
    ):
        gaps: dict[str, Any] = {"dtype": float, "allow_nan": True, "allow_inf": True}
        self.value = check_array_like("value", value, ndim=2, **gaps)
        self.standard_error = check_array_like("standard_error", standard_error, ndim=2, **gaps)
        self.units, self.outputs = [str(name) for name in units], [str(name) for name in outputs]
        self.degrees_of_freedom = check_number("degrees_of_freedom", degrees_of_freedom, above=0)
        self.contrast = None if contrast is None else check_array_like("contrast", contrast, ndim=1, **gaps)
        self.label = label
        shape = len(self.outputs), len(self.units)
        others = {"value": self.value.shape, "standard_error": self.standard_error.shape}
        for name, given in others.items():
            if given != shape:
                raise ValueError(f"{name} has shape {given}, but {shape[0]} outputs and {shape[1]} units are named.")
        if self.contrast is not None and len(self.contrast) != shape[0]:
            raise ValueError(f"contrast holds {len(self.contrast)} values for {shape[0]} outputs.")
        if not np.isfinite(self.value).any():
            raise ValueError("No value is finite: there is nothing to draw.")

    @classmethod
    def from_explanation(cls, explanation: Any, *, loss: bool = False):
        """Make a display of an explanation; nothing is drawn yet.

        Parameters
        ----------
        explanation : xarray.Dataset
            Of an `ActivationPatcher`.
        loss : bool, default=False
            Whether to show how much the log loss grows instead of what the output loses.

        Returns
        -------
        PatchingDisplay

        Raises
        ------
        ValueError
            For the explanation of another analysis.
        """
        if "contrast_value" not in explanation or explanation["value"].dims[0] != "output":
            raise ValueError("This is no explanation of an ActivationPatcher: it has no contrast of the classes.")
        prefix, (_, units) = "loss_" if loss else "", explanation["value"].dims
        return cls(
            explanation[f"{prefix}value"].values,
            explanation[f"{prefix}standard_error"].values,
            explanation[units].values,
            explanation["output"].values,
            explanation.attrs["degrees_of_freedom"],
            contrast=explanation[f"{prefix}contrast_value"].values,
            label="growth of the log loss (nats)" if loss else explanation.attrs["label"],
        )

    def plot(self, *, ax: Any = None, n_units: int = 15, confidence: float = 0.95):
        """Draw the units whose effects are largest, strongest on top.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
        n_units : int, default=15
        confidence : float, default=0.95
            Of the intervals, each for itself.

        Returns
        -------
        self : PatchingDisplay

        Raises
        ------
        ValueError
            For a number of units below 1, and a confidence that is no probability.
        """
        import matplotlib.pyplot as plt

        check_number("confidence", confidence, above=0, most=1)
        strength = np.nanmax(np.nan_to_num(np.abs(self.value), posinf=0.0), axis=0)
        order = np.argsort(-strength, kind="stable")[: positive_int("n_units", n_units)]
        rows = np.arange(len(order))
        if ax is None:
            _, ax = plt.subplots(figsize=(4.5, 1.2 + 0.27 * len(order)), layout="constrained")
        self.ax_, self.figure_, self.lines_ = ax, ax.figure, []
        half = stats.t.isf((1 - confidence) / 2, self.degrees_of_freedom) * self.standard_error
        reach = np.nanmax(np.where(np.isfinite(self.value), np.abs(self.value), 0) + np.nan_to_num(half, posinf=0.0))
        offsets = (np.arange(len(self.outputs)) - (len(self.outputs) - 1) / 2) * min(0.22, 0.7 / len(self.outputs))
        for place, (name, offset) in enumerate(zip(self.outputs, offsets, strict=True)):
            color, y = COLORS[place % len(COLORS)], rows + offset
            self.lines_.append(ax.errorbar(self.value[place, order], y, xerr=half[place, order], fmt="o", color=color,
                                           markersize=3.5, elinewidth=1.2, label=plain(name)))  # fmt: skip
            if self.contrast is not None and np.isfinite(self.contrast[place]) and self.contrast[place] < 2 * reach:
                ax.axvline(self.contrast[place], color=color, linewidth=1, linestyle=":")
        ax.axvline(0, color=tone(ax, 0.4), linewidth=0.8, zorder=0)
        ax.set_yticks(rows, [plain(self.units[place]) for place in order], fontsize=8)
        ax.set_ylim(len(order) - 0.4, -0.6)
        ax.set_xlabel(plain(self.label))
        ax.tick_params(axis="y", length=0)
        ax.spines[["top", "right", "left"]].set_visible(False)
        ax.legend(title="trials and output of", frameon=False, fontsize=8, title_fontsize=8, loc="lower right")
        return self
