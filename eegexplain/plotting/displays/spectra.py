"""Channel-by-frequency maps of the outputs of a network."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from eegexplain._text import plain
from eegexplain._validation import EEG_BANDS, check_array_like, check_option
from eegexplain.plotting._drafts import draft, replace_draft
from eegexplain.plotting._look import DIVERGING, make_look
from eegexplain.plotting._selection import row_kind, row_title


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
        Cells whose value is less than two of these from zero are hatched.
    label : str, default=""
        What the values are; written at the colour bar.
    row_kind : str, default="output"
        What an output is, written before a label that is a bare number: "class 1".

    Attributes
    ----------
    ax_, axes_, figure_, images_, hatches_, colorbar_
        Artists of the last `plot`.

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
        self._check()

    @classmethod
    def from_explanation(cls, explanation, *, output=None, fmin=0.0, fmax=45.0, label=None):
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
        )

    @classmethod
    def from_estimator(cls, estimator, *, output=None, fmin=0.0, fmax=45.0, label=None, **plot_options):
        """Draw the explanation of a fitted explainer; a later `plot` takes the place of this figure.

        Parameters
        ----------
        estimator : fitted explainer
            Anything with an ``explanation_`` over channels and frequencies or bands.
        output, fmin, fmax, label
            As in `from_explanation`.
        **plot_options : dict
            For `plot`.

        Returns
        -------
        SpectralMapDisplay
        """
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(estimator, "explanation_")
        display = cls.from_explanation(estimator.explanation_, output=output, fmin=fmin, fmax=fmax, label=label)
        return draft(display.plot(**plot_options), plot_options.get("ax"))

    def plot(self, *, ax=None, order=None, bands="eeg", hatch=True, vlim=None, cmap=None, panel_size=None, im_kw=None):
        """Draw one panel per output.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw, when there is one output; None makes a figure.
        order : "front" or array of int, optional
            Channels from top to bottom: from the front of the head to its back, or these indices; None keeps the order.
        bands : "eeg", None or dict of str to (float, float)
            Frequency bands to mark.
        hatch : bool or array of bool of the shape of `values`
            Hatch the cells that are less than two standard errors from zero, or these.
        vlim : float or (float or None, float or None), optional
            Limits of the colours; None takes the largest absolute value, on both sides of zero.
        cmap : str or matplotlib.colors.Colormap, optional
            None is a diverging map safe for colour-blind readers.
        panel_size : (float, float), optional
            Width and height of each panel in inches; None follows the number of channels.
        im_kw : dict, optional
            Further arguments of ``Axes.pcolormesh``.

        Returns
        -------
        self : SpectralMapDisplay

        Raises
        ------
        ValueError
            For one `ax` and several outputs, an `order` that does not name every channel once, and a `hatch` of another
            shape.
        """
        import matplotlib.pyplot as plt

        replace_draft(self)
        n_outputs, n_channels, _ = self.values.shape
        if ax is None:
            width, height = panel_size or (4.4, float(np.clip(0.15 * n_channels + 0.9, 2.0, 9.0)))
            size = (width * n_outputs + 0.8, height)
            _, axes = plt.subplots(1, n_outputs, figsize=size, layout="constrained", squeeze=False, sharey=True)
        elif n_outputs > 1:
            raise ValueError(f"ax takes one output, but there are {n_outputs}: choose one with output=...")
        else:
            axes = np.array([[ax]])
        order = self._order(order)
        look = make_look(self.values[np.isfinite(self.values)], vlim, cmap or DIVERGING, False, 0)
        self.axes_, self.ax_, self.figure_ = axes[0], axes[0, 0], axes[0, 0].figure
        options = {"cmap": look.cmap, "vmin": look.vlim[0], "vmax": look.vlim[1], "rasterized": True, **(im_kw or {})}
        self.images_, self.hatches_ = [], []
        for row, panel in enumerate(self.axes_):
            cells = self.values[row][order]
            self.images_.append(panel.pcolormesh(self._edges(), np.arange(n_channels + 1), cells, **options))
            self.hatches_.append(self._draw_hatch(panel, row, order, hatch))
            self._dress(panel, row, order, bands)
        self.colorbar_ = self.figure_.colorbar(self.images_[0], ax=list(self.axes_), shrink=0.8, aspect=25, pad=0.02)
        self.colorbar_.outline.set_linewidth(0.5)
        self.colorbar_.set_label(self.label)
        return self

    # ------------------------------------------------------------------------------------------------------ pieces

    def _edges(self):
        """Borders of the columns."""
        if self.frequencies is None:
            return np.arange(self.values.shape[2] + 1.0)
        if len(self.frequencies) == 1:
            return self.frequencies[0] + np.array([-0.5, 0.5])
        middle = (self.frequencies[1:] + self.frequencies[:-1]) / 2
        return np.concatenate([[2 * self.frequencies[0] - middle[0]], middle, [2 * self.frequencies[-1] - middle[-1]]])

    def _draw_hatch(self, ax, row, order, hatch):
        """Hatch the cells that cannot be told from zero."""
        given = np.ndim(hatch) > 0
        if not given and (not hatch or self.standard_error is None):
            return None
        from matplotlib.collections import PolyCollection

        unsure = np.asarray(hatch, dtype=bool) if given else ~(np.abs(self.values) >= 2 * self.standard_error)
        if unsure.shape != self.values.shape:
            raise ValueError(f"hatch must have the shape of the values, {self.values.shape}, got {unsure.shape}.")
        unsure = unsure[row][order]
        edges = self._edges()
        boxes = [
            [(edges[start], line), (edges[stop], line), (edges[stop], line + 1), (edges[start], line + 1)]
            for line, cells in enumerate(unsure)
            for start, stop in np.flatnonzero(np.diff(np.concatenate([[0], cells, [0]]))).reshape(-1, 2)
        ]
        hatched = PolyCollection(boxes, facecolors="none", edgecolors="0.62", hatch="//////", linewidths=0, zorder=2)
        if hasattr(hatched, "set_hatch_linewidth"):  # matplotlib 3.10 and later; before, rcParams decide
            hatched.set_hatch_linewidth(0.4)
        return ax.add_collection(hatched, autolim=False)

    def _dress(self, ax, row, order, bands):
        """Ticks, names, band marks and title of one panel."""
        n_channels = len(order)
        ax.invert_yaxis() if not ax.yaxis_inverted() else None
        line = 72 * ax.get_position().height * ax.figure.get_figheight() / n_channels
        size = float(np.clip(0.8 * line, 4.0, 9.0))
        ax.set_yticks(np.arange(n_channels) + 0.5, [plain(self.ch_names[i]) for i in order], fontsize=size)
        ax.tick_params(length=0, axis="y")
        ax.spines[:].set_linewidth(0.5)
        if self.outputs is not None and len(self.outputs) > 1:
            pad = 16 if bands is not None and self.frequencies is not None else None
            ax.set_title(plain(row_title(self.outputs[row], self.row_kind)), pad=pad)
        if self.frequencies is None:
            ax.set_xticks(np.arange(len(self.bands)) + 0.5, [plain(name) for name in self.bands])
            return
        ax.set_xlabel("frequency (Hz)")
        self._mark_bands(ax, EEG_BANDS if isinstance(bands, str) else bands or {})

    def _mark_bands(self, ax, bands):
        """Names of the bands above the panel and lines at their borders."""
        low, high = self._edges()[[0, -1]]
        for name, (start, stop) in bands.items():
            start, stop = max(start, low), min(stop, high)
            if start >= stop:
                continue
            for border in (start, stop):
                ax.axvline(border, color="0.35", linewidth=0.6, linestyle=(0, (4, 3)), zorder=3)
            narrow = (stop - start) / (high - low) < 0.08
            ax.text(
                (start + stop) / 2,
                1.01,
                plain(name),
                transform=ax.get_xaxis_transform(),
                ha="left" if narrow else "center",
                va="bottom",
                fontsize=7,
                color="0.25",
                rotation=35 if narrow else 0,
                rotation_mode="anchor",
            )

    def _order(self, order):
        """Rows from top to bottom as indices."""
        n_channels = len(self.ch_names)
        if order is None:
            return np.arange(n_channels)
        if isinstance(order, str):
            from eegexplain.plotting.scalp.positions import channel_positions

            check_option("order", order, ("front",))
            positions = channel_positions(self.ch_names)
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
