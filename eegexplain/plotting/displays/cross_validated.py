"""Maps of a cross-validation, or of groups: the mean with what is beyond zero, and its strongest cells one by one."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from eegexplain._arrays import check_number
from eegexplain._text import plain
from eegexplain._validation import check_array_like, check_option, positive_int
from eegexplain.plotting._ink import tone
from eegexplain.plotting._selection import row_kind, row_title
from eegexplain.plotting.displays.spectra import SpectralMapDisplay

_MEAN_COLOUR, _FOLD_COLOUR = "#0072B2", "0.55"  # as for curves of faithfulness: apart in colour and in lightness


class CrossValidatedDisplay:
    """A mean map beside its strongest cells, each with its interval and the map of every fold.

    Made by `from_explanation`, or ``found.plot()`` of a cross-validated explanation, or one of groups.

    Parameters
    ----------
    value : array of shape (n_cells,)
        Mean map of one output.
    standard_error : array of shape (n_cells,)
        Total errors, of networks and trials.
    fold_value : array of shape (n_folds, n_cells)
        Mean map of each fold's networks, or of each group's.
    cells : sequence of str of length n_cells
        Names of the cells.
    degrees_of_freedom : float
        Of the t distribution of value over error.
    error_given_networks : array of shape (n_cells,), optional
        Errors over trials alone; drawn as a thick bar inside the interval.
    mask : array of bool of shape (n_cells,), optional
        Cells that are beyond zero: bold, and outlined in the map. None takes those whose interval leaves out zero.
    spectral_map : SpectralMapDisplay, optional
        The map, drawn on the left; None draws cells alone.
    each : str, default="fold"
        What `fold_value` holds one map of.
    label : str, default=""
        What the values are.
    note : str, default=""
        Written above the cells, for example how well held-out trials were decoded.

    Attributes
    ----------
    ax_, figure_, lines_, points_
        Artists of the last `plot`: the axes of the cells, intervals and folds.

    Examples
    --------
    >>> from eegexplain.plotting import CrossValidatedDisplay
    >>> display = CrossValidatedDisplay([0.3, 0.0], [0.1, 0.1], [[0.2, 0.1], [0.4, -0.1]], ["C3 mu", "O1 mu"], 1)
    >>> display.plot().ax_.get_xlim()[1] > 0.3
    True
    """

    def __init__(
        self,
        value: ArrayLike,
        standard_error: ArrayLike,
        fold_value: ArrayLike,
        cells: Sequence[str],
        degrees_of_freedom: float,
        *,
        error_given_networks: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        spectral_map: SpectralMapDisplay | None = None,
        each: str = "fold",
        label: str = "",
        note: str = "",
    ):
        gaps: dict[str, Any] = {"dtype": float, "allow_nan": True, "allow_inf": True}
        self.value = check_array_like("value", value, ndim=1, **gaps)
        self.standard_error = check_array_like("standard_error", standard_error, ndim=1, **gaps)
        self.fold_value = check_array_like("fold_value", fold_value, ndim=2, **gaps)
        self.cells = [str(name) for name in cells]
        self.degrees_of_freedom = check_number("degrees_of_freedom", degrees_of_freedom, above=0)
        self.error_given_networks = None
        if error_given_networks is not None:
            self.error_given_networks = check_array_like("error_given_networks", error_given_networks, ndim=1, **gaps)
        self.spectral_map = spectral_map
        self.each, self.label, self.note = each, label, note
        self._check()
        self.mask = np.abs(self.value) > self._half if mask is None else np.asarray(mask, dtype=bool).ravel()
        if self.mask.shape != self.value.shape:
            raise ValueError(f"mask must have one entry for each of the {len(self.value)} cells, got {len(self.mask)}.")

    @classmethod
    def from_explanation(cls, explanation, *, output=None, mask=None, fmin=0.0, fmax=45.0, note=""):
        """Make a display of one output from an explanation of folds or groups; nothing is drawn yet.

        Parameters
        ----------
        explanation : xarray.Dataset
            With ``value``, ``standard_error`` and ``fold_value``, as that of `cross_validate_explanations`, or
            ``group_value``, as that of `explain_groups`.
        output : label, optional
            None is the last output: of two classes the second.
        mask : xarray.DataArray or array of bool of the shape of ``value``, optional
            Cells that are beyond zero.
        fmin, fmax : float
            Frequencies to show, in Hz, where the map has them.
        note : str, default=""

        Returns
        -------
        CrossValidatedDisplay

        Raises
        ------
        ValueError
            For an explanation that is not cross-validated, an unknown output, and a mask of another shape.
        """
        import xarray as xr

        each = next((name for name in ("fold", "group") if f"{name}_value" in explanation), None)
        if each is None:
            raise ValueError("The explanation has no fold_value: it is not cross-validated. Draw it with its display.")
        if mask is not None:
            shape = explanation["value"].shape
            if np.shape(mask) != shape:
                raise ValueError(f"mask must have the shape of the values, {shape}, got {np.shape(mask)}.")
            named = mask if isinstance(mask, xr.DataArray) else explanation["value"].copy(data=np.asarray(mask, bool))
            explanation = explanation.assign(mask=named)
        title = ""
        if "output" in explanation.dims:
            labels = [str(name) for name in explanation["output"].values]
            output = labels[-1] if output is None else check_option("output", str(output), labels)
            explanation = explanation.isel(output=[labels.index(output)])
            title = row_title(output, row_kind(explanation))
        if "frequency" in explanation["value"].dims:
            explanation = explanation.sel(frequency=slice(fmin, fmax))
        value, folds = explanation["value"], explanation[f"{each}_value"]
        folds = folds.mean("seed") if "seed" in folds.dims else folds
        given = explanation["error_given_networks"].values.ravel() if "error_given_networks" in explanation else None
        return cls(
            value.values.ravel(),
            explanation["standard_error"].transpose(*value.dims).values.ravel(),
            folds.transpose(each, *value.dims).values.reshape(folds.sizes[each], -1),
            _names(value),
            explanation.attrs["degrees_of_freedom"],
            error_given_networks=given if given is None or np.isfinite(given).any() else None,
            mask=None if mask is None else explanation["mask"].transpose(*value.dims).values.ravel(),
            spectral_map=_spectral_map(explanation, fmin, fmax),
            each=each,
            label=str(explanation.attrs.get("label", "")),
            note=", ".join(part for part in (title, note) if part),
        )

    def plot(self, *, n_cells=12, confidence=0.95, panel_size=(4.4, 3.6)):
        """Draw the map, and its strongest cells with intervals and folds.

        Parameters
        ----------
        n_cells : int, default=12
            How many cells, by absolute value.
        confidence : float, default=0.95
            Of the intervals: t, of each cell alone.
        panel_size : (float, float)
            Width and height of each panel, in inches.

        Returns
        -------
        self : CrossValidatedDisplay

        Raises
        ------
        ValueError
            For an `n_cells` below 1, and a `confidence` that does not lie between 0 and 1.
        """
        import matplotlib.pyplot as plt

        positive_int("n_cells", n_cells)
        width, height = panel_size
        beside = self.spectral_map is not None
        height = max(height, 0.16 * len(self.spectral_map.ch_names) + 0.9) if beside else height
        self.figure_, axes = plt.subplots(
            1, 1 + beside, figsize=(width * (1 + beside), height), layout="constrained", squeeze=False
        )
        self.ax_ = axes[0, -1]
        if beside:
            unsure = ~self.mask.reshape(self.spectral_map.values.shape)
            self.spectral_map.plot(ax=axes[0, 0], fade=unsure)
            told = (axes[0, 0].get_xlabel(), "pale: not significant")
            axes[0, 0].set_xlabel(", ".join(filter(None, told)))
        self._draw_cells(self.ax_, min(n_cells, len(self.value)), confidence)
        return self

    def _draw_cells(self, ax, n_cells, confidence):
        """One line per cell, the strongest on top."""
        order = np.argsort(-np.nan_to_num(np.abs(self.value)), kind="stable")[:n_cells]
        rows = np.arange(len(order))
        half = self._interval(confidence)[order]
        ax.axvline(0, color=tone(ax, 0.7), linewidth=0.8)
        self.points_ = ax.scatter(
            self.fold_value[:, order], np.broadcast_to(rows + 0.22, (len(self.fold_value), len(order))),
            s=9, color=_FOLD_COLOUR, linewidths=0, label=f"each {self.each}", zorder=2,
        )  # fmt: skip
        mean = self.value[order]
        total = ax.errorbar(
            mean, rows, xerr=half, fmt="o", color=_MEAN_COLOUR, markersize=4, linewidth=1.2, capsize=2, zorder=3,
            label=f"mean and {100 * confidence:g} % interval",
        )  # fmt: skip
        self.lines_ = [total]
        if self.error_given_networks is not None:
            given = self._quantile(confidence) * self.error_given_networks[order]
            self.lines_.append(
                ax.hlines(rows, mean - given, mean + given, color=_MEAN_COLOUR, linewidth=4, alpha=0.35, zorder=1,
                          label="given these networks, over their trials")
            )  # fmt: skip
        ax.set_yticks(rows, [plain(self.cells[place]) for place in order], fontsize=8)
        for tick, place in zip(ax.get_yticklabels(), order, strict=True):
            strength, weight = (1.0, "bold") if self.mask[place] else (0.55, "normal")
            tick.set(fontweight=weight, color=tone(ax, strength))
        ax.set_ylim(len(order) - 0.4, -0.6)
        ax.set_xlabel(plain(self.label))
        ax.set_title(plain(self.note), fontsize=9, loc="right")
        ax.tick_params(axis="y", length=0)
        ax.spines[["top", "right", "left"]].set_visible(False)
        handles, names = ax.get_legend_handles_labels()
        ax.figure.legend(handles, names, frameon=False, fontsize=8, loc="outside lower center", ncols=3)

    @property
    def _half(self):
        return self._interval(0.95)

    def _interval(self, confidence):
        """Half the width of the interval of each cell."""
        return self._quantile(confidence) * self.standard_error

    def _quantile(self, confidence):
        if not 0 < confidence < 1:
            raise ValueError(f"confidence must lie between 0 and 1, got {confidence}.")
        return stats.t.isf((1 - confidence) / 2, self.degrees_of_freedom)

    def _check(self):
        n_cells = len(self.value)
        others = {"standard_error": self.standard_error, "cells": self.cells, "fold_value": self.fold_value.T}
        if self.error_given_networks is not None:
            others["error_given_networks"] = self.error_given_networks
        for name, given in others.items():
            if len(given) != n_cells:
                raise ValueError(f"{name} holds {len(given)} cells, but the values need {n_cells}.")
        if not np.isfinite(self.value).any():
            raise ValueError("No value is finite: there is nothing to draw.")


def _names(value):
    """Names of the cells of a map, without its output."""
    dims = [dim for dim in value.dims if dim != "output"]
    axes = [[_name(dim, one) for one in value[dim].values] for dim in dims]
    return [" ".join(parts) for parts in product(*axes)]


def _name(dim, label):
    """A name as it is, a number with what it counts."""
    if dim == "frequency":
        return f"{label:g} Hz"
    return str(label) if isinstance(label, str) else f"{dim} {label:g}"


def _spectral_map(explanation, fmin, fmax):
    """The map as channels by frequencies or bands, where it is one."""
    dims = {"output", "channel"} & set(explanation["value"].dims)
    for columns in ("frequency", "band"):
        if set(explanation["value"].dims) == dims | {columns} and "channel" in dims:
            return SpectralMapDisplay.from_explanation(explanation, fmin=fmin, fmax=fmax)
    return None
