"""Templates of filters, the sinusoids fitted to them, and the windows that drive the filters most."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from eegexplain._text import plain
from eegexplain._validation import check_array_like, check_indices, check_sfreq
from eegexplain.plotting._drafts import draft, replace_draft
from eegexplain.plotting._ink import tone
from eegexplain.plotting._waves import oversampled
from eegexplain.plotting.displays._pattern import check_patterns, draw_pattern
from eegexplain.plotting.scalp.positions import own_positions

TEMPLATE, FIT = "#0072b2", "#d55e00"  # blue and vermilion: apart for colour-blind readers, seen on white and black
FAINT = 0.25  # amplitudes below this share of the largest get no arrow


class TemplateDisplay:
    """Templates per filter and channel, with fitted sinusoids and scalp maps of amplitudes, phases and patterns.

    Made by `from_explanation` or `from_estimator`.

    Parameters
    ----------
    templates : array of shape (n_filters, n_channels, width)
        Templates to draw.
    ch_names : sequence of str of length n_channels
    sfreq : float
        Sampling frequency in Hz.
    params_sin : array of shape (n_filters, n_channels, 4), optional
        Frequency (Hz), amplitude, phase and offset of fitted sinusoids.
    r2_sin : array of shape (n_filters, n_channels), optional
        Share of variance that the sinusoids explain.
    windows : array of shape (n_filters, n_windows, n_channels, width), optional
        Most activating windows.
    window_index : array of int of shape (n_filters, n_windows, 2), optional
        Trial and first sample of each window.
    label : str, default=""
        What the templates are; written at the vertical axes.
    patterns : complex array of shape (n_filters, n_channels), optional
        What goes with the filters' outputs: topographies, which filters are not (see `models.filter_patterns`).
    positions : optional
        Where the electrodes lie, as `channel_positions` takes it; None looks their names up.

    Attributes
    ----------
    axes_, figure_, lines_, fits_, scalps_, pattern_scalps_
        Artists of the last `plot`: axes ``(n_shown, 1 + n_channels)`` (with patterns one column more, the second),
        template lines, fitted lines, scalp displays of filters and of patterns.

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain import TemplateDisplay
    >>> templates = np.cos(2 * np.pi * 10 * np.arange(40) / 128) * np.array([[[1.0], [0.5]]])
    >>> display = TemplateDisplay(templates, ["C3", "C4"], 128).plot()
    >>> display.axes_.shape
    (1, 3)
    """

    def __init__(
        self,
        templates: ArrayLike,
        ch_names: Sequence[str],
        sfreq: float,
        *,
        params_sin: ArrayLike | None = None,
        r2_sin: ArrayLike | None = None,
        windows: ArrayLike | None = None,
        window_index: ArrayLike | None = None,
        label: str = "",
        patterns: ArrayLike | None = None,
        positions: Any = None,
    ):
        self.templates = check_array_like("templates", templates, dtype=float)
        self.ch_names = [str(name) for name in ch_names]
        self.sfreq = check_sfreq(sfreq)
        self.params_sin, self.r2_sin, self.windows = (
            None if given is None else check_array_like(name, given)
            for name, given in (("params_sin", params_sin), ("r2_sin", r2_sin), ("windows", windows))
        )
        self.window_index = None if window_index is None else check_indices("window_index", window_index)
        self.label = label
        self.patterns = None if patterns is None else check_patterns(patterns)
        self.positions = positions
        self._check()

    @classmethod
    def from_explanation(cls, explanation, *, sinusoids=None, label=None, positions=None):
        """Make a display from a labelled explanation; nothing is drawn yet.

        Parameters
        ----------
        explanation : xarray.Dataset
            With ``value`` over ``filter, channel, lag``, as of a `ReverseCorrelator`; its windows are taken along.
        sinusoids : xarray.Dataset, optional
            Explanation of a `SinusoidFitter` for the same templates.
        label : str, optional
            None is the explanation's own.
        positions : optional
            As for the class.

        Returns
        -------
        TemplateDisplay

        Raises
        ------
        ValueError
            For an explanation without these axes.
        """
        value = explanation["value"]
        if set(value.dims) != {"filter", "channel", "lag"}:
            raise ValueError(f"The explanation needs filters, channels and lags; it has {value.dims}.")
        extra = {name: explanation[name].values for name in ("windows", "window_index") if name in explanation}
        if sinusoids is not None:
            extra |= {"params_sin": sinusoids["value"].values, "r2_sin": sinusoids["r2_sin"].values}
        names, sfreq = explanation["channel"].values, explanation.attrs["sfreq"]
        label = str(explanation.attrs.get("label", "")) if label is None else label
        templates = value.transpose("filter", "channel", "lag").values
        return cls(templates, names, sfreq, label=label, positions=positions, **extra)

    @classmethod
    def from_estimator(cls, estimator, *, label=None, positions=None, **plot_options):
        """Draw the templates of a fitted estimator; a later `plot` takes the place of this figure.

        Parameters
        ----------
        estimator : fitted `ReverseCorrelator`, `SinusoidFitter` or SyncNet facade
            A `SinusoidFitter` brings its sinusoids, and the templates of the estimator that it holds; a facade its
            patterns.
        label : str, optional
            What the templates are.
        positions : optional
            As for the class; None also takes what the trials of an explainer say (MNE's epochs and recordings).
        **plot_options : dict
            For `plot`.

        Returns
        -------
        TemplateDisplay

        Raises
        ------
        NotFittedError
            For an estimator before ``fit``.
        ValueError
            For an estimator without templates.
        """
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(estimator)
        source, extra = estimator, {}
        if hasattr(estimator, "params_sin_"):
            extra = {"params_sin": estimator.params_sin_, "r2_sin": estimator.r2_sin_}
            source = estimator.estimator_
        for name in ("windows", "window_index", "patterns"):
            if hasattr(source, f"{name}_"):
                extra[name] = getattr(source, f"{name}_")
        if not hasattr(source, "templates_"):
            raise ValueError(f"{type(source).__name__} has no templates_ to draw.")
        names = getattr(estimator, "ch_names_", None) or [f"ch{i}" for i in range(source.templates_.shape[1])]
        sfreq = getattr(estimator, "sfreq_", None) or getattr(estimator, "sfreq", None) or 1.0
        own = getattr(getattr(source, "explanation_", None), "attrs", {}).get("label", "filter")
        if positions is None and hasattr(source, "explanation_"):
            positions = own_positions(source, source.explanation_)
        label = own if label is None else label
        display = cls(source.templates_, names, sfreq, label=label, positions=positions, **extra)
        return draft(display.plot(**plot_options))

    # ----------------------------------------------------------------------------------------------------- drawing

    def plot(self, *, filters=None, n_channels=3, scalp=True, panel_size=(2.3, 1.5)):
        """Draw one row per filter: amplitudes and phases on the scalp, its pattern, then the strongest channels.

        Parameters
        ----------
        filters : sequence of int, optional
            Filters to draw; None draws the first four.
        n_channels : int
            Channels to draw per filter, strongest first.
        scalp : bool
            Draw the scalp maps: the amplitude of each channel, and arrows for its phase relative to the strongest
            channel (to the right: in phase; turned to the left: leading). The pattern is drawn at the phase where it
            is largest, in units of its strongest channel; the title says how much of its power that is where it is
            less than 95 %. Left empty where the names of the channels say no place.
        panel_size : (float, float)
            Width and height of each panel in inches.

        Returns
        -------
        self : TemplateDisplay
        """
        import matplotlib.pyplot as plt

        replace_draft(self)
        filters = self._filters(filters)
        n_channels = min(n_channels, len(self.ch_names))
        width, height = panel_size
        n_maps = 1 if self.patterns is None else 2
        widths = [height] * n_maps + [width] * n_channels
        figure, self.axes_ = plt.subplots(
            len(filters), len(widths), figsize=(sum(widths) + 0.4, height * len(filters) + 0.4), layout="constrained",
            squeeze=False, gridspec_kw={"width_ratios": widths},
        )  # fmt: skip
        self.figure_, self.lines_, self.fits_, self.pattern_scalps_ = figure, [], [], []
        positions = self._positions() if scalp else None
        self.scalps_ = [self._draw_scalp(row[0], k, positions) for row, k in zip(self.axes_, filters, strict=True)]
        for row, k in zip(self.axes_, filters, strict=True):
            if self.patterns is not None:
                self.pattern_scalps_.append(draw_pattern(row[1], self.patterns[k], positions, self.ch_names))
            self._draw_row(row[n_maps:], k)
        for ax in self.axes_[-1, n_maps:]:
            ax.set_xlabel("time (ms)", fontsize=8)
        for ax in self.axes_[:, n_maps]:
            ax.set_ylabel(self.label, fontsize=8)
        if self.fits_:
            handles = {"template": self.lines_[0], "fitted sinusoid": self.fits_[0]}
            figure.legend(
                handles.values(), handles, loc="outside upper right", ncols=2, fontsize=8, frameon=False
            )
        return self

    def plot_windows(self, filter_index=0, *, n_windows=12, n_columns=4, panel_size=(2.0, 1.3)):
        """Draw the windows that activate a filter most, at the filter's strongest channel.

        Parameters
        ----------
        filter_index : int
            Which filter.
        n_windows : int
            Windows to draw, most activating first.
        n_columns : int
            Panels per row.
        panel_size : (float, float)
            Width and height of each panel in inches.

        Returns
        -------
        self : TemplateDisplay
            With ``axes_`` of the panels and ``figure_``; the template, scaled to the windows, is dashed.

        Raises
        ------
        ValueError
            Without windows.
        """
        import matplotlib.pyplot as plt

        if self.windows is None:
            raise ValueError("There are no windows: make the display from a ReverseCorrelator.")
        replace_draft(self)
        (k,) = self._filters([filter_index])
        channel = self._strongest(k)[0]
        shown = self.windows[k, :n_windows, channel]
        n_rows = max(1, -(-len(shown) // n_columns))
        figure, self.axes_ = plt.subplots(
            n_rows, n_columns, figsize=(panel_size[0] * n_columns, panel_size[1] * n_rows + 0.4), layout="constrained",
            squeeze=False, sharex=True, sharey=True,
        )  # fmt: skip
        self.figure_ = figure
        template = self.templates[k, channel] - self.templates[k, channel].mean()
        centred = shown - shown.mean(axis=1, keepdims=True)
        scale = (centred @ template).mean() / max(template @ template, np.finfo(float).tiny)
        for i, ax in enumerate(self.axes_.flat):
            if i >= len(shown):
                ax.set_axis_off()
                continue
            waves = oversampled(np.stack([centred[i], scale * template]))
            times = np.linspace(0, self._times[-1], waves.shape[1])
            ax.plot(times, waves[0], color=TEMPLATE, linewidth=1.2)
            ax.plot(times, waves[1], "--", color=FIT, linewidth=1.0)
            if self.window_index is not None:
                trial, sample = self.window_index[k, i]
                ax.set_title(f"trial {trial}, {1000 * sample / self.sfreq:.0f} ms", fontsize=7)
            _tidy(ax)
        figure.supxlabel("time in window (ms)", fontsize=8)
        figure.suptitle(f"filter {k} at {plain(self.ch_names[channel])}: windows, template (dashed)", fontsize=9)
        return self

    # ------------------------------------------------------------------------------------------------------ pieces

    @property
    def _times(self):
        """Time inside the window in milliseconds."""
        return 1000 * np.arange(self.templates.shape[-1]) / self.sfreq

    def _strongest(self, k):
        """Channels by the spread of their template, largest first."""
        return np.argsort(-self.templates[k].std(axis=-1), kind="stable")

    def _filters(self, filters):
        n_filters = len(self.templates)
        filters = range(min(4, n_filters)) if filters is None else filters
        unknown = [k for k in filters if not 0 <= k < n_filters]
        if unknown:
            raise ValueError(f"Unknown filters {unknown}: there are {n_filters}, 0 to {n_filters - 1}.")
        return list(filters)

    def _draw_row(self, axes, k):
        shown = self._strongest(k)[: len(axes)]
        limit = 1.1 * np.abs(self.templates[k]).max() or 1.0
        for number, (ax, channel) in enumerate(zip(axes, shown, strict=True)):
            ax.axhline(0, color=tone(ax, 0.2), linewidth=0.6, zorder=0)
            wave = oversampled(self.templates[k, channel])
            times = np.linspace(0, self._times[-1], len(wave))
            self.lines_ += ax.plot(times, wave, color=TEMPLATE, linewidth=1.4)
            title = plain(self.ch_names[channel])
            if self.params_sin is not None:
                title += self._draw_fit(ax, k, channel)
            ax.set_title(title, fontsize=8)
            ax.set_ylim(-limit, limit)
            _tidy(ax)
            if number:
                ax.set_yticklabels([])

    def _draw_fit(self, ax, k, channel):
        """Draw a sinusoid and return what the title says of it."""
        frequency, amplitude, phase, offset = self.params_sin[k, channel]
        fine = np.linspace(0, self._times[-1], 8 * len(self._times))
        wave = offset + amplitude * np.cos(2 * np.pi * frequency * fine / 1000 + phase)
        self.fits_ += ax.plot(fine, wave, "--", color=FIT, linewidth=1.1)
        r2 = "" if self.r2_sin is None else f", R² {self.r2_sin[k, channel]:.2f}"
        return f"  {frequency:.1f} Hz{r2}" if amplitude > 0 else "  no sinusoid"

    def _positions(self):
        from eegexplain.plotting.scalp.positions import channel_positions, have_places

        if self.positions is not None or have_places(self.ch_names):
            return channel_positions(self.ch_names, self.positions)
        return None

    def _draw_scalp(self, ax, k, positions):
        """Amplitude per channel as a map with phase arrows; None where there is no place to draw it."""
        ax.set_title(f"filter {k}", fontsize=8)
        if positions is None or len(positions) < 3:
            ax.set_axis_off()
            return None
        from eegexplain.plotting.scalp.maps import TopomapDisplay

        strength = np.sqrt(2) * self.templates[k].std(axis=-1)
        phasor = strength.astype(complex)
        if self.params_sin is not None:
            strength = self.params_sin[k, :, 1]
            phasor = strength * np.exp(1j * self.params_sin[k, :, 2])
        display = TopomapDisplay(strength[None, None], positions, self.ch_names)
        display.plot(ax=ax, sequential=True, colorbar=False, contours=0, title=f"filter {k}")
        ax.title.set_fontsize(8)
        if self.params_sin is not None and strength.max() > 0:
            _draw_arrows(ax, positions, phasor / phasor[strength.argmax()])
        return display

    def _check(self):
        if self.templates.ndim != 3 or 0 in self.templates.shape:
            raise ValueError(
                f"templates must have shape (n_filters, n_channels, width), none 0, got {self.templates.shape}."
            )
        n_filters, n_channels, width = self.templates.shape
        if len(self.ch_names) != n_channels:
            raise ValueError(f"There are {len(self.ch_names)} channel names for {n_channels} channels.")
        pair = (n_filters, n_channels)
        expected = {"params_sin": (*pair, 4), "r2_sin": pair, "patterns": pair}
        for name, shape in expected.items():
            given = getattr(self, name)
            if given is not None and given.shape != shape:
                raise ValueError(f"{name} must have shape {shape}, got {given.shape}.")
        fits = self.windows is None or self.windows.shape[:1] + self.windows.shape[2:] == self.templates.shape
        if not fits:
            raise ValueError(
                f"windows must have shape ({n_filters}, n_windows, {n_channels}, {width}), got {self.windows.shape}."
            )


def _tidy(ax):
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=7)


def _draw_arrows(ax, positions, phasor):
    """Phases as arrows at the electrodes, their length the amplitude; the strongest points to the right."""
    shown = np.abs(phasor) > FAINT
    span = np.ptp(positions, axis=0).max() or 1.0
    arrows = 0.22 * span * phasor[shown]
    ax.quiver(
        *positions[shown].T, arrows.real, arrows.imag, angles="xy", scale_units="xy", scale=1, width=0.018,
        color="black", zorder=6, headwidth=3.5, headlength=4, headaxislength=3.5,
    )  # fmt: skip
