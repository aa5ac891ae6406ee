"""Contour lines of a map, and the outline that clips it."""

import numpy as np

from eegexplain.plotting._look import dashes, line_width


def draw_contours(ax, operator, picture, levels):
    """Draw contour lines, clipped to the map; None for a map that crosses no level.

    Levels below zero are dashed. The lines are one `matplotlib.collections.LineCollection` with an attribute
    ``levels``: ``Axes.contour`` takes as long as the rest of the map.
    """
    from contourpy import contour_generator  # comes with matplotlib
    from matplotlib.collections import LineCollection

    low, high = np.nanmin(picture), np.nanmax(picture)
    levels = levels[(levels > low) & (levels < high)]
    if not len(levels):
        return None
    trace = contour_generator(operator.centres, operator.centres, np.ma.masked_invalid(picture))
    styled = [(line, style) for level, style in zip(levels, dashes(levels), strict=True) for line in trace.lines(level)]
    segments, styles = map(list, zip(*styled, strict=True))
    width = 0.45 * line_width(ax)
    lines = LineCollection(segments, colors="black", linewidths=width, linestyles=styles, zorder=2)
    lines.levels = levels
    ax.add_collection(lines, autolim=False)
    lines.set_clip_path(outline_patch(ax, operator))
    return lines


def outline_patch(ax, operator):
    """Patch to which a map is clipped."""
    from matplotlib.patches import Polygon

    return Polygon(operator.outline, transform=ax.transData)
