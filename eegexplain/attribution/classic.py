"""Frequency attribution of any torch model in one call, with the signature of freqIG, and the composed model."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from eegexplain._batches import RowBytes
from eegexplain._torch import gradient_mode
from eegexplain._validation import check_array_like
from eegexplain.attribution._path import Paths, integrate
from eegexplain.bases import Fourier


class FrequencyDomainModel(nn.Module):
    """A model of signals as a model of their spectra: the inverse real Fourier transform, then the model.

    Any attribution method for torch modules becomes a frequency-domain method on it.

    Parameters
    ----------
    model : torch.nn.Module
        Takes signals `(batch, ..., n_times)`.
    n_times : int
        Length of the signals; the spectrum alone does not tell odd from even.

    Examples
    --------
    >>> import torch
    >>> from eegexplain.attribution import FrequencyDomainModel
    >>> model = FrequencyDomainModel(torch.nn.Linear(9, 2), n_times=9)
    >>> spectrum = model.spectrum(torch.randn(4, 9))
    >>> tuple(spectrum.shape), tuple(model(spectrum).shape)
    ((4, 5, 2), (4, 2))
    """

    def __init__(self, model: nn.Module, n_times: int):
        super().__init__()
        self.model = model
        self.n_times = n_times

    @staticmethod
    def spectrum(x: torch.Tensor) -> torch.Tensor:
        """Take the spectrum of signals.

        Parameters
        ----------
        x : Tensor of shape (..., n_times)
            Real signals.

        Returns
        -------
        Tensor of shape (..., n_times // 2 + 1, 2)
            The unnormalized one-sided Fourier transform; real and imaginary parts on the last axis.
        """
        return torch.view_as_real(torch.fft.rfft(x))

    def forward(self, spectrum: torch.Tensor, *args: Any) -> torch.Tensor:
        """Compute the model's outputs for the signals that have these spectra.

        Parameters
        ----------
        spectrum : Tensor of shape (batch, ..., n_times // 2 + 1, 2)
            As `spectrum` gives it.
        *args : object
            Passed to the model after the signals.

        Returns
        -------
        Tensor
            What the model returns.
        """
        return self.model(torch.fft.irfft(torch.view_as_complex(spectrum.contiguous()), n=self.n_times), *args)


def attribute(
    input: ArrayLike | torch.Tensor,  # noqa: A002
    model: nn.Module | Callable[..., torch.Tensor],
    target: int | tuple[int, ...] | Sequence[int] | None = None,
    baseline: ArrayLike | torch.Tensor | None = None,
    n_steps: int | str = 50,
    segment: ArrayLike | torch.Tensor | None = None,
    start_idx: int | None = None,
    additional_forward_args: Any = None,
) -> NDArray[np.floating]:
    r"""Attribute a model's output to the frequencies of its input (FLEX).

    Integrated gradients of the model behind an inverse Fourier transform: bin `k` receives
    :math:`(w_k / N) \, \mathrm{Re}(\bar D_k G_k)`, with `D` and `G` the spectra of input minus baseline and of the
    path-averaged gradient. Bins sum to the change of the output, at odd lengths and for any baseline too.

    Parameters
    ----------
    input : array-like or tensor of shape (n_times,), (n_channels, n_times) or (n_trials, n_channels, n_times)
        One signal, or a batch of trials.
    model : torch.nn.Module or callable
        Gets a batch: `(batch, n_times)` for one-dimensional input, else `(batch, n_channels, n_times)` (a single
        channel also as `(batch, n_times)` where the model needs that). Returns `(batch,)` or `(batch, n_outputs)`.
        Its training mode and gradients are left as they were; the path runs in evaluation mode.
    target : int, tuple of int or sequence of int, optional
        Output to explain; one per trial for a batch; a tuple indexes outputs with several axes (a class and a time
        step). None is each trial's largest output.
    baseline : array-like, optional
        Signal that stands for "nothing", of the shape of `input` (of `segment`, if given) or of one trial; None is
        zero.
    n_steps : int or "auto"
        Nodes of the Gauss-Legendre rule along the path; "auto" uses as many as it takes (at most 95).
    segment : array-like, optional
        Part of the signal to explain, from `start_idx` on; the rest of `input` stays fixed.
    start_idx : int, optional
        First sample of `segment` within `input`.
    additional_forward_args : object or tuple, optional
        Passed to the model after the signal.

    Returns
    -------
    ndarray of shape (n_bins,), (n_channels, n_bins) or (n_trials, n_channels, n_bins)
        A single channel of a single signal is squeezed. Frequencies are ``numpy.fft.rfftfreq(n_times, 1 / sfreq)``.

    Raises
    ------
    ValueError
        For NaN and infinities, shapes that do not fit, a target out of range, an output that is not one number
        per trial and target, and gradients that are not finite.
    TypeError
        For models that do not return a tensor.

    References
    ----------
    .. [1] Sundararajan, Taly & Yan (2017). Axiomatic attribution for deep networks. ICML.
       https://doi.org/10.48550/arXiv.1703.01365

    Examples
    --------
    >>> import torch
    >>> from eegexplain.attribution import attribute
    >>> model = torch.nn.Sequential(torch.nn.Linear(101, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
    >>> attribute(torch.randn(101), model, target=1).shape
    (51,)
    """
    extra = additional_forward_args
    extra = () if extra is None else extra if isinstance(extra, tuple) else (extra,)
    parameter = next(model.parameters(), None) if isinstance(model, nn.Module) else None
    whole = _tensor("input", input, parameter)
    if not 1 <= whole.ndim <= 3 or whole.numel() == 0:
        raise ValueError("input must be (n_times,), (n_channels, n_times) or (n_trials, n_channels, n_times) and not "
                         f"empty, got shape {tuple(whole.shape)}")
    part, where = _segment(whole, segment, start_idx)
    end, change = whole.clone(), torch.zeros_like(whole)
    end[..., where], change[..., where] = part, part - _baseline(baseline, part)
    trials = (len(whole) if whole.ndim == 3 else 1, -1, whole.shape[-1])
    end, change = end.reshape(trials), change.reshape(trials)
    with gradient_mode(model) if isinstance(model, nn.Module) else contextlib.nullcontext():
        forward = _forward(model, extra, whole.ndim, end)
        targets = _targets(forward(end), target)

        def respond(x):
            """Outputs along one axis."""
            return forward(x).flatten(1)

        rows = RowBytes.of(respond, end[:1].expand(2, -1, -1)).rows(1)
        found = integrate(Paths(respond, end - change, change, targets, rows), n_steps=n_steps)
    basis = Fourier().bind(part.shape[-1], 1.0)
    bins = basis.attribute(found.change[..., where], found.gradients[:, 0][..., where])
    return bins if whole.ndim == 3 else bins[0].squeeze()


def _tensor(name, values, like):
    """Copy finite values to a tensor of the model's dtype and device."""
    if isinstance(values, torch.Tensor):
        values = values.detach()
        check_array_like(name, values.cpu().resolve_conj().numpy(), ndim="any", allow_empty=True)
    else:
        values = torch.as_tensor(check_array_like(name, values, ndim="any", dtype="same", allow_empty=True))
    if like is not None:
        return values.to(like.device, like.dtype)
    return values if values.is_floating_point() else values.to(torch.get_default_dtype())


def _segment(whole, segment, start_idx):
    """Return the part of the input that is explained, and where it lies."""
    if segment is None:
        if start_idx is not None:
            raise ValueError("start_idx says where a segment begins: give the segment too")
        return whole, slice(None)
    part = _tensor("segment", segment, whole)
    if start_idx is None:
        raise ValueError("a segment needs start_idx, its first sample within the input")
    if part.shape[:-1] != whole.shape[:-1] or start_idx < 0 or start_idx + part.shape[-1] > whole.shape[-1]:
        raise ValueError(f"a segment of shape {tuple(part.shape)} from sample {start_idx} on does not lie within the "
                         f"input of shape {tuple(whole.shape)}")
    return part, slice(start_idx, start_idx + part.shape[-1])


def _baseline(baseline, part):
    if baseline is None:
        return torch.zeros_like(part)
    baseline = _tensor("baseline", baseline, part)
    if baseline.shape not in (part.shape, part.shape[1:]) or baseline.ndim == 0:
        raise ValueError(f"baseline has shape {tuple(baseline.shape)}, the signal {tuple(part.shape)}: give one of the "
                         "same shape, or one trial for all")
    return baseline


def _forward(model, extra, n_axes, trials):
    """Return a function of trials `(batch, n_channels, n_times)`, with the channel axis that the model expects."""
    squeeze = n_axes == 1
    if n_axes == 2 and trials.shape[1] == 1:  # freqIG drops a single channel: try the shape given, then that
        try:
            with torch.no_grad():
                squeeze = _call(model, trials[:1].repeat(2, 1, 1), extra).ndim != 2
        except (RuntimeError, ValueError, IndexError):
            squeeze = True
    return lambda x: _call(model, x[:, 0] if squeeze else x, extra)


def _call(model, x, extra):
    """Run the model and check what it returns: a tensor with a row per trial."""
    out = model(x, *extra)
    if not isinstance(out, torch.Tensor):
        raise TypeError(f"the model returns a {type(out).__name__}, not a tensor: wrap it in a function that picks the "
                        "output to explain")
    if out.ndim == 0 or len(out) != len(x):
        raise ValueError(f"the model returns shape {tuple(out.shape)} for {len(x)} trials: explained is one number per "
                         "trial and target")
    return out.unsqueeze(1) if out.ndim == 1 else out


def _targets(outputs, target):
    """Flat index of the output to explain, `(n_trials, 1)`."""
    shape = tuple(outputs.shape[1:])
    n_trials = len(outputs)
    if target is None:
        if len(shape) > 1:
            raise ValueError(f"the model returns outputs of shape {shape} per trial: give target, a tuple of "
                             f"{len(shape)} indices")
        index = outputs.argmax(1).cpu().numpy()
    elif isinstance(target, tuple):
        if len(target) != len(shape) or any(not -size <= k < size for k, size in zip(target, shape, strict=True)):
            raise ValueError(f"target {target} does not index outputs of shape {shape}")
        index = np.full(n_trials, np.ravel_multi_index([k % size for k, size in zip(target, shape, strict=True)],
                                                       shape))
    else:
        index = np.broadcast_to(np.asarray(target), (n_trials,) if np.ndim(target) == 0 else np.shape(target))
        if len(shape) > 1 or index.shape != (n_trials,) or index.dtype.kind not in "iu":
            raise ValueError(f"target must be an integer, or one per trial ({n_trials}), for outputs of shape {shape}; "
                             f"got {target!r}")
        if np.any((index < -shape[0]) | (index >= shape[0])):
            raise ValueError(f"target {target!r} is out of range: the model has {shape[0]} outputs")
        index = index % shape[0]
    return torch.as_tensor(np.ascontiguousarray(index), device=outputs.device)[:, None]
