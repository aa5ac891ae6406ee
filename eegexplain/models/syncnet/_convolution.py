"""Two routes to one convolution: materialised filters, or SyncNet's rank-2 factors (a third: `_spectral`).

A SyncNet filter is a sum of two products of a spatial and a temporal part,

``a cos(omega tau + phi) d(tau) = [a cos(phi)] [cos(omega tau) d(tau)] + [-a sin(phi)] [sin(omega tau) d(tau)]``,

so the channels can be mixed first (one matrix product) and the two mixtures of each filter convolved afterwards.
The temporal convolution is done for blocks of output samples at once, as a product with a Toeplitz matrix.
"""

import torch
from torch.nn import functional as F

_BLOCK = 32  # output samples per Toeplitz product, at most
_LANES = 8  # direct convolutions compute filters in groups of about this many, used or not
_WORTH_IT = 2.0  # ratio of multiply-adds above which the factors are faster, forward and backward


def same_padding(width, size=None, stride=1):
    """Zeros before and after ``size`` samples such that every sample is used, the odd one after.

    Parameters
    ----------
    width, stride : int
        Window and step, in samples.
    size : int, optional
        Samples to cover; not needed for ``stride=1``.

    Returns
    -------
    before, after : int
    """
    total = width - 1
    if stride > 1:
        total = max((-(-size // stride) - 1) * stride + width - size, 0)
    return total // 2, total - total // 2


def factors_pay(n_chans, n_filters, width):
    """Tell from the sizes whether the factors beat a direct convolution, by the multiply-adds per output sample."""
    direct, factored = costs(n_chans, n_filters, width)
    return direct > factored


def costs(n_chans, n_filters, width):
    """Cost per output sample of a direct convolution and of one through the factors, in multiply-adds of the latter."""
    direct = n_chans * width * max(n_filters, _LANES)
    return direct / _WORTH_IT, 2 * n_filters * (n_chans + _BLOCK + width - 1)


def convolve_direct(x, filters, bias, padding):
    """Cross-correlate with materialised filters.

    Parameters
    ----------
    x : Tensor of shape (batch, n_channels, n_times)
    filters : Tensor of shape (n_filters, n_channels, width)
    bias : Tensor of shape (n_filters,)
    padding : tuple of int
        Zeros before and after; negative numbers crop.

    Returns
    -------
    Tensor of shape (batch, n_filters, n_times + sum(padding) - width + 1)
    """
    return F.conv1d(F.pad(x, padding), filters, bias)


def convolve_factored(x, mixes, carriers, bias, padding):
    """Cross-correlate with rank-2 filters: mix the channels, then convolve two mixtures per filter.

    Parameters
    ----------
    x : Tensor of shape (batch, n_channels, n_times)
    mixes : Tensor of shape (2, n_filters, n_channels)
    carriers : Tensor of shape (2, n_filters, width)
    bias : Tensor of shape (n_filters,)
    padding : tuple of int
        Zeros before and after; negative numbers crop.

    Returns
    -------
    Tensor of shape (batch, n_filters, n_times + sum(padding) - width + 1)
    """
    n_filters, width = carriers.shape[1:]
    n_out = x.shape[-1] + sum(padding) - width + 1
    n_blocks = -(-n_out // _BLOCK)
    block = -(-n_out // n_blocks)
    span = block + width - 1

    # First the channels: two mixtures per filter, a matrix product per trial.
    mixed = torch.bmm(mixes.flatten(0, 1).expand(x.shape[0], -1, -1), x)
    mixed = F.pad(mixed, (padding[0], padding[1] + n_blocks * block - n_out))
    # Then time: windows of both mixtures side by side, times both Toeplitz matrices one above the other, add up to
    # cos part + sin part for a whole block of output samples.
    windows = mixed.unflatten(1, (2, n_filters)).unfold(-1, span, block)
    windows = windows.permute(2, 0, 3, 1, 4).reshape(n_filters, -1, 2 * span)
    toeplitz = _toeplitz(carriers, block).permute(1, 0, 2, 3).reshape(n_filters, 2 * span, block)
    out = torch.baddbmm(bias[:, None, None], windows, toeplitz)
    return out.view(n_filters, x.shape[0], n_blocks * block).transpose(0, 1)[..., :n_out]


def _toeplitz(carriers, block):
    """Matrices ``(..., block + width - 1, block)`` whose column ``l`` holds the carrier, ``l`` samples down.

    Rows of ``width + block`` samples, laid end to end and cut again one sample shorter, slide by one per row.
    """
    lead, width = carriers.shape[:-1], carriers.shape[-1]
    row = width + block
    rows = F.pad(carriers, (0, block)).unsqueeze(-2).expand(*lead, block, row).reshape(*lead, block * row)
    return rows[..., : block * (row - 1)].reshape(*lead, block, row - 1).transpose(-1, -2)
