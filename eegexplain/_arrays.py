"""The door of functions: arrays and numbers that users give, checked one by one."""

import mmap
import numbers
from typing import Any

import numpy as np

from eegexplain._lazy import LazyTrials, lies_in_file

# Samples checked for NaN and inf at a time: small enough to stay in cache, large enough to be fast.
_FINITE_BLOCK = 2**20

# Between these, sums of squares of squares neither overflow nor vanish: 1e-15 V and 1e15 uV lie far inside.
SQUARES_FIT = (1e-70, 1e70)

_NOT_NUMBERS = {
    "c": "complex numbers", "O": "Python objects", "U": "text", "S": "bytes", "M": "dates", "m": "time spans",
}  # fmt: skip


def refuse_masked(name: str, value: object) -> None:
    """Raise a `ValueError` for a masked array that hides values: arithmetic would use what lies under the mask.

    Parameters
    ----------
    name : str
        Of the argument, for the error.
    value : object
        An array without a hidden value, or anything else, passes.
    """
    if isinstance(value, np.ma.MaskedArray):
        hidden = int(np.ma.count_masked(value))
        if hidden:
            raise ValueError(
                f"{name} is a masked array that hides {hidden} of its {value.size} values, and the mask would be lost: "
                "drop what is masked, or interpolate it, and give a plain array."
            )
    elif isinstance(value, (list, tuple)):
        for part in value:
            refuse_masked(name, part)


def refuse_text(name: str, value: Any) -> None:
    """Raise a `TypeError` for text and dates, which conversion to numbers might understand (``"1.5"``) or number."""
    dtype: Any = np.asarray(value).dtype if isinstance(value, (list, tuple)) else getattr(value, "dtype", None)
    if getattr(dtype, "kind", "") in ("U", "S", "M", "m"):
        raise TypeError(f"{name} must hold numbers, got {_NOT_NUMBERS[dtype.kind]}: convert it to an array of floats.")


def check_array_like(
    name: str,
    value: Any,
    *,
    ndim: int | tuple[int, ...] | str | None = None,
    dtype: Any = None,
    squared: bool = False,
    allow_nan: bool = False,
    allow_inf: bool = False,
    allow_empty: bool = False,
) -> np.ndarray:
    """Return `value` as an array of real numbers: the door of every exported function.

    Parameters
    ----------
    name : str
        Of the argument, for errors.
    value : array-like
        Array, list, pandas or xarray object.
    ndim : int, tuple of int or str, optional
        Allowed numbers of dimensions, or the names of the axes, as ``"n_trials, n_times"``; None is any but 0, a single
        number, which only "any" allows.
    dtype : dtype or "same", optional
        Of the result; None keeps float32 and float64 and makes float64 of other numbers, "same" keeps all.
    squared : bool
        Whether the function sums squares: values whose squares are beyond the range of numbers are refused then.
    allow_nan, allow_inf : bool
        Whether NaN or infinities pass, for functions that say what they do with them.
    allow_empty : bool
        Whether an array without any entry passes.

    Returns
    -------
    array : ndarray
        Without a copy where none is needed; `LazyTrials` stay what they are where their precision may.

    Raises
    ------
    TypeError
        For text, dates and Python objects.
    ValueError
        For masked, complex, ragged and empty arrays, for a single number, another number of dimensions, NaN,
        infinities and, with `squared`, values too large or small.
    """
    refuse_masked(name, value)
    unread = isinstance(value, LazyTrials) and (dtype in (None, "same") or value.dtype == dtype)
    try:
        array: Any = value if unread else np.asarray(value)
    except (ValueError, TypeError, RuntimeError) as error:  # ragged lists, tensors with a gradient or on a GPU
        raise ValueError(f"{name} cannot be read as an array of numbers: {error}") from error
    if array.dtype.kind not in "biuf":
        kind = TypeError if array.dtype.kind != "c" else ValueError
        given = _NOT_NUMBERS.get(array.dtype.kind, str(array.dtype))
        raise kind(f"{name} must hold real numbers, got {given}: convert it to an array of floats first.")
    _check_ndim(name, array, ndim)
    if not array.size and not allow_empty:
        raise ValueError(f"{name} is empty: its shape is {array.shape}.")
    given = array if array.ndim else array[None]
    found = None if allow_nan and allow_inf else first_not_finite(given, allow_nan, allow_inf)
    if found is not None:
        where, kind = found
        raise ValueError(f"{name} contains {kind} (first at {where}): drop or repair these values first.")
    if squared:
        _check_range(name, array)
    if unread:
        return array
    if dtype is None or isinstance(dtype, str):
        dtype = array.dtype if dtype == "same" or array.dtype in (np.float32, np.float64) else np.float64
    return array.astype(dtype, copy=False)


