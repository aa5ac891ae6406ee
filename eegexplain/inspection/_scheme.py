"""A cross-validation done again on other labels, or other trials, in units: what is drawn, trained and measured."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eegexplain._exchange import Design, permuted_labels
from eegexplain._units import STACK, Unit, run_units
from eegexplain._validation import random_seed
from eegexplain.inspection.cross_validation import Fold, train_targets
from eegexplain.inspection.fold_maps import draw_starts

DRAWN = 16  # labelings that are drawn together, after the first: the order of the draws is that of results


@dataclass(frozen=True, eq=False)
class Labeling:
    """Other labels, and the starts of everything that depends on them.

    Parameters
    ----------
    y : ndarray of shape (n_trials,)
    seed : int
        Of the networks.
    starts : list
        Of each explainer, as of `draw_starts`.
    """

    y: NDArray
    seed: int
    starts: list


@dataclass(frozen=True, eq=False)
class Scheme:
    """A cross-validation without its labels: all that is needed to do it again.

    Parameters
    ----------
    estimator : estimator
    X : ndarray of shape (n_trials, n_channels, n_times)
    groups : ndarray of shape (n_trials,) or None
    splits : list of (train, test)
    n_seeds : int
    params : dict or None
    """

    estimator: Any
    X: NDArray
    groups: NDArray | None
    splits: list
    n_seeds: int
    params: Any

    @classmethod
    def of(cls, models: Any) -> "Scheme":
        """That of models.

        Parameters
        ----------
        models : CrossValidatedModels

        Returns
        -------
        Scheme
        """
        splits = [(fold.train, fold.test) for fold in models.folds]
        return cls(models.estimator, models.X, models.groups, splits, len(models.held_out.alone), models.params)

    def train(self, targets: list, seeds: list[int], **run: Any) -> list[list[Fold]]:
        """Train the networks of all folds on each of several targets.

        Parameters
        ----------
        targets : list of ndarray of shape (n_trials,)
        seeds : list of int
        **run : dict
            ``n_jobs, checkpoint`` of `train_targets`.

        Returns
        -------
        list of list of Fold
        """
        settings: dict[str, Any] = {"groups": self.groups, "n_seeds": self.n_seeds, "params": self.params}
        return train_targets(self.estimator, self.X, targets, self.splits, seeds=seeds, **settings, **run)


def labelings(
    models: Any, design: Design, n_permutations: int, explainers: Sequence[Any], rng: np.random.RandomState
) -> Iterator[list[Labeling]]:
    """Draw permuted labels and all seeds, in stacks whose networks are trained together.

    Parameters
    ----------
    models : CrossValidatedModels
    design : Design
    n_permutations : int
    explainers : sequence of explainer
        That are going to be asked about the networks.
    rng : numpy.random.RandomState

    Yields
    ------
    list of Labeling
    """
    names, codes = np.unique(models.y, return_inverse=True)
    permuted = (names[one] for one in _trainable(permuted_labels(codes, design, None, rng), models))
    n_networks, done = [len(models.held_out.alone)] * len(models.folds), 0
    while done < n_permutations:
        targets = list(islice(permuted, min(DRAWN if done else 1, n_permutations - done)))
        seeds = [random_seed(rng) for _ in targets]
        drawn = [
            Labeling(y, seed, [draw_starts(one, n_networks, rng) for one in explainers])
            for y, seed in zip(targets, seeds, strict=True)
        ]
        yield from (drawn[first : first + STACK] for first in range(0, len(drawn), STACK))
        done += len(targets)


def retrain(
    models: Any, stacks: Iterable[list[Labeling]], measure: Callable, *, verbose: int = 0, **run: Any
) -> Iterator[Any]:
    """Train the networks of a whole cross-validation again on other labels, and measure what these are.

    Parameters
    ----------
    models : CrossValidatedModels
    stacks : iterable of list of Labeling
    measure : callable
        Takes the scheme, a labeling and the folds trained on it.
    verbose : int
    **run : dict
        ``n_jobs, checkpoint`` of `run_units`.

    Yields
    ------
    object
        What `measure` returns for each labeling.
    """
    scheme = Scheme.of(models)
    units = [Unit(_measured, (scheme, stack, measure)) for stack in stacks]
    for found in run_units(units, verbose=verbose, desc="retraining", **run):
        yield from found


def _measured(scheme, stack, measure):
    """Of a stack; what its networks have in common is computed once."""
    trained = scheme.train([one.y for one in stack], [one.seed for one in stack])
    return [measure(scheme, one, folds) for one, folds in zip(stack, trained, strict=True)]


def _trainable(permuted, models):
    """Labels of which every training part has all: the true ones are among these, so all are alike."""
    for labels in permuted:
        n_classes = len(np.unique(labels)) if models.held_out.classes is not None else 0
        if n_classes == 0 or all(len(np.unique(labels[fold.train])) == n_classes for fold in models.folds):
            yield labels


def described_models(models: Any) -> dict[str, Any]:
    """What a procedure over cross-validated models depends on, for its checkpoint.

    Parameters
    ----------
    models : CrossValidatedModels

    Returns
    -------
    dict
    """
    facts = {"estimator": models.estimator, "params": models.params, "X": models.X, "y": models.y}
    splits = [(fold.train, fold.test) for fold in models.folds]
    return facts | {"groups": models.groups, "n_seeds": len(models.held_out.alone), "folds": splits}
