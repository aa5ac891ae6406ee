"""Two routes to one convolution: materialised filters, or SyncNet's rank-2 factors (a third: `_spectral`).

A SyncNet filter is a sum of two products of a spatial and a temporal part,

``a cos(omega tau + phi) d(tau) = [a cos(phi)] [cos(omega tau) d(tau)] + [-a sin(phi)] [sin(omega tau) d(tau)]``,

so the channels can be mixed first (one matrix product) and the two mixtures of each filter convolved afterwards.
The temporal convolution is done for blocks of output samples at once, as a product with a Toeplitz matrix; its
gradients are two more such products.
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
    n_out = x.shape[-1] + sum(padding) - carriers.shape[-1] + 1
    # compilers differentiate by themselves
    plain = torch.compiler.is_compiling() or not torch.is_grad_enabled()
    route = _mix_and_slide if plain else _MixAndSlide.apply
    return route(x, mixes, carriers, bias, padding[0], n_out)[0]


def _mix_and_slide(x, mixes, carriers, bias, before, n_out):
    """Filter outputs ``(batch, n_filters, n_out)``, and mixtures ``(batch, 2 n_filters, n_times)``."""
    mixed = torch.bmm(mixes.flatten(0, 1).expand(x.shape[0], -1, -1), x)
    return _slide(mixed.unflatten(1, (2, -1)), carriers[:, None], before, n_out, bias)[:, 0], mixed


class _MixAndSlide(torch.autograd.Function):
    """`_mix_and_slide`; autograd by itself would keep the windows, and add their gradients up one by one."""

    generate_vmap_rule = True
    forward = staticmethod(_mix_and_slide)

    @staticmethod
    def setup_context(ctx, inputs, output):
        """Keep what the gradient needs; the mixtures are an output, so that it can itself be differentiated."""
        x, mixes, carriers, _, ctx.before, ctx.n_out = inputs
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x, mixes, carriers, output[1])

    @staticmethod
    def backward(ctx, grad, grad_mixed):
        """Adjoint: outputs slide back over the carriers, turned round, and the channels are given their shares."""
        x, mixes, carriers, mixed = ctx.saved_tensors
        of_x, of_mixes, of_carriers, of_bias = ctx.needs_input_grad[:4]
        grad_x = grad_mixes = grad_carriers = grad_bias = None
        if grad is not None:
            grad_bias = grad.sum((0, 2)) if of_bias else None
            if of_carriers:
                grad_carriers = _carrier_gradient(mixed, grad, carriers.shape[-1], ctx.before)
            if of_x or of_mixes:
                ahead = carriers.shape[-1] - 1 - ctx.before
                through = _slide(grad[:, None], carriers.flip(-1)[None], ahead, x.shape[-1]).flatten(1, 2)
                grad_mixed = through if grad_mixed is None else through + grad_mixed
        if grad_mixed is not None:
            grad_mixes = torch.bmm(grad_mixed, x.mT).sum(0).view_as(mixes) if of_mixes else None
            grad_x = torch.matmul(mixes.flatten(0, 1).T, grad_mixed) if of_x else None
        return grad_x, grad_mixes, grad_carriers, grad_bias, None, None


def _slide(signals, kernels, before, n_out, bias=None):
    """Cross-correlate ``(batch, n_in, n_filters, n_times)`` with ``(n_in, n_to, n_filters, width)``, summed over n_in.

    Windows of all signals of a filter side by side, times Toeplitz matrices one above the other, add up to a whole
    block of samples of ``(batch, n_to, n_filters, n_out)``. ``before`` zeros stand before the signals, negative
    numbers crop, and as many as are needed after them.
    """
    n_in, n_to, n_filters, width = kernels.shape
    block = _block(n_out)
    windows = _windows(signals, before, n_out, block + width - 1)
    toeplitz = _toeplitz(kernels, block).permute(2, 0, 3, 1, 4).reshape(n_filters, -1, n_to * block)
    out = torch.bmm(windows, toeplitz) if bias is None else torch.baddbmm(bias[:, None, None], windows, toeplitz)
    out = out.view(n_filters, signals.shape[0], -(-n_out // block), n_to, block)
    return out.permute(1, 3, 0, 2, 4).flatten(-2)[..., :n_out]


def _block(n_out):
    """Samples per block: blocks are as long as each other, and hardly reach beyond the end."""
    return -(-n_out // -(-n_out // _BLOCK))


def _windows(signals, before, n_out, span):
    """Windows ``(n_filters, batch * n_blocks, n_in * span)`` that begin a block of output samples apart."""
    block, n_filters = _block(n_out), signals.shape[2]
    n_blocks = -(-n_out // block)
    after = (n_blocks - 1) * block + span - before - signals.shape[-1]
    windows = F.pad(signals, (before, after)).unfold(-1, span, block)
    return windows.permute(2, 0, 3, 1, 4).reshape(n_filters, -1, signals.shape[1] * span)


def _carrier_gradient(mixed, grad, width, before):
    """Gradient of the carriers ``(2, n_filters, width)``: that of the Toeplitz matrices, summed along diagonals."""
    n_filters, n_out = grad.shape[1:]
    block = _block(n_out)
    windows = _windows(mixed.unflatten(1, (2, n_filters)), before, n_out, block + width - 1)
    products = windows.mT @ _windows(grad[:, None], 0, n_out, block)
    # the adjoint of `_toeplitz`, by the same way of cutting rows
    rows = products.unflatten(1, (2, -1)).transpose(-1, -2).flatten(-2)
    rows = F.pad(rows, (0, block)).unflatten(-1, (block, width + block))
    return rows[..., :width].sum(-2).transpose(0, 1)


def _toeplitz(carriers, block):
    """Matrices ``(..., block + width - 1, block)`` whose column ``l`` holds the carrier, ``l`` samples down.

    Rows of ``width + block`` samples, laid end to end and cut again one sample shorter, slide by one per row.
    """
    lead, width = carriers.shape[:-1], carriers.shape[-1]
    row = width + block
    rows = F.pad(carriers, (0, block)).unsqueeze(-2).expand(*lead, block, row).reshape(*lead, block * row)
    return rows[..., : block * (row - 1)].reshape(*lead, block, row - 1).transpose(-1, -2)
