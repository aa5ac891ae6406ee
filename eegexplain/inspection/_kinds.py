"""Kinds of permutation tests of a cross-validated map: what each does, can claim and needs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from eegexplain._validation import lookup
from eegexplain.inspection._retraining import STATISTICS, retrained_significance
from eegexplain.inspection.significance import Significance, evidence_contrast

_TRIALS = (
    "flips signs of trials that were explained by networks with the same training data: these agree whatever the "
    "labels are, so noise is rejected every time"
)
_ERROR = (
    "divides a map by its error over trials, which takes the networks for given: a network of noise uses something, "
    "too, so noise is rejected every time"
)
REFUSED = {"sign_flip": _TRIALS, "sign_flips": _TRIALS, "z": _ERROR}


@dataclass(frozen=True)
class Kind:
    """A way to permute labels.

    Parameters
    ----------
    run : callable
        Takes a cross-validated explanation and the settings.
    alternatives, statistics : tuple of str
        What it can claim; the first is the default.
    n_permutations : int
        By default.
    why : str
        Why it can claim nothing else.
    """

    run: Callable[..., Significance]
    alternatives: tuple[str, ...]
    statistics: tuple[str, ...]
    n_permutations: int
    why: str = ""


@dataclass(frozen=True)
class Claim:
    """What is asked of a kind that can answer it.

    Parameters
    ----------
    kind : Kind
    statistic, alternative : str
    n_permutations : int
    """

    kind: Kind
    statistic: str
    alternative: str
    n_permutations: int

    def test(self, found: Any, **settings: Any) -> Significance:
        """Test a cross-validated explanation.

        Parameters
        ----------
        found : CrossValidatedExplanation
        **settings : dict
            Level, seed, processes, progress.

        Returns
        -------
        Significance
        """
        asked = {"statistic": self.statistic, "alternative": self.alternative, "n_permutations": self.n_permutations}
        return self.kind.run(found, **asked, **settings)


def claim(
    kind: str = "contrast",
    *,
    statistic: str | None = None,
    alternative: str | None = None,
    n_permutations: int | None = None,
) -> Claim:
    """What is asked, where the kind can answer it.

    Parameters
    ----------
    kind : str
    statistic, alternative : str or None
        None is the first of those that the kind has.
    n_permutations : int or None

    Returns
    -------
    Claim

    Raises
    ------
    ValueError
        For what the kind cannot claim.
    """
    if kind in REFUSED:
        raise ValueError(f"{kind!r} {REFUSED[kind]}. Use kind='contrast' or 'retraining'.")
    chosen = lookup(KINDS, kind, "kind of permutation test")
    statistic = chosen.statistics[0] if statistic is None else statistic
    alternative = chosen.alternatives[0] if alternative is None else alternative
    asked = (("statistic", statistic, chosen.statistics), ("alternative", alternative, chosen.alternatives))
    for name, given, allowed in asked:
        if given not in allowed:
            options = " or ".join(map(repr, allowed))
            raise ValueError(f"The {kind} test takes {name} {options}, got {given!r}{chosen.why}.")
    if n_permutations is None:
        n_permutations = max(chosen.n_permutations, STATISTICS[statistic].least)
    return Claim(chosen, statistic, alternative, n_permutations)


def _contrast(found, *, n_permutations, alpha, random_state, statistic, alternative, **run):
    """The evidence of held-out trials, contrasted between their labels."""
    data = found.dataset
    if "trial_value" not in data:
        raise ValueError("The evidence of held-out trials was not kept: cross-validate with return_trials=True.")
    if found.decoding_ is None:
        raise ValueError("The contrast of evidence needs classes, each held out: this explains numbers, or one class.")
    values, folds = data["trial_value"], data["fold_of_trial"].values
    tested = np.isfinite(values.values.reshape(len(folds), -1)).any(axis=1)
    if (folds[tested] < 0).any():
        raise ValueError(
            f"{int((folds[tested] < 0).sum())} trials were held out more than once, by several networks: the contrast "
            "needs folds that hold out each trial once. Give such a cv, or use kind='retraining'."
        )
    groups = data["group"].values[tested] if "group" in data else None
    settings = {"n_permutations": n_permutations, "alpha": alpha, "random_state": random_state}
    return evidence_contrast(
        values[tested], data["label"].values[tested], folds=folds[tested], groups=groups, **settings
    )


_CONTRAST = (
    ": each fold's network was trained on labels that are held out elsewhere, which moves noise away from the truth, "
    "so that other claims reject it too often. Use kind='retraining'"
)


def _retraining(found, *, n_permutations, alpha, random_state, statistic, alternative, **run):
    """Networks trained again on permuted labels, with everything that follows."""
    if found.models is None or found.explainer is None:
        raise ValueError("A map from a file has no trials to train on: cross-validate them again.")
    return retrained_significance(
        found.models,
        found.explainer,
        statistic=statistic,
        alternative=alternative,
        n_permutations=n_permutations,
        alpha=alpha,
        random_state=random_state,
        **run,
    )


KINDS = {
    "contrast": Kind(_contrast, ("greater",), ("max",), 999, _CONTRAST),
    "retraining": Kind(_retraining, ("two-sided", "greater", "less"), tuple(STATISTICS), 199),
}
