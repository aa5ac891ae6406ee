"""Reverse correlation of inputs with unit outputs, as sums that stream over batches of trials.

A unit that sees the samples ``start .. start + width - 1`` contributes its activation times its window. Summed over
units this is a cross-correlation of the activations, placed at their starts, with the input: one FFT per trial and
channel or filter, and one matrix product per frequency, whatever the width.
"""

import numpy as np
import scipy.fft
import scipy.linalg
from numpy.typing import ArrayLike

from eegexplain._validation import check_array_like, check_number, positive_int

DEAD = 1e-12  # variance relative to the mean square below which a unit is constant (float32 rounding)

BLOCK = 2**22  # values of one cross-spectrum held at once; filters are taken in blocks of that size


class CrossSums:
    """Sums of activations, inputs and their products over units and trials.

    Parameters
    ----------
    starts : ndarray of int, shape (n_units,)
        First sample of each unit's window; what lies outside the trial counts as `level`.
    width : int
        Window length in samples.
    n_times : int
        Trial length.
    level : ndarray, shape (n_channels,)
        Subtracted from the input.
    """

    def __init__(self, starts, width, n_times, level):
        self.starts, self.width, self.n_times = np.asarray(starts), int(width), n_times
        self.level = np.asarray(level, dtype=float)
        origin = int(self.starts.min())
        self.positions = self.starts - origin
        self.length = int(self.positions.max()) + self.width
        self.source = slice(max(origin, 0), min(n_times, origin + self.length))
        self.shift = max(0, -origin)
        self.n_fft = scipy.fft.next_fast_len(self.length, real=True)
        self.distinct = len(np.unique(self.positions)) == len(self.positions)
        self.n_trials = 0
        self.sum_ax = self.sum_a = self.sum_a2 = self.sum_abs = 0.0
        self.sum_x = self.sum_x2 = np.zeros((len(self.level), self.length))

    def add(self, X, activations):
        """Add trials ``(b, n_channels, n_times)`` and their activations ``(b, n_filters, n_units)``."""
        dtype = np.result_type(X.dtype, activations.dtype, np.float32)
        x = np.zeros((self.n_fft, *X.shape[:2]), dtype=dtype)
        window = X[..., self.source]
        x[self.shift : self.shift + window.shape[-1]] = (window - self.level[:, None]).transpose(2, 0, 1)
        spectrum = np.conj(scipy.fft.rfft(x, axis=0))
        step = max(1, BLOCK // (self.n_fft * X.shape[1]))
        parts = [
            self._lags(activations[:, i : i + step].astype(dtype), spectrum)
            for i in range(0, activations.shape[1], step)
        ]
        self.sum_ax = self.sum_ax + np.concatenate(parts, axis=1)
        self.sum_x = self.sum_x + x[: self.length].sum(axis=1, dtype=float).T
        self.sum_x2 = self.sum_x2 + np.einsum("tbc,tbc->ct", x[: self.length], x[: self.length], dtype=float)
        wide = activations.astype(float)
        self.sum_a = self.sum_a + wide.sum(axis=(0, 2))
        self.sum_a2 = self.sum_a2 + np.einsum("bfu,bfu->f", wide, wide)
        self.sum_abs = self.sum_abs + np.abs(wide).sum(axis=(0, 2))
        self.n_trials += len(X)

    def _lags(self, activations, spectrum):
        """Products of some filters' activations with the input at each lag, (width, n_filters, n_channels)."""
        a = np.zeros((self.n_fft, *activations.shape[:2]), dtype=activations.dtype)
        if self.distinct:
            a[self.positions] = activations.transpose(2, 0, 1)
        else:
            np.add.at(a, self.positions, activations.transpose(2, 0, 1))
        product = np.matmul(scipy.fft.rfft(a, axis=0).transpose(0, 2, 1), spectrum)
        lags = scipy.fft.irfft(np.conj(product, out=product), self.n_fft, axis=0)
        return lags[: self.width].astype(float)

    def __add__(self, other):
        """Merge the sums of other trials."""
        total = CrossSums.__new__(CrossSums)
        total.__dict__.update(self.__dict__)
        for name in ("n_trials", "sum_ax", "sum_a", "sum_a2", "sum_abs", "sum_x", "sum_x2"):
            setattr(total, name, getattr(self, name) + getattr(other, name))
        return total

    @property
    def n_windows(self):
        """Number of windows summed."""
        return self.n_trials * len(self.starts)

    def products(self):
        """Sum over windows of activation times input, (n_filters, n_channels, width)."""
        return self.sum_ax.transpose(1, 2, 0)

    def _over_windows(self, per_sample):
        """Sum over units of a function of the sample that each lag falls on, (n_channels, width)."""
        return np.stack([per_sample[:, self.positions + lag].sum(axis=1) for lag in range(self.width)], axis=1)

    def dead(self):
        """Filters whose activation never changes."""
        mean = self.sum_a / self.n_windows
        return self.sum_a2 / self.n_windows - mean**2 <= DEAD * np.maximum(self.sum_a2 / self.n_windows, 1e-300)

    def weighted_mean(self):
        """Return ``sum a x / sum |a|`` of the earlier tool: neither centred nor normalised; zeros where all are 0."""
        weight = self.sum_abs[:, None, None]
        return self.products() / np.where(weight > 0, weight, 1.0)

    def mean_window(self):
        """Mean over windows of the input (less `level`) at each lag, (n_channels, width)."""
        return self._over_windows(self.sum_x) / self.n_windows

    def covariance(self):
        """Covariance of activation and input at each lag, (n_filters, n_channels, width); zeros for dead filters."""
        n = self.n_windows
        covariance = self.products() / n - (self.sum_a / n)[:, None, None] * self.mean_window()
        covariance[self.dead()] = 0.0
        return covariance

    def variance(self):
        """Variance over windows of the input at each lag, (n_channels, width)."""
        return self._over_windows(self.sum_x2) / self.n_windows - self.mean_window() ** 2

    def varies(self):
        """Whether the input changes at each lag, (n_channels, width)."""
        mean_square = self._over_windows(self.sum_x2) / self.n_windows
        return self.variance() > DEAD * np.maximum(mean_square, 1e-300)

    def correlation(self):
        """Pearson correlation of activation and input over windows, at each lag; zeros where either is constant."""
        n = self.n_windows
        var_x = self.variance()
        var_a = self.sum_a2 / n - (self.sum_a / n) ** 2
        alive = ~self.dead()[:, None, None] & self.varies()
        scale = np.sqrt(np.where(alive, var_a[:, None, None] * var_x, 1.0))
        return np.clip(np.where(alive, self.covariance() / scale, 0.0), -1.0, 1.0)


def channel_level(X, block=64):
    """Mean of each channel over all trials, read block by block."""
    total = sum(X[i : i + block].sum(axis=(0, 2), dtype=float) for i in range(0, len(X), block))
    return total / (len(X) * X.shape[-1])


def reverse_correlation(
    inputs: ArrayLike,
    activations: ArrayLike,
    width: int,
    *,
    stride: float = 1,
    offset: float = 0,
    normalize: bool = True,
    batch_size: int = 64,
) -> np.ndarray:
    """Correlate inputs with the activations of convolutional units.

    Parameters
    ----------
    inputs : ndarray, shape (n_trials, n_channels, n_times)
        Inputs; a memory-mapped array is read batch by batch.
    activations : ndarray, shape (n_trials, n_filters, n_units)
        Unit outputs for these inputs.
    width : int
        Receptive field of a unit in samples.
    stride, offset : float
        Unit ``i`` sees the samples from ``offset + i * stride`` on; what lies outside the trial counts as the mean of
        the channel (as zero without `normalize`).
    normalize : bool
        True for the Pearson correlation over all units and trials, in [-1, 1]; False for ``sum a x / sum |a|``.
    batch_size : int
        Trials at a time.

    Returns
    -------
    templates : ndarray, shape (n_filters, n_channels, width)

    Raises
    ------
    ValueError
        For arrays that are not of the same trials, NaN and infinities, and sizes below 1.

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.reverse_correlation import reverse_correlation
    >>> X = np.random.default_rng(0).standard_normal((20, 1, 300))
    >>> kernel = np.array([1.0, -2.0, 1.0])
    >>> activations = np.stack([[np.correlate(x[0], kernel, "valid")] for x in X])
    >>> reverse_correlation(X, activations, 3).round(1)
    array([[[ 0.4, -0.8,  0.4]]])
    """
    inputs = check_array_like("inputs", inputs, dtype="same", squared=True)
    activations = check_array_like("activations", activations, squared=True)
    stride, offset = check_number("stride", stride, least=0), check_number("offset", offset)
    width, batch_size = positive_int("width", width), positive_int("batch_size", batch_size)
    if inputs.ndim != 3 or activations.ndim != 3 or len(inputs) != len(activations):
        raise ValueError(
            "inputs must be (n_trials, n_channels, n_times) and activations (n_trials, n_filters, n_units) for the "
            f"same trials, got {inputs.shape} and {activations.shape}."
        )
    starts = np.floor(offset + stride * np.arange(activations.shape[-1]) + 1e-9).astype(int)
    level = channel_level(inputs) if normalize else np.zeros(inputs.shape[1])
    moments = CrossSums(starts, width, inputs.shape[-1], level)
    for i in range(0, len(inputs), batch_size):
        moments.add(inputs[i : i + batch_size], activations[i : i + batch_size])
    return moments.correlation() if normalize else moments.weighted_mean()


class WindowCovariance:
    """Covariance of all samples of a window with each other, over exactly the windows of `CrossSums`.

    Shifting both samples by one stride replaces the first window by the one behind the last. So the products of the
    first stride with everything, and those of the first and last windows, give the whole matrix. There is one matrix of
    that size in all: the last `add`, `matrix` and `Whitening` each take it over from the one before.
    """

    def __init__(self, moments, n_channels):
        starts, width = moments.starts, moments.width
        strides = np.unique(np.diff(starts))
        regular = len(strides) == 1 and 0 < strides[0] < width
        self.stride = int(strides[0]) if regular else width
        self.width, self.n_channels, self.starts = width, n_channels, starts
        self.rows = CrossSums(starts, width, moments.n_times, moments.level)
        self._change = np.zeros((n_channels * width,) * 2, order="F")  # lower triangle, where `matrix` puts the rest
        self._whitening = None

    def add(self, X):
        """Add trials ``(b, n_channels, n_times)``."""
        first, last = min(self.starts[0], 0), max(self.starts[-1] + self.width, X.shape[-1])
        x = np.pad(X - self.rows.level[:, None], ((0, 0), (0, 0), (-first, last - X.shape[-1])))
        starts = self.starts - first
        early = x[..., starts[:, None] + np.arange(self.stride)]  # (b, n_channels, n_units, stride)
        self.rows.add(X, early.transpose(0, 1, 3, 2).reshape(len(X), -1, len(starts)))
        overlap = self.width - self.stride
        behind = starts[-1] + self.stride
        for start, sign in ((behind, 1.0), (starts[0], -1.0)):
            edge = np.zeros((len(X), self.n_channels, self.width))
            edge[..., self.stride :] = x[..., start : start + overlap]
            edge = edge.reshape(len(X), -1).T
            self._change = scipy.linalg.blas.dsyrk(sign, edge, 1.0, self._change, lower=1, overwrite_c=1)

    def matrix(self):
        """Covariance, lower triangle of ``(n_channels * width, n_channels * width)``; once, as it takes the sums."""
        n, stride, width, n_channels = self.rows.n_windows, self.stride, self.width, self.n_channels
        matrix, self._change = self._change, None
        products = matrix.T.reshape(n_channels, width, n_channels, width)  # (column, row); a view
        first = self.rows.products().reshape(n_channels, stride, n_channels, width)
        products[:, :stride] = first
        for tau in range(stride, width, stride):
            stop = min(tau + stride, width)
            products[:, tau:stop, :, :stride] = first[..., tau:stop].transpose(2, 3, 0, 1)
            products[:, tau:stop, :, stride:] += products[:, tau - stride : stop - stride, :, : width - stride]
        mean = self.rows.mean_window()
        for of_channel, level in zip(products, mean, strict=True):  # no other matrix of this size
            of_channel /= n
            of_channel -= level[:, None, None] * mean
        return matrix

    def whitening(self, ridge):
        """Return the inverse of ``R + ridge * mean variance``; None without variance."""
        if self._whitening is None:
            self._whitening = Whitening(self.matrix(), ridge)
        return self._whitening


class Whitening:
    """``(R + ridge * mean variance)^-1``, as the inverse of a Cholesky factor, in the place of R.

    Parameters
    ----------
    matrix : ndarray, shape (n, n)
        Lower triangle of the covariance R, in Fortran's order; overwritten.
    ridge : float
        As a share of the mean variance.
    """

    def __init__(self, matrix, ridge):
        self.added = ridge * np.trace(matrix) / len(matrix)
        self.inverse = None
        if self.added > 0:
            matrix[np.diag_indices_from(matrix)] += self.added
            factor, info = scipy.linalg.lapack.dpotrf(matrix, lower=1, clean=1, overwrite_a=1)
            if info:
                raise np.linalg.LinAlgError(f"the covariance of windows is not positive: raise ridge above {ridge:g}.")
            self.inverse = scipy.linalg.lapack.dtrtri(factor, lower=1, overwrite_c=1)[0]

    def degrees_of_freedom(self):
        """Parameters that the data determine, ``tr (R + ridge * mean variance)^-1 R``."""
        if self.inverse is None:
            return 0.0
        return len(self.inverse) - self.added * np.linalg.norm(self.inverse) ** 2  # tr L^-T L^-1

    def solve(self, covariance):
        """Return the linear filters ``(R + ridge * mean variance)^-1 covariance``, shape of `covariance`."""
        if self.inverse is None:
            return np.zeros_like(covariance)
        solved = np.array(covariance.reshape(len(covariance), -1), dtype=float, order="C").T
        for transposed in (0, 1):
            solved = scipy.linalg.blas.dtrmm(1.0, self.inverse, solved, lower=1, trans_a=transposed, overwrite_b=1)
        return solved.T.reshape(covariance.shape)
