"""Channel-by-frequency maps of the outputs of a network."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from eegexplain._text import plain, readable
from eegexplain._validation import EEG_BANDS, check_array_like, check_option
from eegexplain.plotting._column import column_width
from eegexplain.plotting._drafts import draft, replace_draft
from eegexplain.plotting._ink import ink, tone
from eegexplain.plotting._look import DIVERGING, SMALLEST_BAR_TEXT, make_look
from eegexplain.plotting._selection import row_kind, row_title
from eegexplain.plotting._words import fitted, size_in_points, text_width
from eegexplain.plotting.scalp.positions import channel_positions, own_positions

LEAST_LINE = 7.0  # points between the names of channels
BAND_TEXT, LEAST_TURNED = 7.0, 12.0  # points: of a band's name, and from one turned name to the next
PALE = 0.35  # opacity of cells that are not told from zero
MOST_IN_A_LINE = {1: 1, 2: 2, 4: 2}  # panels of so many outputs; else three


class SpectralMapDisplay:
    """One channel-by-frequency map per output, with shared limits around zero.

    Made by `from_explanation` or `from_estimator`.

    Parameters
    ----------
    values : array of shape (n_outputs, n_channels, n_frequencies or n_bands)
        Values to draw.
    ch_names : sequence of str of length n_channels
    frequencies : array of shape (n_frequencies,), optional
        Ascending frequencies in Hz.
    bands : sequence of str of length n_bands, optional
        Names of bands, where the last axis is not frequency.
    outputs : sequence of length n_outputs, optional
        Labels of the first axis.
    standard_error : array of the shape of `values`, optional
        Cells whose value is less than two of these from zero are pale, the others outlined.
    label : str, default=""
        What the values are; written at the colour bar.
    row_kind : str, default="output"
        What an output is, written before a label that is a bare number: "class 1".
    positions : optional
        Where the electrodes lie, as `channel_positions` takes it, for ``order="front"``; None looks names up.

    Attributes
    ----------
    ax_, axes_, figure_, images_, outlines_, colorbar_
        Artists of the last `plot`; outlines are None where no cell is pale.

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.plotting import SpectralMapDisplay
    >>> values = np.zeros((1, 2, 46))
    >>> values[0, 1, 10] = -0.3
    >>> display = SpectralMapDisplay(values, ["C3", "O1"], frequencies=np.arange(46.0))
    >>> display.plot().images_[0].get_clim()
    (-0.3, 0.3)
    """

    def __init__(
        self,
        values: ArrayLike,
        ch_names: Sequence[str],
        *,
        frequencies: ArrayLike | None = None,
        bands: Sequence[str] | None = None,
        outputs: Sequence[Any] | None = None,
        standard_error: ArrayLike | None = None,
        label: str = "",
        row_kind: str = "output",
        positions: Any = None,
    ):
        gaps: dict[str, Any] = {"dtype": float, "allow_nan": True, "allow_inf": True}
        self.values = check_array_like("values", values, **gaps)
        self.ch_names = [str(name) for name in ch_names]
        self.frequencies = None if frequencies is None else check_array_like("frequencies", frequencies, dtype=float)
        self.bands = None if bands is None else [str(name) for name in bands]
        self.outputs = None if outputs is None else [str(name) for name in outputs]
        self.standard_error = standard_error
        if standard_error is not None:
            self.standard_error = check_array_like("standard_error", standard_error, **gaps)
        self.label = label
        self.row_kind = row_kind
        self.positions = positions
        self._check()

    @classmethod
    def from_explanation(cls, explanation, *, output=None, fmin=0.0, fmax=45.0, label=None, positions=None):
        """Make a display from a labelled explanation; nothing is drawn yet.

        Parameters
        ----------
        explanation : xarray.Dataset
            With ``value`` over ``channel`` and ``frequency`` or ``band``, and perhaps ``output`` or ``filter``.
        output : label, optional
            Output (or filter) to take; None takes all.
        fmin, fmax : float
            Frequencies to show, in Hz; a `fmax` of None shows all.
        label : str, optional
            None is the explanation's own label.
        positions : optional
            As for the class.

        Returns
        -------
        SpectralMapDisplay

        Raises
        ------
        ValueError
            For an explanation without these axes, an unknown output, and limits that leave no frequency.
        """
        array = explanation["value"]
        rows = next((dim for dim in ("output", "filter") if dim in array.dims), None)
        columns = next((dim for dim in ("frequency", "band") if dim in array.dims), None)
        if columns is None or "channel" not in array.dims:
            raise ValueError(f"The explanation needs channels and frequencies (or bands); it has {array.dims}.")
        if columns == "frequency":
            inside = (explanation[columns] >= fmin) & (explanation[columns] <= (np.inf if fmax is None else fmax))
            if not inside.any():
                raise ValueError(f"No frequency of the explanation lies between {fmin} and {fmax} Hz.")
            explanation = explanation.isel({columns: np.flatnonzero(inside)})
        if output is not None:
            labels = [str(name) for name in explanation[rows].values] if rows else []
            check_option("output", str(output), labels)
            explanation = explanation.isel({rows: [labels.index(str(output))]})
        order = [rows, "channel", columns] if rows else ["channel", columns]
        names = [name for name in ("value", "standard_error") if name in explanation]
        arrays = {name: explanation[name].transpose(*order).to_numpy() for name in names}
        arrays = {name: array if rows else array[None] for name, array in arrays.items()}
        return cls(
            arrays["value"],
            explanation["channel"].values,
            **{"frequencies" if columns == "frequency" else "bands": explanation[columns].values},
            outputs=explanation[rows].values if rows else None,
            standard_error=arrays.get("standard_error"),
            label=str(explanation.attrs.get("label", "") if label is None else label),
            row_kind=row_kind(explanation),
            positions=positions,
        )

    @classmethod
    def from_estimator(
        cls, estimator, *, output=None, fmin=0.0, fmax=45.0, label=None, positions=None, **plot_options
    ):
        """Draw the explanation of a fitted explainer; a later `plot` takes the place of this figure.

        Parameters
        ----------
        estimator : fitted explainer
            Anything with an ``explanation_`` over channels and frequencies or bands.
        output, fmin, fmax, label, positions
            As in `from_explanation`. Without `positions` channels whose names are in no montage lie where the trials
            that the explainer was fitted on say.
        **plot_options : dict
            For `plot`.

        Returns
        -------
        SpectralMapDisplay
        """
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(estimator, "explanation_")
        found = estimator.explanation_
        positions = own_positions(estimator, found) if positions is None else positions
        display = cls.from_explanation(
            found, output=output, fmin=fmin, fmax=fmax, label=label, positions=positions
        )
        return draft(display.plot(**plot_options), plot_options.get("ax"))

    def plot(
        self, *, ax=None, order=None, bands="eeg", fade=True, vlim="robust", cmap=None, panel_size=None, im_kw=None
    ):
        """Draw one panel per output.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw, when there is one output; None makes a figure.
        order : "front" or array of int, optional
            Channels from top to bottom: from the front of the head to its back, or these indices; None keeps the order.
        bands : "eeg", None or dict of str to (float, float)
            Frequency bands to mark.
        fade : bool or array of bool of the shape of `values`
            Make cells pale that are less than two standard errors from zero, or these, and outline the others.
        vlim : float, (float or None, float or None), "robust" or None
            Limits of the colours, on both sides of zero. None takes the largest absolute value; "robust" leaves out two
            spikes of each output where they take more than 40 % of the scale and the others reach a quarter of
            theirs. The colour bar has arrows where values lie beyond it.
        cmap : str or matplotlib.colors.Colormap, optional
            None is a diverging map safe for colour-blind readers.
        panel_size : (float, float), optional
            Width and height of each panel in inches; None follows the numbers of channels and outputs.
        im_kw : dict, optional
            Further arguments of ``Axes.pcolormesh``.

        Returns
        -------
        self : SpectralMapDisplay

        Raises
        ------
        ValueError
            For one `ax` and several outputs, an `order` that does not name every channel once, and a `fade` of another
            shape.
        """
        replace_draft(self)
        order, unsure = self._order(order), self._unsure(fade)
        if ax is None:
            axes = self._make_axes(panel_size)
        elif len(self.values) > 1:
            raise ValueError(f"ax takes one output, but there are {len(self.values)}: choose one with output=...")
        else:
            axes = np.array([ax])
        look = make_look(np.where(np.isfinite(self.values), self.values, 0.0), vlim, cmap or DIVERGING, False, 0)
        self.axes_, self.ax_, self.figure_ = axes, axes[0], axes[0].figure
        options = {"cmap": look.cmap, "vmin": look.vlim[0], "vmax": look.vlim[1], "rasterized": True, **(im_kw or {})}
        self.images_, self.outlines_ = [], []
        for row, panel in enumerate(self.axes_):
            cells = self.values[row][order]
            image = panel.pcolormesh(self._edges(), np.arange(len(order) + 1), cells, **options)
            self.images_.append(image)
            self.outlines_.append(None if unsure is None else self._fade(panel, image, unsure[row][order]))
            self._dress(panel, row, order, bands)
        self.colorbar_ = self.figure_.colorbar(
            self.images_[0], ax=list(self.axes_), shrink=0.8, aspect=25, pad=0.02, extend=look.extend, extendfrac=0.05
        )
        self.colorbar_.outline.set_linewidth(0.5)
        self.colorbar_.set_label(self.label)
        self.colorbar_.ax.tick_params(labelsize=max(SMALLEST_BAR_TEXT, 0.9 * size_in_points()))
        return self

    # ------------------------------------------------------------------------------------------------------ pieces

    def _make_axes(self, panel_size):
        """A figure with one panel per output, in lines."""
        import matplotlib.pyplot as plt

        n_outputs, n_channels, _ = self.values.shape
        room = column_width()
        n_columns = min(n_outputs, MOST_IN_A_LINE.get(n_outputs, 3)) if room is None else 1 + (n_outputs > 1)
        n_lines = -(-n_outputs // n_columns)
        tallest = 9.0 if n_lines == 1 else 4.5
        width = (4.4 if n_columns < 3 else 3.6) if room is None else (room - 0.6) / n_columns
        default = width, float(np.clip(0.15 * n_channels + 0.9, 2.0, tallest))
        width, height = default if panel_size is None else panel_size
        figure, axes = plt.subplots(
            n_lines, n_columns, figsize=(room or width * n_columns + 0.8, height * n_lines), layout="constrained",
            squeeze=False, sharey=True, sharex=True,
        )  # fmt: skip
        for ax in axes.flat[n_outputs:]:
            figure.delaxes(ax)
        return axes.ravel()[:n_outputs]

    def _edges(self):
        """Borders of the columns."""
        if self.frequencies is None:
            return np.arange(self.values.shape[2] + 1.0)
        if len(self.frequencies) == 1:
            return self.frequencies[0] + np.array([-0.5, 0.5])
        middle = (self.frequencies[1:] + self.frequencies[:-1]) / 2
        return np.concatenate([[2 * self.frequencies[0] - middle[0]], middle, [2 * self.frequencies[-1] - middle[-1]]])

    def _unsure(self, fade):
        """Which cells are pale; None where none are asked for."""
        given = np.ndim(fade) > 0
        if not given and (not fade or self.standard_error is None):
            return None
        unsure = np.asarray(fade, dtype=bool) if given else ~(np.abs(self.values) >= 2 * self.standard_error)
        if unsure.shape != self.values.shape:
            raise ValueError(f"fade must have the shape of the values, {self.values.shape}, got {unsure.shape}.")
        return unsure

    def _fade(self, ax, image, unsure):
        """Make cells pale and draw a line between these and the others: paleness alone could be a small value."""
        from matplotlib.collections import LineCollection

        if not unsure.any():
            return None
        image.set_alpha(np.where(unsure, PALE, 1.0))
        edges, rows = self._edges(), np.arange(len(unsure) + 1)
        framed = np.pad(~unsure, 1)  # what is beyond the map counts as pale
        lines = [[(edges[j], rows[i]), (edges[j + 1], rows[i])]
                 for i, j in np.argwhere(framed[1:, 1:-1] != framed[:-1, 1:-1])]  # fmt: skip
        lines += [[(edges[j], rows[i]), (edges[j], rows[i + 1])]
                  for i, j in np.argwhere(framed[1:-1, 1:] != framed[1:-1, :-1])]  # fmt: skip
        outline = LineCollection(lines, colors=[ink(ax)], linewidths=0.7, capstyle="round", zorder=2)
        return ax.add_collection(outline, autolim=False)

    def _dress(self, ax, row, order, bands):
        """Ticks, names, band marks and title of one panel."""
        ax.invert_yaxis() if not ax.yaxis_inverted() else None
        self._name_channels(ax, order)
        ax.spines[:].set_linewidth(0.5)
        if self.outputs is not None and len(self.outputs) > 1:
            pad = 16 if bands is not None and self.frequencies is not None else None
            points = size_in_points("medium")
            room = 72 * ax.figure.get_figwidth() * ax.get_position().width
            ax.set_title(fitted(row_title(self.outputs[row], self.row_kind), room, points), pad=pad, fontsize=points)
        last = ax.get_subplotspec() is None or row + ax.get_subplotspec().get_gridspec().ncols >= len(self.axes_)
        if self.frequencies is None:
            self._name_bands(ax)
            return
        if last:
            ax.set_xlabel("frequency (Hz)")
        ax.tick_params(axis="x", labelbottom=bool(last))
        self._mark_bands(ax, EEG_BANDS if isinstance(bands, str) else bands or {})

    def _name_bands(self, ax):
        """Names of the columns, smaller or turned where they would touch."""
        room = 0.93 * 72 * ax.get_position().width * ax.figure.get_figwidth() / len(self.bands)
        size = room / max(text_width(readable(name)) or 1.0 for name in self.bands)
        turned = {} if size >= BAND_TEXT else {"rotation": 35, "ha": "right", "rotation_mode": "anchor"}
        places, names = np.arange(len(self.bands)) + 0.5, [plain(name) for name in self.bands]
        ax.set_xticks(places, names, fontsize=min(max(size, BAND_TEXT), size_in_points()), **turned)

    def _name_channels(self, ax, order):
        """Names of channels at their rows; of many, every second or third, so that they can be read."""
        line = 72 * ax.get_position().height * ax.figure.get_figheight() / len(order)
        every = max(1, int(np.ceil(LEAST_LINE / line)))
        size = float(np.clip(0.8 * every * line, 6.0, min(9.0, size_in_points())))
        ax.set_yticks(np.arange(len(order))[::every] + 0.5, [plain(self.ch_names[i]) for i in order[::every]],
                      fontsize=size)  # fmt: skip
        ax.tick_params(length=0, axis="y")

    def _mark_bands(self, ax, bands):
        """Names of the bands above the panel and lines at their borders."""
        low, high = self._edges()[[0, -1]]
        for name, (start, stop) in bands.items():
            start, stop = max(start, low), min(stop, high)
            if start >= stop:
                continue
            for border in (start, stop):
                ax.axvline(border, color="0.35", linewidth=0.5, linestyle=(0, (4, 3)), zorder=3)
            room = (stop - start) / (high - low) * 72 * ax.figure.get_figwidth() * ax.get_position().width
            narrow = BAND_TEXT * text_width(readable(name)) > room
            if narrow and room < LEAST_TURNED:
                continue
            ax.text(
                (start + stop) / 2,
                1.01,
                plain(name),
                transform=ax.get_xaxis_transform(),
                ha="left" if narrow else "center",
                va="bottom",
                fontsize=BAND_TEXT,
                color=tone(ax, 0.75),
                rotation=35 if narrow else 0,
                rotation_mode="anchor",
            )

    def _order(self, order):
        """Rows from top to bottom as indices."""
        n_channels = len(self.ch_names)
        if order is None:
            return np.arange(n_channels)
        if isinstance(order, str):
            check_option("order", order, ("front",))
            positions = channel_positions(self.ch_names, self.positions)
            return np.lexsort((positions[:, 0], -np.round(positions[:, 1], 3)))
        order = np.asarray(order)
        if not np.array_equal(np.sort(order), np.arange(n_channels)):
            raise ValueError(f"order must hold each of the {n_channels} channel indices once, got {order.tolist()}.")
        return order

    def _check(self):
        if self.values.ndim != 3 or 0 in self.values.shape:
            raise ValueError(
                f"values must have shape (n_outputs, n_channels, n_frequencies), none 0, got {self.values.shape}"
            )
        if (self.frequencies is None) == (self.bands is None):
            raise ValueError("Give either frequencies or bands: they label the last axis of values.")
        columns = ("frequencies", self.frequencies) if self.bands is None else ("bands", self.bands)
        labels = (("outputs", self.outputs), ("ch_names", self.ch_names), columns)
        for (name, given), length in zip(labels, self.values.shape, strict=True):
            if given is not None and len(given) != length:
                raise ValueError(f"{name} has length {len(given)}, but the values need {length}: {self.values.shape}.")
        if self.frequencies is not None and (np.diff(self.frequencies) <= 0).any():
            raise ValueError("frequencies must rise.")
        if self.standard_error is not None and self.standard_error.shape != self.values.shape:
            raise ValueError(f"standard_error has shape {self.standard_error.shape}, the values {self.values.shape}.")
        if not np.isfinite(self.values).any():
            raise ValueError("No value is finite: there is nothing to draw.")
