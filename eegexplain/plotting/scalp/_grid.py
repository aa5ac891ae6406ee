"""Where the maps of a figure stand, what is written beside them, and how large the figure is."""

from dataclasses import dataclass

from eegexplain.plotting._column import column_width
from eegexplain.plotting._words import fitted, size_in_points

MOST_ROWS, MOST_COLUMNS = 4, 8  # of maps that vary in one way only: more are wrapped
BAR = 0.9  # inches beside the maps
TURNED = 0.8  # of a panel's height are for its name: beyond, the name would push panels apart
SMALLEST_PANEL = 0.8  # inches, in a narrow figure


@dataclass(frozen=True)
class Grid:
    """Panels of a figure.

    Parameters
    ----------
    shape : (int, int)
        Lines and places.
    panels : list of ((int, int), int, int)
        Place in the figure, output and frame of each map.
    titles, sides : dict of (int, int) to str
        What is written above and, turned, at the left of panels.
    panel_size : float
        Side of a panel, in inches.
    size : (float, float)
        Of the figure, in inches.
    """

    shape: tuple
    panels: list
    titles: dict
    sides: dict
    panel_size: float
    size: tuple


def arrange(display, columns, panel_size, colorbar):
    """Lay out outputs by columns or, where only one of the two varies and is long, in lines.

    Parameters
    ----------
    display : ShownValues
    columns : list of int
        Frames to show.
    panel_size : float
        Wanted side of a panel, in inches: less in a figure for one column of a journal.
    colorbar : bool
        Whether there is room for a colour bar.

    Returns
    -------
    Grid
    """
    n_rows, n_columns, room = len(display.values), len(columns), column_width()
    bar = 0.0 if not colorbar else BAR if room is None else 0.65
    most = MOST_COLUMNS if room is None else max(1, int((room - bar) / SMALLEST_PANEL))
    wrapped = (n_columns == 1 and n_rows > MOST_ROWS) or (n_rows == 1 and n_columns > most)
    if wrapped:
        lines = -(-n_rows * n_columns // min(most, MOST_COLUMNS))
        shape = lines, -(-n_rows * n_columns // lines)
    else:
        shape = n_rows, n_columns
    points = size_in_points()
    side = 0.0 if wrapped or not any(map(display.row_label, range(n_rows))) else 1.3 * points / 72
    if room is not None:
        panel_size = min(panel_size, (room - bar - side) / shape[1])
    cells = [(row, column) for row in range(n_rows) for column in columns]
    panels = [((k // shape[1], k % shape[1]), *cell) for k, cell in enumerate(cells)]
    titles, sides = _texts(display, panels, wrapped, 72 * panel_size, points)
    line = 1.25 * points / 72
    above = line * (0.3 + max((text.count("\n") + 1 if text else 0 for text in titles.values()), default=0))
    beside = line * max((text.count("\n") + 1 if text else 0 for text in sides.values()), default=0)
    size = shape[1] * panel_size + bar + beside, shape[0] * panel_size + above * (shape[0] if wrapped else 1) + 0.08
    return Grid(shape, panels, titles, sides, panel_size, size if room is None else (room, size[1]))


def _texts(display, panels, wrapped, room, points):
    """Titles above panels and names of the lines."""
    room *= 0.95
    if wrapped:
        return {place: fitted(display.title(row, column), room, points) for place, row, column in panels}, {}
    titles = {place: fitted(display.column_label(column), room, points) for place, _, column in panels if not place[0]}
    turned = TURNED * room
    sides = {place: fitted(display.row_label(row), turned, points, most=4) for place, row, _ in panels if not place[1]}
    return titles, sides


def write_texts(axes, grid):
    """Write titles and names of lines."""
    for place, text in grid.titles.items():
        axes[place].set_title(text, fontsize="medium")
    for place, text in grid.sides.items():
        ax = axes[place]
        ax.text(-0.02, 0.5, text, transform=ax.transAxes, rotation=90, ha="right", va="center", multialignment="center",
                fontsize="medium")  # fmt: skip


def title_of(ax, text, size):
    """Break the title of a single map into lines that fit its axes."""
    return fitted(text, 1.2 * 72 * ax.get_window_extent().width / ax.figure.dpi, size, most=2)
