"""Whether predictions follow the data by more than chance: circular shifts and permutations of runs."""

import warnings
from math import factorial, prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.fft import irfft, rfft
from sklearn.utils import Bunch, check_random_state

from eegexplain._validation import check_array_like, lookup, positive_int
from eegexplain.encoding._chunks import target_chunks
from eegexplain.encoding._runs import check_run_labels, run_slices
from eegexplain.encoding._stacks import stack_runs
from eegexplain.encoding._tables import check_same_index


def score_significance(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    scoring: str = "pearson",
    null: str = "shift",
    n_permutations: int = 999,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch:
    """Test predictions of data that were not fitted, target by target and familywise over targets.

    Samples of EEG are not exchangeable, so the null distribution keeps the time course of prediction and data, and the
    likeness of targets: it only breaks the alignment between the two, for all targets at once.

    Parameters
    ----------
    y_true : DataFrame or array-like of shape (n_times, n_targets) or (n_times,)
        Data; a list of runs or an array (n_runs, n_times, n_targets), too. Samples with NaN or
        infinities are left out.
    y_pred : as ``y_true``
        Predictions by models that were fitted to other data (``cross_val_predict``, or ``predict`` of held-out runs).
    groups : array-like of shape (n_times,), default=None
        Label of the run of each sample; None is one run.
    scoring : {"pearson", "r2"}
        Correlation of prediction and data over all samples, or R2.
    null : {"shift", "runs"}
        Predictions are shifted round within each run by any number of samples, or exchanged between runs, which must be
        equally long. Shifts tear signals apart where they wrap round: in runs that are not much longer than signals
        stay alike, they find too much (8 % instead of 5 in runs of 60 samples of which each shares .9 with the next,
        against 5 to 6 % in runs of 300), and exchanges are the better choice.
    n_permutations : int
        Draws.
    random_state : int, RandomState or None
        Seed.

    Returns
    -------
    found : Bunch
        ``scores``, ``p_values`` and ``p_familywise`` of shape (n_targets,), the last from the largest score over
        targets of each draw, and ``null_max`` of shape (n_permutations,), these largest scores. Targets that never vary
        have NaN.

    Raises
    ------
    ValueError
        For arrays that do not fit each other, and single or unequal runs to exchange.

    References
    ----------
    Crosse, M. J., Zuk, N. J., Di Liberto, G. M., Nidiffer, A. R., Molholm, S., & Lalor, E. C. (2021). Linear modeling
    of neurophysiological responses to speech and other continuous stimuli. Frontiers in Neuroscience, 15, 705621.
    https://doi.org/10.3389/fnins.2021.705621

    Nichols, T. E., & Holmes, A. P. (2002). Nonparametric permutation tests for functional neuroimaging. Human Brain
    Mapping, 15(1), 1-25. https://doi.org/10.1002/hbm.1058

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.encoding import score_significance
    >>> rng = np.random.default_rng(0)
    >>> prediction = rng.standard_normal((400, 2))
    >>> data = prediction * [0.3, 0.0] + rng.standard_normal((400, 2))
    >>> (score_significance(data, prediction, random_state=0).p_familywise < 0.05).tolist()
    [True, False]
    """
    of_product = lookup(SCORES, scoring, "scoring")
    draw = lookup(NULLS, null, "null")
    n_permutations = positive_int("n_permutations", n_permutations)
    truth, prediction, groups = _read(y_true, y_pred, groups)
    kept = np.isfinite(truth).all(axis=1) & np.isfinite(prediction).all(axis=1)
    truth, prediction = truth[kept], prediction[kept]
    if not len(truth):
        raise ValueError("No sample has both data and a prediction: each holds NaN or infinities.")
    for name, values in (("y_true", truth), ("y_pred", prediction)):
        check_array_like(name, values, squared=True)
    runs = run_slices(None if groups is None else groups[kept], len(truth))
    rearranged = draw(runs, n_permutations, check_random_state(random_state))
    varies = np.ptp(truth, axis=0) > 0
    scores, counts = np.full(len(varies), np.nan), np.full(len(varies), np.nan)
    null_max, targets = np.full(n_permutations, -np.inf), np.flatnonzero(varies)
    for chunk in target_chunks(len(targets), 4 * len(truth) + n_permutations):
        some = targets[chunk]
        y = truth[:, some] - truth[:, some].mean(axis=0)
        p = prediction[:, some] - truth[:, some].mean(axis=0)
        scores[some] = of_product(np.einsum("tv,tv->v", y, p), y, p)
        drawn = of_product(rearranged(y, p), y, p)
        counts[some] = (drawn >= _reached(scores[some])).sum(axis=0)
        np.maximum(null_max, drawn.max(axis=1), out=null_max)
    familywise = (1 + (null_max[:, None] >= _reached(scores)).sum(axis=0)) / (1 + n_permutations)
    return Bunch(
        scores=scores,
        p_values=(1 + counts) / (1 + n_permutations),
        p_familywise=np.where(varies, familywise, np.nan),
        null_max=null_max,
    )


def _reached(scores):
    """Take off what summing in another order may change."""
    return scores - 1e-9 * np.abs(scores)


def _read(y_true, y_pred, groups):
    """Two tables of one size, and labels."""
    y_pred, y_true, groups, _ = stack_runs(y_pred, y_true, groups, names=("y_pred", "y_true"))
    check_same_index(y_true=y_true, y_pred=y_pred, groups=groups)
    arrays = [
        check_array_like(name, values, ndim=(1, 2), dtype=float, allow_nan=True, allow_inf=True)
        for name, values in (("y_true", y_true), ("y_pred", y_pred))
    ]
    if arrays[0].shape != arrays[1].shape:
        raise ValueError(f"y_true has shape {arrays[0].shape}, but y_pred has {arrays[1].shape}: they must be equal.")
    groups = None if groups is None else check_run_labels(groups, len(arrays[0]))
    return (*(values.reshape(len(values), -1) for values in arrays), groups)


def _correlation(products, y, p):
    """Correlation from sums of products; y is centred."""
    spread = np.einsum("tv,tv->v", p, p) - p.sum(axis=0) ** 2 / len(p)
    scale = np.sqrt(np.einsum("tv,tv->v", y, y) * np.maximum(spread, 0.0))
    return np.divide(products, scale, out=np.zeros_like(products), where=scale > 0)


def _explained(products, y, p):
    """R2 from sums of products: ``1 - |y - p|^2 / |y|^2`` where y is centred."""
    return (2 * products - np.einsum("tv,tv->v", p, p)) / np.einsum("tv,tv->v", y, y)


SCORES: dict[str, Any] = {"pearson": _correlation, "r2": _explained}


def _shifts(runs, n_permutations, rng):
    """Products (n_permutations, n_targets) of data with predictions shifted round within each run."""
    lengths = [run.stop - run.start for run in runs]
    _warn_of_few(prod(lengths))
    drawn = [rng.randint(length, size=n_permutations) for length in lengths]

    def rearranged(y, p):
        """Products of data, and of predictions with the same samples, for all shifts that were drawn."""
        products = np.zeros((n_permutations, y.shape[1]))
        for run, length, shifts in zip(runs, lengths, drawn, strict=True):
            # sum_t y(t) p(t - s), round the run, is for every shift s the inverse transform of Y conj(P)
            products += irfft(rfft(y[run], axis=0) * rfft(p[run], axis=0).conj(), length, axis=0)[shifts]
        return products

    return rearranged


def _exchanges(runs, n_permutations, rng):
    """Products of data with predictions of other runs."""
    lengths = {run.stop - run.start for run in runs}
    if len(runs) < 2 or len(lengths) > 1:
        raise ValueError(
            f"null='runs' exchanges runs of one length, but there are {len(runs)} of {min(lengths)} to {max(lengths)} "
            "samples: use null='shift'."
        )
    _warn_of_few(factorial(len(runs)))
    drawn = np.argsort(rng.random_sample((n_permutations, len(runs))), axis=1)

    def rearranged(y, p):
        """Products of data, and of predictions with the same samples, for all exchanges that were drawn."""
        y, p = (values.reshape(len(runs), -1, values.shape[1]) for values in (y, p))
        pairs = y.transpose(2, 0, 1) @ p.transpose(2, 1, 0)  # of data (second axis) and prediction (third), by target
        return sum(pairs[:, run, drawn[:, run]] for run in range(len(runs))).T

    return rearranged


NULLS: dict[str, Any] = {"shift": _shifts, "runs": _exchanges}


def _warn_of_few(n_arrangements):
    """Warn where no draw can be rare."""
    if n_arrangements < 20:
        warnings.warn(
            f"There are only {n_arrangements} rearrangements of these runs: p cannot fall below 0.05.", stacklevel=4
        )
