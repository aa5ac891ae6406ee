"""Activations of layers, and their correlation with perturbations trial by trial, for the functions in `classic`."""

import numpy as np

from eegexplain._validation import check_array_like
from eegexplain.perturbation._changes import rounding_of
from eegexplain.perturbation._sums import ROUNDING


def activations(pred_fn, n_layers, legacy, X):
    """Activations per layer as ``(n_trials, n_filters, n_positions)``."""
    layers = pred_fn(X)
    if len(layers) < n_layers:
        raise ValueError(f"pred_fn returned {len(layers)} layers, expected n_layers={n_layers}")
    layers = [check_array_like("what pred_fn returns", layer, dtype="same") for layer in layers[:n_layers]]
    for layer in layers:
        if layer.ndim < 2 or len(layer) != len(X):
            raise ValueError(f"pred_fn returned {layer.shape} for {len(X)} inputs, expected (n_trials, n_filters, ...)")
    if legacy:
        return [layer.reshape(*layer.shape, *(1,) * (4 - layer.ndim))[..., 0] for layer in layers]
    return [layer.reshape(*layer.shape[:2], -1) for layer in layers]


def kept_activations(predict, inputs, blocks):
    """Activations of the unperturbed inputs, batch by batch; None where they would take more room than the inputs."""
    first = predict(inputs[blocks[0]])
    if sum(layer.nbytes for layer in first) * len(blocks) > inputs.nbytes:
        return [None] * len(blocks)
    return [first, *(predict(inputs[block]) for block in blocks[1:])]


def squared_rounding(diff_fn, old, dtype):
    """Sum over trials of what rounding of the activations, or of perturbed inputs, does to the difference, squared."""
    eps = max(np.finfo(np.result_type(kind, np.float32)).eps for kind in (old.dtype, dtype))
    return np.square(rounding_of(diff_fn, old, ROUNDING * eps)).sum(axis=0)


class Sums:
    """Sums over trials for the correlation of values ``(n, C, F)`` with changes ``(n, n_filters)``."""

    def __init__(self):
        self.sums, self.n = None, 0

    def add(self, values, changes):
        """Add a batch of trials."""
        flat = np.asarray(values, dtype=float).reshape(len(values), -1)
        changes = np.asarray(changes, dtype=float)
        if self.sums is None:
            self.shape, self.centre = values.shape[1:], (flat.mean(axis=0), changes.mean(axis=0))
        flat, changes = flat - self.centre[0], changes - self.centre[1]
        new = [flat.sum(0), (flat**2).sum(0), changes.sum(0), (changes**2).sum(0), flat.T @ changes]
        self.sums = new if self.sums is None else [a + b for a, b in zip(self.sums, new, strict=True)]
        self.n += len(flat)

    def correlation(self, rounding):
        """Pearson correlation; 0 for changes up to `rounding` (sum of squares), or NaN if that is None (old code)."""
        e, ee, d, dd, ed = self.sums
        covariance = ed - np.outer(e, d) / self.n
        change = (dd - d**2 / self.n).clip(0)
        if rounding is not None:
            least = (ROUNDING * np.finfo(float).eps) ** 2 * self.n * np.square(self.centre[1])
            change = np.where(change > rounding + least, change, 0)
        size = np.sqrt(np.outer((ee - e**2 / self.n).clip(0), change))
        with np.errstate(invalid="ignore", divide="ignore"):
            r = covariance / size
        return np.where((size > 0) | np.isnan(size) | (rounding is None), r, 0).reshape(*self.shape, -1)
