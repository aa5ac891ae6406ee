"""A network as an affine first stage and a rest: mixtures of trials are formed behind the stage, which ran before."""

import contextlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from eegexplain._batches import RowBytes
from eegexplain._module import inference
from eegexplain._parallel import trial_blocks
from eegexplain._torch import TorchNet

TOLERANCE = 1e-4  # of the largest value, in float32: sums of trials round otherwise than sums of features
LARGEST = 8  # features per sample of a trial, beyond which keeping them costs more than it saves
N_TRIED = 4
N_PROBED = 4


class _ReachedError(Exception):
    """Ends a forward pass behind the stage: the rest is not asked."""


@dataclass(frozen=True, eq=False)
class AffineStage:
    """The affine first stage of a network, and what follows it.

    Parameters
    ----------
    net : TorchNet
    layer : torch.nn.Module
        The last whose output is an affine function of the trials.
    response : str
        As in `TorchNet.respond`.
    """

    net: TorchNet
    layer: torch.nn.Module
    response: str

    def features(self, X: NDArray, batch_size: int | None = None) -> torch.Tensor:
        """What the stage makes of trials.

        Parameters
        ----------
        X : ndarray of shape (n_trials, n_channels, n_times)
        batch_size : int, optional
            As in `TorchNet.rows`.

        Returns
        -------
        torch.Tensor of shape (n_trials, ...)
        """
        kept: list[torch.Tensor] = []

        def stop(layer, inputs, output):
            """Keep the output."""
            kept.append(output)
            raise _ReachedError

        parts = trial_blocks(len(X), self.net.rows(batch_size))
        with inference(self.net.module), torch.no_grad(), _hooked(self.layer, stop):
            for part in parts:
                with contextlib.suppress(_ReachedError):
                    self.net.respond(self.net.tensor(X[part]), self.response)
        return torch.cat(kept).contiguous()

    def outputs(self, features: torch.Tensor) -> NDArray:
        """Responses to features, mixed or not.

        Parameters
        ----------
        features : torch.Tensor of shape (n_trials, ...)

        Returns
        -------
        ndarray of shape (n_trials, n_outputs)
        """
        with inference(self.net.module), torch.no_grad():
            found = [self._answer(part) for part in torch.split(features, self._rows)]
        return torch.cat(found).double().cpu().numpy()

    @cached_property
    def _rows(self):
        """Trials per pass of the rest."""
        with inference(self.net.module):
            return RowBytes.of(self._answer, self.features(np.zeros((2, self.net.n_channels, self.net.n_times)))).rows()

    def _answer(self, features):
        """Responses to features by what follows the stage, as a tensor."""
        nothing = torch.zeros(1, self.net.n_channels, self.net.n_times, device=self.net.device, dtype=self.net.dtype)
        with _hooked(self.layer, lambda layer, inputs, output: features):
            return self.net.answer(self.net.raw(nothing), self.response)


def affine_stage(net: Any, X: NDArray, response: str = "auto") -> AffineStage | None:
    """Find the last layer whose output is affine in the trials and through which alone they reach the outputs.

    Parameters
    ----------
    net : TorchNet
    X : ndarray of shape (n_trials, n_channels, n_times)
        Trials on which a stage is proved to give what the network gives, also for mixtures.
    response : str
        As in `TorchNet.respond`.

    Returns
    -------
    AffineStage or None
        None where the first layer is not affine, or nothing is saved.
    """
    response = net.check_response(response)
    X = np.asarray(X[:N_PROBED], dtype=float)
    if len(X) < 3:
        return None
    one, other = X[0], X[1]
    probes = np.stack([one, other, one + other, np.zeros_like(one)])
    for layer in [layer for layer, output in _layers_run(net, probes) if _affine(output, probes)][: -N_TRIED - 1 : -1]:
        stage = AffineStage(net, layer, response)
        if _holds(stage, X):
            return stage
    return None


def _layers_run(net, probes):
    """Layers without parts that run once, in the order of running, with their outputs."""
    order, handles = [], contextlib.ExitStack()
    leaves = [child for child in net.module.modules() if not list(child.children())]
    with inference(net.module), torch.no_grad(), handles:
        for leaf in leaves:
            handles.enter_context(_hooked(leaf, lambda layer, inputs, output: order.append((layer, output))))
        net.raw(net.tensor(probes))
    times = {layer: sum(other is layer for other, _ in order) for layer, _ in order}
    return [(layer, output) for layer, output in order if times[layer] == 1]


def _affine(output, probes):
    """Whether the output of a sum of trials is the sum of their outputs, but for the output of nothing."""
    if not isinstance(output, torch.Tensor) or output.ndim < 2 or len(output) != len(probes):
        return False
    if output[0].numel() > LARGEST * probes[0].size:
        return False
    one, other, both, nothing = output.double()
    size = (output - output[3]).abs().max().item()
    return size > 0 and (one + other - both - nothing).abs().max().item() <= TOLERANCE * size


def _holds(stage, X):
    """Whether trials and mixtures of them give the same by way of the stage."""
    mixed = np.concatenate([X, X[:1] + 0.5 * (X[1:2] - X[2:3])])
    expected = stage.net.outputs(mixed, stage.response)
    try:
        features = stage.features(X)
        found = stage.outputs(torch.cat([features, features[:1] + 0.5 * (features[1:2] - features[2:3])]))
    except (RuntimeError, ValueError, IndexError, TypeError):  # what reads the shape of the trials further on
        return False
    if found.shape != expected.shape:
        return False
    return bool(np.abs(found - expected).max() <= TOLERANCE * max(np.abs(expected).max(), 1e-30))


@contextlib.contextmanager
def _hooked(layer, hook):
    handle = layer.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()
