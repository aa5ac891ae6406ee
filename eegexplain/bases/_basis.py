"""What every linear basis offers: analysis, synthesis, the adjoint, and attributions that sum to the whole."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from eegexplain._validation import check_sfreq


@dataclass(frozen=True, kw_only=True, eq=False)
class Basis:
    """A real linear basis (or frame) of signals: ``x = synthesize(analyze(x)) + rest``.

    Coefficients belong to *cells*, the units an explanation names (a frequency, a band, a patch of time and
    frequency). A basis acts on the last axis; a spatial one on the last two. What it does not span is the last cell,
    ``residual``, so that attributions always sum to the change of the output.

    Parameters
    ----------
    n_times : int or None
        Length of the signals in samples; None until :meth:`bind` sets it.
    sfreq : float
        Sampling rate in Hz (1.0: frequencies in cycles per sample).
    """

    n_times: int | None = None
    sfreq: float = 1.0

    name: ClassVar[str | None] = None
    dim: ClassVar[str] = "coefficient"
    complete: ClassVar[bool] = True

    def bind(self, n_times, sfreq):
        """Return this basis for signals of one length and sampling rate.

        Parameters
        ----------
        n_times : int
            Length of the signals in samples.
        sfreq : float
            Sampling rate in Hz.

        Returns
        -------
        Basis
            A copy.

        Raises
        ------
        ValueError
            For less than one sample, or an `sfreq` that is not above 0.
        """
        if n_times < 1:
            raise ValueError(f"a signal needs at least one sample, got n_times={n_times}")
        return replace(self, n_times=int(n_times), sfreq=check_sfreq(sfreq))

    def analyze(self, x):
        """Coefficients of signals.

        Parameters
        ----------
        x : ndarray of shape (..., n_times)
            Signals.

        Returns
        -------
        ndarray of shape (..., n_coefficients)
            Real or complex.
        """
        raise NotImplementedError

    def synthesize(self, coefficients):
        """Signals that have these coefficients.

        Parameters
        ----------
        coefficients : ndarray of shape (..., n_coefficients)
            As `analyze` gives them.

        Returns
        -------
        ndarray of shape (..., n_times)
        """
        raise NotImplementedError

    def adjoint(self, gradient):
        """Transpose of the synthesis: from a gradient over samples to the gradient over coefficients.

        Parameters
        ----------
        gradient : ndarray of shape (..., n_times)
            Derivatives by the samples.

        Returns
        -------
        ndarray of shape (..., n_coefficients)
            So that ``sum(synthesize(c) * gradient)`` is the real part of ``sum(conj(c) * adjoint(gradient))``.
        """
        raise NotImplementedError

    def coordinates(self):
        """Coordinates of the cells, residual excluded.

        Returns
        -------
        dict of str to ndarray of shape (n_cells,)
            Frequencies in Hz, times in seconds, names of bands.
        """
        raise NotImplementedError

    def pool(self, values):
        """Sum values of coefficients into cells.

        Parameters
        ----------
        values : ndarray of shape (..., n_coefficients)

        Returns
        -------
        ndarray of shape (..., n_cells)
        """
        return values

    def spread(self, cells):
        """Give every coefficient the value of its cell: the transpose of :meth:`pool`.

        Parameters
        ----------
        cells : ndarray of shape (..., n_cells)

        Returns
        -------
        ndarray of shape (..., n_coefficients)
        """
        return cells

    def attribute(self, change, gradient):
        """Attribution of each cell: the part of ``sum(change * gradient)`` that runs through it.

        Parameters
        ----------
        change, gradient : ndarray of shape (..., n_channels, n_times)
            Input minus baseline, and the gradient averaged over the path.

        Returns
        -------
        ndarray of shape (..., n_channels, n_cells)
            The last cell is the residual where the basis is not complete.
        """
        coefficients = self.analyze(change)
        parts = self.pool(np.real(np.conj(coefficients) * self.adjoint(gradient)))
        if self.complete:
            return parts
        rest = (change - self.synthesize(coefficients)) * gradient
        return np.concatenate([parts, rest.sum(-1, keepdims=True)], axis=-1)

    def sensitivity(self, gradient):
        """Size of the gradient over each cell (saliency); zero for the residual.

        Parameters
        ----------
        gradient : ndarray of shape (..., n_channels, n_times)
            Derivatives by the samples.

        Returns
        -------
        ndarray of shape (..., n_channels, n_cells)
        """
        parts = self.pool(np.abs(self.adjoint(gradient)))
        return parts if self.complete else np.concatenate([parts, np.zeros_like(parts[..., :1])], axis=-1)

    def remove(self, x, filling, mask):
        """Replace the masked cells of `x` by those of `filling`; what the basis does not span stays.

        Parameters
        ----------
        x, filling : ndarray of shape (..., n_channels, n_times)
        mask : bool ndarray of shape (..., n_channels, n_cells)
            True where the cell is replaced, residual excluded.

        Returns
        -------
        ndarray of the shape of x
        """
        return x + self.synthesize(self.spread(mask) * self.analyze(filling - x))

    def rows(self, ch_names):
        """Name of the row dimension and its labels.

        Parameters
        ----------
        ch_names : sequence of str
            Names of the channels of the data.

        Returns
        -------
        dim : str
            "channel", or "component" of a spatial basis.
        labels : list of str

        Raises
        ------
        ValueError
            When a spatial basis has other channels.
        """
        return "channel", list(ch_names)

    def cells(self):
        """Coordinates of all cells, the residual's last.

        Returns
        -------
        dict of str to ndarray of shape (n_cells,)
            The residual is ``nan``, or ``"residual"`` among names.
        """
        coordinates = {key: np.asarray(value) for key, value in self.coordinates().items()}
        if self.complete:
            return coordinates
        return {key: np.append(value, "residual" if value.dtype.kind == "U" else np.nan)
                for key, value in coordinates.items()}


def cell_labels(basis):
    """Index values of the cells: the coordinate itself where there is one, else text such as ``0.25s/10Hz``."""
    cells = basis.cells()
    if basis.dim in cells:
        return cells[basis.dim]
    from eegexplain._explanation import format_coordinates

    columns = []
    for key, values in cells.items():
        distinct, inverse = np.unique(values, return_inverse=True)
        columns.append(np.array(format_coordinates(key, distinct), dtype=str)[inverse])
    return np.array(["/".join(parts) for parts in zip(*columns, strict=True)], dtype=str)
