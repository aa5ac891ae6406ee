"""Receptive fields and reverse correlation under the names of ``braindecode.visualization`` (braindecode 0.4).

Arrays keep the trailing axis of length 1 of that time: inputs ``(n, channels, time, 1)``, activations
``(n, filters, time, 1)``, receptive fields ``(time, 1)``. Without `stride` and `offset` unit ``i`` is taken to see the
samples from ``i`` on, as the earlier functions did; pass those of `receptive_field` for strided and padded layers.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from eegexplain._validation import check_array_like, check_indices, check_number, positive_int
from eegexplain.reverse_correlation._correlate import reverse_correlation
from eegexplain.reverse_correlation._windows import cut_windows


def calc_Hout(Hin: ArrayLike, kernel: ArrayLike, stride: ArrayLike, dilation: ArrayLike) -> Any:
    """Return the output length of an unpadded convolution or pooling layer.

    Parameters
    ----------
    Hin, kernel, stride, dilation : int or array-like of int
        Input length and the settings of the layer, in samples or rows.

    Returns
    -------
    Hout : float or ndarray
    """
    Hin, kernel, stride, dilation = _sizes(Hin=Hin, kernel=kernel, stride=stride, dilation=dilation)
    return np.floor((Hin - dilation * (kernel - 1) - 1) / stride + 1)


def calc_Hin(Hout: ArrayLike, kernel: ArrayLike, stride: ArrayLike, dilation: ArrayLike) -> Any:
    """Return the input length that neighbouring units of an unpadded layer see.

    Parameters
    ----------
    Hout, kernel, stride, dilation : int or array-like of int
        Number of units and the settings of the layer, in samples or rows.

    Returns
    -------
    Hin : float or ndarray
    """
    Hout, kernel, stride, dilation = _sizes(Hout=Hout, kernel=kernel, stride=stride, dilation=dilation)
    return np.ceil((Hout - 1) * stride + 1 + dilation * (kernel - 1))


def _sizes(**given):
    """Finite numbers or arrays of them; strides divide."""
    sizes = {name: check_array_like(name, value, ndim="any") for name, value in given.items()}
    if not (sizes["stride"] > 0).all():
        raise ValueError(f"stride must be above 0, got {given['stride']!r}.")
    return sizes.values()


def calc_receptive_field_size(model: Any, layer_ind: int, start_receptive_field: ArrayLike = (1, 1)) -> np.ndarray:
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
    field = _pair("start_receptive_field", start_receptive_field).astype(float)
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


def get_max_act_index(
    activations: ArrayLike, unique_per_input: bool = True, n_units: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
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
    activations = check_array_like("activations", activations)
    if activations.ndim != 4 or activations.shape[1] != 1:
        raise ValueError(
            f"activations must be (n_inputs, 1, height, width), one filter at a time, got shape {activations.shape}."
        )
    order = np.argsort(-activations, axis=None, kind="stable")
    units = np.stack(np.unravel_index(order, activations.shape), axis=1)
    if unique_per_input:
        first = np.sort(np.unique(units[:, 0], return_index=True)[1])
        units, order = units[first], order[first]
    n_units = None if n_units is None else positive_int("n_units", n_units)
    return units[:n_units], activations.reshape(-1)[order[:n_units]]


def calc_receptive_field_for_units_2d(
    units: ArrayLike, receptive_field_size: ArrayLike, *, stride: ArrayLike = 1, offset: ArrayLike = 0
) -> tuple[np.ndarray, np.ndarray]:
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
    units, size = _units(units), _pair("receptive_field_size", receptive_field_size)
    start = _pair("offset", offset, single=True) + units[:, 2:4] * _pair("stride", stride, single=True)
    return start, start + size


def _pair(name, value, single=False):
    """Height and width as whole numbers; with `single` one number serves both."""
    if single and np.ndim(value) == 0:
        value = [value, value]
    pair = check_indices(name, value, ndim=1)
    if len(pair) != 2:
        raise ValueError(f"{name} must be two whole numbers, height (time) and width, got {pair.tolist()}.")
    return pair


def _units(units):
    """Units as `get_max_act_index` returns them."""
    units = check_indices("units", units, ndim=2)
    if units.shape[1] != 4:
        raise ValueError(f"units must be (n_units, 4): input, filter, height and width index; got {units.shape}.")
    return units


def get_input_windows_from_units_2d(
    inputs: Any,
    units: Any,
    receptive_field_size: ArrayLike,
    *,
    stride: ArrayLike = 1,
    offset: ArrayLike = 0,
) -> np.ndarray:
    """Cut the input windows that units see.

    Parameters
    ----------
    inputs : ndarray, shape (n_inputs, n_channels, height, width)
        Inputs; they are copied as they are, NaN and infinities too.
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

    Raises
    ------
    ValueError
        For arrays of other shapes, and units of inputs that are not there.
    """
    inputs = check_array_like("inputs", inputs, ndim=4, dtype="same", allow_nan=True, allow_inf=True)
    units = _units(units)
    if units[:, 0].min() < 0 or units[:, 0].max() >= len(inputs):
        raise ValueError(f"units name inputs {units[:, 0].min()} to {units[:, 0].max()}, there are {len(inputs)}.")
    start, stop = calc_receptive_field_for_units_2d(units, receptive_field_size, stride=stride, offset=offset)
    height, width = _pair("receptive_field_size", receptive_field_size)
    windows = np.zeros((len(units), inputs.shape[1], height, width), dtype=np.result_type(inputs.dtype, float))
    limits = np.array(inputs.shape[2:])
    low, high = np.clip(start, 0, limits), np.clip(stop, 0, limits)
    for window, unit, first, last, origin in zip(windows, units, low, high, start, strict=True):
        into = tuple(slice(a - o, max(b, a) - o) for a, b, o in zip(first, last, origin, strict=True))
        window[(slice(None), *into)] = inputs[unit[0], :, first[0] : last[0], first[1] : last[1]]
    return windows


def most_activating_input_windows(
    inputs: Any,
    activations: Any,
    receptive_field_size: ArrayLike,
    top_percentage: float = 0.05,
    *,
    stride: int = 1,
    offset: int = 0,
) -> np.ndarray:
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

    Raises
    ------
    ValueError
        For arrays that do not fit each other, NaN and infinities, and a share outside 0 to 1.
    """
    inputs, activations, width = _trailing(inputs, activations, receptive_field_size)
    n_windows = max(1, math.floor(len(inputs) * check_number("top_percentage", top_percentage, least=0, most=1)))
    best = activations.argmax(axis=-1)  # (n_inputs, n_filters)
    value = np.take_along_axis(activations, best[..., None], axis=-1)[..., 0]
    trials = np.argsort(-value, axis=0, kind="stable")[:n_windows].T
    units = np.take_along_axis(best.T, trials, axis=1)
    windows = cut_windows(inputs, np.stack([trials, offset + units * stride], axis=-1), width)
    return windows[..., None]


def activation_reverse_correlation(
    inputs: ArrayLike,
    activations: ArrayLike,
    receptive_field_size: ArrayLike,
    *,
    stride: int = 1,
    offset: int = 0,
) -> np.ndarray:
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


def _trailing(
    inputs: Any, activations: Any, receptive_field_size: ArrayLike
) -> tuple[np.ndarray, np.ndarray, int]:
    """Drop the trailing axes of length 1."""
    inputs = check_array_like("inputs", inputs, dtype="same")
    activations = check_array_like("activations", activations, dtype="same")
    size = check_indices("receptive_field_size", np.atleast_1d(receptive_field_size))
    arrays_fit = inputs.ndim == activations.ndim == 4 and inputs.shape[3] == activations.shape[3] == 1
    if not arrays_fit or len(inputs) != len(activations) or np.any(size[1:] != 1):
        raise ValueError(
            "Expected inputs (n, channels, time, 1), activations (n, filters, units, 1) of the same inputs and a "
            f"receptive field (time, 1), got {inputs.shape}, {activations.shape} and {size.tolist()}."
        )
    return inputs[..., 0], activations[..., 0], int(size[0])
