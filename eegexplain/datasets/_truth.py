"""Class effects, the roles of channels and frequencies, and the best classifier that the truth allows."""

from typing import Any

import numpy as np
from scipy.special import logsumexp
from sklearn.utils import Bunch, check_random_state

from eegexplain._bands import band_masks
from eegexplain._validation import check_bands
from eegexplain.datasets._law import blocks_of_a_stranger

EFFECT_FLOOR = 1e-9  # effects below are rounding errors


def class_effect(power):
    """Log power of each class less the mean log power of the others.

    Parameters
    ----------
    power : ndarray of shape (n_classes, ...)

    Returns
    -------
    ndarray of the same shape
    """
    logs = np.log(power)
    others = (logs.sum(axis=0) - logs) / (len(logs) - 1)
    return logs - others


def roles(strength, suppressor_share=None):
    """What each channel and frequency is to the classes.

    Parameters
    ----------
    strength : ndarray of shape (n_channels, n_frequencies)
        How much the classes differ.
    suppressor_share : ndarray of the same shape or None
        Share of a class-neutral rhythm in the power.

    Returns
    -------
    ndarray of str
        "informative" from half of the largest strength, "leakage" from a tenth, else "suppressor" from half of the
        suppressor's largest share, else "irrelevant".
    """
    role = np.full(strength.shape, "irrelevant", dtype="<U11")
    if suppressor_share is not None and suppressor_share.any():
        role[suppressor_share >= 0.5 * suppressor_share.max()] = "suppressor"
    if strength.max() > EFFECT_FLOOR:
        role[strength >= 0.1 * strength.max()] = "leakage"
        role[strength >= 0.5 * strength.max()] = "informative"
    return role


def ideal_observer_accuracy(
    eeg: Bunch, n_trials: int = 2000, *, new_subjects: bool = False, random_state: Any = None
) -> float:
    """Accuracy of the classifier that knows the distributions the simulated trials were drawn from.

    No classifier does better on average, so it bounds what a network can reach and shows how much of it one did.

    Parameters
    ----------
    eeg : Bunch
        From `make_oscillatory_eeg` or `make_synchrony_eeg`.
    n_trials : int, default=2000
        Trials drawn from each class (and subject) to estimate the accuracy.
    new_subjects : bool, default=False
        False: the observer knows the very subject, as no classifier can that is tested on new ones. True: of each
        subject the observer knows the others only, whose mean covariance per class stands for the new one's: what
        training on any number of trials of these subjects can give, with a Gaussian decision; no strict bound.
    random_state : int, RandomState or None

    Returns
    -------
    float
        Between 0 and 1, with a standard error of at most ``0.5 / sqrt(2 * n_trials)``.

    Raises
    ------
    ValueError
        For new subjects where there is only one.

    Notes
    -----
    Frequency bins of `make_oscillatory_eeg` are treated as independent, which they are unless a source has an onset
    or a length; then this is a lower bound of the ideal.

    Examples
    --------
    >>> from eegexplain.datasets import ideal_observer_accuracy, make_oscillatory_eeg
    >>> 0.85 < ideal_observer_accuracy(make_oscillatory_eeg(random_state=0), random_state=0) < 0.95
    True
    """
    rng = np.random.default_rng(check_random_state(random_state).randint(2**31 - 1))
    hits = []
    laws = eeg.truth.laws
    if new_subjects and len(laws) < 2:
        raise ValueError("new_subjects=True needs at least 2 subjects, but these trials are of one: give n_subjects.")
    for law in laws:
        others = [other for other in laws if other is not law]
        blocks = blocks_of_a_stranger(law, others) if new_subjects else law.blocks()
        scores = observer_scores(blocks, len(eeg.classes), n_trials, rng)
        # Ties (nothing differs between classes) go to each class equally often.
        best = scores >= scores.max(axis=-1, keepdims=True)
        hits.append(np.mean([(best[k, :, k] / best[k].sum(axis=-1)).mean() for k in range(len(eeg.classes))]))
    return float(np.mean(hits))


