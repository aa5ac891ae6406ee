"""EEGNet: a compact network of temporal, then spatial, then separable convolutions."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from eegexplain._validation import positive_int

# Layers of block 2 in samples of the pooled signal, about 32 Hz: half a second, and pools of a quarter.
SEPARABLE_LENGTH = 16
SECOND_POOL = 8
SPATIAL_NORM, DENSE_NORM = 1.0, 0.25  # largest norms of a spatial filter and of a class's weights


class EEGNet(nn.Module):
    """Classify trials by band-pass-like filters in time, each followed by `D` filters over the channels.

    Block 1 filters every channel in time (`F1` filters shared by all channels) and mixes the channels by `D` spatial
    filters for each of them; block 2 filters the results in time again, each on its own, and combines them into `F2`
    signals. Both end with an activation, average pooling and dropout; a linear layer gives the logits. Norms of spatial
    filters stay within 1, those of a class's weights within 0.25.

    Parameters
    ----------
    n_chans : int
        Channels.
    n_times : int
        Samples per trial. Trials shorter than one pooled value of both blocks count as followed by zeros; samples after
        the last whole pool are left out, as in the paper.
    n_outputs : int
        Classes, or regression targets.
    F1 : int
        Temporal filters.
    D : int
        Spatial filters for each.
    F2 : int, optional
        Signals of block 2; ``F1 * D`` by default.
    kernel_length : int
        Samples of the temporal filters; in the paper half the sampling rate.
    pool_size : int
        Samples per pooled value of block 1; chosen in the paper to leave 32 Hz.
    drop_prob : float
        Dropout after each block; in the paper 0.5 within and 0.25 across persons.
    activation : callable
        Class (or other function without arguments) that makes the activation modules.

    Attributes
    ----------
    input_scale : Tensor of shape ()
        Trials are divided by it: a buffer, 1 unless set.
    temporal, spatial, depthwise, pointwise : torch.nn.Module
        The convolutions, without bias, in the order of their use.
    conv_out, pool_out : Identity
        Parameter-free stages to hook: normalized outputs of the spatial filters ``(batch, F1 * D, n_times)`` before the
        activation, and the pooled outputs of block 2 ``(batch, F2, n_pools)``.
    final_layer : Linear
        From these to the outputs.

    Raises
    ------
    ValueError
        If a size is no whole number of at least 1.

    References
    ----------
    Lawhern, V. J., Solon, A. J., Waytowich, N. R., Gordon, S. M., Hung, C. P. & Lance, B. J. (2018). EEGNet: a compact
    convolutional neural network for EEG-based brain-computer interfaces. Journal of Neural Engineering 15, 056013.
    https://doi.org/10.1088/1741-2552/aace8c

    Examples
    --------
    >>> import torch
    >>> from eegexplain.models import EEGNet
    >>> net = EEGNet(n_chans=8, n_times=256, n_outputs=2)
    >>> net(torch.zeros(5, 8, 256)).shape
    torch.Size([5, 2])
    """

    def __init__(
        self,
        n_chans: int,
        n_times: int,
        n_outputs: int,
        *,
        F1: int = 8,
        D: int = 2,
        F2: int | None = None,
        kernel_length: int = 64,
        pool_size: int = 4,
        drop_prob: float = 0.25,
        activation: Callable[[], nn.Module] = nn.ELU,
    ):
        super().__init__()
        self.n_chans = positive_int("n_chans", n_chans)
        self.n_times = positive_int("n_times", n_times)
        self.n_outputs = positive_int("n_outputs", n_outputs)
        self.kernel_length = positive_int("kernel_length", kernel_length)
        self.pool_size = positive_int("pool_size", pool_size)
        n_filters = positive_int("F1", F1)
        n_spatial = n_filters * positive_int("D", D)
        n_signals = n_spatial if F2 is None else positive_int("F2", F2)
        whole = self.pool_size * SECOND_POOL
        self.n_padded = max(self.n_times, whole)

        self.register_buffer("input_scale", torch.ones(()))
        self.temporal = nn.Conv2d(1, n_filters, (1, self.kernel_length), bias=False)
        self.temporal_norm = nn.BatchNorm2d(n_filters, eps=1e-3)
        self.spatial = nn.Conv2d(n_filters, n_spatial, (self.n_chans, 1), groups=n_filters, bias=False)
        self.spatial_norm = nn.BatchNorm1d(n_spatial, eps=1e-3)
        self.conv_out = nn.Identity()
        self.first_block = nn.Sequential(activation(), nn.AvgPool1d(self.pool_size), nn.Dropout(drop_prob))
        self.depthwise = nn.Conv1d(n_spatial, n_spatial, SEPARABLE_LENGTH, groups=n_spatial, bias=False)
        self.pointwise = nn.Conv1d(n_spatial, n_signals, 1, bias=False)
        self.pointwise_norm = nn.BatchNorm1d(n_signals, eps=1e-3)
        self.second_block = nn.Sequential(activation(), nn.AvgPool1d(SECOND_POOL), nn.Dropout(drop_prob))
        self.pool_out = nn.Identity()
        self.final_layer = nn.Linear(n_signals * (self.n_padded // whole), self.n_outputs)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights anew from torch's generator (Glorot's uniform, as in the authors' code); the scale stays."""
        for layer in (self.temporal, self.spatial, self.depthwise, self.pointwise, self.final_layer):
            nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(self.final_layer.bias)
        for layer in (self.temporal_norm, self.spatial_norm, self.pointwise_norm):
            layer.reset_parameters()
        self.constrain()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Compute the logits.

        Parameters
        ----------
        x : Tensor of shape (batch, n_chans, n_times)

        Returns
        -------
        Tensor of shape (batch, n_outputs)

        Raises
        ------
        ValueError
            If `x` has other sizes.
        """
        if x.ndim != 3 or x.shape[1] != self.n_chans or x.shape[2] != self.n_times:
            raise ValueError(f"x has shape {tuple(x.shape)}; expected (batch, {self.n_chans}, {self.n_times}).")
        x = F.pad(x / self.input_scale, (0, self.n_padded - self.n_times)).unsqueeze(1)
        x = self.temporal_norm(self.temporal(_same(x, self.kernel_length)))
        x = self.conv_out(self.spatial_norm(self.spatial(x).squeeze(2)))
        x = self.first_block(x)
        x = self.pointwise_norm(self.pointwise(self.depthwise(_same(x, SEPARABLE_LENGTH))))
        x = self.pool_out(self.second_block(x))
        return self.final_layer(x.flatten(1))

    def constrain(self) -> None:
        """Scale spatial filters and the outputs' weights down to their largest norms, as after each training step."""
        with torch.no_grad():
            for layer, largest in ((self.spatial, SPATIAL_NORM), (self.final_layer, DENSE_NORM)):
                norms = layer.weight.flatten(1).norm(dim=1).clamp_min(largest)
                layer.weight.mul_((largest / norms).view(-1, *[1] * (layer.weight.ndim - 1)))


def _same(x, width):
    """Zeros around the last axis such that a filter of this width keeps its length, the odd one after."""
    return F.pad(x, ((width - 1) // 2, width // 2))
