"""Temporal response functions: kernels over lags, features and the scalp."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from eegexplain._text import plain
from eegexplain._validation import check_array_like, check_option
from eegexplain.plotting._drafts import draft, replace_draft
from eegexplain.plotting._ink import ink, tone
from eegexplain.plotting._look import SEQUENTIAL, draw_colorbar, time_label
from eegexplain.plotting.scalp._joint import highest_peaks
from eegexplain.plotting.scalp.maps import TopomapDisplay


class TRFDisplay:
    """Temporal response functions: maps at chosen lags above the kernels of all channels and features.

    Parameters
    ----------
    kernels : array of shape (n_channels, n_features, n_lags)
        Kernels, or patterns of a backward model.
    times : array of shape (n_lags,)
        Lags in seconds.
    ch_names : sequence of str of length n_channels, default=None
        Electrodes; None draws no maps.
    features : sequence of str of length n_features, default=None
        Names of the features.
    label : str
        What the values are, with their unit.
    positions : optional
        Where the electrodes lie, as `channel_positions` takes it; None looks their names up.

    Attributes
    ----------
    figure_, maps_, lines_, rms_, image_
        Axes of the maps, and artists of the last `plot`; ``image_`` is None for one feature.
    lags_ : array
        Lags of the maps in seconds.

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.plotting import TRFDisplay
    >>> kernels = np.random.default_rng(0).standard_normal((6, 1, 20))
    >>> display = TRFDisplay(kernels, np.arange(20) / 50, ["Fz", "C3", "Cz", "C4", "Pz", "Oz"])
    >>> len(display.plot(lags=3).maps_)
    3
    """

    def __init__(
        self,
        kernels: ArrayLike,
        times: ArrayLike,
        ch_names: Sequence[str] | None = None,
        *,
        features: Sequence[str] | None = None,
        label: str = "weight",
        positions: Any = None,
    ):
        self.kernels = check_array_like("kernels", kernels, dtype=float)
        self.times = check_array_like("times", times, dtype=float)
        if self.kernels.ndim != 3 or self.kernels.shape[2] != len(self.times):
            raise ValueError(
                f"kernels must be (n_channels, n_features, n_lags) with {len(self.times)} lags as in times; "
                f"their shape is {self.kernels.shape}."
            )
        self.ch_names = None if ch_names is None else [str(name) for name in ch_names]
        self.features = [str(name) for name in (range(self.kernels.shape[1]) if features is None else features)]
        if self.ch_names is not None and len(self.ch_names) != len(self.kernels):
            raise ValueError(f"There are {len(self.ch_names)} channel names for {len(self.kernels)} channels.")
        if len(self.features) != self.kernels.shape[1]:
            raise ValueError(f"There are {len(self.features)} names for {self.kernels.shape[1]} features.")
        self.label = label
        self.positions = positions

    @classmethod
    def from_estimator(cls, fitter, ch_names=None, *, scalp="targets", features=None, label=None, **plot_options):
        """Draw the kernels of a fitted ``WeightFitter`` of a ``DelayedModel``; a later `plot` replaces this figure.

        Parameters
        ----------
        fitter : fitted WeightFitter
            Its model has lags.
        ch_names : sequence of str, optional
            Electrodes.
        scalp : {"targets", "features"}
            What the electrodes are: the targets of a forward model, or the features of a backward model, whose Haufe
            patterns are drawn instead of its weights.
        features : sequence of str, optional
            Names of the features (of the targets, for a backward model).
        label : str, optional
            What the values are.
        **plot_options : dict
            For `plot`.

        Returns
        -------
        TRFDisplay

        Raises
        ------
        AttributeError
            For a fitter whose model has no lags.
        ValueError
            For another `scalp`, and names that are not as many as the channels or features.
        """
        check_option("scalp", scalp, ("targets", "features"))
        kernels, times = fitter.kernels_, fitter.model_.get_times()
        if scalp == "features":
            n_targets, n_features, n_lags = kernels.shape
            kernels = fitter.patterns_.reshape(n_features, n_lags, n_targets).transpose(0, 2, 1)
        label = label or ("weight" if scalp == "targets" else "pattern")
        return draft(cls(kernels, times, ch_names, features=features, label=label).plot(**plot_options))

    def plot(self, *, feature=None, lags=4, vlim=None, map_size=1.35):
        """Draw maps, the kernels of one feature over lags and, of several features, how strong each is at each lag.

        Parameters
        ----------
        feature : str or int, optional
            Which feature the maps and lines are of; None is the strongest.
        lags : int or sequence of float
            Largest number of maps, at the strongest peaks, or their lags in seconds.
        vlim : float, optional
            Limit of the maps' colours.
        map_size : float
            Side of a map in inches.

        Returns
        -------
        self : TRFDisplay
        """
        import matplotlib.pyplot as plt

        replace_draft(self)
        row = self._feature(feature)
        kernel = self.kernels[:, row]
        strength = np.sqrt((self.kernels**2).mean(axis=0))
        chosen = self._lags(strength[row], lags) if self.ch_names is not None else np.array([], dtype=int)
        self.lags_ = self.times[chosen]
        heights = ([map_size] if len(chosen) else []) + [2.0]
        heights += [0.22 * len(strength) + 0.5] if len(strength) > 1 else []
        width = max(4.8, map_size * len(chosen) + 1.2)
        self.figure_ = plt.figure(figsize=(width, sum(heights) + 0.5), layout="constrained")
        grid = self.figure_.add_gridspec(len(heights), max(len(chosen), 1), height_ratios=heights)
        self._draw_maps(kernel, chosen, grid, vlim)
        ax = self.figure_.add_subplot(grid[1 if len(chosen) else 0, :])
        self._draw_lines(ax, kernel, strength[row], row)
        self.image_ = self._draw_strength(grid, strength, ax) if len(strength) > 1 else None
        return self

    def _feature(self, feature):
        """Position of the feature to show."""
        if feature is None:
            return int(np.argmax((self.kernels**2).sum(axis=(0, 2))))
        if isinstance(feature, str):
            return self.features.index(check_option("feature", feature, self.features))
        return int(feature)

    def _lags(self, strength, lags):
        """Positions of the lags to map: the nearest ones, or the highest peaks in order of time."""
        if np.ndim(lags):
            return np.array([np.abs(self.times - lag).argmin() for lag in lags])
        return highest_peaks(strength, int(lags))

    def _draw_maps(self, kernel, chosen, grid, vlim):
        """Maps with shared limits and one colour bar."""
        self.maps_ = []
        if not len(chosen):
            return
        display = TopomapDisplay.from_values(
            kernel[:, chosen].T, self.ch_names, label=self.label, positions=self.positions
        )
        for i, lag in enumerate(self.times[chosen]):
            ax = self.figure_.add_subplot(grid[0, i])
            display.plot(ax=ax, frame=i, colorbar=False, vlim=vlim, title=time_label(lag))
            self.maps_.append(ax)
        draw_colorbar(display.im_, self.maps_, display.look(vlim=vlim), self.label)

    def _draw_lines(self, ax, kernel, strength, row):
        """All channels in grey, their root mean square in black, and marks at the maps' lags."""
        milliseconds = 1000 * self.times
        ax.spines[["top", "right"]].set_visible(False)
        ax.axhline(0, color=tone(ax, 0.4), linewidth=0.7, zorder=0)
        for lag in self.lags_:
            ax.axvline(1000 * lag, color="#D55E00", linewidth=0.9, linestyle=(0, (3, 2)), zorder=0)
        self.lines_ = ax.plot(milliseconds, kernel.T, color=tone(ax, 0.45), linewidth=0.6)
        self.rms_ = ax.plot(milliseconds, strength, color=ink(ax), linewidth=1.8, label="root mean square")[0]
        name = f"{plain(self.features[row])}: {self.label}" if len(self.features) > 1 else self.label
        ax.set(xlabel="lag (ms)", ylabel=name, xlim=self._reach())
        ax.legend(frameon=False, fontsize=8)

    def _reach(self):
        """First and last lag in milliseconds, with half a sample around them."""
        half = 500 * (self.times[1] - self.times[0]) if len(self.times) > 1 else 0.5
        return 1000 * self.times[0] - half, 1000 * self.times[-1] + half

    def _draw_strength(self, grid, strength, above):
        """Root mean square over channels of every feature."""
        ax = self.figure_.add_subplot(grid[-1, :])
        above.set_xlabel("")
        extent = (*self._reach(), len(strength) - 0.5, -0.5)
        image = ax.imshow(strength, aspect="auto", extent=extent, cmap=SEQUENTIAL, vmin=0, interpolation="nearest")
        ax.set_yticks(range(len(strength)), [plain(name) for name in self.features], fontsize=8)
        ax.tick_params(axis="y", length=0)
        ax.set_xlabel("lag (ms)")
        bar = self.figure_.colorbar(image, ax=ax, pad=0.02, aspect=10)
        bar.outline.set_linewidth(0.5)
        bar.set_label("RMS", fontsize=8)
        bar.ax.tick_params(labelsize=7)
        return image
