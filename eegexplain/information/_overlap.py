"""Cells that overlap: what two of them share."""

from itertools import combinations

import numpy as np

from eegexplain.information._cells import Cells

TOGETHER = 1e-6  # size of P_i P_j, relative to that of both, below which cells do not overlap


def check_disjoint(cells: Cells) -> None:
    """Refuse cells that overlap as players of a game: what two share would be exchanged twice.

    Parts of time and frequency act on moments, pairs on channels, so that a cell that is taken out of another, P_i P_j,
    is nothing where the parts share nothing or neither filter sees the other's pattern. Windows and cells of a basis
    that share moments add up to the trial all the same.

    Parameters
    ----------
    cells : Cells

    Raises
    ------
    ValueError
        Naming the two.
    """
    names = ["@".join(map(str, one)) for one in _labels(cells)]
    for (i, one), (j, other) in combinations(enumerate(cells.cells), 2):
        if _share_time(one, other) and _share_space(one.pair, other.pair):
            raise ValueError(
                f"The cells {names[i]} and {names[j]} overlap: what they share would be exchanged twice, so that there "
                "are no Shapley values for them. Use decomposition='unique' and 'alone', or cells that share nothing."
            )


def as_players(cells: Cells) -> Cells:
    """Cells as players of a game, on one axis: what none of them holds plays, too, and has no place on a grid.

    Parameters
    ----------
    cells : Cells

    Returns
    -------
    Cells
        Where there are several axes, on an axis "cell", along which they are coordinates.

    Raises
    ------
    ValueError
        For cells that overlap.
    """
    check_disjoint(cells)
    if len(cells.coords) == 1:
        return cells
    labels = _labels(cells)
    columns = {dim: ("cell", np.array(own)) for dim, own in zip(cells.coords, zip(*labels, strict=True), strict=True)}
    return Cells({"cell": ["@".join(map(str, one)) for one in labels]}, cells.cells, columns)


def _labels(cells):
    grids = np.meshgrid(*(np.arange(n) for n in cells.shape), indexing="ij")
    axes = list(cells.coords.values())
    return [[axes[k][i] for k, i in enumerate(place)] for place in zip(*(grid.ravel() for grid in grids), strict=True)]


def _share_time(one, other):
    if one.part is other.part:
        return True
    if one.part.bins is None or other.part.bins is None:
        return False
    return bool((one.part.bins & other.part.bins).any())


def _share_space(one, other):
    if one is None or other is None:
        return True
    return _seen(one, other) or _seen(other, one)


def _seen(one, other):
    """Whether the filters of one see the patterns of another."""
    product = one.patterns @ (one.filters.T @ other.patterns) @ other.filters.T
    size = np.linalg.norm(one.patterns @ one.filters.T) * np.linalg.norm(other.patterns @ other.filters.T)
    return bool(np.linalg.norm(product) > TOGETHER * size)
