"""Would other trials and other networks give this map? Agreement of disjoint halves, against permuted labels."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.utils import check_random_state

from eegexplain._checkpoint import open_checkpoint
from eegexplain._containers import trials_to_study
from eegexplain._exchange import exchangeable, permuted_labels
from eegexplain._levels import is_trait
from eegexplain._units import Unit, run_units
from eegexplain._validation import positive_int, random_seed
from eegexplain.inspection._scheme import Scheme, described_models
from eegexplain.inspection._splits import check_splits
from eegexplain.inspection.fold_maps import draw_starts, explain_folds
from eegexplain.inspection.models import CrossValidatedModels, cross_validate_models
from eegexplain.inspection.significance import p_values

TOP = 0.1  # share of the cells that are a map's top
PERSISTENCE = 0.9  # of the rank-biased overlap: the first 10 ranks have 86 % of the weight
N_DRAWS = 20  # of halves, until both can be cross-validated


def _spearman(one, other):
    return spearmanr(one, other).statistic if np.ptp(one) > 0 and np.ptp(other) > 0 else 0.0


def _cosine(one, other):
    size = np.linalg.norm(one) * np.linalg.norm(other)
    return one @ other / size if size > 0 else 0.0


def _signs(one, other):
    return np.mean(np.sign(one) == np.sign(other))


def _jaccard(one, other):
    """Share of the cells in the top of either map that are in the top of both."""
    n_top = max(1, round(TOP * len(one)))
    top, other_top = (set(np.argsort(-np.abs(values), kind="stable")[:n_top]) for values in (one, other))
    return len(top & other_top) / len(top | other_top)


def _rank_biased(one, other):
    """Mean over depths of the share that the ranks above have in common, weighted by a geometric series."""
    ranks = np.stack([np.argsort(np.argsort(-np.abs(values), kind="stable")) for values in (one, other)])
    depth = np.arange(1, len(one) + 1)
    common = np.cumsum(np.bincount(ranks.max(axis=0), minlength=len(one)))  # a cell is common from its lower rank on
    weights = (1 - PERSISTENCE) * PERSISTENCE ** (depth - 1)
    return float(weights @ (common / depth) + PERSISTENCE ** len(one))


MEASURES: dict[str, Callable[[NDArray, NDArray], float]] = {
    "spearman": _spearman,
    "cosine": _cosine,
    "sign_agreement": _signs,
    "jaccard": _jaccard,
    "rank_biased_overlap": _rank_biased,
}


@dataclass(frozen=True, eq=False)
class Stability:
    """Agreement of maps from disjoint halves, and what it is on permuted labels.

    Parameters
    ----------
    agreement : dict of str to ndarray of shape (n_repeats,)
        By measure: "spearman" and "cosine" (-1 to 1), "sign_agreement", "jaccard" (of the tenth of the cells with the
        largest absolute values) and "rank_biased_overlap" (0 to 1).
    null : dict of str to ndarray of shape (n_permutations,)
        Mean over as many repeats, of permuted labels.
    halves : {"trials", "groups"}
        What was divided.
    """

    agreement: dict
    null: dict
    halves: str

    @property
    def mean(self) -> dict:
        """Of each measure, over repeats."""
        return {name: float(np.mean(values)) for name, values in self.agreement.items()}

    @property
    def p_values(self) -> dict:
        """Of each measure: (1 + permutations that agree as well) / (1 + permutations)."""
        return {name: float(p_values(value, self.null[name])) for name, value in self.mean.items()}

    def plot(self) -> Any:
        """Draw each measure over permutations, and its value for the true labels.

        Returns
        -------
        PermutationDisplay

        Raises
        ------
        ValueError
            Without permutations.
        """
        from eegexplain.plotting import PermutationDisplay

        null = np.array(list(self.null.values()))
        if not null.size:
            raise ValueError("No labels were permuted: there is nothing to compare with. Give n_permutations.")
        names = [name.replace("_", " ") for name in self.null]
        return PermutationDisplay(null, list(self.mean.values()), names, list(self.p_values.values())).plot()

    def __str__(self):
        """One sentence."""
        n_permutations = len(next(iter(self.null.values())))
        told = ", ".join(
            f"{name.replace('_', ' ')} {value:.2f}" + (f" (p = {self.p_values[name]:.2g})" if n_permutations else "")
            for name, value in self.mean.items()
        )
        return f"Maps of disjoint halves of the {self.halves}: {told}."


def stability(
    explainer: Any,
    X: Any,
    y: Any = None,
    *,
    groups: Any = None,
    n_folds: int | None = None,
    n_seeds: int = 1,
    n_repeats: int = 4,
    n_permutations: int = 39,
    random_state: Any = None,
    n_jobs: int | None = None,
    checkpoint: str | os.PathLike | None = None,
    verbose: int = 0,
) -> Stability:
    """Compare maps of disjoint halves of the trials, each trained and explained by itself.

    Parameters
    ----------
    explainer : explainer
        Around an estimator that can be trained.
    X : array-like of shape (n_trials, n_channels, n_times), or a container
        Trials, or what `datasets.read_trials` takes.
    y : array-like of shape (n_trials,), or str, optional
        Of a container None takes its own labels, and a name one of its columns.
    groups : array-like of shape (n_trials,), optional
        Subjects or recordings: these are divided.
    n_folds : int, optional
        In each half; None is 5, or fewer where there are fewer groups or trials of a class.
    n_seeds : int, default=1
        Networks per fold.
    n_repeats : int, default=4
        Ways to divide.
    n_permutations : int, default=39
        Permutations of the labels, each with as many repeats: the cost is (1 + n_permutations) * n_repeats * 2 *
        n_folds * n_seeds networks. 0 gives no p values.
    random_state : int, RandomState or None
    n_jobs : int, optional
        Processes; the result does not depend on it.
    checkpoint : str or path-like, optional
        Folder that keeps what is finished: the same call goes on from there after an interruption. It holds pickles, so
        resume only what you trust.
    verbose : int, default=0
        1 shows a progress bar.

    Returns
    -------
    Stability

    Raises
    ------
    ValueError
        For too few groups or trials to cross-validate each half, and what `cross_validate_models` refuses.

    Notes
    -----
    Each half is cross-validated inside: its networks explain trials of this half that they did not see. The two maps
    then have nothing in common - no trial, whether trained on or explained, no group and no seed - but what is true of
    all trials. Networks of one half that explain the other would share all trials in exchanged roles, and networks with
    a common start agree on noise. What maps of noise agree on nevertheless (where power is, how filters are spaced) is
    in the null, too: labels are permuted as in `permutation_test` and everything is done again. The maps are those of
    half the trials; that of all is more stable.

    References
    ----------
    .. [1] W. Webber, A. Moffat, J. Zobel, "A similarity measure for indefinite rankings", ACM Transactions on
           Information Systems 28 (2010), doi:10.1145/1852102.1852106.
    .. [2] M. Ojala, G. C. Garriga, "Permutation tests for studying classifier performance", Journal of Machine Learning
           Research 11 (2010), https://jmlr.org/papers/v11/ojala10a.html.

    Examples
    --------
    >>> from eegexplain import PerturbationCorrelator, SyncNetClassifier
    >>> from eegexplain.datasets import make_oscillatory_eeg
    >>> from eegexplain.inspection import stability
    >>> eeg = make_oscillatory_eeg(n_trials=60, snr=5, random_state=0)
    >>> net = SyncNetClassifier(training="closed", readout="log_power", num_filters=4, sfreq=eeg.sfreq)
    >>> correlator = PerturbationCorrelator(net, bands="eeg", noise="data", ch_names=eeg.ch_names)
    >>> found = stability(correlator, eeg.X, eeg.y, n_folds=2, n_repeats=1, n_permutations=0, random_state=0)
    >>> found.halves, found.mean["cosine"] > 0.5
    ('trials', True)
    """
    run: dict[str, Any] = {"random_state": check_random_state(random_state), "n_jobs": n_jobs, "verbose": verbose}
    run["checkpoint"] = checkpoint
    explainer, (X, y, groups) = trials_to_study(explainer, X, y, groups)
    models = cross_validate_models(explainer, X, y, groups=groups, cv=n_folds, n_seeds=n_seeds, **run)
    return models_stability(
        models, explainer, n_folds=n_folds, n_repeats=n_repeats, n_permutations=n_permutations, **run
    )


def models_stability(
    models: CrossValidatedModels,
    explainer: Any,
    *,
    n_folds: int | None = None,
    n_repeats: int = 4,
    n_permutations: int = 39,
    random_state: Any = None,
    n_jobs: int | None = None,
    checkpoint: str | os.PathLike | None = None,
    verbose: int = 0,
) -> Stability:
    """Compare maps of disjoint halves of the trials that models were cross-validated on.

    Parameters
    ----------
    models : CrossValidatedModels
    explainer, n_folds, n_repeats, n_permutations, random_state, n_jobs, checkpoint, verbose
        As in `stability`.

    Returns
    -------
    Stability

    Raises
    ------
    ValueError
        For too few groups or trials to cross-validate each half.
    """
    positive_int("n_repeats", n_repeats)
    if n_permutations:
        positive_int("n_permutations", n_permutations)
    if models.y.ndim != 1:
        raise ValueError(f"Labels of shape {models.y.shape} are not permuted: give one target.")
    rng = check_random_state(random_state)
    names, codes = np.unique(models.y, return_inverse=True)
    design = exchangeable(codes, np.zeros_like(codes), models.groups)
    permuted = (names[one] for one in permuted_labels(codes, design, n_permutations, rng))
    described = {**described_models(models), "explainer": explainer, "n_folds": n_folds, "n_repeats": n_repeats}
    kept = open_checkpoint(checkpoint, "halves", described | {"random_state": rng}, random_state)
    repeats = _Repeats(Scheme.of(models), explainer, n_folds, models.held_out.classes is not None)
    units = [
        Unit(repeats.agreement, (y, [repeats.draw(y, rng) for _ in range(n_repeats)]))
        for y in chain([models.y], permuted)
    ]
    agreement, *null = run_units(units, n_jobs=n_jobs, checkpoint=kept, verbose=verbose, desc="halves")
    collected = {name: np.array([np.mean(one[name]) for one in null]) for name in MEASURES}
    return Stability(agreement, collected, "trials" if models.groups is None else "groups")


@dataclass(frozen=True, eq=False)
class _Halved:
    """Trials divided once: the folds of both halves, and the starts of networks and explainers."""

    splits: list
    n_first: int
    seed: int
    starts: list


@dataclass(frozen=True, eq=False)
class _Repeats:
    """The scheme of halves, for any labels."""

    scheme: Scheme
    explainer: Any
    n_folds: int | None
    classes: bool

    def draw(self, y, rng):
        """Divide once."""
        parts = self._parts(y, rng)
        splits = [split for part in parts for split in part]  # seeds go by their number: none is shared between halves
        seed = random_seed(rng)
        starts = draw_starts(self.explainer, [self.scheme.n_seeds] * len(splits), rng)
        return _Halved(splits, len(parts[0]), seed, starts)

    def agreement(self, y, halved):
        """Agreement by measure, (n_repeats,)."""
        found = [self._once(y, one) for one in halved]
        return {name: np.array([measure(*pair) for pair in found]) for name, measure in MEASURES.items()}

    def _once(self, y, halved):
        """Flat maps of two halves."""
        [folds] = replace(self.scheme, splits=halved.splits).train([y], [halved.seed])
        settings = {"groups": self.scheme.groups, "starts": halved.starts, "read": _map_of}
        maps = explain_folds(self.explainer, folds, self.scheme.X, y, **settings)
        of_folds = np.array([np.mean(seeds, axis=0) for seeds in maps])
        return of_folds[: halved.n_first].mean(axis=0), of_folds[halved.n_first :].mean(axis=0)

    def _parts(self, y, rng):
        """Splits of each half, in places of all trials."""
        for _ in range(N_DRAWS):
            try:
                return [self._splits(y, half, rng) for half in halves_of(self._strata(y), self.scheme.groups, rng)]
            except ValueError as error:
                refusal = error
        of = "trials" if self.scheme.groups is None else "groups"
        raise ValueError(f"Halves of these {of} cannot be cross-validated: {refusal}. Use fewer folds, or more {of}.")

    def _splits(self, y, half, rng):
        groups = None if self.scheme.groups is None else self.scheme.groups[half]
        classes = self.classes
        if classes and len(np.unique(y[half])) < len(np.unique(y)):
            raise ValueError("a half lacks a class")
        parts = check_splits(self.n_folds, y[half], groups, random_seed(rng), classes).parts
        return [(half[train], half[test]) for train, test in parts]

    def _strata(self, y):
        """Classes, which halves should share alike; of groups where the label is theirs."""
        groups = self.scheme.groups
        stratified = self.classes and (groups is None or is_trait(y, groups))
        return np.unique(y, return_inverse=True)[1] if stratified else np.zeros(len(y), int)


def _map_of(explainer, X, y):
    return np.nan_to_num(explainer.explanation_["value"].values.ravel())


def halves_of(strata: NDArray, groups: NDArray | None, rng: np.random.RandomState) -> list[NDArray]:
    """Divide trials, or whole groups, in two: of each stratum every other one, from a random order.

    Parameters
    ----------
    strata : ndarray of shape (n_trials,)
        What both halves should hold alike.
    groups : ndarray of shape (n_trials,) or None
    rng : RandomState

    Returns
    -------
    list of ndarray
        Places of the trials of each half.
    """
    units = np.arange(len(strata)) if groups is None else groups
    _, first, place = np.unique(units, return_index=True, return_inverse=True)
    order = np.lexsort((rng.random_sample(len(first)), strata[first]))
    side = np.empty(len(first), int)
    side[order] = (np.arange(len(first)) + rng.randint(2)) % 2
    return [np.flatnonzero(side[place] == one) for one in (0, 1)]
