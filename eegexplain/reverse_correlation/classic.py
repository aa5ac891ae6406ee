"""Receptive fields and reverse correlation under the names of ``braindecode.visualization`` (braindecode 0.4).

Arrays keep the trailing axis of length 1 of that time: inputs ``(n, channels, time, 1)``, activations
``(n, filters, time, 1)``, receptive fields ``(time, 1)``. Without `stride` and `offset` unit ``i`` is taken to see the
samples from ``i`` on, as the earlier functions did; pass those of `receptive_field` for strided and padded layers.
"""

import math

import numpy as np

from eegexplain.reverse_correlation._correlate import reverse_correlation
from eegexplain.reverse_correlation._windows import cut_windows


def calc_Hout(Hin, kernel, stride, dilation):
    """Return the output length of an unpadded convolution or pooling layer."""
    return np.floor((Hin - dilation * (kernel - 1) - 1) / stride + 1)


def calc_Hin(Hout, kernel, stride, dilation):
    """Return the input length that `Hout` neighbouring units of an unpadded layer see."""
    return np.ceil((Hout - 1) * stride + 1 + dilation * (kernel - 1))


def calc_receptive_field_size(model, layer_ind, start_receptive_field=(1, 1)):
    """Compute the receptive field of the input of a layer from kernels, strides and dilations.

    Parameters
    ----------
    model : torch.nn.Module
        Network whose children run in the order of registration.
    layer_ind : int
        Number of children to pass: the field is that of the *input* of ``children()[layer_ind]``.
    start_receptive_field : array-like of 2 int
        How many neighbouring units are looked at.

    Returns
    -------
    receptive_field_size : ndarray of int, shape (2,)
        Height (time) and width at the input.

    Notes
    -----
    Nested modules, all poolings and 1-D layers (along the height) count, which the earlier function left out. Padding,
    residual branches and other orders of execution do not: `receptive_field` traces those.
    """
    field = np.asarray(start_receptive_field, dtype=float)
    leaves = [m for child in list(model.children())[:layer_ind] for m in child.modules() if not list(m.children())]
    for layer in reversed(leaves):
        if not hasattr(layer, "kernel_size"):
            continue
        kernel = _height_width(layer.kernel_size)
        stride = _height_width(layer.stride)
        field = calc_Hin(field, kernel, stride, _height_width(getattr(layer, "dilation", 1)))
    return field.astype(int)


def _height_width(setting):
    values = np.atleast_1d(setting)
    return np.array([values[0], values[0] if np.ndim(setting) == 0 else values[1] if len(values) > 1 else 1])


def get_max_act_index(activations, unique_per_input=True, n_units=None):
    """Find the most active units of one filter.

    Parameters
    ----------
    activations : ndarray, shape (n_inputs, 1, height, width)
        Activations of one filter.
    unique_per_input : bool
        Return only the most active unit of each input.
    n_units : int, optional
        How many units to return; None returns all.

    Returns
    -------
    units : ndarray of int, shape (n_units, 4)
        Input, filter (0), height and width index, most active first.
    units_activation : ndarray, shape (n_units,)
        Their activations.

    Raises
    ------
    ValueError
        If `activations` is not 4-D with a single filter.
    """
    activations = np.asarray(activations)
    if activations.ndim != 4 or activations.shape[1] != 1:
        raise ValueError(
            f"activations must be (n_inputs, 1, height, width), one filter at a time, got shape {activations.shape}."
        )
    order = np.argsort(-activations, axis=None, kind="stable")
    units = np.stack(np.unravel_index(order, activations.shape), axis=1)
    if unique_per_input:
        first = np.sort(np.unique(units[:, 0], return_index=True)[1])
        units, order = units[first], order[first]
    return units[:n_units], activations.reshape(-1)[order[:n_units]]


def calc_receptive_field_for_units_2d(units, receptive_field_size, *, stride=1, offset=0):
    """Return where the receptive fields of units start and stop on the input.

    Parameters
    ----------
    units : ndarray of int, shape (n_units, 4)
        As `get_max_act_index` returns them.
    receptive_field_size : array-like of 2 int
        Height and width.
    stride, offset : int or array-like of 2 int
        Unit ``i`` starts at ``offset + i * stride``.

    Returns
    -------
    start_inds, stop_inds : ndarray of int, shape (n_units, 2)
        First height and width index, and one past the last.

    Notes
    -----
    The earlier function took the index of the input for the position of the unit.
    """
    start = np.asarray(offset) + np.asarray(units)[:, 2:4] * np.asarray(stride)
    return start, start + np.broadcast_to(receptive_field_size, 2)


