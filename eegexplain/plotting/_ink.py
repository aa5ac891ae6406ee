"""Colours that are seen on any page: black on white, white on the black of a dark style."""

import numpy as np

_LEAST_CONTRAST = 0.4  # of lightness, between ink and page


def ink(ax):
    """Colour of lines and words on the page behind the axes.

    Parameters
    ----------
    ax : matplotlib.axes.Axes

    Returns
    -------
    tuple of float
        Red, green and blue: the style's colour of text or, on a page where that would not be seen, black or white.
    """
    from matplotlib import rcParams
    from matplotlib.colors import to_rgb

    text, page = to_rgb(rcParams["text.color"]), _page(ax)
    if page is None or abs(_lightness(text) - _lightness(page)) >= _LEAST_CONTRAST:
        return text
    return (0.0, 0.0, 0.0) if _lightness(page) > 0.5 else (1.0, 1.0, 1.0)


def tone(ax, strength):
    """Mix of ink and page.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    strength : float
        0 is the page, 1 the ink.

    Returns
    -------
    tuple of float
        Red, green and blue.
    """
    front, page = np.array(ink(ax)), _page(ax)
    back = 1 - np.round(front) if page is None else np.array(page)
    return tuple(float(part) for part in back + strength * (front - back))


def _page(ax):
    """What lies behind the axes; None where nothing is painted."""
    from matplotlib.colors import to_rgba

    whole = ax.figure if hasattr(ax.figure, "savefig") else ax.figure.figure  # not the part that a subfigure is
    *color, alpha = to_rgba(whole.get_facecolor())
    return tuple(color) if alpha > 0.5 else None


def _lightness(color):
    """Of red, green and blue, as Rec. 601 weighs them."""
    return float(np.dot(color, (0.299, 0.587, 0.114)))
