"""How pictures look: limits and levels of colours, colour bars, and sizes that follow the axes."""

from dataclasses import dataclass

import numpy as np

from eegexplain._validation import check_option

DIVERGING = "RdBu_r"
SEQUENTIAL = "Reds"
SMALLEST_BAR_TEXT = 7.0  # points: what journals print at least
SPIKES = 2  # cells of each output that robust limits may leave out: a rhythm has more
#: ... where the others reach between these shares of the largest: below, the spikes are all there is to see.
SPIKE_HEIGHTS = (0.25, 0.6)
NEGATIVE_DASHES = (0, (2.5, 1.8))  # of contours: a grey print keeps the sign
_ENDS = {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}


@dataclass(frozen=True)
class Look:
    """How maps are coloured: shared by panels, frames and colour bar."""

    cmap: str
    vlim: tuple
    levels: np.ndarray
    extend: str = "neither"  # which ends of the colour bar have values beyond them


def make_look(values, vlim, cmap, sequential, contours):
    """Choose limits and levels for all these values together."""
    vlim = _limits(vlim, values, sequential)
    levels = np.asarray(contours, dtype=float)
    if levels.ndim == 0:
        if levels < 0 or levels != int(levels):
            raise ValueError(f"contours must be a whole number of lines, or an array of levels; got {contours!r}.")
        levels = np.linspace(*vlim, int(contours) + 2)[1:-1]
    hair = 1e-9 * (vlim[1] - vlim[0])
    beyond = bool(values.min() < vlim[0] - hair), bool(values.max() > vlim[1] + hair)
    return Look(cmap or (SEQUENTIAL if sequential else DIVERGING), vlim, np.sort(levels), _ENDS[beyond])


def robust_limit(values):
    """Return the largest absolute value but for a few spikes, where these take a good part of the scale.

    Parameters
    ----------
    values : ndarray of shape (n_outputs, ...)

    Returns
    -------
    float
    """
    size = np.sort(np.abs(values), axis=None)
    n_spikes = SPIKES * len(values)
    largest, rest = size[-1], size[-1 - n_spikes] if len(size) > n_spikes else 0.0
    low, high = SPIKE_HEIGHTS
    return float(rest if low * largest < rest < high * largest else largest)


def _limits(vlim, values, sequential):
    """Both limits: symmetric around zero, or from zero up."""
    if isinstance(vlim, str):
        check_option("vlim", vlim, ("robust",))
        vlim = robust_limit(values) or None
    if np.ndim(vlim) == 0 and vlim is not None:
        vlim = (None, abs(float(vlim)))
    low, high = vlim or (None, None)
    if sequential:
        if values.min() < 0:
            raise ValueError(f"sequential=True is for values of 0 and above; the smallest is {values.min():g}.")
        low = 0.0 if low is None else float(low)
        high = float(values.max()) if high is None else float(high)
        return (low, high) if high > low else (low, low + 1.0)
    if low is None and high is None:
        high = float(np.abs(values).max()) or 1.0
    low = -float(high) if low is None else float(low)
    high = -low if high is None else float(high)
    if not low < high:
        raise ValueError(f"vlim must rise; got ({low:g}, {high:g}).")
    return low, high


def draw_colorbar(image, ax, look, label):
    """Draw one colour bar beside these axes, with the contour levels in it and arrows where values lie beyond it."""
    size = max(SMALLEST_BAR_TEXT, font_size(np.ravel(ax)[0]))
    bar = image.figure.colorbar(image, ax=ax, shrink=0.75, aspect=18, pad=0.02, extend=look.extend, extendfrac=0.06)
    bar.outline.set_linewidth(0.5)
    bar.ax.tick_params(labelsize=size, width=0.5, length=2.5)
    bar.ax.hlines(look.levels, 0, 1, transform=bar.ax.get_yaxis_transform(), color="black", linewidth=0.4)
    bar.set_label(label, fontsize=size)
    return bar


def dashes(levels):
    """Line styles of contours: those below zero are dashed."""
    return [NEGATIVE_DASHES if level < 0 else "solid" for level in levels]


def time_label(seconds):
    """Write a time in milliseconds below 10 s, else in seconds."""
    return f"{1000 * seconds:.0f} ms" if abs(seconds) < 10 else f"{seconds:.2f} s"


def axes_size(ax):
    """Shorter side of the axes, in inches."""
    box = ax.get_window_extent()
    return min(box.width, box.height) / ax.figure.dpi


def line_width(ax):
    """Width of the head's outline in points: thin at 2 inches, strong at 8."""
    return float(np.clip(0.6 + 0.2 * axes_size(ax), 0.7, 2.0))


def font_size(ax, smallest=6.0, largest=10.0):
    """Font size in points that suits the axes."""
    return float(np.clip(5 + 1.1 * axes_size(ax), smallest, largest))
