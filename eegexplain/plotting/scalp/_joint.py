"""The course of all channels over time or frequency, with maps at its peaks."""

import numpy as np

from eegexplain.plotting._column import column_width
from eegexplain.plotting._ink import ink, tone
from eegexplain.plotting._look import draw_colorbar
from eegexplain.plotting._selection import pick_time
from eegexplain.plotting._words import fitted, size_in_points

MARK = "#D55E00"  # of the places that have maps: vermilion, apart from grey and black
SMALLEST_PEAK, SMALLEST_RISE = 0.2, 0.2  # shares of the highest: of a peak, and of how far it stands out
CURVE = 1.7  # inches


def highest_peaks(strength, most):
    """Return the places of the highest peaks, in their order along the axis.

    Parameters
    ----------
    strength : ndarray of shape (n,)
        At least 0.
    most : int
        Peaks; those below a fifth of the highest, or that stand out by less than a fifth of all rise, are left out.

    Returns
    -------
    ndarray of int
    """
    from scipy.signal import peak_prominences

    padded = np.concatenate([[-np.inf], strength, [-np.inf]])
    rises = (strength >= padded[:-2]) & (strength > padded[2:])
    peaks = np.flatnonzero(rises & (strength >= SMALLEST_PEAK * strength.max()))
    low = strength.min()
    standing_out = peak_prominences(np.concatenate([[low], strength, [low]]), peaks + 1)[0]
    peaks = peaks[standing_out >= SMALLEST_RISE * (strength.max() - low)]
    return np.sort(peaks[np.argsort(-strength[peaks], kind="stable")[:most]])


def draw_joint(display, row, maps, look, mask, panel_size):
    """Draw a figure with a row of maps above the curves; see `TopomapDisplay.plot_joint`."""
    import matplotlib.pyplot as plt

    values = display.kept_values(row)
    if len(values) < 2:
        raise ValueError("plot_joint draws a course over several times, frequencies or bands; there is one map.")
    strength = np.sqrt((values**2).mean(axis=1))
    chosen = _chosen(display, strength, maps)
    room = column_width()
    bar = 0.85 if room is None else 0.6
    panel_size = panel_size if room is None else min(panel_size, (room - bar) / len(chosen))
    width = max(4.8, panel_size * len(chosen) + bar) if room is None else room
    display.figure_ = plt.figure(figsize=(width, panel_size + CURVE + 0.45), layout="constrained")
    layout = display.figure_.add_gridspec(2, len(chosen), height_ratios=[panel_size + 0.2, CURVE])
    curve = display.figure_.add_subplot(layout[1, :])
    scalps = [display.figure_.add_subplot(layout[0, k]) for k in range(len(chosen))]
    display.images_ = []
    for ax, column in zip(scalps, chosen, strict=True):
        display.images_.append(display._draw_panel(ax, row, column, look, True, mask, None)[0])
        points = size_in_points()
        ax.set_title(fitted(display.column_label(column), 72 * panel_size, points), fontsize=points)
    display.colorbar_ = draw_colorbar(display.images_[0], scalps, look, display.label)
    for ax, column in zip(scalps, chosen, strict=True):
        display._draw_electrodes(ax, row, column, panel_size >= 1.2, mask, False)
    display.lines_ = _draw_curves(curve, display, values, strength, display.row_label(row))
    _join(display.figure_, curve, scalps, _places(display)[chosen])
    display.ax_, display.axes_ = curve, np.array([curve, *scalps])
    return display


def _chosen(display, strength, maps):
    """Frames that get a map."""
    if np.ndim(maps) == 0:
        if maps < 1 or maps != int(maps):
            raise ValueError(f"maps must be a whole number of at least 1, or where maps are wanted; got {maps!r}.")
        if display.along is None:  # bands have no course that could peak
            return np.sort(np.argsort(-strength, kind="stable")[: int(maps)])
        return highest_peaks(strength, int(maps))
    if display.along is None:
        return np.array([display.locate(band=one)[1] for one in maps])
    name, unit = ("time", "s") if display.frequencies is None else ("frequency", "Hz")
    return np.array([pick_time(display.along, one, name, unit) for one in maps])


def _places(display):
    """Where frames lie on the axis: milliseconds, Hz, or one after the other."""
    if display.along is None:
        return np.arange(display.values.shape[1], dtype=float)
    return display.along if display.times is None else 1000 * display.along


def _draw_curves(ax, display, values, strength, title):
    """Thin lines of channels, a thick one of their root mean square."""
    x = _places(display)
    style = {"marker": "o", "markersize": 2} if display.along is None else {}
    ax.axhline(0, color=tone(ax, 0.4), linewidth=0.6, zorder=0)
    lines = ax.plot(x, values, color=tone(ax, 0.45), linewidth=0.5, **style)
    lines += ax.plot(x, strength, color=ink(ax), linewidth=1.6, label="root mean square over channels", **style)
    ax.spines[["top", "right"]].set_visible(False)
    ax.margins(x=0.05 if display.along is None else 0)
    if display.along is None:
        labels = [display.column_label(k) for k in range(len(x))]
        room = 72 * 0.8 * ax.figure.get_figwidth() / len(x)
        ax.set_xticks(x, [fitted(label, room, size_in_points(), most=2) for label in labels])
    else:
        ax.set_xlabel("time (ms)" if display.frequencies is None else "frequency (Hz)")
    ax.set_ylabel(display.label)
    if title:
        ax.set_title(fitted(title, 50 * ax.figure.get_figwidth(), size_in_points()), loc="left", fontsize="medium")
    ax.legend(frameon=False, fontsize="small", loc="best", borderaxespad=0)
    return lines


def _join(figure, curve, scalps, places):
    """Lines from places of the curve to their maps."""
    from matplotlib.patches import ConnectionPatch

    for ax, x in zip(scalps, places, strict=True):
        style = {"color": MARK, "linewidth": 0.9}
        curve.axvline(x, linestyle=(0, (3, 2)), zorder=0.5, **style)
        line = ConnectionPatch((0.5, -0.02), (x, 1), ax.transAxes, curve.get_xaxis_transform(), **style)
        line.set_in_layout(False)
        figure.add_artist(line)
