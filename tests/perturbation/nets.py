"""Networks whose use of every channel and bin is known by hand."""

import numpy as np
import torch
from sklearn.frozen import FrozenEstimator
from skorch import NeuralNetClassifier, NeuralNetRegressor
from torch import nn


def frozen(module, n_outputs=2, *, regression=False):
    """A network as a fitted, frozen classifier (or regressor)."""
    settings = {"train_split": None, "verbose": 0, "max_epochs": 1}
    if regression:
        return FrozenEstimator(NeuralNetRegressor(module, **settings).initialize())
    settings |= {"criterion": nn.CrossEntropyLoss, "classes": np.arange(n_outputs)}
    return FrozenEstimator(NeuralNetClassifier(module, **settings).initialize())


class Amplitudes(nn.Module):
    """Logits are a weighted sum of amplitudes: the amplitude gradient is the weight."""

    def __init__(self, weights):
        super().__init__()
        self.weights = nn.Parameter(torch.as_tensor(weights, dtype=torch.float64))

    def forward(self, x):
        return torch.einsum("bcf,kcf->bk", torch.fft.rfft(x).abs(), self.weights)


class Squares(nn.Module):
    """A small convolutional net with log power, random weights, as everyday nets are."""

    def __init__(self, n_channels=3, n_outputs=3, seed=0, dtype=torch.float64):
        super().__init__()
        self.conv = nn.Conv1d(n_channels, 4, 7, bias=False)
        self.square = nn.Identity()
        self.out = nn.Linear(4, n_outputs)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(0.5 * torch.randn(parameter.shape, generator=generator))
        self.to(dtype)

    def forward(self, x):
        return self.out(torch.log1p(self.square(self.conv(x) ** 2).mean(-1)))


class PhaseDifference(nn.Module):
    """One logit is the cosine of the phase difference of channels 0 and 1 at one bin; amplitudes do not matter."""

    def __init__(self, bin_index):
        super().__init__()
        self.bin_index = bin_index
        self.scale = nn.Parameter(torch.ones(1, dtype=torch.float64))

    def forward(self, x):
        spectrum = torch.fft.rfft(x)[..., self.bin_index]
        unit = spectrum / spectrum.abs()
        cosine = self.scale * (unit[:, 0] * unit[:, 1].conj()).real
        return torch.stack([torch.zeros_like(cosine), cosine], dim=1)


class ChannelPower(nn.Module):
    """One logit is the log power of channel 0 over the whole trial."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1, dtype=torch.float64))

    def forward(self, x):
        power = self.scale * torch.log((x[:, 0] ** 2).mean(-1))
        return torch.stack([torch.zeros_like(power), power], dim=1)


class SpatialFilters(nn.Module):
    """Logits are linear in the log power of spatially filtered, band-limited trials, as after CSP."""

    def __init__(self, filters, bins, weights):
        super().__init__()
        self.filters = nn.Parameter(torch.as_tensor(filters, dtype=torch.float64))
        self.weights = nn.Parameter(torch.as_tensor(weights, dtype=torch.float64))
        self.bins = bins

    def forward(self, x):
        spectrum = torch.fft.rfft(self.filters @ x)[..., self.bins]
        score = torch.log((spectrum.abs() ** 2).sum(-1)) @ self.weights
        return torch.stack([-score / 2, score / 2], dim=1)
