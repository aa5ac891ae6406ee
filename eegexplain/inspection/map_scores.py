"""How alike maps and a reference are: cosine, correlation, shares of relevance, structure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from eegexplain._arrays import check_number
from eegexplain._validation import check_array_like, positive_int

STABILIZERS = (0.01, 0.03)  # of the structural similarity: shares of the range of values


@dataclass(frozen=True)
class MapScore:
    """One column of `map_scores`.

    Parameters
    ----------
    name : str
    measure : str
        A name in ``MEASURES``, or "ssim".
    maps, reference : str
        Which form of each is compared: "raw", "unit" (from 0 to 1), "positive" (what is above zero, from 0 to 1),
        "top" (the largest values, others 0), "top_k" (the largest of the positive, as many as the reference has cells),
        "true" (where the reference is not 0).
    """

    name: str
    measure: str
    maps: str
    reference: str


# Those of Sujatha Ravindran & Contreras-Vidal (2023), in braindecode's order, and the rank correlation.
SCORES = (
    MapScore("cosine_top", "cosine", "top", "top"),
    MapScore("cosine_positive", "cosine", "positive", "unit"),
    MapScore("cosine_unit", "cosine", "unit", "unit"),
    MapScore("cosine", "cosine", "raw", "unit"),
    MapScore("mass_top", "mass", "top", "true"),
    MapScore("rank", "rank", "top_k", "true"),
    MapScore("mass_unit", "mass", "unit", "true"),
    MapScore("mass_positive", "mass", "positive", "true"),
    MapScore("pearson_top", "pearson", "top_k", "top"),
    MapScore("pearson_positive", "pearson", "positive", "unit"),
    MapScore("pearson_unit", "pearson", "unit", "unit"),
    MapScore("pearson", "pearson", "raw", "unit"),
    MapScore("ssim_top", "ssim", "top", "top"),
    MapScore("ssim_positive", "ssim", "positive", "unit"),
    MapScore("ssim_unit", "ssim", "unit", "unit"),
    MapScore("ssim", "ssim", "raw", "unit"),
    MapScore("spearman", "spearman", "raw", "unit"),
)


def map_scores(
    maps: ArrayLike,
    reference: ArrayLike,
    *,
    absolute_maps: bool = False,
    absolute_reference: bool = True,
    top: float = 0.05,
    window: int = 7,
) -> Any:
    """Compare maps with a reference, a planted truth or another method's maps, by 17 scores.

    Parameters
    ----------
    maps : array-like of shape (n_maps, n_rows, n_cells) or (n_rows, n_cells)
        Attributions.
    reference : array-like of that shape
        What they should be like.
    absolute_maps : bool
        Whether "positive" forms take sizes; else what is below zero is nothing.
    absolute_reference : bool
        Whether the sizes of the reference count (as for a truth), or its signs, too.
    top : float
        Share of the cells that are a map's top.
    window : int
        Odd side of the windows of `structural_similarity`, less where maps are smaller.

    Returns
    -------
    pandas.DataFrame
        A row per map. The first 12 columns are those of braindecode's ``compute_metrics``, the next 4 those of its
        ``compute_ssim_metrics``, in their order [1]_; the last is the rank correlation. ``cosine``, ``pearson`` and
        ``ssim`` take the map as it is; ``_unit`` brings it to 0 to 1, ``_positive`` what is above zero, ``_top`` keeps
        its largest values. ``mass`` is the share of the map's sizes that lies where the reference is not 0, ``rank``
        the share of the largest cells that does. NaN for a map or reference that is the same everywhere or never above
        zero; structural similarities are NaN for maps of fewer than 3 rows or cells.

    Raises
    ------
    ValueError
        For shapes that differ, NaN, and settings out of range.

    See Also
    --------
    average_precision, sign_agreement : Scores against a known truth, by sizes and by signs.
    stability : Agreement of maps of other trials and networks, with its chance level.

    Notes
    -----
    None of these has a level that chance reaches: maps of two networks that learned nothing are alike where both show
    the trials. Compare with maps of untrained networks, or use `stability` and `compare_explanations`, which do.

    References
    ----------
    .. [1] A. Sujatha Ravindran, J. Contreras-Vidal, "An empirical comparison of deep learning explainability approaches
           for EEG using simulated ground truth", Scientific Reports 13 (2023), doi:10.1038/s41598-023-43871-8.

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.inspection import map_scores
    >>> truth = np.zeros((8, 20))
    >>> truth[2, 5:9] = 1
    >>> noisy = truth + 0.1 * np.random.default_rng(0).standard_normal(truth.shape)
    >>> found = map_scores(noisy, truth)
    >>> float(found.loc[0, "rank"]), bool(found.loc[0, "pearson"] > 0.8)
    (1.0, True)
    """
    import pandas as pd

    maps, reference = _pairs(maps, reference)
    check_number("top", top, above=0, most=1)
    _check_window(window)
    if absolute_reference:
        reference = np.abs(reference)
    positive = np.abs(maps) if absolute_maps else np.maximum(maps, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        forms = _forms(maps, positive, reference, 100 * (1 - top))
        found = {one.name: _score(one, forms, window) for one in SCORES}
    told = np.ptp(positive, axis=(1, 2)) * np.ptp(maps, axis=(1, 2)) * np.ptp(reference, axis=(1, 2)) != 0
    told &= (positive.sum((1, 2)) != 0) & (reference.sum((1, 2)) != 0) & (reference > 0).any((1, 2))
    return pd.DataFrame(found).where(pd.Series(told))


def _pairs(maps, reference):
    maps = check_array_like("maps", maps, ndim=(2, 3), dtype=float)
    reference = check_array_like("reference", reference, ndim=(2, 3), dtype=float)
    if maps.shape != reference.shape:
        raise ValueError(f"maps and reference must have one shape, got {maps.shape} and {reference.shape}")
    shape = (-1, *maps.shape[-2:])
    return maps.reshape(shape), reference.reshape(shape)


def _forms(maps, positive, reference, percentile):
    """All forms of the maps and of the reference, by name."""
    positive, unit = _unit(positive), _unit(reference)
    n_true = (reference > 0).sum((1, 2))
    of_maps = {"raw": maps, "unit": _unit(maps), "positive": positive, "top": _top(maps, percentile)}
    of_maps["top_k"] = np.stack([_largest(one, count) for one, count in zip(positive, n_true, strict=True)])
    return of_maps, {"unit": unit, "top": _top(unit, percentile), "true": reference != 0}


def _unit(maps):
    """Bring every map to 0 to 1; a constant one is 0."""
    low, high = maps.min((1, 2), keepdims=True), maps.max((1, 2), keepdims=True)
    return np.divide(maps - low, high - low, out=np.zeros_like(maps), where=high > low)


def _top(maps, percentile):
    return np.where(maps < np.percentile(maps, percentile, axis=(1, 2), keepdims=True), 0.0, maps)


def _largest(one, count):
    """The `count` largest values, and all equal to the last of them; others 0."""
    if not count:
        return np.zeros_like(one)
    return np.where(one < np.sort(one, axis=None)[-count], 0.0, one)


def _score(score, forms, window):
    maps, reference = forms[0][score.maps], forms[1][score.reference]
    if score.measure == "ssim":
        return _structural(maps, reference, window)
    return MEASURES[score.measure](*(one.reshape(len(one), -1) for one in (maps, reference)))


def _cosine(maps, reference):
    return (maps * reference).sum(1) / np.linalg.norm(maps, axis=1) / np.linalg.norm(reference, axis=1)


def _pearson(maps, reference):
    return _cosine(*(one - one.mean(1, keepdims=True) for one in (maps, reference)))


def _spearman(maps, reference):
    return _pearson(rankdata(maps, axis=1), rankdata(reference, axis=1))


def _mass(maps, true):
    return (np.abs(maps) * true).sum(1) / np.abs(maps).sum(1)


def _rank(maps, true):
    return ((maps != 0) & true).sum(1) / (maps != 0).sum(1)


MEASURES: dict[str, Callable[[NDArray, NDArray], NDArray]] = {
    "cosine": _cosine, "pearson": _pearson, "spearman": _spearman, "mass": _mass, "rank": _rank,
}  # fmt: skip


def _structural(maps, reference, window):
    """Structural similarity in the range of each map; in smaller windows where maps are small, NaN below 3."""
    window = min(window, *maps.shape[1:])
    window -= 1 - window % 2
    if window < 3:
        return np.full(len(maps), np.nan)
    return _ssim(maps, reference, window, np.ptp(maps, axis=(1, 2)))


def structural_similarity(
    first: ArrayLike, second: ArrayLike, *, window: int = 7, data_range: float | None = None
) -> NDArray:
    """Structural similarity of two maps: of means, variances and covariance in windows, averaged over windows [1]_.

    Parameters
    ----------
    first, second : array-like of shape (..., n_rows, n_cells)
        Neighbors should be neighbors in the map, too: times, frequencies, pixels of a scalp; channels in the order of a
        list are not.
    window : int
        Side of the square windows, odd and at most as large as the maps.
    data_range : float, optional
        Range of values that the stabilizing constants refer to; None is that of both maps together.

    Returns
    -------
    ndarray of shape (...)
        1 for equal maps, at least -1; NaN where both maps are the same constant.

    Raises
    ------
    ValueError
        For shapes that differ, NaN, and windows that are even or larger than the maps.

    References
    ----------
    .. [1] Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image quality assessment: from error visibility to
           structural similarity", IEEE Transactions on Image Processing 13 (2004), doi:10.1109/TIP.2003.819861.

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.inspection import structural_similarity
    >>> map_ = np.random.default_rng(0).standard_normal((10, 12))
    >>> round(float(structural_similarity(map_, map_)), 12), bool(structural_similarity(map_, -map_) < -0.9)
    (1.0, True)
    """
    first = check_array_like("first", first, ndim="any", dtype=float)
    second = check_array_like("second", second, ndim="any", dtype=float)
    if first.ndim < 2 or first.shape != second.shape:
        raise ValueError(f"first and second must be maps of one shape (..., n_rows, n_cells), got {first.shape} and "
                         f"{second.shape}")
    _check_window(window)
    if window > min(first.shape[-2:]):
        raise ValueError(f"window is {window}, but the maps have {first.shape[-2]} rows and {first.shape[-1]} cells")
    if data_range is None:
        span = np.ptp(np.stack([first, second]), axis=(0, -2, -1))
    else:
        span = np.full(first.shape[:-2], check_number("data_range", data_range, above=0))
    with np.errstate(invalid="ignore"):
        return _ssim(first, second, window, span)


def _check_window(window):
    if positive_int("window", window) < 3 or window % 2 == 0:
        raise ValueError(f"window is {window}; expected an odd number of at least 3")


def _ssim(first, second, window, span):
    """Mean over windows of (2 m1 m2 + c1) (2 v12 + c2) / ((m1^2 + m2^2 + c1) (v1 + v2 + c2)), ``(...)``."""
    def mean(values):
        """Means of all windows inside the map."""
        return np.lib.stride_tricks.sliding_window_view(values, (window, window), axis=(-2, -1)).mean((-2, -1))

    one, other = mean(first), mean(second)
    unbiased = window**2 / (window**2 - 1)
    spread = unbiased * (mean(first**2) - one**2 + mean(second**2) - other**2)
    shared = unbiased * (mean(first * second) - one * other)
    small, larger = ((share * span[..., None, None]) ** 2 for share in STABILIZERS)
    alike = (2 * one * other + small) * (2 * shared + larger)
    return (alike / ((one**2 + other**2 + small) * (spread + larger))).mean((-2, -1))
