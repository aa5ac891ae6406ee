"""Spatial filters that a fitted decoder has learned."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

SPANNED = 1e-4  # of the largest singular value of a filter over channels and time: single precision is below


def learned_filters(estimator: Any, n_channels: int) -> list[NDArray]:
    """Find the spatial filters of a decoder.

    A filter over channels and time, ``templates_``, sees the channels through as many mixtures as it has singular
    values: one of a SyncNet, with an amplitude and a phase per channel, through two. ``filters_`` of common spatial
    patterns are one mixture each.

    Parameters
    ----------
    estimator : estimator
        Fitted: a network with ``templates_``, or a Pipeline with a step that has ``filters_``; perhaps frozen, or the
        best of a search.
    n_channels : int
        Of the trials.

    Returns
    -------
    list of ndarray of shape (n_channels, n_mixtures)

    Raises
    ------
    ValueError
        For any other estimator, filters of aligned trials, and filters of other channels.
    """
    for one in _steps(estimator):
        if getattr(one, "align", None) is not None:
            raise ValueError(
                f"{type(one).__name__}(align={one.align!r}) has filters of aligned trials: they see each group "
                "through another map. Give space='channels', or filters as an array."
            )
        for name, read in (("templates_", _template_spans), ("filters_", _mixtures)):
            filters = getattr(one, name, None)
            if filters is not None:
                return read(one, np.asarray(filters), n_channels)
    raise ValueError(
        f"space='patterns' takes the spatial filters that a decoder has learned, but {_name(estimator)} has neither "
        "templates_ (as SyncNet) nor filters_ (as common spatial patterns in a Pipeline): give filters as an array, or "
        "space='channels'."
    )


def _steps(estimator):
    """An estimator, and what it is made of."""
    while True:
        inner = getattr(estimator, "best_estimator_", None)
        if type(estimator).__name__ == "FrozenEstimator":
            inner = estimator.estimator
        if inner is None:
            break
        estimator = inner
    return [estimator, *(step for _, step in getattr(estimator, "steps", ()))]


def _template_spans(one, templates, n_channels):
    """Of filters of shape (n_filters, n_channels, width)."""
    if templates.ndim != 3 or templates.shape[1] != n_channels:
        raise ValueError(_other_channels(one, templates.shape, n_channels))
    found = []
    for template in templates.astype(float):
        left, values, _ = np.linalg.svd(template, full_matrices=False)
        found.append(left[:, values > SPANNED * values[0]] if values[0] > 0 else np.zeros((n_channels, 1)))
    return found


def _mixtures(one, filters, n_channels):
    """Of filters of shape (n_filters, n_channels), of which some libraries keep more than they use."""
    if filters.ndim != 2 or filters.shape[1] != n_channels:
        raise ValueError(_other_channels(one, filters.shape, n_channels))
    used = getattr(one, "n_components", None) or len(filters)
    return [row[:, None] for row in filters[:used].astype(float)]


def _other_channels(one, shape, n_channels):
    return (
        f"{type(one).__name__} has filters of shape {shape}, but the trials have {n_channels} channels: a step before "
        "it changes them. Give filters of the trials' channels as an array."
    )


def _name(estimator):
    return "no decoder" if estimator is None else type(_steps(estimator)[0]).__name__
