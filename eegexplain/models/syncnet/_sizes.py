"""Sizes of a network from what is known of the recording, and checks of numbers given by the user."""

import math

from eegexplain._validation import check_sfreq, positive_int


def value_range(name, pair):
    """Return ``(low, high)`` as finite floats; ValueError where low exceeds high."""
    low, high = _two_numbers(name, pair)
    if low > high:
        raise ValueError(f"{name} is {pair!r}; expected (low, high) with low <= high.")
    return low, high


def mean_and_sd(name, pair):
    """Return ``(mean, standard deviation)`` as finite floats; ValueError where the latter is negative."""
    mean, sd = _two_numbers(name, pair)
    if sd < 0:
        raise ValueError(f"{name} is {pair!r}; expected (mean, standard deviation), the latter not negative.")
    return mean, sd


def frequency_range_in(pair, sfreq):
    """Return ``(low, high)`` in Hz, cut at the Nyquist frequency; ValueError where nothing of it lies below."""
    low, high = _two_numbers("frequency_range", pair)
    if not 0 <= low < high:
        raise ValueError(f"frequency_range must satisfy 0 <= low < high in Hz, got {pair!r}.")
    if low >= sfreq / 2:
        raise ValueError(
            f"frequency_range is {pair!r} Hz, which lies above the Nyquist frequency of {sfreq / 2:g} Hz (sfreq "
            f"{sfreq:g} Hz): lower it, or give the right sfreq."
        )
    return low, min(high, sfreq / 2)


def _two_numbers(name, pair):
    """Return two finite floats."""
    try:
        first, second = (float(value) for value in pair)
    except (TypeError, ValueError):
        raise ValueError(f"{name} is {pair!r}; expected two numbers.") from None
    if not (math.isfinite(first) and math.isfinite(second)):
        raise ValueError(f"{name} is {pair!r}; expected two finite numbers.")
    return first, second


def infer_n_chans(n_chans, chs_info):
    """Return the number of channels, from ``chs_info`` where it is not given."""
    if chs_info is None:
        if n_chans is None:
            raise ValueError("the number of channels is unknown: give n_chans, or chs_info (one entry per channel).")
        return positive_int("n_chans", n_chans)
    if n_chans is not None and n_chans != len(chs_info):
        raise ValueError(f"n_chans is {n_chans} but chs_info has {len(chs_info)} entries; give one of them.")
    return positive_int("the length of chs_info", len(chs_info))


def infer_times(n_times, input_window_seconds, sfreq):
    """Return ``(n_times, input_window_seconds, sfreq)``; any two give the third, seconds and rate may stay None."""
    if sfreq is not None:
        sfreq = check_sfreq(sfreq)
    if input_window_seconds is not None and not (math.isfinite(input_window_seconds) and input_window_seconds > 0):
        raise ValueError(f"input_window_seconds is {input_window_seconds!r}; expected a finite number above 0.")
    known = input_window_seconds is not None and sfreq is not None
    if n_times is None:
        if not known:
            raise ValueError("the number of samples is unknown: give n_times, or both input_window_seconds and sfreq.")
        n_times = round(input_window_seconds * sfreq)
    n_times = positive_int("n_times", n_times)
    if known and abs(n_times - input_window_seconds * sfreq) >= 1:
        product = f"input_window_seconds * sfreq is {input_window_seconds * sfreq:g}"
        raise ValueError(f"n_times is {n_times} but {product}; give two of the three.")
    if input_window_seconds is None and sfreq is not None:
        input_window_seconds = n_times / sfreq
    if sfreq is None and input_window_seconds is not None:
        sfreq = n_times / input_window_seconds
    return n_times, input_window_seconds, sfreq
