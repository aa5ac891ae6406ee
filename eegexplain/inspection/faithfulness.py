"""Does the network follow the map? Deletion and insertion in any basis, and scores against a known truth."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata
from sklearn.metrics import average_precision_score
from sklearn.utils import check_random_state

from eegexplain._validation import check_array_like, check_mask, check_option, check_sfreq, positive_int
from eegexplain.bases import as_basis

FILLINGS = ("zeros", "surrogate")


@dataclass(frozen=True, eq=False)
class DeletionCurve:
    """A network's score while cells of its input are taken out or put in, most relevant first.

    Parameters
    ----------
    fractions : ndarray of shape (n_fractions,)
        Shares of the cells that are out (deletion) or in (insertion).
    scores : ndarray of shape (n_fractions, n_trials)
        Score in the order of the map.
    random_scores : ndarray of shape (n_fractions, n_trials)
        Mean score over random orders.
    kind : str
        "deletion" or "insertion".
    """

    fractions: np.ndarray
    scores: np.ndarray
    random_scores: np.ndarray
    kind: str

    @property
    def auc(self):
        """Area under each trial's curve, divided by the range of fractions."""
        return _area(self.fractions, self.scores)

    @property
    def random_auc(self):
        """The same for random orders."""
        return _area(self.fractions, self.random_scores)

    @property
    def gain(self):
        """How much better than random order, per trial: above zero where the map is faithful.

        An area alone rewards networks that break when anything is deleted; the difference to random order does not.
        """
        return (self.random_auc - self.auc) * (1 if self.kind == "deletion" else -1)


def _area(fractions, scores):
    return np.trapezoid(scores, fractions, axis=0) / (fractions[-1] - fractions[0])


def deletion_curve(
    predict: Callable[[NDArray], ArrayLike],
    X: ArrayLike,
    attributions: ArrayLike,
    basis: Any = "fourier",
    *,
    kind: str = "deletion",
    filling: Any = "zeros",
    fractions: ArrayLike | None = None,
    n_random: int = 5,
    sfreq: float = 1.0,
    bands: Any = None,
    random_state: Any = None,
) -> DeletionCurve:
    """Score a network while the cells of a basis are replaced in the order of an attribution map.

    Parameters
    ----------
    predict : callable
        ``predict(X)`` gives one score per trial, higher for more evidence: for example the probability of each
        trial's own class. It is called with all trials at once.
    X : ndarray of shape (n_trials, n_channels, n_times)
    attributions : ndarray of shape (n_trials, n_rows, n_cells) or (n_rows, n_cells)
        Per trial, or one map for all; residual cells and rows may be included and are never deleted.
    basis : str or Basis
        Basis of the map.
    kind : {"deletion", "insertion"}
        Whether the most relevant cells are taken out of the trial, or put into the filling.
    filling : {"zeros", "surrogate"} or ndarray like `X`
        What deleted cells become: zero, a phase-randomised copy (same power, other timing), or given signals.
    fractions : array-like, optional
        Shares of the cells, ascending; None is 0, 0.05, ..., 0.95.
    n_random : int
        At least 1: random orders for comparison, each drawn for every trial.
    sfreq : float
        Sampling rate in Hz.
    bands : dict or "eeg", optional
        Bands of bases that have any.
    random_state : int, RandomState or None

    Returns
    -------
    DeletionCurve

    Raises
    ------
    ValueError
        When maps do not fit trials and basis, or `predict` does not give one number per trial.

    References
    ----------
    .. [1] Samek et al. (2017). Evaluating the visualization of what a deep neural network has learned. IEEE
       Transactions on Neural Networks and Learning Systems. https://doi.org/10.1109/TNNLS.2016.2599820

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.inspection import deletion_curve
    >>> times = np.arange(100) / 100
    >>> X = np.tile(np.sin(2 * np.pi * 10 * times), (4, 1, 1))
    >>> power_at_10_hz = lambda X: np.abs(np.fft.rfft(X)[:, 0, 10])
    >>> truth = np.eye(51)[10][None]
    >>> bool(np.all(deletion_curve(power_at_10_hz, X, truth, random_state=0).gain > 0))
    True
    """
    check_option("kind", kind, ("deletion", "insertion"))
    X = check_array_like("X", X, ndim="n_trials, n_channels, n_times", dtype=float)
    basis = as_basis(basis, bands).bind(X.shape[-1], check_sfreq(sfreq))
    relevance = _fit_cells(attributions, X, basis)
    fractions = np.arange(0, 1, 0.05) if fractions is None else check_array_like("fractions", fractions)
    if fractions.ndim != 1 or len(fractions) < 2 or np.any(np.diff(fractions) <= 0) or fractions[0] < 0 \
            or fractions[-1] > 1:
        raise ValueError("fractions must be at least two ascending numbers between 0 and 1")
    positive_int("n_random", n_random)  # a curve means something beside random order
    rng = check_random_state(random_state)
    filled = _filling(filling, X, rng)
    n_cells = relevance[0].size
    place = rankdata(-relevance.reshape(-1, n_cells), method="ordinal", axis=1)
    orders = [place, *(np.argsort(rng.uniform(size=place.shape), axis=1) + 1 for _ in range(n_random))]
    curves = [_scores(predict, X, filled, order.reshape(relevance.shape), fractions, basis, kind) for order in orders]
    return DeletionCurve(fractions, curves[0], np.mean(curves[1:], axis=0), kind)


