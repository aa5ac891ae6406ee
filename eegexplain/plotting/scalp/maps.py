"""Maps on the scalp: one, a grid of them, or a sequence over time."""

import numpy as np

from eegexplain.plotting._column import column_width
from eegexplain.plotting._drafts import draft, replace_draft
from eegexplain.plotting._ink import ink, tone
from eegexplain.plotting._look import axes_size, draw_colorbar, font_size
from eegexplain.plotting._selection import select_maps
from eegexplain.plotting.scalp import _head
from eegexplain.plotting.scalp._contours import draw_contours, outline_patch
from eegexplain.plotting.scalp._grid import arrange, title_of, write_texts
from eegexplain.plotting.scalp._joint import draw_joint
from eegexplain.plotting.scalp._shown import ShownValues
from eegexplain.plotting.scalp.positions import channel_positions, own_positions


class TopomapDisplay(ShownValues):
    """Maps of channel values on the scalp.

    Made by `from_values`, `from_explanation` or `from_estimator`. Limits are symmetric around zero, which has the
    neutral colour, and shared by all panels and frames, as are the contour levels.

    Parameters
    ----------
    values : array of shape (n_outputs, n_frames, n_channels)
        Values to draw. Channels with a NaN or infinite value anywhere are left out, with a warning, and marked by a
        cross.
    positions : array of shape (n_channels, 2)
        Electrodes in metres, as `channel_positions` gives them.
    ch_names : sequence of str, length n_channels
        Names of the channels.
    outputs : sequence, optional
        Labels of the first axis.
    times : array of shape (n_frames,), optional
        Times of the frames, in seconds.
    bands : sequence, optional
        Labels of the frames when these are not times.
    frequencies : array of shape (n_frames,), optional
        Frequencies of the frames, in Hz.
    standard_error : array of shape (n_outputs, n_frames, n_channels), optional
        Drawn as a band under animations.
    label : str
        What the values are, with their unit; written at the colour bar.
    row_kind : str
        What an output is, written before a label that is a bare number: "class 1".
    method : {"cloughtocher", "spherical", "linear"}
        Interpolation: exact at electrodes, for potentials, or piecewise linear.
    extrapolate : {"head", "hull"}
        Fill the head, or stop at the outermost electrodes.
    resolution : int
        Pixels along each side of a map.

    Attributes
    ----------
    ax_, figure_, im_, contours_, colorbar_, sensors_, names_
        Artists of the last `plot`; `axes_` and `images_` those of the last `plot_grid`, None where a panel is empty;
        `axes_` (the curve, then the maps), `images_` and `lines_` those of the last `plot_joint`.
    dropped_ : list of str
        Channels that were left out.

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.plotting import TopomapDisplay
    >>> names = ["Fz", "C3", "Cz", "C4", "Pz", "Oz"]
    >>> display = TopomapDisplay.from_values([0.1, -1.0, 0.0, 1.0, 0.2, 0.0], names)
    >>> display.plot(names=True).im_.get_clim()
    (-1.0, 1.0)
    """

    # ------------------------------------------------------------------------------------------------------ making

    @classmethod
    def from_values(cls, values, ch_names, times=None, *, positions=None, head_radius=None, **options):
        """Make a display from an array; nothing is drawn yet.

        Parameters
        ----------
        values : array of shape (n_channels,), (n_frames, n_channels) or (n_outputs, n_frames, n_channels)
            Values to draw.
        ch_names : sequence of str, length n_channels
            Names of the channels, which also say where they lie.
        times : array of shape (n_frames,), optional
            Times of the frames, in seconds.
        positions : None, str, mne.channels.DigMontage, mne.Info or array of shape (n_channels, 2 or 3)
            Where the electrodes lie; None looks the names up in the spherical 10-05 montage.
        head_radius : float, optional
            Radius of the head in the unit of `positions`; see `channel_positions`.
        **options : dict
            Further parameters of the class, such as ``bands``, ``outputs``, ``label``, ``method``, ``extrapolate``.

        Returns
        -------
        TopomapDisplay

        Raises
        ------
        ValueError
            For unknown or repeated names, wrong lengths, and values without any finite channel.
        """
        values = np.asarray(values, dtype=float)
        if not 1 <= values.ndim <= 3:
            raise ValueError(
                "values must have shape (n_channels,), (n_frames, n_channels) or (n_outputs, n_frames, n_channels); "
                f"got {values.shape}."
            )
        values = values.reshape((1,) * (3 - values.ndim) + values.shape)
        ch_names = [str(name) for name in ch_names]
        if len(ch_names) != values.shape[-1]:
            raise ValueError(f"There are {len(ch_names)} channel names for {values.shape[-1]} values.")
        plane = channel_positions(ch_names, positions, head_radius=head_radius)
        return cls(values, plane, ch_names, times=times, **options)

    @classmethod
    def from_explanation(
        cls, explanation, *, output=None, band=None, time=None, bins=False, positions=None, head_radius=None, **options
    ):
        """Make a display from a labelled explanation; nothing is drawn yet.

        Parameters
        ----------
        explanation : xarray.Dataset
            As ``explanation_`` of any fitted explainer.
        output : label or int, optional
            Output (or filter) to take; None takes all.
        band : str or (float, float), optional
            Band to take, by name or by limits in Hz; None takes all.
        time : float or (float, float), optional
            Nearest time, or mean between two times, in seconds; None takes all.
        bins : bool
            Keep each frequency as a frame of its own, for `plot_joint` and moving maps, instead of averaging bands.
        positions, head_radius, **options
            As in `from_values`.

        Returns
        -------
        TopomapDisplay
        """
        maps = select_maps(explanation, output=output, band=band, time=time, bins=bins)
        plane = channel_positions(maps.ch_names, positions, head_radius=head_radius)
        options.setdefault("label", str(explanation.attrs.get("label", "")))
        return cls(
            maps.values, plane, maps.ch_names, outputs=maps.outputs, times=maps.times, bands=maps.bands,
            frequencies=maps.frequencies, standard_error=maps.standard_error, row_kind=maps.row_kind, **options,
        )  # fmt: skip

    @classmethod
    def from_estimator(
        cls, estimator, *, output=None, band=None, time=None, positions=None, options=None, ax=None, **plot_options
    ):
        """Draw the explanation of a fitted explainer: one map, or a grid where several are left.

        A later `plot` or `plot_grid` takes the place of this figure.

        Parameters
        ----------
        estimator : fitted explainer
            Anything with an ``explanation_`` that has channels.
        output, band, time, positions
            As in `from_explanation`. Without `positions` channels whose names are in no montage lie where the trials
            that the explainer was fitted on say (MNE's epochs and recordings).
        options : dict, optional
            Parameters of the class, such as ``{"method": "spherical"}``.
        ax : matplotlib.axes.Axes, optional
            For a single map.
        **plot_options : dict
            For `plot` or `plot_grid`.

        Returns
        -------
        TopomapDisplay
        """
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(estimator, "explanation_")
        positions = own_positions(estimator, estimator.explanation_) if positions is None else positions
        display = cls.from_explanation(
            estimator.explanation_, output=output, band=band, time=time, positions=positions, **(options or {})
        )
        single = display.values.shape[:2] == (1, 1) or ax is not None
        return draft(display.plot(ax=ax, **plot_options) if single else display.plot_grid(**plot_options), ax)

    # ----------------------------------------------------------------------------------------------------- drawing

    def plot(
        self, *, ax=None, output=None, band=None, time=None, frame=None, names=False, mask=None, contours=6,
        sensors=True, interpolate=True, vlim=None, cmap=None, sequential=False, colorbar=True, title=None, im_kw=None,
    ):  # fmt: skip
        """Draw one map.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; None makes a figure.
        output : label or int, optional
            Which output; None is the first.
        band, time, frame : optional
            Which map: the band's label, the nearest time in seconds, or the index. None is the map with the largest
            absolute value.
        names : bool
            Write the names of the electrodes, without overlap.
        mask : array of bool, optional
            Electrodes to mark, for example significant ones: shape ``(n_channels,)`` or the shape of the values.
        contours : int or array
            Number of contour lines, or their levels. 0 draws none.
        sensors : bool
            Draw a dot at each electrode.
        interpolate : bool
            False draws coloured discs at the electrodes instead of a map.
        vlim : float, (float or None, float or None) or "robust", optional
            Limits of the colours; a missing side mirrors the other. None takes the largest absolute value of all maps;
            "robust" leaves out two spikes of each output where they take more than 40 % of the scale and the
            others reach a quarter of theirs. The colour bar has arrows where values lie beyond it.
        cmap : str or matplotlib.colors.Colormap, optional
            Colour map; None is a diverging map safe for colour-blind readers.
        sequential : bool
            Limits from zero up, with a sequential map: for values that cannot be negative.
        colorbar : bool
            Draw a colour bar.
        title : str, optional
            None writes output, band or time where there are several.
        im_kw : dict, optional
            Further arguments of ``Axes.imshow`` (or ``Axes.scatter``).

        Returns
        -------
        self : TopomapDisplay
        """
        import matplotlib.pyplot as plt

        row, column = self.locate(output=output, band=band, time=time, frame=frame)
        look = self.look(vlim=vlim, cmap=cmap, sequential=sequential, contours=contours)
        replace_draft(self)
        if ax is None:
            width = column_width() or 3.4
            _, ax = plt.subplots(figsize=(width, 0.88 * width), layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        self.im_, self.contours_ = self._draw_panel(ax, row, column, look, interpolate, mask, im_kw)
        points = 1.15 * font_size(ax, largest=12)
        title = title_of(ax, self.title(row, column), points) if title is None else title
        if title:
            ax.set_title(title, fontsize=points)
        self.colorbar_ = draw_colorbar(self.im_, ax, look, self.label) if colorbar else None
        shown = (sensors, mask, names) if interpolate else (False, None, names)  # a disc is its own electrode
        self._draw_electrodes(ax, row, column, *shown, bare=not interpolate)
        return self

    def plot_grid(
        self, *, times=6, mask=None, names=False, contours=6, sensors=None, interpolate=True, vlim=None, cmap=None,
        sequential=False, colorbar=True, panel_size=1.5, im_kw=None,
    ):  # fmt: skip
        """Draw outputs (rows) by bands or times (columns) with shared limits, levels and one colour bar.

        Many outputs of one frame, and many frames of one output, are wrapped.

        Parameters
        ----------
        times : int or array
            Number of times (or frequencies) to show, evenly spaced, or the times in seconds (frequencies in Hz). Only
            when frames are either.
        panel_size : float
            Side of each map, in inches; less inside of `one_column`.
        mask, names, contours, sensors, interpolate, vlim, cmap, sequential, colorbar, im_kw
            As in `plot`; `sensors` None draws them in panels of at least 1.2 inches.

        Returns
        -------
        self : TopomapDisplay
        """
        import matplotlib.pyplot as plt

        replace_draft(self)
        grid = arrange(self, self._columns(times), panel_size, colorbar)
        look = self.look(vlim=vlim, cmap=cmap, sequential=sequential, contours=contours)
        self.figure_, self.axes_ = plt.subplots(*grid.shape, figsize=grid.size, layout="constrained", squeeze=False)
        self.images_ = np.full(grid.shape, None, dtype=object)
        for ax in self.axes_.flat:
            ax.set_axis_off()
        for place, row, column in grid.panels:
            self.images_[place], _ = self._draw_panel(self.axes_[place], row, column, look, interpolate, mask, im_kw)
        write_texts(self.axes_, grid)
        first = self.images_[0, 0]
        self.colorbar_ = draw_colorbar(first, list(self.axes_.flat), look, self.label) if colorbar else None
        sensors = interpolate and (grid.panel_size >= 1.2 if sensors is None else sensors)
        mask = mask if interpolate else None  # a rim marks it already
        for place, row, column in grid.panels:
            self._draw_electrodes(self.axes_[place], row, column, sensors, mask, names, bare=not interpolate)
        return self

    def plot_joint(self, *, output=None, maps=4, mask=None, contours=6, vlim=None, cmap=None, panel_size=1.35):
        """Draw the course of all channels over time or frequency, with maps at its peaks.

        Parameters
        ----------
        output : label or int, optional
            Which output; None is the first.
        maps : int or sequence of float
            Largest number of maps, at the highest peaks of the root mean square over channels, or the times (s) or
            frequencies (Hz) of the maps.
        mask, contours, vlim, cmap
            As in `plot`; the limits are those of all frames.
        panel_size : float
            Side of each map, in inches; less inside of `one_column`.

        Returns
        -------
        self : TopomapDisplay

        Raises
        ------
        ValueError
            For a single frame, and maps that are asked for outside of the axis.
        """
        row, _ = self.locate(output=output, frame=0)
        look = self.look(vlim=vlim, cmap=cmap, contours=contours)
        replace_draft(self)
        return draw_joint(self, row, maps, look, mask, panel_size)

    def animate(self, *, fps=5, output=None, **plot_options):
        """Animate the frames in a matplotlib figure, for notebooks (``HTML(animation.to_jshtml())``).

        Parameters
        ----------
        fps : float
            Frames per second.
        output : label or int, optional
            Which output; None is the first.
        **plot_options : dict
            As in `plot`.

        Returns
        -------
        matplotlib.animation.FuncAnimation
            Keep a reference to it while it runs.
        """
        from eegexplain.plotting.motion.animation import animate

        return animate(self, fps=fps, output=output, **plot_options)

    def save(self, path, *, fps=5, **options):
        """Save all frames as a moving picture; the ending names the format.

        Parameters
        ----------
        path : str or path-like
            Ending in ``.gif``, ``.png`` (animated), ``.webp``, ``.html`` or ``.mp4``.
        fps : float
            Frames per second.
        **options : dict
            As in `eegexplain.plotting.motion.animation.save`.

        Returns
        -------
        pathlib.Path
        """
        from eegexplain.plotting.motion.animation import save

        return save(self, path, fps=fps, **options)

    # ------------------------------------------------------------------------------------------------------ pieces

    def _draw_panel(self, ax, row, column, look, interpolate, mask, im_kw):
        """Draw the head with a map and its contours, or with coloured discs, on which the mask is a strong rim."""
        operator = self.topography
        _head.draw_head(ax, operator)
        options = {"cmap": look.cmap, "vmin": look.vlim[0], "vmax": look.vlim[1], **(im_kw or {})}
        if not interpolate:
            marked = self.mask_of(np.zeros(len(self.ch_names)) if mask is None else mask, row, column)
            rims = [ink(ax) if one else tone(ax, 0.6) for one in marked]
            options = {"edgecolors": rims, "linewidths": np.where(marked, 1.8, 0.5), **options}
            return ax.scatter(
                *self.kept_positions.T, c=self.kept_values(row, column), s=30 * axes_size(ax) ** 1.3, zorder=3,
                **options,
            ), None  # fmt: skip
        picture = self.maps(row, column)
        options = {"interpolation": "bilinear", "zorder": 1, **options}
        image = ax.imshow(picture, origin="lower", extent=operator.extent, **options)
        image.set_clip_path(outline_patch(ax, operator))
        return image, draw_contours(ax, operator, picture, look.levels)

    def _draw_electrodes(self, ax, row, column, sensors, mask, names, *, bare=False):
        """Draw dots, marks, crosses and names; `bare` where there is no map under them but the page."""
        mask = self.mask_of(mask, row, column)
        positions = self.kept_positions
        self.sensors_ = None
        if sensors:
            self.sensors_ = _head.draw_sensors(ax, positions, mask)
        elif mask is not None:
            _head.draw_sensors(ax, positions[mask], np.ones(mask.sum(), dtype=bool))
        if self.dropped_:
            _head.draw_missing(ax, self.positions[~self._kept], tone(ax, 0.75) if bare else "0.25")
        shown = [name for name, kept in zip(self.ch_names, self._kept, strict=True) if kept]
        colors = (ink(ax), tone(ax, 0.0)) if bare else ("black", "white")
        self.names_ = _head.draw_names(ax, positions, shown, colors) if names else []
