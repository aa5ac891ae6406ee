"""A Pipeline that ends in a network, as one module: gradients and layers refer to what enters the Pipeline."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from eegexplain._nets import front_steps

TOLERANCE = 1e-6  # of the largest value that a step returns, in float64
N_TRIED = 3
LONGEST = 4096  # samples up to which a map along time is a matrix


@dataclass(frozen=True, eq=False)
class AffineMap:
    """An affine map of trials, the same for every entry of the other axis.

    Attributes
    ----------
    axis : {-2, -1}
        Along channels or along time.
    matrix : ndarray of shape (n_out, n_in) or (n_in,)
        One dimension: of a diagonal.
    offset : ndarray of shape (n_out,)
    """

    axis: int
    matrix: NDArray
    offset: NDArray

    def __call__(self, X: NDArray) -> NDArray:
        """Map trials ``(n_trials, n_channels, n_times)`` or ``(n_trials, n_times)``.

        Parameters
        ----------
        X : ndarray

        Returns
        -------
        ndarray
        """
        return MapModule(self).to(torch.float64)(torch.from_numpy(np.array(X, dtype=float))).numpy()


class MapModule(nn.Module):
    """An `AffineMap` of tensors."""

    def __init__(self, mapping: AffineMap):
        super().__init__()
        self.along_time = mapping.axis == -1
        column = (slice(None),) if self.along_time else (slice(None), None)
        self.diagonal = mapping.matrix.ndim == 1
        matrix = mapping.matrix[column] if self.diagonal else mapping.matrix
        self.register_buffer("matrix", torch.tensor(matrix, dtype=torch.float64))
        self.register_buffer("offset", torch.tensor(mapping.offset[column]) if mapping.offset.any() else None)

    def forward(self, x):
        """Map a batch of trials."""
        if self.diagonal:
            mapped = x * self.matrix
        else:
            mapped = x @ self.matrix.mT if self.along_time else self.matrix @ x
        return mapped if self.offset is None else mapped + self.offset


class ComposedModule(nn.Module):
    """Steps of a Pipeline, then its network; layers have the network's own names.

    Parameters
    ----------
    maps : list of AffineMap
    network : torch.nn.Module
    input_shape : tuple of int
        Of one trial as the network takes it.
    """

    names_within = "network"  # see `eegexplain._module.named_layers`

    def __init__(self, maps: list[AffineMap], network: nn.Module, input_shape: tuple[int, ...]):
        super().__init__()
        self.steps = nn.Sequential(*map(MapModule, maps))
        self.network = network
        self.input_shape = input_shape

    def forward(self, x):
        """Return what the network returns for trials as they enter the Pipeline."""
        x = self.steps(x)
        return self.network(x.reshape(len(x), *self.input_shape[:-1], x.shape[-1]))


def front_maps(pipeline: Any, trial_shape: tuple[int, ...]) -> tuple[list[AffineMap], tuple[int, ...]]:
    """Find what the steps before the network of a fitted Pipeline do.

    Each step is measured by its ``transform``, and compared with it on trials of noise.

    Parameters
    ----------
    pipeline : estimator
        A fitted Pipeline; others have no such steps.
    trial_shape : tuple of int
        Of the trials that enter it.

    Returns
    -------
    maps : list of AffineMap
    trial_shape : tuple of int
        Of the trials that the network gets.

    Raises
    ------
    TypeError
        For a step that is not known to be an affine map along channels or along time, naming it.
    ValueError
        For one that is said to be, but is not.
    """
    maps = []
    for name, step, axis in front_steps(pipeline) if hasattr(pipeline, "steps") else ():
        mapping = _measured(_Step(name, step, tuple(trial_shape)), -1 if len(trial_shape) == 1 else axis)
        maps.append(mapping)
        size = len(mapping.offset)
        trial_shape = (*trial_shape[:-1], size) if mapping.axis == -1 else (size, *trial_shape[1:])
    return maps, tuple(trial_shape)


@dataclass(frozen=True, eq=False)
class _Step:
    """A fitted step of a Pipeline, as a function of trials of a shape."""

    name: str
    step: Any
    shape: tuple[int, ...]

    def __call__(self, X):
        # A copy: filters may work in place. An array: what pandas output was asked for is not.
        return np.asarray(self.step.transform(np.array(X, dtype=float)), dtype=float)

    def refuse(self, what):
        raise ValueError(
            f"Step {self.name!r} ({type(self.step).__name__}) of the Pipeline {what}: it cannot be composed with the "
            "network. Explain FrozenEstimator(pipeline[-1]) on pipeline[:-1].transform(X), or use "
            "PerturbationCorrelator(method='sampling')."
        )


def _measured(step, axis):
    """The map that a step is."""
    n_in, n_times = step.shape[axis], step.shape[-1]
    if axis == -1 and n_in > LONGEST:
        step.refuse(f"works along {n_in} samples, of which a matrix would be too large ({LONGEST} samples at most)")
    noise = np.random.default_rng(0).standard_normal((N_TRIED, *step.shape))
    noise *= np.array([1.0, 1e-3, 1e-6]).reshape(-1, *(1,) * len(step.shape))  # standardized, and volts
    expected = step(noise)
    if expected.ndim != noise.ndim or (len(step.shape) == 2 and expected.shape[-3 - axis] != step.shape[-3 - axis]):
        step.refuse(f"makes trials of shape {expected.shape[1:]} of trials of shape {step.shape}")
    offset = np.moveaxis(step(np.zeros((1, *step.shape))), axis, -1).reshape(-1, expected.shape[axis])[0]
    mapping = AffineMap(axis, _thin(_responses(step, axis, n_in, n_times) - offset[:, None]), offset)
    found = mapping(noise)
    error = np.abs(found - expected).max(initial=0.0, axis=tuple(range(1, found.ndim)))
    size = np.abs(expected - step(np.zeros_like(noise))).max(initial=0.0, axis=tuple(range(1, found.ndim)))
    if not (error <= TOLERANCE * size + 1e-12 * np.abs(offset).max(initial=0.0)).all():
        step.refuse(f"is no affine map along {'time' if axis == -1 else 'channels'}, the same for all trials")
    return mapping


def _responses(step, axis, n_in, n_times):
    """What a step makes of each unit vector along an axis, in the columns of an array ``(n_out, n_in)``."""
    if axis == -2:  # one trial per channel, which is 1 throughout
        parts = np.array_split(np.arange(n_in), -(-n_in // 32))
        return np.concatenate([step(np.eye(n_in)[part, :, None] + np.zeros(n_times))[:, :, 0] for part in parts]).T
    units, n_rows = np.eye(n_in), 1 if len(step.shape) == 1 else step.shape[0]
    if len(step.shape) == 1:
        return step(units).T
    units = np.concatenate([units, np.zeros((-n_in % n_rows, n_in))])  # as many unit vectors per trial as channels
    answers = step(units.reshape(-1, n_rows, n_in))
    return answers.reshape(-1, answers.shape[-1])[:n_in].T


def _thin(matrix):
    """The diagonal, of a matrix that has nothing else."""
    square = matrix.shape[0] == matrix.shape[1]
    return np.diag(matrix).copy() if square and not (matrix - np.diag(np.diag(matrix))).any() else matrix
