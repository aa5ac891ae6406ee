"""What is drawn around and over a map: head, nose, ears, electrodes and their names; all sizes follow the axes."""

import numpy as np

from eegexplain._text import plain, readable
from eegexplain.plotting._ink import ink, tone
from eegexplain.plotting._look import axes_size, line_width
from eegexplain.plotting.scalp.positions import HEAD_RADIUS

#: Electrodes whose names are kept first where there is no room for all: the 10-20 system.
_FIRST = (
    "cz fz pz oz c3 c4 fp1 fp2 o1 o2 t7 t8 t3 t4 f3 f4 p3 p4 f7 f8 p7 p8 t5 t6 fpz iz fcz cpz poz afz".split()
)  # fmt: skip
_NAME_SIZES = (8.0, 7.0, 6.0, 5.0)  # points


def limits(radius):
    """Left, right, lower and upper limit that hold the head and a map of this radius, in metres."""
    side = max(1.12 * HEAD_RADIUS, 1.02 * radius)
    return -side, side, -max(1.03 * HEAD_RADIUS, 1.02 * radius), max(1.17 * HEAD_RADIUS, 1.02 * radius)


def draw_head(ax, operator):
    """Draw head, nose and ears, and set the limits of the axes.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Gets equal scales and no frame.
    operator : Topography
        Of the map; its outline is drawn where it is not the head's.

    Returns
    -------
    matplotlib.lines.Line2D
    """
    from matplotlib.lines import Line2D

    angle = np.linspace(0, 2 * np.pi, 181)
    circle = np.column_stack([np.cos(angle), np.sin(angle)])
    ear = _ear()
    parts = [HEAD_RADIUS * part for part in (circle, _nose(), ear, ear * [-1, 1])]
    style = {"color": ink(ax), "zorder": 4, "clip_on": False, "solid_capstyle": "round", "solid_joinstyle": "round"}
    outline = ax.add_artist(Line2D(*_joined(parts).T, linewidth=line_width(ax), **style))
    corners = operator.outline
    if not np.allclose(np.hypot(*corners.T), HEAD_RADIUS):
        closed = np.concatenate([corners, corners[:1]])
        ax.add_artist(Line2D(*closed.T, **{**style, "linewidth": 0.5, "color": tone(ax, 0.6)}))
    left, right, low, high = limits(operator.radius)
    ax.set(xlim=(left, right), ylim=(low, high))
    ax.set_aspect("equal")
    ax.set_axis_off()
    return outline


def _joined(parts):
    """Several curves as one, with gaps."""
    gap = np.full((1, 2), np.nan)
    return np.concatenate([piece for part in parts for piece in (part, gap)])


def _nose():
    angle = np.deg2rad(90 + np.array([9.0, 0.0, -9.0]))
    return np.array([[1.0], [1.14], [1.0]]) * np.column_stack([np.cos(angle), np.sin(angle)])


def _ear():
    """Right ear: a half ellipse, narrower at the lobe, whose ends lie on the head circle."""
    turn = np.linspace(-np.pi / 2, np.pi / 2, 41)
    y = 0.16 * np.sin(turn)
    x = np.sqrt(1 - y**2) + (0.075 + 0.02 * np.sin(turn)) * np.cos(turn)
    return np.column_stack([x, y])


def draw_sensors(ax, positions, mask=None):
    """Draw a dot for each electrode; those in `mask` as white discs with a black rim.

    Returns
    -------
    tuple of matplotlib.lines.Line2D
        Plain electrodes, masked electrodes (None without a mask).
    """
    size = float(np.clip(0.7 + 0.45 * axes_size(ax), 0.8, 3.2))
    plain = {"color": "black", "markersize": size, "markeredgewidth": 0, "zorder": 5}
    if mask is None:
        return _dots(ax, positions, **plain), None
    marked = {
        "markerfacecolor": "white", "markeredgecolor": "black", "markersize": 2.2 * size,
        "markeredgewidth": 0.35 * size, "zorder": 6,
    }  # fmt: skip
    return _dots(ax, positions[~mask], **plain), _dots(ax, positions[mask], **marked)


def _dots(ax, positions, **style):
    from matplotlib.lines import Line2D

    return ax.add_artist(Line2D(*positions.T, marker="o", linestyle="none", **style))


def move_sensors(lines, positions, mask):
    """Give both kinds of electrodes, as `draw_sensors` returned them, the places of another mask."""
    plain, marked = lines
    plain.set_data(*positions[~mask].T)
    marked.set_data(*positions[mask].T)


def draw_missing(ax, positions, color="0.25"):
    """Draw a cross for each electrode without a value."""
    size = float(np.clip(2.5 + 0.8 * axes_size(ax), 3.5, 7))
    return ax.plot(*positions.T, "x", color=color, markersize=size, markeredgewidth=0.3 * size, zorder=6)[0]


def draw_names(ax, positions, ch_names, colors=("black", "white")):
    """Write names above the electrodes, as large as fits without overlap.

    `colors` are those of letters and of their rim. Where not even the smallest size fits, names that would overlap are
    left out, those of the 10-20 system last.

    Returns
    -------
    list of matplotlib.text.Text
    """
    from matplotlib.patheffects import withStroke
    from matplotlib.textpath import TextPath

    ax.figure.draw_without_rendering()  # layout first: what overlaps depends on the final size
    points = ax.transData.transform(positions) * 72 / ax.figure.dpi
    ch_names = [readable(name) for name in ch_names]
    widths = np.array([TextPath((0, 0), plain(name), size=1).get_extents().width for name in ch_names])
    order = sorted(range(len(ch_names)), key=lambda k: (ch_names[k].casefold() not in _FIRST, k))
    for size in _NAME_SIZES:
        boxes = np.column_stack([widths * size + 1.5, np.full(len(widths), 1.05 * size)])
        kept = _without_overlap(points, boxes, order)
        if len(kept) == len(ch_names):
            break
    front, rim = colors
    halo = [withStroke(linewidth=size / 4, foreground=rim, alpha=0.75)]
    return [
        ax.annotate(
            plain(ch_names[k]), positions[k], xytext=(0, 2), textcoords="offset points", ha="center", va="bottom",
            size=size, color=front, path_effects=halo, zorder=7, annotation_clip=False,
        )
        for k in sorted(kept)
    ]  # fmt: skip


def _without_overlap(centres, sizes, order):
    """Indices of boxes, taken greedily in this order, that do not touch one another."""
    kept = []
    for k in order:
        distance = np.abs(centres[kept] - centres[k])
        if not kept or (distance >= (sizes[kept] + sizes[k]) / 2).any(axis=1).all():
            kept.append(k)
    return kept
