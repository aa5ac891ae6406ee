"""Several fitted networks as one module: one set of responses and gradients."""

import torch
from skorch import NeuralNetClassifier, NeuralNetRegressor
from torch import nn

from eegexplain._module import inference


class EnsembleModule(nn.Module):
    """The mean of networks' outputs; its layers are theirs, ``members.0.conv_out`` and so on.

    Parameters
    ----------
    nets : list of TorchNet
        Of the same number of outputs, all of classes or all of numbers.
    averaged : {"centered_logit", "prob", "output"}
        The mean of probabilities is returned as its logarithm: a logit.
    weights : sequence of float, optional

    Raises
    ------
    ValueError
        For networks of different outputs.
    """

    def __init__(self, nets, averaged, weights=None):
        super().__init__()
        outputs = [f"{net.n_outputs} {'values' if net.emits == 'values' else 'classes'}" for net in nets]
        if len(set(outputs)) > 1:
            raise ValueError(f"Members of an ensemble must have the same outputs; these have {', '.join(outputs)}.")
        self.members = nn.ModuleList(net.module for net in nets)
        self._nets, self._averaged = list(nets), averaged
        weights = torch.ones(len(nets)) if weights is None else torch.as_tensor(weights)
        self._shares = (weights / weights.sum()).tolist()

    def forward(self, x):
        """Return the mean output, ``(batch, n_outputs)``, of trials ``(batch, n_channels, n_times)``."""
        total = 0.0
        for net, share in zip(self._nets, self._shares, strict=True):
            with inference(net.module):  # a member may be analyzed alone by another thread: one at a time
                total = total + share * net.respond(_as_taken(net.module, x), self._averaged).to(x)
        return total.clamp_min(torch.finfo(x.dtype).tiny).log() if self._averaged == "prob" else total


def _as_taken(module, x):
    """Trials in a network's precision, on its device: as they are now, since a copy may have been moved."""
    parameter = next((one for one in module.parameters() if one.is_floating_point()), x)
    return x.to(parameter.device, parameter.dtype)


def joined_net(nets, ensemble):
    """Hold networks in one skorch net, as if it were trained.

    Parameters
    ----------
    nets : list of TorchNet
    ensemble : Together

    Returns
    -------
    net : skorch.NeuralNet
    """
    module = EnsembleModule(nets, ensemble.averaged, ensemble.weights)
    if ensemble.averaged == "output":
        return NeuralNetRegressor(module, device=None).initialize()
    return NeuralNetClassifier(module, criterion=nn.CrossEntropyLoss, device=None).initialize()
