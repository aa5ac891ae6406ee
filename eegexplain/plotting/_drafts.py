"""What `from_estimator` draws at once gives way to the `plot` that is called on its result."""


def draft(display, ax=None):
    """Remember that this figure was drawn unasked; nothing to remember where the user gave the axes.

    Parameters
    ----------
    display : object
        Just drawn, with ``figure_``.
    ax : matplotlib.axes.Axes or None
        What the user gave.

    Returns
    -------
    display : object
    """
    display._draft = display.figure_ if ax is None else None
    return display


def replace_draft(display):
    """Close the figure that `draft` remembers: two pictures of one call to ``from_estimator(...).plot()`` confuse."""
    import matplotlib.pyplot as plt

    figure, display._draft = getattr(display, "_draft", None), None
    if figure is not None:
        plt.close(figure)
