"""Does the network decode? Balanced accuracy on held-out trials against labels permuted within the design."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from sklearn.utils import check_random_state

from eegexplain._bits import UsableInformation
from eegexplain._exchange import LEVEL, exchangeable, permuted_labels
from eegexplain._explanation import population_error
from eegexplain._levels import is_shared, is_trait
from eegexplain._validation import check_groups, check_labels, positive_int
from eegexplain.inspection._comparison import ReferenceComparison, compare, known_information


@dataclass(frozen=True)
class Decoding:
    """How well held-out trials were predicted, and whether chance could have done it.

    Parameters
    ----------
    balanced_accuracy : float
        Mean over classes of the share of their trials that were predicted right; this is judged.
    accuracy : float
        Share of all trials that were predicted right.
    low, high : float
        95 % interval of the balanced accuracy. It tells its precision (over trials, or groups where there are some)
        and decides nothing.
    chance, chance_upper : float
        One over the number of classes, and what permuted labels reach in 5 % of cases: the verdict is "decodes"
        where, and only where, the balanced accuracy exceeds it.
    p_value : float
        (1 + permutations that do as well) / (1 + permutations).
    exchanged : {"trials", "groups"}
        What was permuted.
    n_trials : int
    n_groups : int or None
    recognizable : tuple of str
        Identities (the subject, the recording) of which the label is a property and which training and test parts
        share: what looks like decoding can then be recognition.
    information : UsableInformation or None
        Of the scores, where they were given and could be calibrated. It takes no part in the verdict: a decoder may
        decode while its information is not shown to be above 0.
    references : tuple of ReferenceComparison
    """

    balanced_accuracy: float
    accuracy: float
    low: float
    high: float
    chance: float
    chance_upper: float
    p_value: float
    exchanged: str
    n_trials: int
    n_groups: int | None = None
    recognizable: tuple = ()
    information: UsableInformation | None = None
    references: tuple[ReferenceComparison, ...] = ()

    @property
    def above_chance(self):
        """Whether permuted labels do as well in at most 5 % of cases."""
        return self.p_value <= LEVEL

    @property
    def verdict(self):
        """One of "decodes", "may recognize subjects" and "not shown to decode"."""
        if not self.above_chance:
            return "not shown to decode"
        return "may recognize subjects" if self.recognizable else "decodes"


def assess_decoding(
    y: ArrayLike,
    predicted: ArrayLike,
    *,
    folds: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    identities: Mapping[str, ArrayLike] | None = None,
    scores: ArrayLike | None = None,
    references: Mapping[str, ArrayLike] | None = None,
    n_permutations: int = 999,
    random_state: Any = None,
) -> Decoding:
    """Judge predictions of trials that the predicting network did not see.

    The labels of held-out trials are permuted while the predictions stay: within folds, because each fold has a
    network of its own, and within groups (else within the first of the identities), because what only tells subjects
    apart is no decoding. Where the label is a property of the group, whole groups exchange their labels - within folds
    when that gives at least 20 arrangements, else over all folds. Where the label is a property of an identity that
    training and test parts share, trials are exchanged within folds and `recognizable` names the identity: no
    permutation of held-out labels can tell decoding from recognition.

    Parameters
    ----------
    y : array-like of shape (n_trials,)
        Classes.
    predicted : array-like of shape (n_trials,)
        What was predicted for each trial by a network that had not seen it.
    folds : array-like of shape (n_trials,), optional
        In which fold each trial was held out; None is a single fold.
    groups : array-like of shape (n_trials,), optional
        What the folds never split. The interval is over groups.
    identities : dict of str to array-like of shape (n_trials,), optional
        Who or what the trials come from, by name, whether the folds split it or not: subject, recording, session.
    scores : array-like of shape (n_trials,) or (n_trials, n_classes), optional
        Logits that the predictions are from, for `usable_information`.
    references : dict of str to array-like of shape (n_trials,) or (n_trials, n_classes), optional
        Scores of other decoders for the same trials in the same folds, by name: see `reference_decoders`.
    n_permutations : int
    random_state : int, RandomState instance or None

    Returns
    -------
    Decoding

    Raises
    ------
    ValueError
        For fewer than two classes and arrays of different lengths.

    Notes
    -----
    The permutations ask whether anything was decoded from *these* groups; whether it would be in others, the interval
    tells. It is Wilson's for the number of trials that, in classes of equal size, would give the same error; with
    groups it is at least t with the influence of each group on the balanced accuracy.

    References
    ----------
    .. [1] T. E. Nichols, A. P. Holmes, "Nonparametric permutation tests for functional neuroimaging", Human Brain
           Mapping 15 (2002), doi:10.1002/hbm.1058.
    .. [2] K. H. Brodersen, C. S. Ong, K. E. Stephan, J. M. Buhmann, "The balanced accuracy and its posterior
           distribution", ICPR (2010), doi:10.1109/ICPR.2010.764.

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.inspection import assess_decoding
    >>> y = np.repeat([0, 1], [80, 20])
    >>> always_the_first = assess_decoding(y, np.zeros(100, int), random_state=0)
    >>> always_the_first.accuracy, always_the_first.balanced_accuracy, always_the_first.verdict
    (0.8, 0.5, 'not shown to decode')
    """
    y, predicted = check_labels("y", y), check_labels("predicted", predicted)
    classes, codes = np.unique(y, return_inverse=True)
    if y.ndim != 1 or predicted.shape != y.shape or len(classes) < 2:
        raise ValueError(
            "Decoding is judged by one class and one prediction per trial, with at least 2 classes: got y of shape "
            f"{y.shape} with {len(classes)} classes, and predictions of shape {predicted.shape}"
        )
    n_permutations = positive_int("n_permutations", n_permutations)
    folds = np.zeros(len(y), int) if folds is None else check_groups(folds, len(y))
    identities = {} if identities is None else {k: check_groups(v, len(y)) for k, v in identities.items()}
    groups = None if groups is None else check_groups(groups, len(y))
    recognizable = tuple(k for k, v in identities.items() if is_trait(codes, v) and is_shared(folds, v))
    hits = predicted == y
    blocks: Any = next(iter(identities.values()), None) if groups is None else groups
    design = exchangeable(codes, folds, None if recognizable else blocks)
    found = _balanced(codes, hits)
    predicted_codes = _codes_of(predicted, classes)
    rng = check_random_state(random_state)
    null = np.array(
        [
            _balanced(permuted, predicted_codes == permuted)
            for permuted in permuted_labels(codes, design, n_permutations, rng)
        ]
    )
    null, found = np.round(null, 12), np.round(found, 12)  # equal shares may differ in their last digit
    low, high = _interval(codes, hits, groups)
    return Decoding(
        balanced_accuracy=float(found),
        accuracy=float(hits.mean()),
        low=low,
        high=high,
        chance=1 / len(classes),
        chance_upper=_limit(null),
        p_value=float((1 + np.sum(null >= found)) / (1 + n_permutations)),
        exchanged=design.exchanged,
        n_trials=len(y),
        n_groups=None if groups is None else int(groups.max()) + 1,
        recognizable=recognizable,
        information=None if scores is None else known_information(y, scores, folds, groups),
        references=tuple(
            compare(name, y, hits, one, folds, groups, informed=scores is not None)
            for name, one in dict(references or {}).items()
        ),
    )


def balanced_accuracy(y: ArrayLike, predicted: ArrayLike) -> float:
    """Mean over classes of the share of their trials that were predicted right.

    Parameters
    ----------
    y, predicted : array-like of shape (n_trials,)

    Returns
    -------
    float

    Raises
    ------
    ValueError
        For labels that are no classes, as NaN.
    """
    y, predicted = check_labels("y", y), check_labels("predicted", predicted)
    if y.shape != predicted.shape:
        raise ValueError(f"y and predicted are one per trial, got {y.shape} and {predicted.shape}.")
    return float(_balanced(np.unique(y, return_inverse=True)[1], predicted == y))


def _codes_of(predicted, classes):
    """Codes of predictions; -1 for what is no class of the held-out trials."""
    codes = np.full(len(predicted), -1)
    for code, name in enumerate(classes):
        codes[predicted == name] = code
    return codes


def _balanced(codes, hits):
    return np.mean(np.bincount(codes, weights=hits) / np.bincount(codes))


def _limit(null):
    """What must be exceeded for p <= .05: the largest value that enough permutations reach."""
    rank = int(np.floor(LEVEL * (1 + len(null)) + 1e-9))  # so many permutations as good are too many
    return float(np.sort(null)[::-1][rank - 1]) if rank else 1.0


def _interval(codes, hits, groups):
    """95 % interval of the balanced accuracy: see `assess_decoding`."""
    counts = np.bincount(codes)
    recalls = np.bincount(codes, weights=hits) / counts
    center = recalls.mean()
    n_effective = len(counts) ** 2 / np.sum(1 / counts)
    z = stats.norm.ppf(1 - LEVEL / 2)
    middle = (center + z**2 / (2 * n_effective)) / (1 + z**2 / n_effective)
    width = z * np.sqrt(center * (1 - center) / n_effective + (z / (2 * n_effective)) ** 2) / (1 + z**2 / n_effective)
    low, high = min(center, middle - width), max(center, middle + width)
    if groups is not None:
        influence = (hits - recalls[codes]) * (len(codes) / (len(counts) * counts))[codes]
        free = len(np.unique(groups)) - (len(counts) if is_trait(codes, groups) else 1)
        error = population_error(influence, groups) if free > 0 else np.inf
        width = stats.t.ppf(1 - LEVEL / 2, max(free, 1)) * error
        low, high = min(low, center - width), max(high, center + width)
    return float(max(0.0, low)), float(min(1.0, high))
