"""Networks that decode EEG: with random weights for any size of data, or trained for a moment on simulated trials.

braindecode's are there where it is installed: ``pip install --target FOLDER braindecode==1.8.1``, and FOLDER in the
variable BRAINDECODE_FOLDER. Of what it imports, torchaudio and linear_attention_transformer are replaced by empty
stand-ins: the two networks here do not need them.
"""

import importlib
import importlib.machinery
import os
import sys
from unittest import mock

import numpy as np
import torch
from sklearn.frozen import FrozenEstimator
from skorch import NeuralNetClassifier
from torch import nn
from torch.nn.utils import parametrize

from eegexplain import EEGNetClassifier, SyncNetClassifier
from eegexplain.models import EEGNet

N_OUTPUTS, SFREQ = 4, 250.0


def eeg_net(act, n_channels=22, n_times=1000, n_outputs=N_OUTPUTS):
    """A small network in the manner of EEGNet: temporal, spatial and separable convolutions."""
    return nn.Sequential(
        nn.Unflatten(1, (1, n_channels)), nn.Conv2d(1, 8, (1, 25), padding=(0, 12)), nn.BatchNorm2d(8),
        nn.Conv2d(8, 16, (n_channels, 1), groups=8), nn.BatchNorm2d(16), act(), nn.AvgPool2d((1, 4)),
        nn.Conv2d(16, 16, (1, 15), padding=(0, 7), groups=16), nn.Conv2d(16, 16, 1), nn.BatchNorm2d(16), act(),
        nn.AvgPool2d((1, 8)), nn.Flatten(), nn.Linear(16 * (n_times // 32), n_outputs),
    )


class Shallow(nn.Module):
    """The shallow network of Schirrmeister et al. (2017) with random weights."""

    def __init__(self, n_channels, n_times, n_outputs=N_OUTPUTS):
        super().__init__()
        self.time = nn.Conv2d(1, 40, (25, 1))
        self.space = nn.Conv2d(40, 40, (1, n_channels), bias=False)
        self.norm = nn.BatchNorm2d(40)
        self.pool = nn.AvgPool2d((75, 1), (15, 1))
        self.out = nn.Linear(40 * ((n_times - 24 - 75) // 15 + 1), n_outputs)

    def forward(self, x):  # noqa: D102
        x = self.space(self.time(x.transpose(1, 2)[:, None]))
        return self.out(torch.log(self.pool(self.norm(x) ** 2).clamp(min=1e-6)).flatten(1))


class SquareLog(nn.Module):
    """Log power of filtered signals, in the manner of ShallowFBCSPNet."""

    def __init__(self, n_channels=22, n_times=1000, n_outputs=N_OUTPUTS):
        super().__init__()
        self.temporal, self.spatial = nn.Conv2d(1, 16, (1, 25)), nn.Conv2d(16, 16, (n_channels, 1), bias=False)
        self.norm, self.pool = nn.BatchNorm2d(16), nn.AvgPool2d((1, 75), (1, 15))
        self.out = nn.Linear(16 * ((n_times - 24 - 75) // 15 + 1), n_outputs)

    def forward(self, x):
        """Logits of trials."""
        filtered = self.norm(self.spatial(self.temporal(x[:, None])))
        return self.out(torch.log(self.pool(filtered**2).clamp_min(1e-6)).flatten(1))


class Transformer(nn.Module):
    """Patches of 20 samples, two layers of attention, the mean."""

    def __init__(self, n_channels=22, n_times=1000, n_outputs=N_OUTPUTS):
        super().__init__()
        self.patch = nn.Conv1d(n_channels, 32, 20, stride=20)
        self.place = nn.Parameter(0.1 * torch.randn(n_times // 20, 32))
        layer = nn.TransformerEncoderLayer(32, 4, 64, 0.1, "gelu", batch_first=True)
        self.layers, self.out = nn.TransformerEncoder(layer, 2), nn.Linear(32, n_outputs)

    def forward(self, x):
        """Logits of trials."""
        return self.out(self.layers(self.patch(x).transpose(1, 2) + self.place).mean(1))


class BandPower(nn.Module):
    """A small network, for trials by the thousand."""

    def __init__(self, n_channels, n_times=None, n_outputs=N_OUTPUTS):
        super().__init__()
        self.space = nn.Conv1d(n_channels, 4, 1, bias=False)
        self.time = nn.Conv1d(4, 4, 16, stride=4, groups=4)
        self.out = nn.Linear(4, n_outputs)

    def forward(self, x):  # noqa: D102
        return self.out(torch.log((self.time(self.space(x)) ** 2).mean(-1)))


def braindecode():
    """Return braindecode's ShallowFBCSPNet and EEGNet, or None where it is not installed."""
    folder = os.environ.get("BRAINDECODE_FOLDER")
    if not folder or not os.path.isdir(os.path.join(folder, "braindecode")):
        return None
    for name in ("torchaudio", "torchaudio.functional", "torchaudio.transforms", "linear_attention_transformer"):
        stand_in = mock.MagicMock()
        stand_in.__spec__, stand_in.__path__ = importlib.machinery.ModuleSpec(name, None), []
        sys.modules.setdefault(name, stand_in)
    sys.path.append(folder)
    models = importlib.import_module("braindecode.models")
    return models.ShallowFBCSPNet, models.EEGNet


def simulated(seed, n_trials=64, n_channels=22, n_times=400):
    """Trials of four classes, each with a rhythm of its own frequency and topography over noise; labels."""
    rng = np.random.default_rng(seed)
    y = np.arange(n_trials) % N_OUTPUTS
    noise = np.cumsum(rng.normal(size=(n_trials, n_channels, n_times)), -1)
    x = 0.1 * (noise - noise.mean(-1, keepdims=True)) + rng.normal(size=noise.shape)
    mixing = np.eye(n_channels) + rng.normal(size=(n_channels, n_channels)) / np.sqrt(n_channels)
    x = np.einsum("ij,njt->nit", mixing, x)
    phase, weights = rng.uniform(0, 2 * np.pi, n_trials), rng.normal(size=(N_OUTPUTS, n_channels))
    angle = 2 * np.pi * (8 + 5 * y[:, None]) / SFREQ * np.arange(n_times) + phase[:, None]
    x += 0.8 * weights[y][:, :, None] * np.sin(angle)[:, None]
    return (x / x.std()).astype(np.float32), y


def _trained(module, x, y, seed, rate):
    torch.manual_seed(seed)
    x, y = torch.as_tensor(x), torch.as_tensor(y)
    optimizer = torch.optim.Adam(module.parameters(), rate)
    for _ in range(60):
        some = torch.randperm(len(x))[:16]
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(x[some]), y[some]).backward()
        optimizer.step()
    for child in list(module.modules()):  # what holds a norm in training only costs time afterwards
        if parametrize.is_parametrized(child):
            for name in list(child.parametrizations):
                parametrize.remove_parametrizations(child, name)
    return module.eval()


OWN = {"ReLU": lambda **s: eeg_net(nn.ReLU, **s), "ELU": lambda **s: eeg_net(nn.ELU, **s),
       "GELU": lambda **s: eeg_net(nn.GELU, **s), "transformer": Transformer, "log power": SquareLog}
FACADES = {"SyncNet, closed": lambda seed: SyncNetClassifier(sfreq=SFREQ, random_state=seed),
           "SyncNet, max, gradient": lambda seed: SyncNetClassifier(
               readout="max", training="gradient", max_epochs=30, sfreq=SFREQ, random_state=seed),
           "our EEGNet": lambda seed: EEGNetClassifier(max_epochs=30, sfreq=SFREQ, random_state=seed)}
THEIRS = ("ShallowFBCSPNet", "EEGNet")
NAMES = (*OWN, *FACADES, *THEIRS)


def network(name, seed, n_trials=64, n_channels=22, n_times=400):
    """A trained module, trials and labels; None for a network of braindecode where that is not installed."""
    x, y = simulated(seed, n_trials, n_channels, n_times)
    if name in FACADES:
        return FACADES[name](seed).fit(x, y).net_.module_.eval(), x, y
    torch.manual_seed(seed)
    if name in THEIRS:
        found = braindecode()
        if found is None:
            return None
        module = found[THEIRS.index(name)](n_chans=n_channels, n_outputs=N_OUTPUTS, n_times=n_times)
    else:
        module = OWN[name](n_channels=n_channels, n_times=n_times)
    return _trained(module, x, y, seed, 1e-3 if name == "transformer" else 3e-3), x, y


RANDOM = {"Shallow": Shallow, "EEGNet": EEGNet, "transformer": Transformer, "band power": BandPower}


def untrained(name, n_channels, n_times):
    """A network with random weights, always the same."""
    torch.manual_seed(0)
    return RANDOM[name](n_channels, n_times, N_OUTPUTS).eval()


def frozen(module, n_outputs=N_OUTPUTS):
    """A module as a fitted classifier."""
    settings = {"criterion": nn.CrossEntropyLoss, "classes": np.arange(n_outputs), "train_split": None, "verbose": 0}
    return FrozenEstimator(NeuralNetClassifier(module, **settings).initialize())


def trials(n_trials, n_channels, n_times, dtype=np.float32):
    """Trials with a 1/f spectrum and unit variance, and classes."""
    rng = np.random.default_rng(0)
    spectrum = np.fft.rfft(rng.normal(size=(n_trials, n_channels, n_times)))
    spectrum /= np.maximum(np.arange(spectrum.shape[-1]), 1) ** 0.5
    X = np.fft.irfft(spectrum, n=n_times)
    return (X / X.std()).astype(dtype), np.arange(n_trials) % N_OUTPUTS