def ideal_observer_information(
    eeg: Bunch, bands: str | dict = "eeg", n_trials: int = 2000, *, random_state: Any = None
) -> dict[str, Any]:
    """Bits about the class that the distributions of simulated trials hold, in all and in each band.

    Parameters
    ----------
    eeg : Bunch
        From `make_oscillatory_eeg` or `make_synchrony_eeg`.
    bands : "eeg" or dict of str to (float, float), default="eeg"
        In Hz.
    n_trials : int, default=2000
        Trials drawn from each class (and subject) to estimate the information.
    random_state : int, RandomState or None

    Returns
    -------
    dict
        "unique" and "alone", one number per band: what is lost without the band, and what it alone holds; "total". Of
        an observer who knows the very subject, in bits: what no decoder's information exceeds on average.

    Raises
    ------
    ValueError
        For bands that are unknown, empty, or beyond half the sampling rate.

    Notes
    -----
    For classes that are equally likely, with log-likelihood ratios that add up over bins, as they do unless a source
    has an onset or a length.

    Examples
    --------
    >>> from eegexplain.datasets import ideal_observer_information, make_oscillatory_eeg
    >>> known = ideal_observer_information(make_oscillatory_eeg(random_state=0), random_state=0)
    >>> 0.4 < known["total"] < 0.8
    True
    """
    rng = np.random.default_rng(check_random_state(random_state).randint(2**31 - 1))
    limits = check_bands(bands, eeg.sfreq, eeg.X.shape[-1])
    inside, n_classes, found = band_masks(eeg.frequencies, limits), len(eeg.classes), []
    for law in eeg.truth.laws:
        scores = np.zeros((len(limits) + 1, n_classes, n_trials, n_classes))  # the last: of what is in no band
        for place, one in enumerate(law.bins(), start=1):
            if one.differs:
                of_bin = observer_scores([(one.means, one.covariances)], n_classes, n_trials, rng)
                scores[[*np.flatnonzero(inside[:, place]), -1]] += of_bin
        whole = scores[-1]
        sets = np.concatenate([whole[None], whole - scores[:-1], scores[:-1]])
        own = sets[:, np.arange(n_classes), :, np.arange(n_classes)]
        found.append(np.log(n_classes) + (own - logsumexp(sets, axis=-1).transpose(1, 0, 2)).mean(axis=(0, 2)))
    total, without, alone = np.split(np.mean(found, axis=0) / np.log(2), [1, 1 + len(limits)])
    return {"unique": total - without, "alone": alone, "total": float(total[0])}


def observer_scores(blocks, n_classes, n_trials, rng):
    """Log-likelihood of each class for trials drawn from each class.

    Parameters
    ----------
    blocks : iterable of (means, covariances) or (means, covariances, believed means, believed covariances)
        Independent Gaussian variables: arrays of shape (n_classes, d) and (n_classes, d, d). Trials are drawn from the
        first two and judged by the last two.
    n_classes : int
    n_trials : int
        Trials drawn from each class.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (n_classes, n_trials, n_classes)
        First axis: the class that was drawn; last axis: the class whose log-likelihood it is (up to a constant).
    """
    scores = np.zeros((n_classes, n_trials, n_classes))
    for means, covariances, *believed in blocks:
        values, vectors = np.linalg.eigh(covariances.mean(axis=0))
        kept = values > 1e-9 * values[-1]
        whiten = vectors[:, kept] / np.sqrt(values[kept])
        means, roots = means @ whiten, np.linalg.cholesky(whiten.T @ covariances @ whiten)
        x = means[:, None] + rng.standard_normal((n_classes, n_trials, means.shape[1])) @ roots.transpose(0, 2, 1)
        if believed:
            means, roots = believed[0] @ whiten, np.linalg.cholesky(whiten.T @ believed[1] @ whiten)
        logdets = 2 * np.log(np.diagonal(roots, axis1=1, axis2=2)).sum(axis=1)
        for k, inverse in enumerate(np.linalg.inv(roots)):
            scores[:, :, k] -= 0.5 * ((((x - means[k]) @ inverse.T) ** 2).sum(axis=-1) + logdets[k])
    return scores
