"""Curves of faithfulness: what deletion in the order of a map does to the score."""

from typing import Any

import numpy as np

from eegexplain.plotting._ink import tone

# Okabe and Ito's blue and a neutral grey: apart in colour and in lightness.
_MAP_COLOUR, _RANDOM_COLOUR = "#0072B2", "0.55"


class FaithfulnessDisplay:
    """Deletion or insertion curve of a map beside that of random order.

    Parameters
    ----------
    curve : eegexplain.inspection.DeletionCurve
    score_name : str

    Attributes
    ----------
    ax_, figure_, lines_, bands_
        Artists of the last `plot`: the map's, then those of random order.

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.inspection import deletion_curve
    >>> from eegexplain.plotting import FaithfulnessDisplay
    >>> X = np.random.default_rng(0).normal(size=(10, 1, 64))
    >>> curve = deletion_curve(lambda X: np.abs(np.fft.rfft(X)[:, 0, 5]), X, np.eye(33)[5][None], random_state=0)
    >>> FaithfulnessDisplay(curve, "amplitude at 5").plot().ax_.get_ylabel()
    'amplitude at 5'
    """

    def __init__(self, curve: Any, score_name: str = "score"):
        self.curve = curve
        self.score_name = score_name

    def plot(self, *, ax=None, confidence=True):
        """Draw both curves: means over trials, with 95 % intervals.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
        confidence : bool
            Draw intervals (1.96 standard errors over trials).

        Returns
        -------
        self : FaithfulnessDisplay
        """
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots(figsize=(4.2, 3.2), layout="constrained")
        shares = 100 * self.curve.fractions
        self.ax_, self.figure_, self.lines_, self.bands_ = ax, ax.figure, [], []
        means = self.curve.scores.mean(1), self.curve.random_scores.mean(1)
        ax.fill_between(shares, *means, color=tone(ax, 0.08), linewidth=0)
        for scores, colour, style, name in ((self.curve.scores, _MAP_COLOUR, "-", "order of the map"),
                                            (self.curve.random_scores, _RANDOM_COLOUR, "--", "random order")):
            mean = scores.mean(1)
            self.lines_ += ax.plot(shares, mean, style, color=colour, linewidth=1.8, label=name)
            if confidence and scores.shape[1] > 1:
                half = 1.96 * scores.std(1, ddof=1) / np.sqrt(scores.shape[1])
                self.bands_.append(ax.fill_between(shares, mean - half, mean + half, color=colour, alpha=0.2,
                                                   linewidth=0))
        ax.spines[["top", "right"]].set_visible(False)
        done = "deleted" if self.curve.kind == "deletion" else "inserted"
        ax.set(xlabel=f"cells {done} (%)", ylabel=self.score_name, xlim=(shares[0], shares[-1]),
               title=f"gain over random order {self.curve.gain.mean():.2f}")
        ax.title.set_fontsize("medium")
        ax.legend(frameon=False, fontsize="small")
        return self
