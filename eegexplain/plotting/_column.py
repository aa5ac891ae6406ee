"""Figures for one column of a journal: their width, and text and lines that hold at that size."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from eegexplain._arrays import check_number

_WIDTH: ContextVar[float | None] = ContextVar("column_width", default=None)

_STYLE = {
    "font.size": 8, "axes.titlesize": 8, "axes.labelsize": 8, "xtick.labelsize": 7, "ytick.labelsize": 7,
    "legend.fontsize": 7, "axes.linewidth": 0.6, "lines.linewidth": 1.0, "xtick.major.width": 0.6,
    "ytick.major.width": 0.6, "xtick.major.size": 2.5, "ytick.major.size": 2.5,
    "savefig.format": "pdf", "savefig.dpi": 600, "pdf.fonttype": 42, "ps.fonttype": 42, "svg.fonttype": "none",
}  # fmt: skip


@contextmanager
def one_column(width: float = 85.0) -> Iterator[None]:
    """Figures drawn and saved inside are as wide as one column of a journal.

    Text has 7 or 8 points; files are PDF unless their name says otherwise, with letters as letters; what is a picture
    in them (the colours of a map) has 600 dots per inch.

    Parameters
    ----------
    width : float
        In millimeters: 85 for most journals, 180 for both columns.

    Yields
    ------
    None
        As it was before, afterwards.

    Raises
    ------
    ValueError
        For a width of 40 mm and less.

    Examples
    --------
    >>> from eegexplain.plotting import TopomapDisplay, one_column
    >>> display = TopomapDisplay.from_values([[0.1, -1.0, 1.0], [0.5, 0.3, 0.2]], ["Fz", "C3", "C4"])
    >>> with one_column():
    ...     figure = display.plot_grid().figure_
    >>> round(25.4 * figure.get_figwidth())
    85
    """
    from matplotlib import rc_context

    width = check_number("width", width, above=40)
    with rc_context(_STYLE):
        token = _WIDTH.set(width / 25.4)
        try:
            yield
        finally:
            _WIDTH.reset(token)


def column_width() -> float | None:
    """Width of figures in inches, inside of `one_column`.

    Returns
    -------
    float or None
    """
    return _WIDTH.get()
