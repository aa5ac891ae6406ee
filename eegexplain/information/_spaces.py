"""Where on the head a cell is: filters by what a user calls them, and the cells that they make with parts of time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eegexplain._validation import check_array_like, lookup, suggest
from eegexplain.bases import Basis, Spatial
from eegexplain.information._cells import Cell, Cells, Pair, covariances, filter_pair
from eegexplain.information._learned import learned_filters
from eegexplain.information._parts import find_parts
from eegexplain.information.source_space import SourceSpace


@dataclass(frozen=True, eq=False)
class Space:
    """An axis of places.

    Parameters
    ----------
    dim : str
    values : list
        One per place.
    pairs : callable
        From the covariance in a part to the Pair of each place.
    beside : dict of str to (str, ndarray)
        Further coordinates along the axis.
    """

    dim: str
    values: list
    pairs: Callable[[NDArray], list[Pair]]
    beside: dict[str, tuple[str, NDArray]] = field(default_factory=dict)


def make_cells(
    cells: Any,
    space: Any,
    *,
    bands: Any,
    windows: Any,
    X: NDArray,
    sfreq: float,
    ch_names: list[str],
    estimator: Any = None,
) -> Cells:
    """All cells of a map: every place in every part of time and frequency.

    Parameters
    ----------
    cells : {"bands", "bins", "windows"} or Basis
    space : None, str, dict, array, SourceSpace or Spatial
        As in `InformationMapper`.
    bands : "eeg" or dict of str to (float, float)
    windows : int or sequence of float
    X : ndarray of shape (n_trials, n_channels, n_times)
        Whose covariance patterns have.
    sfreq : float
    ch_names : list of str
    estimator : estimator, optional
        Fitted, for ``space="patterns"``.

    Returns
    -------
    Cells
        Places before parts, as on the axes of the map.

    Raises
    ------
    ValueError, TypeError
        For what is no such thing, or does not fit the trials.
    """
    moments = find_parts(cells, bands, windows, sfreq, X.shape[2])
    axis = {moments.dim: moments.values}
    if space is None:
        return Cells(axis, [Cell(part) for part in moments.parts], moments.beside)
    places = find_space(space, ch_names, estimator)
    if places.dim in axis:
        raise ValueError(f"cells and space both have an axis called {places.dim!r}: give other cells.")
    pairs = [places.pairs(C) for C in covariances(X, moments.parts)]
    found = [
        Cell(part, own[place])
        for place in range(len(places.values))
        for part, own in zip(moments.parts, pairs, strict=True)
    ]
    return Cells({places.dim: places.values, **axis}, found, {**places.beside, **moments.beside})


def find_space(space: Any, ch_names: list[str], estimator: Any = None) -> Space:
    """Places on the head by what a user calls them.

    Parameters
    ----------
    space : str, dict, array, SourceSpace or Spatial
    ch_names : list of str
    estimator : estimator, optional

    Returns
    -------
    Space

    Raises
    ------
    ValueError
        For unknown names, filters of other channels, and estimators without filters.
    TypeError
        For anything else.
    """
    if isinstance(space, str):
        return lookup(SPACES, space, "space")(ch_names, estimator)
    if isinstance(space, SourceSpace):
        return _places(space, ch_names)
    if isinstance(space, Spatial):
        return _components(space, ch_names)
    if isinstance(space, Basis):
        raise TypeError(f"{type(space).__name__} is a basis of time and frequency: give it as cells=.")
    if isinstance(space, Mapping):
        return _named(space, ch_names)
    if isinstance(space, (np.ndarray, Sequence)):
        rows = check_filters("space", space, len(ch_names))
        blocks = {f"component{number}": real_span(row[None]) for number, row in enumerate(rows)}
        return Space("component", list(blocks), partial(_pairs, blocks))
    raise TypeError(
        f"space must be None, one of {', '.join(map(repr, SPACES))}, groups of channels or filters by name, an array "
        f"of filters (n_components, n_channels), a SourceSpace or a spatial basis, got {type(space).__name__}."
    )


def _channels(ch_names, estimator):
    """What each electrode shows, wherever on the head it appears."""
    blocks = {name: one[:, None] for name, one in zip(ch_names, np.eye(len(ch_names)), strict=True)}
    return Space("channel", ch_names, partial(_pairs, blocks, silent=True))


def _innovations(ch_names, estimator):
    """What only one electrode shows: what the others cannot predict."""

    def pairs(C):
        """Filters that leave the others' part out."""
        live = np.diag(C) > 0
        size = np.where(live, np.sqrt(np.diag(C)), 1.0)
        inverse = np.linalg.pinv(C / np.outer(size, size), rcond=1e-8, hermitian=True) / np.outer(size, size)
        inverse *= np.outer(live, live)  # nothing is what flat channels show, not rounding
        blocks = {name: column[:, None] for name, column in zip(ch_names, inverse, strict=True)}
        return _pairs(blocks, C, silent=True)

    return Space("channel", ch_names, pairs)


def _patterns(ch_names, estimator):
    """What each filter of the decoder sees, with its pattern."""
    blocks = learned_filters(estimator, len(ch_names))
    return Space("filter", list(range(len(blocks))), partial(_pairs, dict(enumerate(blocks)), silent=True))


def _sources(ch_names, estimator):
    """Places in a head of spheres."""
    return _places(SourceSpace.spherical(ch_names), ch_names)


def _places(sources, ch_names):
    """What a beamformer sees at each place in the brain."""
    sources.for_channels(ch_names)  # other channels are told here, before any training
    along = {axis: ("source", values) for axis, values in zip("xyz", sources.positions.T, strict=True)}
    return Space("source", list(sources.names), partial(sources.beamformers, ch_names), along)