def get_input_windows_from_units_2d(inputs, units, receptive_field_size, *, stride=1, offset=0):
    """Cut the input windows that units see.

    Parameters
    ----------
    inputs : ndarray, shape (n_inputs, n_channels, height, width)
        Inputs.
    units : ndarray of int, shape (n_units, 4)
        As `get_max_act_index` returns them.
    receptive_field_size : array-like of 2 int
        Height and width.
    stride, offset : int or array-like of 2 int
        Unit ``i`` starts at ``offset + i * stride``; windows are zero outside the input.

    Returns
    -------
    windows : ndarray, shape (n_units, n_channels, height, width)
        Cut windows.
    """
    inputs, units = np.asarray(inputs), np.asarray(units)
    start, stop = calc_receptive_field_for_units_2d(units, receptive_field_size, stride=stride, offset=offset)
    height, width = (int(n) for n in np.broadcast_to(receptive_field_size, 2))
    windows = np.zeros((len(units), inputs.shape[1], height, width), dtype=np.result_type(inputs.dtype, float))
    limits = np.array(inputs.shape[2:])
    low, high = np.clip(start, 0, limits), np.clip(stop, 0, limits)
    for window, unit, first, last, origin in zip(windows, units, low, high, start, strict=True):
        into = tuple(slice(a - o, max(b, a) - o) for a, b, o in zip(first, last, origin, strict=True))
        window[(slice(None), *into)] = inputs[unit[0], :, first[0] : last[0], first[1] : last[1]]
    return windows


def most_activating_input_windows(
    inputs, activations, receptive_field_size, top_percentage=0.05, *, stride=1, offset=0
):
    """Cut the input windows that activate each filter most, at most one per input.

    Parameters
    ----------
    inputs : ndarray, shape (n_inputs, n_channels, n_times, 1)
        Inputs.
    activations : ndarray, shape (n_inputs, n_filters, n_units, 1)
        Activations for these inputs.
    receptive_field_size : array-like of int, shape (2,)
        Time and 1.
    top_percentage : float
        Share of the inputs whose best window is returned; at least one.
    stride, offset : int
        Of the units along time, as in `receptive_field`.

    Returns
    -------
    input_windows : ndarray, shape (n_filters, n_windows, n_channels, width, 1)
        Windows, most activating first.
    """
    inputs, activations, width = _trailing(inputs, activations, receptive_field_size)
    n_windows = max(1, math.floor(len(inputs) * top_percentage))
    best = activations.argmax(axis=-1)  # (n_inputs, n_filters)
    value = np.take_along_axis(activations, best[..., None], axis=-1)[..., 0]
    trials = np.argsort(-value, axis=0, kind="stable")[:n_windows].T
    units = np.take_along_axis(best.T, trials, axis=1)
    windows = cut_windows(inputs, np.stack([trials, offset + units * stride], axis=-1), width)
    return windows[..., None]


def activation_reverse_correlation(inputs, activations, receptive_field_size, *, stride=1, offset=0):
    """Return the mean input window of each filter, weighted by activation: ``sum a x / sum |a|``.

    Parameters
    ----------
    inputs : ndarray, shape (n_inputs, n_channels, n_times, 1)
        Inputs.
    activations : ndarray, shape (n_inputs, n_filters, n_units, 1)
        Activations for these inputs.
    receptive_field_size : array-like of int, shape (2,)
        Time and 1.
    stride, offset : int
        Of the units along time, as in `receptive_field`; windows are zero outside the input.

    Returns
    -------
    reverse_corr : ndarray, shape (n_filters, n_channels, width, 1)
        Weighted means, neither centred nor normalised; `ReverseCorrelator` gives correlations.
    """
    inputs, activations, width = _trailing(inputs, activations, receptive_field_size)
    templates = reverse_correlation(inputs, activations, width, stride=stride, offset=offset, normalize=False)
    return templates[..., None]


def _trailing(inputs, activations, receptive_field_size):
    """Drop the trailing axes of length 1."""
    inputs, activations = np.asarray(inputs), np.asarray(activations)
    size = np.atleast_1d(receptive_field_size)
    arrays_fit = inputs.ndim == activations.ndim == 4 and inputs.shape[3] == activations.shape[3] == 1
    if not arrays_fit or len(inputs) != len(activations) or np.any(size[1:] != 1):
        raise ValueError(
            "Expected inputs (n, channels, time, 1), activations (n, filters, units, 1) of the same inputs and a "
            f"receptive field (time, 1), got {inputs.shape}, {activations.shape} and {size.tolist()}."
        )
    return inputs[..., 0], activations[..., 0], int(size[0])
