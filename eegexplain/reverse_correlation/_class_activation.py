"""Class activation maps of a layer, on its own grid and on that of the trial."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eegexplain._parallel import trial_blocks


def layer_maps(
    network: Any, layer: str, axes: tuple[int, ...], X: NDArray, response: str, batch_size: int | None
) -> Iterator[tuple[slice, NDArray]]:
    """Activations of a layer, weighted by the mean gradient of each unit and summed over units.

    Parameters
    ----------
    network : TorchNet
    layer : str
    axes : tuple of int
        Axes of the layer's output that are positions (channels, times), in this order, once the batch is axis 0; all
        others are units.
    X : ndarray of shape (n_trials, n_channels, n_times)
    response : str
        Resolved: not "auto".
    batch_size : int or None

    Yields
    ------
    part : slice
    maps : ndarray of shape (n_trials, n_outputs, *lengths of axes)
    """
    import torch

    from eegexplain._layout import check_tensor, one_output
    from eegexplain._torch import gradient_mode

    batch = network.layout(layer).batch
    for part in trial_blocks(len(X), network.rows(batch_size, network.n_outputs)):
        with gradient_mode(network.module), _watched(network.module, layer) as seen:
            outputs = network.respond(network.tensor(X[part]).requires_grad_(), response)
            activation = check_tensor(layer, one_output(layer, seen))
            found = []
            for number, total in enumerate(outputs.sum(0)):
                (gradient,) = torch.autograd.grad(
                    total, activation, retain_graph=number < outputs.shape[1] - 1, allow_unused=True,
                    materialize_grads=True,
                )  # fmt: skip
                found.append(_weighted(activation.detach().movedim(batch, 0), gradient.movedim(batch, 0), axes))
        yield part, torch.stack(found, dim=1).double().cpu().numpy()


def _weighted(activation, gradient, axes):
    """One output's map ``(n_trials, *lengths of axes)``."""
    units = tuple(axis for axis in range(1, activation.ndim) if axis not in axes)
    weights = gradient.mean(axes, keepdim=True) if axes else gradient
    total = (weights * activation).sum(units) if units else weights * activation
    return total if list(axes) == sorted(axes) else total.transpose(1, 2)


class _watched:
    """Records what a layer returns and hands on a copy of a tensor: a later layer may work in place."""

    def __init__(self, module, layer):
        from eegexplain._module import layer_names

        (self.name,) = layer_names(module, [layer]).values()
        self.layer, self.seen = module.get_submodule(self.name.module), []

    def __enter__(self):
        self.handle = self.layer.register_forward_hook(self._note)
        return self.seen

    def __exit__(self, *exception):
        self.handle.remove()

    def _note(self, layer, inputs, output):
        self.seen.append(self.name.of(output))
        return output.clone() if hasattr(output, "clone") else output


def to_samples(field: Any, n_times: int) -> NDArray:
    """Weights that carry a layer's positions to the samples of a trial.

    A position lies in the middle of what it sees; between positions values are interpolated, before the first and
    behind the last they stay. Where what is seen has no edge, positions are spread evenly over the trial.

    Parameters
    ----------
    field : ReceptiveField
    n_times : int

    Returns
    -------
    ndarray of shape (n_units, n_times)
    """
    units, samples = np.arange(field.n_units), np.arange(n_times)
    if field.unbounded or field.stride == 0:
        middle = (units + 0.5) * n_times / field.n_units - 0.5
    else:
        middle = field.offset + field.stride * units + (field.size - 1) / 2
    return np.stack([np.interp(samples, middle, one) for one in np.eye(field.n_units)])
