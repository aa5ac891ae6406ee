"""SyncNet's convolution as training takes it: mixtures of channels times carriers in the frequency domain.

By the convolution theorem a rank-2 filter (see `_convolution`) is, at each frequency, two real mixtures of the spectra
of the channels times the spectra of its two carriers; one inverse transform gives the output. Zeros around the trials
make this the convolution itself, edges included. No windows or Toeplitz matrices are formed or kept for the gradient.
"""

import functools

import torch
from scipy.fft import next_fast_len
from torch.nn import functional as F

from eegexplain.models.syncnet._convolution import costs

# Per output sample, forward and backward, in multiply-adds of a convolution through the factors (measured on a CPU).
_PER_FILTER = 80  # two products of spectra and an inverse transform
_PER_CHANNEL = 12  # a transform
_WORTH_IT = 1.1
_FEW_BYTES = 2**24  # of trials: spectra of more do not stay in memory that is at hand, and a page is fetched for each


def spectra_pay(n_chans, n_filters, width):
    """Tell from the sizes whether training is faster by way of spectra than by the better one of the other routes."""
    spectral = n_filters * n_chans + _PER_FILTER * n_filters + _PER_CHANNEL * n_chans
    return min(costs(n_chans, n_filters, width)) > _WORTH_IT * spectral


def spectra_fit(x):
    """Tell from the sizes whether the spectra of a batch are small enough to be worth while."""
    return 0 < x.numel() * x.element_size() <= _FEW_BYTES


def convolve_spectral(x, mixes, carriers, bias, padding):
    """Cross-correlate with rank-2 filters by way of spectra; parameters and result are those of `convolve_factored`."""
    n_times, width = x.shape[-1], carriers.shape[-1]
    n_out = n_times + sum(padding) - width + 1
    # a circular correlation is the linear one where all that wraps around, before the trial or after it, is 0
    n_fft = next_fast_len(max(n_times + max(padding), width, n_out), real=True)
    kernel = torch.roll(F.pad(carriers, (0, n_fft - width)), -padding[0], -1)
    response = torch.fft.rfft(kernel).conj().resolve_conj()
    spectra = torch.view_as_real(torch.fft.rfft(x, n_fft)).flatten(-2)  # mixtures are real: one real matrix product
    return _MixAndFilter.apply(spectra, mixes, response, n_fft)[0][..., :n_out] + bias[:, None]


class _MixAndFilter(torch.autograd.Function):
    """``irfft(sum_s response_s * (mixes_s @ spectra))``; autograd by itself would copy and keep several times as much.

    ``spectra`` ``(batch, n_channels, 2 n_bins)``, real and imaginary parts in turn; ``mixes``
    ``(2, n_filters, n_channels)``; ``response`` complex ``(2, n_filters, n_bins)``.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(spectra, mixes, response, n_fft):
        """Return filter outputs, and the mixtures' spectra for the gradient."""
        mixed = _as_complex(torch.bmm(mixes.flatten(0, 1).expand(len(spectra), -1, -1), spectra))
        products = torch.addcmul(mixed[:, 0] * response[0], mixed[:, 1], response[1])
        return torch.fft.irfft(products, n_fft), mixed

    @staticmethod
    def setup_context(ctx, inputs, output):
        """Keep what the gradient needs; the mixtures are an output, so that it can itself be differentiated."""
        spectra, mixes, response, ctx.n_fft = inputs
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(spectra, mixes, response, output[1])

    @staticmethod
    def backward(ctx, grad, grad_mixed):
        """Adjoint: transform once, then products and mixtures the other way round."""
        if grad is None and grad_mixed is None:
            return None, None, None, None
        spectra, mixes, response, mixed = ctx.saved_tensors
        grad_response = None
        if grad is not None:
            grad = (torch.fft.rfft(grad, ctx.n_fft) * _shares(ctx.n_fft, grad.dtype, grad.device))[:, None]
            grad_response = (grad * mixed.conj()).sum(0)
            through = grad * response.conj()
            grad_mixed = through if grad_mixed is None else through + grad_mixed
        grad_mixed = torch.view_as_real(grad_mixed.resolve_conj()).flatten(-2).flatten(1, 2)
        grad_mixes = torch.bmm(grad_mixed, spectra.transpose(1, 2)).sum(0).view_as(mixes)
        wanted = ctx.needs_input_grad[0]
        grad_spectra = torch.matmul(mixes.flatten(0, 1).T, grad_mixed) if wanted else None
        return grad_spectra, grad_mixes, grad_response, None


@functools.lru_cache(maxsize=16)
def _shares(n_fft, dtype, device):
    """Weights of bins in the adjoint of `irfft`: all but 0 and Nyquist stand for themselves and their conjugates."""
    bins = torch.arange(n_fft // 2 + 1, device=device)
    return torch.where((bins == 0) | (2 * bins == n_fft), 1.0, 2.0).to(dtype) / n_fft


def _as_complex(mixed):
    """View ``(batch, 2 n_filters, 2 n_bins)`` as complex ``(batch, 2, n_filters, n_bins)``."""
    batch, rows, columns = mixed.shape
    return torch.view_as_complex(mixed.view(batch, 2, rows // 2, columns // 2, 2))
