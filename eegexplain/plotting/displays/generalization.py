"""Temporal generalization: models of one time, asked about all others."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from eegexplain._validation import check_array_like
from eegexplain.plotting._look import DIVERGING
from eegexplain.plotting.displays.encoding import _axes

LABELS = {"roc_auc": "ROC AUC", "r2": "R2"}


class GeneralizationDisplay:
    """Scores of the models of each time at all times: what lasts is a square, what comes and goes a diagonal.

    Parameters
    ----------
    scores : array of shape (n_training_times, n_test_times)
        Scores.
    times : array of shape (n_times,)
        Seconds.
    chance : float
        Score without information: the middle of the colors; NaN takes the mean.
    significant : array of bool of the shape of `scores`, optional
        What chance cannot explain, outlined.
    label : str
        Of the color bar.

    Attributes
    ----------
    ax_, figure_, image_, colorbar_, outline_
        Artists of the last `plot`; the outline is None where nothing is significant.

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.plotting import GeneralizationDisplay
    >>> display = GeneralizationDisplay(0.5 + 0.3 * np.eye(5), np.arange(5) / 10, chance=0.5).plot()
    >>> display.ax_.get_xlabel()
    'asked about (ms)'
    """

    def __init__(
        self,
        scores: ArrayLike,
        times: ArrayLike,
        *,
        chance: float = 0.5,
        significant: ArrayLike | None = None,
        label: str = "score",
    ):
        self.scores = check_array_like("scores", scores, ndim=2, dtype=float)
        self.times = check_array_like("times", times, ndim=1, dtype=float)
        self.significant = None
        if significant is not None:
            self.significant = check_array_like("significant", significant, ndim=2, dtype=float) != 0
        self.chance, self.label = float(chance), label
        shapes = {self.scores.shape, 2 * (len(self.times),)}
        if len(shapes | ({self.significant.shape} if self.significant is not None else set())) > 1:
            raise ValueError(
                f"scores must have a row and a column for each of {len(self.times)} times, and significant the same "
                f"shape; scores has {self.scores.shape}."
            )
        if not (np.diff(self.times) > 0).all():
            raise ValueError("times must rise.")

    @classmethod
    def from_estimator(cls, model: Any, *, significance: Any = None) -> "GeneralizationDisplay":
        """Make a display of a fitted `TimeResolvedCoefficients`.

        Parameters
        ----------
        model : TimeResolvedCoefficients
            Fitted with ``generalize=True``.
        significance : Significance, optional
            What `inspection.group_significance` found in its ``generalization_maps()``.

        Returns
        -------
        GeneralizationDisplay

        Raises
        ------
        ValueError
            For a model without temporal generalization.
        """
        if not hasattr(model, "generalization_"):
            raise ValueError(f"{type(model).__name__} has no temporal generalization: fit it with generalize=True, cv.")
        scores = model.explanation_["generalization"].values
        significant = None if significance is None else np.asarray(significance.significant)
        name = model.scoring or ("balanced_accuracy" if hasattr(model, "classes_") else "r2")
        label = LABELS.get(name, "score" if callable(name) else name.replace("_", " "))
        return cls(scores, model.times_, chance=model.chance_, significant=significant, label=label)

    def plot(self, *, ax=None, vlim=None, cmap=DIVERGING):
        """Draw the scores.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; None makes a figure.
        vlim : float, optional
            Largest distance from chance that has a color of its own; None is that of the scores.
        cmap : str
            Colors, of which the middle one is chance.

        Returns
        -------
        self : GeneralizationDisplay
        """
        self.ax_ = ax = _axes(ax, (4.4, 3.6))
        self.figure_ = ax.figure
        middle = float(np.nanmean(self.scores)) if np.isnan(self.chance) else self.chance
        reach = float(vlim) if vlim is not None else float(np.nanmax(np.abs(self.scores - middle))) or 1.0
        ms = 1000 * self.times
        edges = _edges(ms)
        self.image_ = ax.pcolormesh(
            edges, edges, self.scores, cmap=cmap, vmin=middle - reach, vmax=middle + reach, rasterized=True
        )
        ax.plot(edges[[0, -1]], edges[[0, -1]], color="0.3", linewidth=0.7, linestyle=":")
        for line in (ax.axhline, ax.axvline):
            if edges[0] < 0 < edges[-1]:
                line(0, color="0.3", linewidth=0.7)
        self.outline_ = None
        if self.significant is not None and self.significant.any():
            # cells between their edges, so that the outline runs along cells and not through their centers
            fine = np.kron(self.significant, np.ones((9, 9)))
            places = np.concatenate([np.linspace(a, b, 9, endpoint=False) + (b - a) / 18 for a, b in _pairs(edges)])
            self.outline_ = ax.contour(places, places, fine, levels=[0.5], colors="black", linewidths=1.1)
        ends = edges[[0, -1]]
        ax.set(aspect="equal", xlabel="asked about (ms)", ylabel="fitted at (ms)", xlim=ends, ylim=ends)
        self.colorbar_ = self.figure_.colorbar(self.image_, ax=ax, shrink=0.75, aspect=18, pad=0.02)
        self.colorbar_.outline.set_linewidth(0.5)
        self.colorbar_.set_label(self.label)
        return self


def _edges(centers):
    """Borders half way between centers, and as far beyond the outer ones."""
    if len(centers) == 1:
        return centers[0] + np.array([-0.5, 0.5])
    middle = (centers[1:] + centers[:-1]) / 2
    return np.concatenate([[2 * centers[0] - middle[0]], middle, [2 * centers[-1] - middle[-1]]])


def _pairs(edges):
    return zip(edges[:-1], edges[1:], strict=True)
