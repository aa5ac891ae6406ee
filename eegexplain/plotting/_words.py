"""Names of any length in the room that there is: broken into lines, then left out in the middle."""

import re

from eegexplain._text import plain, readable

_PIECES = re.compile(r"[^\s/_.,;:|-]+[\s/_.,;:|-]*|[\s/_.,;:|-]+")  # a name may break behind these


def fitted(name, width, size, most=3):
    """Break a name into lines that fit.

    Parameters
    ----------
    name : object
    width : float
        Room for a line, in points.
    size : float
        Of the font, in points.
    most : int
        Lines; of a longer name the middle is left out.

    Returns
    -------
    str
        As matplotlib takes it; the name in one line where that fits.
    """
    text, room = readable(name), width / size
    if text_width(text) <= room:
        return plain(text)
    lines = _lines(_PIECES.findall(text), room)
    if len(lines) > most:
        lines = _shortened(text, room, most)
    return "\n".join(plain(line.strip()) for line in lines)


def text_width(text):
    """Width of a text in units of its font size."""
    from matplotlib.textpath import TextPath

    return TextPath((0, 0), plain(text), size=1).get_extents().width if text.strip() else 0.0


def size_in_points(size="medium"):
    """Points of a font size of the style."""
    from matplotlib.font_manager import FontProperties

    return FontProperties(size=size).get_size_in_points()


def _lines(pieces, room):
    """As many pieces to a line as fit; those that are too long are cut."""
    lines = [""]
    for piece in pieces:
        if text_width(lines[-1] + piece) <= room:
            lines[-1] += piece
            continue
        lines += _cut(piece, room) if text_width(piece) > room else [piece]
    return [line for line in lines if line]


def _cut(piece, room):
    """Parts of a text without a place to break."""
    letters = max(4, int(0.95 * room * len(piece) / text_width(piece)))
    return [piece[start : start + letters] for start in range(0, len(piece), letters)]


def _shortened(text, room, most):
    """Begin and end of a text, in so many lines."""
    letters = max(4, int(0.9 * room * len(text) / text_width(text)))
    kept = letters * most - 1
    short = f"{text[: kept - kept // 2]}\N{HORIZONTAL ELLIPSIS}{text[len(text) - kept // 2 :]}"
    return [short[start : start + letters] for start in range(0, len(short), letters)]
