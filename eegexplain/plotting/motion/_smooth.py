"""Maps over time, smoothed along it."""

import copy

import numpy as np

from eegexplain._validation import check_number

_WIDTH = 2 * np.sqrt(2 * np.log(2))  # full width at half maximum of a Gaussian, in standard deviations
_UNEVEN = 0.01  # of a step between frames


def smoothed(display, seconds):
    """Smooth a display over time; at its ends the first and last map go on.

    Parameters
    ----------
    display : TopomapDisplay
        With evenly spaced times.
    seconds : float
        Full width at half maximum of the Gaussian.

    Returns
    -------
    TopomapDisplay
        Its errors are the means of errors with the same weights, upper bounds; channels with a NaN or infinity stay
        without a value.

    Raises
    ------
    ValueError
        Without evenly spaced times, and for a width of 0 and less.
    """
    from scipy.ndimage import gaussian_filter1d

    seconds = check_number("smooth", seconds, above=0)
    times = display.times
    if times is None:
        raise ValueError("smooth is a width in seconds, and these maps have no times.")
    steps = np.diff(times)
    if len(steps) and (steps.min() <= 0 or np.ptp(steps) > _UNEVEN * steps.mean()):
        raise ValueError("smooth needs times that rise in even steps.")
    width = seconds / _WIDTH / steps.mean() if len(steps) else 0.0
    made = copy.copy(display)
    for name in ("values", "standard_error"):
        if getattr(display, name) is not None and width > 0:
            setattr(made, name, gaussian_filter1d(getattr(display, name), width, axis=1, mode="nearest"))
    return made
