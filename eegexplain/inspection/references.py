"""What decoders that need no network reach: a linear decoder of covariances, and common spatial patterns."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from eegexplain._arrays import check_array_like, check_number
from eegexplain._validation import check_sfreq, positive_int, spawn_seeds
from eegexplain.inspection._covariances import BandCovariances, BandCSP, InRank, TangentVectors
from eegexplain.inspection.cross_validation import scores_of

PENALTY = 0.01  # C of the logistic regression of standardized entries


def reference_decoders(
    sfreq: float,
    *,
    frequency_range: tuple[float, float] = (2.0, 45.0),
    n_bands: int = 1,
    shrinkage: float = 0.02,
    n_components: int = 4,
) -> dict[str, Pipeline]:
    """Decoders of EEG trials that any network should be compared with, as scikit-learn pipelines.

    Parameters
    ----------
    sfreq : float
        Sampling rate in Hz.
    frequency_range : tuple of (float, float), default=(2.0, 45.0)
        In Hz; what a filter took from the data should not be in it. It is cut off at half the sampling rate.
    n_bands : int, default=1
        Bands of equal width in this range. More bands see finer spectra but have more to learn.
    shrinkage : float, default=0.02
        Share of a trial's covariance, from 0 to 1, that is replaced by equal variances in all dimensions of the data.
        The channels should have one unit.
    n_components : int, default=4
        Common spatial patterns per band.

    Returns
    -------
    dict of str to Pipeline
        "tangent space + LR": logistic regression (``C=0.01``) of the standardized logarithms of whitened covariances.
        "CSP + LDA": shrunk linear discriminant analysis of log powers of common spatial patterns. Both take trials of
        shape (n_trials, n_channels, n_times), work in the rank of the training trials (average reference, interpolated
        channels), and have ``decision_function`` and ``predict_proba``.

    Raises
    ------
    ValueError
        For numbers out of range; when they are fitted, for bands without a frequency of the trials, or without power.

    References
    ----------
    .. [1] A. Barachant, S. Bonnet, M. Congedo, C. Jutten, "Classification of covariance matrices using a
           Riemannian-based kernel for BCI applications", Neurocomputing 112 (2013), doi:10.1016/j.neucom.2012.12.039.
    .. [2] B. Blankertz, R. Tomioka, S. Lemm, M. Kawanabe, K.-R. Mueller, "Optimizing spatial filters for robust EEG
           single-trial analysis", IEEE Signal Processing Magazine 25 (2008), doi:10.1109/MSP.2008.4408441.

    Examples
    --------
    >>> from sklearn.model_selection import cross_val_score
    >>> from eegexplain.datasets import make_oscillatory_eeg
    >>> from eegexplain.inspection import reference_decoders
    >>> eeg = make_oscillatory_eeg(120, random_state=0)
    >>> tangent_space = reference_decoders(eeg.sfreq)["tangent space + LR"]
    >>> bool(cross_val_score(tangent_space, eeg.X, eeg.y).mean() > 0.7)
    True
    """
    sfreq, n_bands = check_sfreq(sfreq), positive_int("n_bands", n_bands)
    shrinkage = check_number("shrinkage", shrinkage, least=0.0, most=1.0)
    n_components = positive_int("n_components", n_components)
    limits = check_array_like("frequency_range", frequency_range, ndim=1, dtype=float)
    low, high = (*limits[:1], min(limits[1], sfreq / 2)) if len(limits) == 2 else (0.0, 0.0)
    if not 0 <= low < high:
        raise ValueError(f"frequency_range must rise from at least 0 to below {sfreq / 2:g} Hz, got {frequency_range}.")
    edges = np.linspace(low, high, n_bands + 1)
    bands = {f"{a:g}-{b:g} Hz": (float(a), float(b)) for a, b in zip(edges[:-1], edges[1:], strict=True)}

    def first():
        """Steps that both decoders share, so that `held_out_scores` takes them once."""
        return ("covariances", BandCovariances(sfreq, bands)), ("rank", InRank(shrinkage))

    logistic = LogisticRegression(C=PENALTY, max_iter=1000)
    lda = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    return {
        "tangent space + LR": Pipeline(
            [*first(), ("logarithm", TangentVectors()), ("scaler", StandardScaler()), ("classifier", logistic)]
        ),
        "CSP + LDA": Pipeline([*first(), ("csp", BandCSP(n_components)), ("classifier", lda)]),
    }


def held_out_scores(
    decoders: Mapping[str, Pipeline], X: NDArray, y: NDArray, splits: Sequence[tuple[NDArray, NDArray]]
) -> dict[str, NDArray]:
    """Scores of reference decoders for trials that they did not see, as of `cross_val_predict` but faster.

    What needs no labels is computed once for all decoders: covariances once, whitening once per training part.

    Parameters
    ----------
    decoders : dict of str to Pipeline
        Of one call of `reference_decoders`.
    X : ndarray of shape (n_trials, n_channels, n_times)
    y : ndarray of shape (n_trials,)
    splits : sequence of (train, test)
        Places of the trials.

    Returns
    -------
    dict of str to ndarray of shape (n_trials, n_classes)
        A column per class in sorted order; NaN for trials that are not held out.
    """
    shared = next(iter(decoders.values()))
    covariances = shared["covariances"].transform(X)
    scores = {name: np.full((len(y), len(np.unique(y))), np.nan) for name in decoders}
    for train, test in splits:
        rank = spawn_seeds(shared["rank"], 0).fit(covariances[train])
        whitened = rank.transform(covariances)
        for name, decoder in decoders.items():
            rest = spawn_seeds(decoder[2:], 0).fit(whitened[train], y[train])
            scores[name][test] = scores_of(rest, whitened[test])
    return scores
