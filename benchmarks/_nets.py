"""Networks that cost something and networks that cost nothing, for any number of channels and samples."""

import numpy as np
import torch
from sklearn.frozen import FrozenEstimator
from skorch import NeuralNetClassifier
from torch import nn

from eegexplain.models import EEGNet

N_OUTPUTS = 4


class Shallow(nn.Module):
    """The shallow network of Schirrmeister et al. (2017) with random weights."""

    def __init__(self, n_channels, n_times, n_outputs=N_OUTPUTS):
        super().__init__()
        torch.manual_seed(0)
        self.time = nn.Conv2d(1, 40, (25, 1))
        self.space = nn.Conv2d(40, 40, (1, n_channels), bias=False)
        self.norm = nn.BatchNorm2d(40)
        self.pool = nn.AvgPool2d((75, 1), (15, 1))
        self.out = nn.Linear(40 * ((n_times - 24 - 75) // 15 + 1), n_outputs)

    def forward(self, x):  # noqa: D102
        x = self.space(self.time(x.transpose(1, 2)[:, None]))
        return self.out(torch.log(self.pool(self.norm(x) ** 2).clamp(min=1e-6)).flatten(1))


class Transformer(nn.Module):
    """Two layers of attention over pieces of 16 samples."""

    def __init__(self, n_channels, n_times, n_outputs=N_OUTPUTS):
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Conv1d(n_channels, 32, 16, stride=16)
        layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True)
        self.attend = nn.TransformerEncoder(layer, 2)
        self.out = nn.Linear(32, n_outputs)

    def forward(self, x):  # noqa: D102
        return self.out(self.attend(self.embed(x).transpose(1, 2)).mean(1))


class BandPower(nn.Module):
    """A small network, for trials by the thousand."""

    def __init__(self, n_channels, n_times=None, n_outputs=N_OUTPUTS):
        super().__init__()
        torch.manual_seed(0)
        self.space = nn.Conv1d(n_channels, 4, 1, bias=False)
        self.time = nn.Conv1d(4, 4, 16, stride=4, groups=4)
        self.out = nn.Linear(4, n_outputs)

    def forward(self, x):  # noqa: D102
        return self.out(torch.log((self.time(self.space(x)) ** 2).mean(-1)))


def eegnet(n_channels, n_times, n_outputs=N_OUTPUTS):
    """EEGNet with its own defaults and random weights."""
    torch.manual_seed(0)
    return EEGNet(n_channels, n_times, n_outputs)


NETS = {"Shallow": Shallow, "EEGNet": eegnet, "transformer": Transformer, "band power": BandPower}


def classifier(module, n_outputs=N_OUTPUTS):
    """A network with random weights as a fitted classifier."""
    settings = {"criterion": nn.CrossEntropyLoss, "classes": np.arange(n_outputs), "train_split": None, "verbose": 0}
    return FrozenEstimator(NeuralNetClassifier(module, **settings).initialize())


def trials(n_trials, n_channels, n_times, dtype=np.float32):
    """Trials with a 1/f spectrum and unit variance, and classes."""
    rng = np.random.default_rng(0)
    spectrum = np.fft.rfft(rng.normal(size=(n_trials, n_channels, n_times)))
    spectrum /= np.maximum(np.arange(spectrum.shape[-1]), 1) ** 0.5
    X = np.fft.irfft(spectrum, n=n_times)
    return (X / X.std()).astype(dtype), np.arange(n_trials) % N_OUTPUTS