def _fit_cells(attributions, X, basis):
    """Maps `(n_trials, n_rows, n_cells)` without residual row and cell."""
    maps = check_array_like("attributions", attributions, ndim=(2, 3), dtype=float)
    whole = basis.attribute(X[:1], X[:1]).shape[1:]
    rows = basis.analyze(X[:1]).shape[1]
    cells = whole[1] - (not basis.complete)
    if maps.ndim == 2:
        maps = np.broadcast_to(maps, (len(X), *maps.shape))
    if maps.shape not in ((len(X), *whole), (len(X), rows, cells)):
        raise ValueError(f"attributions have shape {np.shape(attributions)}, but the basis {basis.name!r} has "
                         f"{whole[0]} rows and {whole[1]} cells for each of {len(X)} trials")
    return maps[:, :rows, :cells]


def _filling(filling, X, rng):
    if isinstance(filling, str):
        check_option("filling", filling, FILLINGS)
        if filling == "zeros":
            return np.zeros_like(X)
        spectra = np.fft.rfft(X)
        turns = np.exp(2j * np.pi * rng.uniform(size=(len(X), 1, spectra.shape[-1])))
        turns[..., 0] = 1
        if X.shape[-1] % 2 == 0:
            turns[..., -1] = 1
        return np.fft.irfft(spectra * turns, n=X.shape[-1])
    filled = check_array_like("filling", filling, dtype=float)
    if filled.shape not in (X.shape, X.shape[1:]):
        raise ValueError(f"filling has shape {filled.shape}, the trials {X.shape}")
    return np.broadcast_to(filled, X.shape)


def _scores(predict, X, filled, place, fractions, basis, kind):
    """Score at every fraction, for one order: `place` is 1 for the most relevant cell."""
    scores = []
    for fraction in fractions:
        top = place <= round(fraction * place[0].size)
        changed = basis.remove(X, filled, top if kind == "deletion" else ~top)
        score = check_array_like("the score of predict", predict(changed), ndim="any", allow_nan=True, allow_inf=True)
        if score.shape != (len(X),):
            raise ValueError(f"predict must give one score per trial ({len(X)},), got shape {score.shape}; pick the "
                             "column of the class in question")
        scores.append(score)
    return np.stack(scores)


def _flat(maps, truth):
    """Maps and truth as `(..., n_rows * n_cells)`; one truth may serve all maps."""
    maps, truth = check_array_like("maps", maps, dtype=float), check_mask("truth", truth)
    if maps.ndim < 2 or truth.shape not in (maps.shape, maps.shape[-2:]):
        raise ValueError(f"maps are (..., n_rows, n_cells) and truth is alike or (n_rows, n_cells); got {maps.shape} "
                         f"and {truth.shape}")
    flat = maps.reshape(*maps.shape[:-2], -1)
    return flat, np.broadcast_to(truth.reshape(*truth.shape[:-2], -1), flat.shape)


def _scored(scored, shape):
    """Mask of the cells that enter; None is all."""
    scored = np.ones(shape, bool) if scored is None else check_mask("scored", scored)
    if scored.shape != shape:
        raise ValueError(f"scored has shape {scored.shape}, but the cells {shape}")
    return scored


def relevance_rank_accuracy(maps: ArrayLike, truth: ArrayLike) -> NDArray:
    """Share of the K most relevant cells that are true, K being the number of true cells.

    Parameters
    ----------
    maps : ndarray of shape (..., n_rows, n_cells)
        Maps; negative values count as zero relevance.
    truth : bool ndarray of shape (n_rows, n_cells) or of the shape of `maps`
        Cells that the network is known to use.

    Returns
    -------
    ndarray of shape (...)
        NaN where nothing is true.

    References
    ----------
    .. [1] Arras, Osman & Samek (2022). CLEVR-XAI: a benchmark dataset for the ground truth evaluation of neural
       network explanations. Information Fusion. https://doi.org/10.1016/j.inffus.2021.11.008

    Examples
    --------
    >>> from eegexplain.inspection import relevance_rank_accuracy
    >>> float(relevance_rank_accuracy([[3.0, 0.1, 2.0, -5.0]], [[True, False, False, True]]))
    0.5
    """
    flat, true = _flat(maps, truth)
    relevance = np.maximum(flat, 0)
    count = true.sum(-1)
    order = np.argsort(-relevance, axis=-1, kind="stable")
    ranks = np.argsort(order, axis=-1, kind="stable")
    hits = (true & (ranks < count[..., None]) & (relevance > 0)).sum(-1)
    return np.divide(hits, count, out=np.full(count.shape, np.nan), where=count > 0)


