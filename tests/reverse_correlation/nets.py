"""Networks whose units are known, wrapped as fitted classifiers."""

import numpy as np
import torch
from sklearn.frozen import FrozenEstimator
from skorch import NeuralNetClassifier
from torch import nn


class PowerNet(nn.Module):
    """A convolution, its squared output averaged over windows, a linear readout."""

    def __init__(self, n_channels=3, n_filters=2, width=15, stride=1, padding=0, pool=8):
        super().__init__()
        self.conv = nn.Conv1d(n_channels, n_filters, width, stride=stride, padding=padding)
        self.pool = nn.AvgPool1d(pool)
        self.head = nn.Linear(n_filters, 2)

    def forward(self, x):
        return self.head(self.pool(self.conv(x) ** 2).mean(-1))


def frozen(module_class=PowerNet, X=None, y=None, kernels=None, **settings):
    """A network with random or given kernels that no training touches."""
    torch.manual_seed(0)
    settings = {f"module__{name}": value for name, value in settings.items()}
    net = NeuralNetClassifier(
        module_class, criterion=nn.CrossEntropyLoss, max_epochs=1, lr=0.0, train_split=None, verbose=0, **settings
    ).fit(X.astype(np.float32), y)
    if kernels is not None:
        with torch.no_grad():
            net.module_.conv.weight.copy_(torch.from_numpy(kernels))
    return FrozenEstimator(net)
