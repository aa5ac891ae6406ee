"""What permuted labels give, and what the true ones gave."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from eegexplain._text import plain
from eegexplain._validation import check_array_like

_NULL_COLOUR, _FOUND_COLOUR = "0.75", "#D55E00"


class PermutationDisplay:
    """Histograms of a statistic over permutations, each with the value of the true labels.

    Made by ``plot()`` of the results of `permutation_test` and `stability`.

    Parameters
    ----------
    null : array of shape (n_statistics, n_permutations)
    observed : array of shape (n_statistics,)
    names : sequence of str of length n_statistics
        Written below each panel.
    p_values : array of shape (n_statistics,)
    cells : array of shape (n_cells,), optional
        Statistics of all cells, drawn as ticks below the histogram of their maxima; only for a single statistic.

    Attributes
    ----------
    ax_, axes_, figure_, lines_
        Artists of the last `plot`: panels, and the lines at the observed values.

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.plotting import PermutationDisplay
    >>> null = np.random.default_rng(0).normal(size=(1, 99))
    >>> PermutationDisplay(null, [3.0], ["agreement"], [0.01]).plot().ax_.get_title(loc="right")
    'p = 0.01'
    """

    def __init__(
        self,
        null: ArrayLike,
        observed: ArrayLike,
        names: Sequence[str],
        p_values: ArrayLike,
        *,
        cells: ArrayLike | None = None,
    ):
        self.null = check_array_like("null", null, ndim=2, dtype=float)
        self.observed = check_array_like("observed", observed, ndim=1, dtype=float)
        self.p_values = check_array_like("p_values", p_values, ndim=1, dtype=float)
        self.names = [str(name) for name in names]
        self.cells = None if cells is None else check_array_like("cells", cells, ndim=1, dtype=float)
        for name, given in (("observed", self.observed), ("p_values", self.p_values), ("names", self.names)):
            if len(given) != len(self.null):
                raise ValueError(f"{name} has length {len(given)}, but null holds {len(self.null)} statistics.")
        if self.cells is not None and len(self.null) > 1:
            raise ValueError(f"cells belong to a single statistic, but null holds {len(self.null)}.")

    def plot(self, *, ax=None, bins=30):
        """Draw one panel per statistic.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw a single statistic; None makes a figure.
        bins : int, default=30
            At most so many, fewer where permutations are few.

        Returns
        -------
        self : PermutationDisplay

        Raises
        ------
        ValueError
            For one `ax` and several statistics.
        """
        import matplotlib.pyplot as plt

        n_panels = len(self.null)
        if ax is not None and n_panels > 1:
            raise ValueError(f"ax takes one statistic, but there are {n_panels}.")
        if ax is None:
            size = (max(2.2 * n_panels, 4.6), 2.6)
            _, axes = plt.subplots(1, n_panels, figsize=size, layout="constrained", squeeze=False)
            self.axes_ = axes[0]
        else:
            self.axes_ = np.array([ax])
        self.ax_, self.figure_, self.lines_ = self.axes_[0], self.axes_[0].figure, []
        n_bins = int(np.clip(2 * np.sqrt(self.null.shape[1]), 5, bins))
        for place, panel in enumerate(self.axes_):
            self._draw(panel, place, n_bins)
        if ax is None:
            handles, names = self.ax_.get_legend_handles_labels()
            self.figure_.legend(handles, names, frameon=False, fontsize=8, loc="outside lower center", ncols=len(names))
        else:
            ax.legend(frameon=False, fontsize="small")
        return self

    def _draw(self, ax, place, n_bins):
        null, found = self.null[place], self.observed[place]
        ax.hist(null, n_bins, color=_NULL_COLOUR, label="permuted labels")
        self.lines_.append(ax.axvline(found, color=_FOUND_COLOUR, linewidth=2, label="true labels"))
        if self.cells is not None:
            ax.plot(self.cells, np.full(len(self.cells), 0.03), "|", color=_FOUND_COLOUR, alpha=0.6, markersize=7,
                    transform=ax.get_xaxis_transform(), label="each cell, true labels")  # fmt: skip
        ax.set_xlabel(plain(self.names[place]))
        ax.set_title(f"p = {self.p_values[place]:.2g}", fontsize="medium", loc="right")
        ax.set_yticks([])
        ax.spines[["top", "right", "left"]].set_visible(False)
