"""What a display shows: values on electrodes with their labels, and where in them a panel or frame lies."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from eegexplain._text import readable
from eegexplain._validation import check_array_like, check_option
from eegexplain.plotting._look import make_look, time_label
from eegexplain.plotting._selection import pick_label, pick_time, row_title
from eegexplain.plotting.scalp.topography import topography


class ShownValues:
    """Checked values of a display; see `TopomapDisplay` for the parameters."""

    def __init__(
        self,
        values: Any,
        positions: Any,
        ch_names: Sequence[str],
        *,
        outputs: Sequence[Any] | None = None,
        times: Any = None,
        bands: Sequence[Any] | None = None,
        frequencies: Any = None,
        standard_error: Any = None,
        label: str = "",
        row_kind: str = "output",
        method: str = "cloughtocher",
        extrapolate: str = "head",
        resolution: int = 128,
    ):
        self.values = values
        self.positions = positions
        self.ch_names = ch_names
        self.outputs = outputs
        self.times = times
        self.bands = bands
        self.frequencies = frequencies
        self.standard_error = standard_error
        self.label = label
        self.row_kind = row_kind
        self.method = method
        self.extrapolate = extrapolate
        self.resolution = resolution
        self._check()

    @property
    def along(self):
        """Times (s) or frequencies (Hz) of the frames; None where these are bands."""
        return self.frequencies if self.times is None else self.times

    @property
    def topography(self):
        """The interpolation operator of the channels that have values."""
        return topography(
            self.kept_positions, method=self.method, extrapolate=self.extrapolate, resolution=self.resolution
        )

    @property
    def kept_positions(self):
        """Positions of the channels that have values."""
        return self.positions[self._kept]

    def kept_values(self, row, column=slice(None)):
        """Values of these channels.

        Parameters
        ----------
        row : int
            Which output.
        column : int or slice
            Which frame.

        Returns
        -------
        values : ndarray of shape (n_kept,) or (n_frames, n_kept)
        """
        return self.values[row, column][..., self._kept]

    def maps(self, row, column):
        """Interpolated map of one output and frame.

        Parameters
        ----------
        row : int
            Which output.
        column : int
            Which frame.

        Returns
        -------
        picture : ndarray of shape (resolution, resolution)
            NaN outside.
        """
        return self.topography(self.kept_values(row, column))

    def look(self, *, vlim=None, cmap=None, sequential=False, contours=6):
        """Limits, colour map and contour levels shared by all panels and frames.

        Parameters
        ----------
        vlim : float or pair, optional
            Limits of the colours; None takes those of all values.
        cmap : str, optional
            Name of a colour map.
        sequential : bool
            Whether colours run from zero up, not to both sides.
        contours : int or array
            Number of lines, or their levels.

        Returns
        -------
        look : Look
        """
        return make_look(self.values[..., self._kept], vlim, cmap, sequential, contours)

    def locate(self, *, output=None, band=None, time=None, frame=None):
        """Row and column of a map, from labels, seconds or an index.

        Parameters
        ----------
        output, band : str or int, optional
            By label, else by index; where frames are frequencies, the one nearest to `band`, in Hz.
        time : float, optional
            Seconds; the nearest frame.
        frame : int, optional
            Index.

        Returns
        -------
        row, column : int
            Without band, time and frame the column with the largest absolute value.

        Raises
        ------
        ValueError
            For more than one of band, time and frame, and what is not there.
        """
        row = 0 if output is None else pick_label(list(self.outputs or range(len(self.values))), output, "output")
        given = [name for name, value in (("band", band), ("time", time), ("frame", frame)) if value is not None]
        if len(given) > 1:
            raise ValueError(f"Give one of band, time and frame, not {' and '.join(given)}.")
        if band is not None and self.frequencies is not None:
            return row, pick_time(self.frequencies, band, "band", "Hz")
        if band is not None:
            return row, pick_label(list(self.bands or []), band, "band")
        if time is not None:
            if self.times is None:
                raise ValueError("time was given, but these maps have no times.")
            return row, pick_time(self.times, time)
        if frame is not None:
            return row, pick_label(list(range(self.values.shape[1])), frame, "frame")
        return row, int(np.abs(self.values[row][:, self._kept]).max(axis=-1).argmax())

    def title(self, row, column):
        """Title of a map: output, and band or time, where there is more than one to tell apart.

        Parameters
        ----------
        row : int
            Which output.
        column : int
            Which frame.

        Returns
        -------
        title : str
        """
        return ", ".join(part for part in (self.row_label(row), self.column_label(column)) if part)

    def row_label(self, row):
        """Label of an output, where there are several.

        Parameters
        ----------
        row : int
            Which output.

        Returns
        -------
        label : str
        """
        return "" if self.outputs is None or len(self.outputs) < 2 else row_title(self.outputs[row], self.row_kind)

    def column_label(self, column):
        """Time or label of a frame.

        Parameters
        ----------
        column : int
            Which frame.

        Returns
        -------
        label : str
        """
        if self.times is not None:
            return time_label(self.times[column])
        if self.frequencies is not None:
            return f"{self.frequencies[column]:g} Hz"
        return "" if self.bands is None else readable(self.bands[column])

    def mask_of(self, mask, row, column):
        """Mask of one map over the channels that have values.

        Parameters
        ----------
        mask : array of bool, shape (n_channels,) or with frames, or outputs and frames, in front; or None
            Of all maps.
        row, column : int
            Which map.

        Returns
        -------
        mask : ndarray of bool, shape (n_kept,), or None

        Raises
        ------
        ValueError
            For another shape.
        """
        if mask is None:
            return None
        mask = np.asarray(mask, dtype=bool)
        whole = self.values.shape
        if mask.shape not in (whole, whole[1:], whole[2:]):
            raise ValueError(f"mask must have shape {whole[2:]}, {whole[1:]} or {whole}; got {mask.shape}.")
        return np.broadcast_to(mask, whole)[row, column, self._kept]

    def _columns(self, times):
        n_frames = self.values.shape[1]
        if self.along is None:
            return list(range(n_frames))
        if np.ndim(times) == 0:
            return list(np.unique(np.linspace(0, n_frames - 1, min(int(times), n_frames)).round().astype(int)))
        name, unit = ("time", "s") if self.frequencies is None else ("frequency", "Hz")
        return [pick_time(self.along, time, name, unit) for time in times]

    def _check(self):
        gaps = {"dtype": float, "allow_nan": True, "allow_inf": True}
        self.values = check_array_like("values", self.values, **gaps)
        self.positions = check_array_like("positions", self.positions, dtype=float)
        if self.standard_error is not None:
            self.standard_error = check_array_like("standard_error", self.standard_error, **gaps)
        check_option("method", self.method, ("cloughtocher", "spherical", "linear"))
        check_option("extrapolate", self.extrapolate, ("head", "hull"))
        if self.values.ndim != 3 or 0 in self.values.shape:
            raise ValueError(
                f"values must have shape (n_outputs, n_frames, n_channels), none of them 0; got {self.values.shape}."
            )
        n_outputs, n_frames, n_channels = self.values.shape
        for name in ("times", "frequencies"):
            if getattr(self, name) is not None:
                setattr(self, name, check_array_like(name, getattr(self, name), dtype=float))
        if self.times is not None and self.frequencies is not None:
            raise ValueError("Give either times or frequencies: frames are one of them.")
        for name, length, given in (
            ("positions", n_channels, self.positions), ("ch_names", n_channels, self.ch_names),
            ("times", n_frames, self.times), ("bands", n_frames, self.bands), ("outputs", n_outputs, self.outputs),
            ("frequencies", n_frames, self.frequencies),
        ):  # fmt: skip
            if given is not None and len(given) != length:
                raise ValueError(f"{name} has length {len(given)}, but the values need {length}: {self.values.shape}.")
        if self.standard_error is not None and np.shape(self.standard_error) != self.values.shape:
            raise ValueError(
                f"standard_error has shape {np.shape(self.standard_error)}, but the values {self.values.shape}."
            )
        self._kept = np.isfinite(self.values).all(axis=(0, 1))
        self.dropped_ = [name for name, kept in zip(self.ch_names, self._kept, strict=True) if not kept]
        if not self._kept.any():
            raise ValueError("Every channel has a NaN or infinite value: there is nothing to draw.")
        if self.dropped_:
            warnings.warn(
                f"Channels with NaN or infinite values are left out and marked by a cross: {', '.join(self.dropped_)}.",
                UserWarning, stacklevel=4,
            )  # fmt: skip
