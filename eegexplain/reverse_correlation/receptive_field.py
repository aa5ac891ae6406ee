"""Which samples a unit of any layer sees: traced on the network itself, whatever its layers are made of.

A sample belongs to the field of a unit when moving it moves the unit. Units in the middle of a trial are measured, so
that its borders do not clip them; short trials are continued where the network allows it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from eegexplain._validation import check_indices, check_number

GROWTH, LONG = 3, 1024  # a trial that a field fills is continued by this factor, short ones again up to this length


@dataclass(frozen=True)
class ReceptiveField:
    """What the units of one layer see of a trial.

    Unit ``i`` sees the samples ``offset + i * stride`` to ``offset + i * stride + size - 1``, so far as they exist:
    padding makes the first start negative.

    Parameters
    ----------
    size, stride, offset : int or float
        Along time, in samples; a stride between samples (upsampling) is a float. A stride of 0 means that all units
        see the same samples.
    n_units : int
        Units along time in a trial of the given length.
    axis : int or None
        Axis of the layer's output (the batch put first, as 0) that runs along time; None when no axis does.
    unbounded : bool
        The field has no edge: recurrence, whose influence decays (`size` is then the effective size: samples with at
        least 0.1 % of the strongest influence), or something that grows with the trial (attention, global pooling).
    bound : int
        Largest number of samples that a unit can depend on: `size`, or for unbounded fields the whole trial.
    channel_size, channel_stride, channel_offset : int or float
        The same along the channels.
    channel_axis : int or None
        Axis of the layer's output that runs along the channels; None when no axis does.
    """

    size: int
    stride: float
    offset: float
    n_units: int
    axis: int | None
    unbounded: bool = False
    bound: int = 0
    channel_size: int = 1
    channel_stride: float = 0
    channel_offset: float = 0
    channel_axis: int | None = None

    @property
    def starts(self):
        """First sample of every unit's field, shape (n_units,); negative inside the padding."""
        return np.floor(self.offset + self.stride * np.arange(self.n_units) + 1e-9).astype(int)

    def inner_units(self, n_times):
        """Units whose field lies inside a trial.

        Parameters
        ----------
        n_times : int
            Samples per trial.

        Returns
        -------
        ndarray of int, shape (n_inner,)
            All of them where none does (fields wider than the trial).
        """
        starts = self.starts
        inside = np.flatnonzero((starts >= 0) & (starts + self.size <= n_times))
        return inside if len(inside) else np.arange(self.n_units)


def receptive_field(module: Any, layer: str, input_shape: Sequence[int], *, scale: float = 1.0) -> ReceptiveField:
    """Trace the receptive field of the units of a layer.

    Parameters
    ----------
    module : torch.nn.Module
        Network, trained or not; it is left as it is (a float64 copy is run).
    layer : str
        Name as in ``module.named_modules()``. Of a layer that returns a tuple the first tensor is taken, or the named
        part, ``"lstm[1][0]"``.
    input_shape : tuple of int
        Shape of one trial as the module takes it, without the batch; the last axis is time, the one before it channels.
    scale : float
        Magnitude of the samples that the network is used to: random trials of this size are moved.

    Returns
    -------
    field : ReceptiveField

    Raises
    ------
    ValueError
        If the layer is unknown, does not run exactly once, returns no tensor, or does not depend on the input.

    Notes
    -----
    A layer all of whose units are dead is traced by NaN, which passes wherever the arithmetic does.

    Examples
    --------
    >>> from torch import nn
    >>> from eegexplain import receptive_field
    >>> net = nn.Sequential(nn.Conv1d(3, 8, 5, padding=2), nn.ReLU(), nn.MaxPool1d(4))
    >>> field = receptive_field(net, "2", (3, 100))
    >>> field.size, field.stride, field.offset
    (8, 4, -2)
    """
    from eegexplain.reverse_correlation._tracing import Probe, trace

    input_shape = tuple(check_indices("input_shape", input_shape, ndim=1).tolist())
    if min(input_shape) < 1:
        raise ValueError(f"input_shape must hold sizes of at least 1, got {input_shape}.")
    check_number("scale", scale, above=0)
    probe = Probe(module, layer, input_shape, scale)
    field = _time_field(probe, input_shape)
    if len(input_shape) < 2 or input_shape[-2] == 1:
        return field
    channels = trace(probe, input_shape, -2)
    size, stride = channels.size, channels.stride
    placed = {"channel_size": size, "channel_stride": stride, "channel_offset": channels.offset(size, stride)}
    return replace(field, channel_axis=channels.axis, **placed)


def time_field(module: Any, layer: str, input_shape: Sequence[int], scale: float = 1.0) -> ReceptiveField:
    """Trace as `receptive_field` does, along time only (half the work).

    Parameters
    ----------
    module, layer, input_shape, scale
        As of `receptive_field`.

    Returns
    -------
    field : ReceptiveField
    """
    from eegexplain.reverse_correlation._tracing import Probe

    return _time_field(Probe(module, layer, input_shape, scale), tuple(input_shape))


def _time_field(probe, input_shape):
    from eegexplain.reverse_correlation._tracing import trace

    n_times = input_shape[-1]
    here = found = trace(probe, input_shape, -1)
    grows = False
    while not found.decays and not found.is_interior:
        longer = found.length * GROWTH
        if longer > max(LONG, n_times * GROWTH) or not probe.runs((*input_shape[:-1], longer)):
            break
        found = trace(probe, (*input_shape[:-1], longer), -1)
        grows = not found.is_interior
    if grows and not found.decays:
        size, stride, offset = n_times, here.stride, here.offset(n_times, here.stride)
    else:
        size, stride = found.size, found.stride
        offset = found.offset(size, stride) if found.decays else here.offset(size, stride, otherwise=found)
    unbounded = found.decays or grows
    n_units = 1 if found.axis is None else probe.shape[found.axis]
    return ReceptiveField(size, stride, offset, n_units, found.axis, unbounded, n_times if unbounded else size)
