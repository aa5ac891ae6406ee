"""Offsets and drifts kept out of powers: filters that answer to no straight line, trials that go on as one.

An offset of a thousand times what varies around it is common in raw recordings. Filters of a few cycles pass a part of
it, and with zeros around a trial all of them see a step at its ends. Filters whose sums with 1 and with time are 0,
over trials that are continued along straight lines, give 0 for any line, near the ends too; what a unit sees stays
within its window.
"""

import functools

import torch


def without_trend(carriers, envelope, tau):
    """Take from carriers what they have in common with straight lines, within their own envelope.

    Parameters
    ----------
    carriers : Tensor of shape (2, n_filters, width)
    envelope : Tensor of shape (n_filters, width)
    tau : Tensor of shape (width,)

    Returns
    -------
    Tensor of shape (2, n_filters, width)
        ``carrier - envelope * (a + b tau)``, with sums of 0 alone and times ``tau``.
    """
    if len(tau) < 3:  # a filter of two samples is a line
        return carriers
    weight = envelope.sum(-1, keepdim=True)
    centered = tau - (envelope * tau).sum(-1, keepdim=True) / weight
    spread = (envelope * centered.square()).sum(-1, keepdim=True)
    offset = carriers.sum(-1, keepdim=True) / weight
    slope = (carriers * centered).sum(-1, keepdim=True) / spread.clamp_min(torch.finfo(spread.dtype).tiny)
    return carriers - envelope * (offset + slope * centered)


def continued(x, padding, width):
    """Continue trials ``(batch, n_channels, n_times)`` along the lines through their first and last `width` samples."""
    before, after = padding
    reach = min(width, x.shape[-1])
    ahead = _lines(reach, after).to(x)
    parts = [x[..., :reach] @ _lines(reach, before).to(x).flip(0, 1), x, x[..., -reach:] @ ahead]
    return torch.cat(parts, -1)


@functools.lru_cache(maxsize=64)
def _lines(n_samples, n_ahead):
    """Least squares: ``samples @ matrix`` is their line, `n_ahead` samples on; of one sample, that sample."""
    times = torch.arange(n_samples + n_ahead, dtype=torch.float64) - (n_samples - 1) / 2
    known, spread = times[:n_samples, None], times[:n_samples].square().sum()
    return 1 / n_samples + known * times[n_samples:] / spread.clamp_min(1.0)