def relevance_mass_accuracy(maps: ArrayLike, truth: ArrayLike) -> NDArray:
    """Share of the positive relevance that lies on true cells; parameters as for `relevance_rank_accuracy`.

    Parameters
    ----------
    maps : ndarray of shape (..., n_rows, n_cells)
    truth : bool ndarray of shape (n_rows, n_cells) or of the shape of `maps`

    Returns
    -------
    ndarray of shape (...)
        NaN where nothing is true or relevant.
    """
    flat, true = _flat(maps, truth)
    relevance = np.maximum(flat, 0)
    total = relevance.sum(-1)
    valid = (total > 0) & true.any(-1)
    return np.divide((relevance * true).sum(-1), total, out=np.full(total.shape, np.nan), where=valid)


def average_precision(maps: ArrayLike, truth: ArrayLike, *, scored: ArrayLike | None = None) -> NDArray:
    """Average precision of each map's sizes at telling true cells from the others.

    Parameters
    ----------
    maps : ndarray of shape (..., n_rows, n_cells)
        Maps; sizes count, not signs.
    truth : bool ndarray of shape (n_rows, n_cells)
    scored : bool ndarray of shape (n_rows, n_cells), optional
        Cells that enter; leave out those that are neither true nor false, such as leakage.

    Returns
    -------
    ndarray of shape (...)

    Raises
    ------
    ValueError
        When the scored cells are all true or all false.
    """
    truth = check_mask("truth", truth, ndim=2)
    flat, _ = _flat(maps, truth)
    scored = _scored(scored, truth.shape).ravel()
    true = truth.ravel()[scored]
    if len(np.unique(true)) < 2:
        raise ValueError("average precision needs true and false cells among those scored")
    sizes = np.abs(flat[..., scored]).reshape(-1, len(true))
    return np.reshape([average_precision_score(true, row) for row in sizes], flat.shape[:-1])


def sign_agreement(maps: ArrayLike, effect: ArrayLike, *, scored: ArrayLike | None = None) -> NDArray:
    """Share of cells where map and effect have the same sign.

    Parameters
    ----------
    maps : ndarray of shape (..., n_rows, n_cells)
    effect : ndarray of shape (n_rows, n_cells)
        Signed truth; cells of zero effect are left out.
    scored : bool ndarray of shape (n_rows, n_cells), optional
        Cells that enter.

    Returns
    -------
    ndarray of shape (...)

    Raises
    ------
    ValueError
        For shapes that do not fit, and where no scored cell has an effect.
    """
    maps = check_array_like("maps", maps, dtype=float)
    effect = check_array_like("effect", effect, ndim=2, dtype=float)
    if maps.shape[-2:] != effect.shape:
        raise ValueError(f"maps are (..., n_rows, n_cells) and effect (n_rows, n_cells); got {maps.shape} and "
                         f"{effect.shape}")
    where = (effect != 0) & _scored(scored, effect.shape)
    if not where.any():
        raise ValueError("no scored cell has an effect")
    return (np.sign(maps[..., where]) == np.sign(effect[where])).mean(-1)


def complexity(maps: ArrayLike) -> NDArray:
    """Entropy of the shares of absolute relevance: 0 for a single cell, ``log(n)`` for an even map of `n` cells.

    Parameters
    ----------
    maps : ndarray of shape (..., n_rows, n_cells)

    Returns
    -------
    ndarray of shape (...)
        In nats; zero for empty maps.

    Raises
    ------
    ValueError
        For maps that are not finite.

    References
    ----------
    .. [1] Bhatt, Weller & Moura (2020). Evaluating and aggregating feature-based model explanations. IJCAI.
       https://doi.org/10.24963/ijcai.2020/417
    """
    maps = np.abs(check_array_like("maps", maps, dtype=float))
    flat = maps.reshape(*maps.shape[:-2], -1)
    total = flat.sum(-1, keepdims=True)
    share = np.divide(flat, total, out=np.zeros_like(flat), where=total > 0)
    return -(share * np.log(np.where(share > 0, share, 1.0))).sum(-1)