def _check_ndim(name, array, ndim):
    """Compare the number of dimensions with what is allowed; see `check_array_like`."""
    axes = ndim if isinstance(ndim, str) else None
    allowed = (axes.count(",") + 1,) if axes else (ndim,) if isinstance(ndim, int) else ndim
    if ndim == "any" or (array.ndim and (allowed is None or array.ndim in allowed)):
        return
    dimensions = " or ".join(map(str, allowed)) if allowed else "1 or more"
    wanted = f"be ({axes})" if axes else f"have {dimensions} dimensions"
    raise ValueError(f"{name} must {wanted}, got {array.ndim} dimensions, shape {array.shape}.")


def _check_range(name, array):
    """Refuse arrays whose squares would be infinite, or all 0: correlations of these would be NaN or 0."""
    check_largest(name, max(abs(float(np.nanmax(array, initial=0))), abs(float(np.nanmin(array, initial=0)))))


def check_largest(name: str, largest: float) -> None:
    """Refuse data by their largest absolute value, as `check_array_like` with ``squared`` does."""
    low, high = SQUARES_FIT
    if largest > high or 0 < largest < low:
        raise ValueError(
            f"The largest value of {name} is {largest:.3g}, and squares of such values are beyond the range of "
            f"numbers: multiply the data by {10.0 ** -round(np.log10(largest)):g}, or give them in another unit."
        )


def check_same_shape(**given: Any) -> list[np.ndarray]:
    """Return two arrays of finite numbers, given by name, that have one shape."""
    arrays = [check_array_like(name, value) for name, value in given.items()]
    if arrays[0].shape != arrays[1].shape:
        raise ValueError(
            f"{' and '.join(given)} must have the same shape, got {arrays[0].shape} and {arrays[1].shape}."
        )
    return arrays


def check_mask(name: str, value: Any, *, ndim: int | tuple[int, ...] | str | None = None) -> np.ndarray:
    """Return `value` as a boolean array; 0 and 1 are understood, NaN (which NumPy takes for true) is not."""
    refuse_masked(name, value)
    if not (isinstance(value, np.ndarray) and value.dtype == bool and value.ndim and value.size and ndim is None):
        given = check_array_like(name, value, ndim=ndim)
        if not np.isin(given, (0, 1)).all():
            raise ValueError(f"{name} must be true or false everywhere (or 1 and 0), but it holds other numbers.")
        return given.astype(bool)
    return value


def check_labels(name: str, value: Any) -> np.ndarray:
    """Return classes, one per trial, as they are: whatever can be compared, but not NaN, masked or complex."""
    refuse_masked(name, value)
    labels = np.asarray(value)
    if labels.ndim != 1 or not labels.size or labels.dtype.kind == "c":
        raise ValueError(f"{name} must hold one class per trial, got {labels.dtype} of shape {labels.shape}.")
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise ValueError(f"{name} contains NaN or infinity: name the class of every trial.")
    return labels


def check_indices(name: str, value: Any, *, ndim: int | tuple[int, ...] | str | None = None) -> np.ndarray:
    """Return `value` as an array of whole numbers."""
    array = check_array_like(name, value, ndim=ndim, dtype=np.float64)
    if not (array == np.round(array)).all():
        raise ValueError(f"{name} must hold whole numbers.")
    return array.astype(np.intp)


def check_number(
    name: str, value: Any, *, above: float = -np.inf, least: float = -np.inf, most: float = np.inf
) -> float:
    """Return `value` as float; ValueError unless it is one finite number above `above`, from `least` to `most`."""
    real = isinstance(value, numbers.Real) and not isinstance(value, (bool, np.bool_))
    if not real or not np.isfinite(value) or not above < value or not least <= value <= most:
        limits = {"above": above, "at least": least, "at most": most}
        wanted = " and ".join(f"{word} {limit:g}" for word, limit in limits.items() if np.isfinite(limit))
        raise ValueError(f"{name} must be a finite number{' ' * bool(wanted)}{wanted}, got {value!r}.")
    return float(value)


def _release_pages(X):
    """Tell the kernel that the pages of a memory-mapped array are not needed: they would count as resident."""
    base = X
    while base is not None and not isinstance(base, mmap.mmap):
        base = getattr(base, "_mmap", None) or getattr(base, "base", None)
    if base is not None and hasattr(base, "madvise"):
        base.madvise(mmap.MADV_DONTNEED)


def first_not_finite(X, allow_nan=False, allow_inf=False):
    """Position and kind of the first NaN or infinity, or None; reads `X` block by block."""
    step = max(1, _FINITE_BLOCK // max(1, int(np.prod(X.shape[1:]))))
    mapped = lies_in_file(X)
    for start in range(0, X.shape[0], step):
        block = X[start : start + step]
        with np.errstate(over="ignore", invalid="ignore"):  # inf - inf, and sums of large but finite numbers
            total = block.sum(dtype=np.float64)
        if not np.isfinite(total):  # one pass without a mask; the mask only when it is needed
            bad = (np.isnan(block) & (not allow_nan)) | (np.isinf(block) & (not allow_inf))
            if bad.any():
                where = tuple(int(i) for i in np.argwhere(bad)[0])
                return (start + where[0], *where[1:]), "NaN" if np.isnan(block[where]) else "infinity"
        if mapped:
            _release_pages(X)
    return None
