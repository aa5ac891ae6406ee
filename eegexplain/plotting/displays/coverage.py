"""How often regions of a posterior hold the truth, beside how often they say they do."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binom

from eegexplain._text import legend_name
from eegexplain._validation import check_array_like
from eegexplain.plotting._ink import tone
from eegexplain.plotting.displays.encoding import _axes, _color

LEVELS = np.linspace(0, 1, 101)


class CoverageDisplay:
    """Share of samples whose highest-density region holds the true stimulus, by the probability of the region.

    On the diagonal posteriors keep their word; below it they are too narrow, above too wide.

    Parameters
    ----------
    masses : list of array of shape (n_times,)
        For each decoder the probability of what is more probable than the truth, ``DecodingCalibration.mass``.
    labels : list of str
        Names of the decoders.

    Attributes
    ----------
    ax_, figure_, lines_, band_
        Artists of the last `plot`; the band holds 95 % of right decoders, at each level, for the shortest of `masses`.

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.plotting import CoverageDisplay
    >>> display = CoverageDisplay([np.linspace(0, 1, 200)], ["right"]).plot()
    >>> float(display.lines_[0].get_ydata()[90].round(2))
    0.9
    """

    def __init__(self, masses: Sequence[ArrayLike], labels: Sequence[Any]):
        self.masses = [check_array_like("masses", mass, ndim=1, dtype=float) for mass in masses]
        self.labels = [str(label) for label in labels]
        if not self.masses or len(self.masses) != len(self.labels):
            raise ValueError(f"masses and labels must have one entry per decoder: {len(masses)} and {len(labels)}.")
        if any(mass.min() < 0 or mass.max() > 1 + 1e-9 for mass in self.masses):
            raise ValueError("masses are probabilities: from 0 to 1.")

    @classmethod
    def from_calibrations(cls, calibrations):
        """Make a display of what `StimulusDecoder.calibration` gave.

        Parameters
        ----------
        calibrations : DecodingCalibration or dict of str to DecodingCalibration
            One, or several by name.

        Returns
        -------
        CoverageDisplay
        """
        calibrations = calibrations if isinstance(calibrations, dict) else {"": calibrations}
        return cls([each.mass for each in calibrations.values()], list(calibrations))

    @classmethod
    def from_estimator(cls, decoder, X, y):
        """Make a display of samples that a decoder was not fitted to.

        Parameters
        ----------
        decoder : StimulusDecoder
            Fitted.
        X, y : array-like
            True stimuli, and data.

        Returns
        -------
        CoverageDisplay
        """
        return cls.from_calibrations(decoder.calibration(X, y))

    def plot(self, *, ax=None, line_kw=None):
        """Draw a line for each decoder.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; None makes a figure.
        line_kw : dict, optional
            Further arguments of ``Axes.plot``.

        Returns
        -------
        self : CoverageDisplay
        """
        self.ax_ = ax = _axes(ax, (3.6, 3.4))
        self.figure_ = ax.figure
        few = min(map(len, self.masses))
        low, high = (binom.ppf(tail, few, LEVELS) / few for tail in (0.025, 0.975))
        self.band_ = ax.fill_between(100 * LEVELS, 100 * low, 100 * high, color=tone(ax, 0.1), linewidth=0, zorder=0)
        ax.plot([0, 100], [0, 100], color=tone(ax, 0.5), linewidth=0.8, linestyle="--", zorder=1)
        self.lines_ = []
        for i, (mass, label) in enumerate(zip(self.masses, self.labels, strict=True)):
            held = np.searchsorted(np.sort(mass), LEVELS, side="right") / len(mass)
            style = {"linewidth": 1.8, "color": _color(i), "label": legend_name(label), **(line_kw or {})}
            self.lines_ += ax.plot(100 * LEVELS, 100 * held, **style)
        ticks = [0, 25, 50, 75, 100]
        ax.set(xlim=(0, 100), ylim=(0, 100), aspect="equal", xticks=ticks, yticks=ticks)
        ax.set(xlabel="probability of the region (%)", ylabel="regions that hold the stimulus (%)")
        if any(self.labels):
            ax.legend(frameon=False, loc="upper left", fontsize="small")
        return self
