"""Sanity checks: a map must change when the network's weights or the labels it learned are randomised."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import spearmanr
from sklearn.utils import check_random_state

from eegexplain._containers import trials_to_ask, trials_to_study
from eegexplain._module import copied, randomize, seeded
from eegexplain._torch import TorchNet
from eegexplain._validation import check_array_like, random_seed, refuse_masked, spawn_seeds


@dataclass(frozen=True, eq=False)
class SanityCheck:
    """Similarity of a map with those of randomised copies; low is good.

    Parameters
    ----------
    steps : list of str
        What was randomised: layers from the output to the input, each on top of those before, or permutations.
    similarity : ndarray of shape (n_steps,)
        Rank correlation of the two maps.
    absolute_similarity : ndarray of shape (n_steps,)
        Rank correlation of their absolute values: high where the method shows the data rather than the network.
    """

    steps: list
    similarity: np.ndarray
    absolute_similarity: np.ndarray


def map_similarity(first: ArrayLike, second: ArrayLike) -> tuple[float, ...]:
    """Spearman correlation of two maps, and of their absolute values.

    Parameters
    ----------
    first, second : ndarray of the same shape

    Returns
    -------
    similarity, absolute_similarity : float
        NaN where a map is constant or holds a NaN.

    Raises
    ------
    ValueError
        For infinities, and maps of different shapes.
    """
    first, second = (check_array_like(name, map_, allow_nan=True) for name, map_ in zip(
        ("first", "second"), (first, second), strict=True))
    if first.shape != second.shape:
        raise ValueError(f"first and second must be maps of the same shape, got {first.shape} and {second.shape}")
    first, second = first.ravel(), second.ravel()
    pairs = [(first, second), (np.abs(first), np.abs(second))]
    return tuple(float("nan") if np.ptp(a) == 0 or np.ptp(b) == 0 else float(spearmanr(a, b).statistic)
                 for a, b in pairs)


def model_randomization(
    explainer: Any, X: Any, y: Any = None, *, random_state: Any = None
) -> SanityCheck:
    """Randomise a network layer by layer, from the output down, and compare its maps with the trained one's.

    Parameters
    ----------
    explainer : fitted analysis estimator
        Around a torch network; it is left as it was.
    X : array-like of shape (n_trials, n_channels, n_times), or a container
        Trials, or what `datasets.read_trials` takes.
    y : array-like of shape (n_trials,), or str, optional
    random_state : int, RandomState or None

    Returns
    -------
    SanityCheck
        One step per layer with parameters; each keeps the layers before it randomised (cascading).

    References
    ----------
    .. [1] Adebayo et al. (2018). Sanity checks for saliency maps. NeurIPS.
       https://doi.org/10.48550/arXiv.1810.03292

    Examples
    --------
    >>> from eegexplain import FLEXAttributor, SyncNetClassifier
    >>> from eegexplain.datasets import make_oscillatory_eeg
    >>> from eegexplain.inspection import model_randomization
    >>> eeg = make_oscillatory_eeg(n_trials=20, random_state=0)
    >>> net = SyncNetClassifier(sfreq=eeg.sfreq, random_state=0)
    >>> flex = FLEXAttributor(net, n_steps=4).fit(eeg.X, eeg.y)
    >>> len(model_randomization(flex, eeg.X, random_state=0).steps)
    2
    """
    X, y, _ = trials_to_ask(explainer, X, y)
    original = explainer.explain_population(X, y)["value"].values
    randomised = copied(_module_of(explainer), explainer, _module_of)
    module = _module_of(randomised)
    owners = [(name, child) for name, child in module.named_modules() if list(child.parameters(recurse=False))]
    steps, similarities = [], []
    with seeded(random_seed(random_state)):
        for name, child in reversed(owners):
            randomize(child)
            steps.append(name or type(module).__name__)
            changed = randomised.explain_population(X, y)["value"].values
            similarities.append(map_similarity(original, changed))
    signed, absolute = np.transpose(similarities)
    return SanityCheck(steps, signed, absolute)


def _module_of(explainer):
    return TorchNet(explainer.estimator_, explainer.trial_shape_).module


def label_randomization(
    explainer: Any, X: Any, y: Any = None, *, n_permutations: int = 5, random_state: Any = None, **fit_params: Any
) -> SanityCheck:
    """Retrain on permuted labels and compare the maps with those learned from the true ones.

    Every network has a start of its own. With one seed for all of them, maps of networks that learned nothing resemble
    each other by their common start.

    Parameters
    ----------
    explainer : analysis estimator
        Fitted or not; its network must be trainable (not frozen).
    X : array-like of shape (n_trials, n_channels, n_times), or a container
        Trials, or what `datasets.read_trials` takes.
    y : array-like of shape (n_trials,), or str, optional
        Of a container None takes its own labels, and a name one of its columns.
    n_permutations : int
    random_state : int, RandomState or None
        Draws the permutations and, for every fit, each ``random_state`` of `explainer` and its network anew.
    **fit_params : dict
        For ``fit``.

    Returns
    -------
    SanityCheck
        One step per permutation.

    Raises
    ------
    ValueError
        For a frozen network, which cannot be retrained.
    """
    if type(explainer.estimator).__name__ == "FrozenEstimator":
        raise ValueError("a frozen network cannot be retrained on permuted labels: give the network unfrozen, or use "
                         "model_randomization")
    rng = check_random_state(random_state)
    explainer, (X, y, groups) = trials_to_study(explainer, X, y, fit_params.pop("groups", None))
    fit_params |= {} if groups is None else {"groups": groups}
    refuse_masked("y", y)
    y = np.asarray(y)
    original = spawn_seeds(explainer, rng).fit(X, y, **fit_params).explanation_["value"].values
    similarities = []
    for _ in range(n_permutations):
        permuted = spawn_seeds(explainer, rng).fit(X, rng.permutation(y), **fit_params)
        similarities.append(map_similarity(original, permuted.explanation_["value"].values))
    signed, absolute = np.transpose(similarities)
    return SanityCheck([f"permutation {number}" for number in range(n_permutations)], signed, absolute)