def _components(basis, ch_names):
    """Components with the patterns that the basis gives them, which need not be those of the covariance."""
    _, names = basis.rows(ch_names)
    if basis.temporal.name != "time":
        raise ValueError(
            f"This spatial basis has components in {basis.temporal.name}: leave its temporal basis out and give it as "
            "cells=."
        )
    gains = np.einsum("jc,cj->j", basis.filters, basis.patterns)
    if not np.allclose(gains, 1, atol=1e-6):
        worst = int(np.abs(gains - 1).argmax())
        raise ValueError(
            f"The filter of {names[worst]} sees its pattern as {gains[worst]:.3g}, not 1: what it sees would not be "
            "what is exchanged. Give the filters as an array: patterns are then found in the trials."
        )
    own = [Pair(name, basis.filters[[j]].T, basis.patterns[:, [j]]) for j, name in enumerate(basis.names)]
    return Space("component", list(basis.names), lambda C: own)


def _named(blocks, ch_names):
    """Groups of channels, or blocks of filters, by name."""
    if not blocks:
        raise ValueError("space is an empty dict: give groups of channels, or filters, by name.")
    channels = {str(name) for name, one in blocks.items() if _are_channels(np.asarray(one))}
    if channels and len(channels) < len(blocks):
        raise ValueError(
            f"space holds groups of channels ({', '.join(sorted(channels))}) and filters: give one of the two."
        )
    read = channel_group if channels else _filter_block
    found = {str(name): read(str(name), one, ch_names) for name, one in blocks.items()}
    return Space("region" if channels else "component", list(found), partial(_pairs, found, silent=bool(channels)))


def _are_channels(values):
    """Names or numbers of channels, not filters, whose weights are a table, or no whole numbers."""
    return values.ndim <= 1 and (values.dtype.kind in "iuUO" or not values.size)


def channel_group(name: str, group: Any, ch_names: list[str]) -> NDArray:
    """Unit vectors of some channels.

    Parameters
    ----------
    name : str
        Of the group, for errors.
    group : sequence of str or int
        Names or numbers of channels.
    ch_names : list of str

    Returns
    -------
    ndarray of shape (n_channels, n_group)

    Raises
    ------
    ValueError
        For no channels, the same twice, and unknown ones.
    """
    if isinstance(group, str) or not np.size(group) or np.ndim(group) != 1:
        raise ValueError(f"The group {name!r} must be a list of channels, got {group!r}.")
    places = []
    for one in list(group):
        known = one in ch_names if isinstance(one, str) else 0 <= int(one) < len(ch_names)
        if not known:
            raise ValueError(
                f"The group {name!r} holds the channel {one!r}, which the trials have not."
                f"{suggest(one, ch_names) if isinstance(one, str) else f' They have {len(ch_names)}.'}"
            )
        places.append(ch_names.index(one) if isinstance(one, str) else int(one))
    if len(set(places)) < len(places):
        raise ValueError(f"The group {name!r} holds a channel twice: {list(group)!r}.")
    return np.eye(len(ch_names))[:, places]


def _filter_block(name, filters, ch_names):
    return real_span(check_filters(f"space[{name!r}]", np.atleast_2d(np.asarray(filters)), len(ch_names)))


def check_filters(name: str, filters: Any, n_channels: int) -> NDArray:
    """Filters, one per row.

    Parameters
    ----------
    name : str
        For errors.
    filters : array-like of shape (n_components, n_channels)
        Real or complex.
    n_channels : int

    Returns
    -------
    ndarray of shape (n_components, n_channels)

    Raises
    ------
    ValueError
        For another shape, NaN and infinities.
    """
    values = np.asarray(filters)
    if values.dtype.kind == "c":
        values = check_filters(name, values.real, n_channels) + 1j * check_filters(name, values.imag, n_channels)
        return values
    values = check_array_like(name, filters, dtype=float)
    if values.ndim != 2 or values.shape[1] != n_channels or not len(values):
        turned = values.ndim == 2 and values.shape[0] == n_channels
        raise ValueError(
            f"{name} must hold filters of shape (n_components, {n_channels}), one per row, got {values.shape}."
            f"{' Transpose it.' if turned else ''}"
        )
    return values


def real_span(rows: NDArray) -> NDArray:
    """Real filters that see what these see: of a complex one, its real and its imaginary part.

    Parameters
    ----------
    rows : ndarray of shape (n_components, n_channels)

    Returns
    -------
    ndarray of shape (n_channels, n_spanned)
        The filters themselves where they are real.
    """
    if rows.dtype.kind != "c":
        return rows.T
    columns = np.concatenate([rows.real, rows.imag]).T
    left, values, _ = np.linalg.svd(columns, full_matrices=False)  # a phase common to all channels adds no dimension
    return left[:, values > 1e-10 * values[0]] if values[0] > 0 else columns[:, :1]


def _pairs(blocks, C, silent=False):
    """Pairs of blocks of filters; where `silent`, those that see nothing in these trials move nothing."""
    return [filter_pair(name, filters, C, silent=silent) for name, filters in blocks.items()]


SPACES = {"channels": _channels, "innovation": _innovations, "patterns": _patterns, "sources": _sources}


def needs_decoder(space: Any) -> bool:
    """Whether a space is of filters that the decoder has learned, so that it must be fitted before cells are made.

    Parameters
    ----------
    space : object

    Returns
    -------
    bool
    """
    return isinstance(space, str) and space == "patterns"
