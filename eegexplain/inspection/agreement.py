"""Do several analyses say the same? Agreement of maps on one grid, their consensus, and where they differ."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from eegexplain._checkpoint import open_checkpoint
from eegexplain._exchange import LEVEL
from eegexplain._explanation import make_explanation
from eegexplain.inspection._compared import ExplanationComparison
from eegexplain.inspection._cross_validated import CrossValidatedExplanation
from eegexplain.inspection._differences import Placed, cell_p_values, ranks_of, tell_differences
from eegexplain.inspection._families import Family, as_explanation, family_of
from eegexplain.inspection._grid import Grid, channels_of, check_channels, resolve_bands, resolve_outputs
from eegexplain.inspection._retraining import exchange
from eegexplain.inspection._scheme import described_models, labelings, retrain
from eegexplain.inspection.fold_maps import explain_folds
from eegexplain.inspection.halves import MEASURES
from eegexplain.inspection.significance import check_permutations, p_values

SHOWN = ("spearman", "sign_agreement", "jaccard")  # of the measures of stability


@dataclass(frozen=True, eq=False)
class _Item:
    """One of the explanations that are compared."""

    name: str
    found: Any
    family: Family
    source: Any  # what gives the map for permuted labels: a cross-validated explanation, a function of trials, or None


def compare_explanations(
    explanations: Sequence[Any] | Mapping[str, Any],
    *,
    bands: Any = None,
    output: Any = None,
    n_permutations: int = 99,
    random_state: Any = None,
    n_jobs: int | None = None,
    checkpoint: str | os.PathLike | None = None,
    verbose: int = 0,
) -> ExplanationComparison:
    """Bring maps of several analyses to one channel x band grid, and say where they agree and where they differ.

    Parameters
    ----------
    explanations : sequence, or dict by name
        At least two of: results of `cross_validate_explanations` or `explain_models`, fitted explainers, datasets with
        ``value`` (as of `power_contrast`), filter tables of a SyncNet; with a cross-validated explanation among them
        also functions ``(X, y) -> dataset``, which are asked about its trials, and again with permuted labels:
        ``functools.partial(power_contrast, sfreq=128, bands="eeg", ch_names=names)``. In a sequence each is named by
        its kind.
    bands : "eeg" or dict of str to (float, float), optional
        In Hz. None takes those of the first map that has bands, else "eeg".
    output : label, optional
        The class to compare; None is all, of two the second (the first has the other sign).
    n_permutations : int, default=99
        Of the labels. For each, all networks are trained and explained again. 0 gives no p values. Pairs are tested of
        which both are functions of trials or cross-validated explanations of the same networks (`explain_models`, or
        the same seed, folds and estimator); others have no null.
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
    ExplanationComparison

    Raises
    ------
    ValueError
        For fewer than two maps, other channels (which are named), bands or classes, no channel axis, and NaN.
    TypeError
        For what is no explanation.

    Notes
    -----
    Cells of one band are added up in attributions and perturbation correlations (the correlation with noise of the
    whole band is that sum but for one factor per output) and averaged elsewhere; of a layer's envelopes and a filter
    table, what all filters hold together counts, the root of the sum of squares. A class stands for its contrast: its
    map less the mean of the other classes'. Where one of a pair has no signs (saliency, envelopes, filters,
    information), both are compared by magnitude.

    Methods that read the same network agree, whatever it has learned; that is why the null is not zero: labels are
    permuted as in `permutation_test`, and everything that depends on them is done again. ``p_value`` counts networks
    of permuted labels whose maps agree as well; ``familywise_p`` compares the largest excess over all pairs, in units
    of each pair's deviation over permutations.

    ``consensus["value"]`` is the mean of the signed maps (without any, of all), each divided by the root of its sum of
    squares; ``magnitude`` the mean over all maps of a cell's rank by absolute value (0 to 1). ``n_agreeing`` counts
    signed maps with the sign of the consensus, ``n_high`` maps in which the cell is among the highest tenth (and beyond
    0, where errors are known).

    Examples
    --------
    >>> from eegexplain.datasets import make_oscillatory_eeg
    >>> from eegexplain.inspection import compare_explanations, power_contrast
    >>> eeg = make_oscillatory_eeg(60, snr=3, random_state=0)
    >>> halves = [power_contrast(eeg.X[half::2], eeg.y[half::2], sfreq=eeg.sfreq, bands="eeg") for half in (0, 1)]
    >>> found = compare_explanations({"even": halves[0], "odd": halves[1]}, n_permutations=0)
    >>> bool(found.agreement.loc[("even", "odd"), "spearman"] > 0.5)
    True
    """
    items, models = _items(explanations)
    grid = _grid(items, bands, output)
    values = np.array([grid.place(item.found, item.family, item.name) for item in items])
    signed = [item.family.signed if item.family.signed is not None else bool((one < 0).any())
              for item, one in zip(items, values, strict=True)]  # fmt: skip
    pairs = list(combinations(range(len(items)), 2))
    table = _table(items, values, signed, pairs)
    tested = [place for place, pair in enumerate(pairs) if all(items[i].source is not None for i in pair)]
    n_permutations = n_permutations if tested else 0
    if n_permutations:
        check_permutations(n_permutations, LEVEL)
        settings = {"rng": check_random_state(random_state), "n_jobs": n_jobs, "verbose": verbose}
        settings["checkpoint"] = checkpoint
        null = _null(items, grid, signed, [pairs[place] for place in tested], models, n_permutations, **settings)
        _test(table, tested, null)
    placed = [_placed(*one, grid) for one in zip(items, values, signed, strict=True)]
    coordinates = {"output": grid.outputs, "channel": grid.channels, "band": list(grid.bands)}
    return ExplanationComparison(
        agreement=table.set_index(["one", "other"]),
        consensus=_consensus(placed, coordinates),
        grid=_labelled(placed, coordinates),
        differences=tell_differences(placed, coordinates),
        n_permutations=n_permutations,
    )


def _items(explanations):
    """Names, datasets and kinds of what is given, and the networks that can be trained again."""
    named = explanations if isinstance(explanations, Mapping) else dict(enumerate(explanations))
    if len(named) < 2:
        raise ValueError(f"Agreement is between at least 2 explanations, got {len(named)}.")
    models = next((one.models for one in named.values() if _trainable(one)), None)
    items: list[_Item] = []
    for name, given in named.items():
        source = given if _is_function(given) or (_trainable(given) and _alike(given.models, models)) else None
        if _is_function(given):
            if models is None:
                raise ValueError(
                    "A function of trials needs the trials of a cross-validated explanation among the others: give "
                    "what it returns instead, which has no null."
                )
            given = given(models.X, models.y)
        found = as_explanation(given)
        family = family_of(found)
        items.append(_Item(str(name) if isinstance(explanations, Mapping) else _unused(family.name, items), found,
                           family, source))  # fmt: skip
    return items, models


def _is_function(given):
    return callable(given) and not hasattr(given, "explanation_") and not hasattr(given, "fit")


def _trainable(given):
    return isinstance(given, CrossValidatedExplanation) and given.models is not None and given.explainer is not None


def _alike(one, other):
    """Whether two cross-validations have the same networks."""
    if one is other:
        return True
    same = one.seed == other.seed and repr(one.estimator.get_params()) == repr(other.estimator.get_params())
    same = same and (len(one.folds), len(one.held_out.alone)) == (len(other.folds), len(other.held_out.alone))
    same = same and np.array_equal(one.y, other.y) and np.array_equal(one.X, other.X)
    return same and all(np.array_equal(a.test, b.test) for a, b in zip(one.folds, other.folds, strict=True))


def _unused(name, items):
    """A name that none of the items has."""
    count = sum(item.name == name or item.name.startswith(f"{name} (") for item in items)
    return name if not count else f"{name} ({count + 1})"


def _grid(items, bands, output):
    """Channels of the first map, bands that all have, outputs."""
    found = {item.name: item.found for item in items}
    channels = {name: channels_of(one, name) for name, one in found.items()}
    first = next(iter(channels.values()))
    for name, given in channels.items():
        check_channels(first, given, name)
    outputs, classes = resolve_outputs(found, output)
    return Grid(first, resolve_bands(found, bands), outputs, classes)


def _measured(measure, one, other, signed):
    """A measure of two maps, by magnitude where one has no signs."""
    one, other = (one.ravel(), other.ravel()) if signed else (np.abs(one).ravel(), np.abs(other).ravel())
    return float(MEASURES[measure](one, other))


def _table(items, values, signed, pairs):
    import pandas as pd

    rows = []
    for i, j in pairs:
        both = bool(signed[i] and signed[j])
        row = {"one": items[i].name, "other": items[j].name}
        row |= {name: _measured(name, values[i], values[j], both) for name in SHOWN}
        row |= {"signed": both, "chance": np.nan, "p_value": np.nan, "familywise_p": np.nan}
        rows.append(row if both else row | {"sign_agreement": np.nan})
    return pd.DataFrame(rows)


@dataclass(frozen=True, eq=False)
class _Asked:
    """One of the explanations that are asked for again, of other labels: a function of trials, or an explainer."""

    function: Any
    explainer: Any
    item: _Item  # without its source

    @classmethod
    def of(cls, item):
        """The source of an item, apart from the item."""
        function = item.source if _is_function(item.source) else None
        return cls(function, None if function else item.source.explainer, replace(item, source=None))


@dataclass(frozen=True, eq=False)
class _Agreement:
    """Rank agreement of pairs of maps of other labels."""

    asked: dict
    grid: Grid
    signed: list
    pairs: list

    def __call__(self, scheme, labeling, folds):
        starts, maps = iter(labeling.starts), {}
        settings = {"groups": scheme.groups, "read": _map_of}
        for place, one in self.asked.items():
            if one.function is not None:
                found = one.function(scheme.X, labeling.y)
            else:
                own = explain_folds(one.explainer, folds, scheme.X, labeling.y, starts=next(starts), **settings)
                found = _mean(own, one.item.found)
            maps[place] = self.grid.place(found, one.item.family, one.item.name)
        return [_measured("spearman", maps[i], maps[j], self.signed[i] and self.signed[j]) for i, j in self.pairs]


def _null(items, grid, signed, pairs, models, n_permutations, *, rng, checkpoint, **run):
    """Rank agreement of each pair for networks of permuted labels, (n_permutations, n_pairs)."""
    asked = {place: _Asked.of(items[place]) for place in sorted({place for pair in pairs for place in pair})}
    explainers = [one.explainer for one in asked.values() if one.function is None]
    described = {**described_models(models), **{f"explainer {k}": one for k, one in enumerate(explainers)}}
    kept = open_checkpoint(checkpoint, "agreement", described | {"random_state": rng}, rng)
    stacks = labelings(models, exchange(models, LEVEL), n_permutations, explainers, rng)
    return np.array(list(retrain(models, stacks, _Agreement(asked, grid, signed, pairs), checkpoint=kept, **run)))


def _map_of(explainer, X, y):
    return explainer.explanation_["value"].fillna(0.0)


def _mean(maps, like):
    """The mean over seeds, then over folds, as that of the true labels."""
    mean = np.mean([np.mean([one.values for one in fold], axis=0) for fold in maps], axis=0)
    return maps[0][0].copy(data=mean).to_dataset(name="value").assign_attrs(like.attrs)


def _test(table, tested, null):
    """Fill in what permuted labels give, pair by pair and for the largest excess of all."""
    observed = table.loc[tested, "spearman"].to_numpy()
    every = np.vstack([observed, null])
    deviation = every.std(axis=0)
    excess = (every - every.mean(axis=0)) / np.where(deviation > 1e-9, deviation, 1.0)
    table.loc[tested, "chance"] = null.mean(axis=0)
    table.loc[tested, "p_value"] = [float(p_values(r, null[:, k])) for k, r in enumerate(observed)]
    table.loc[tested, "familywise_p"] = p_values(excess[0], excess[1:].max(axis=1))


def _placed(item, values, signed, grid):
    alone = cell_p_values(values, grid.error(item.found), item.found.attrs.get("degrees_of_freedom"))
    return Placed(item.name, item.family.name, values, signed, alone)


def _consensus(placed, coordinates):
    """Mean of maps of unit norm, and of their ranks; how many agree."""
    ranks = np.array([ranks_of(one.values) for one in placed])
    signs = np.array([np.sign(one.values) for one in placed if one.signed])
    magnitude, kept = ranks.mean(axis=0), [one for one in placed if one.signed] or placed
    value = np.mean([_of_unit_norm(one.values) for one in kept], axis=0)
    agreeing = (signs == np.sign(value)).sum(axis=0) if len(signs) else np.zeros(value.shape, int)
    dims = tuple(coordinates)
    variables = {
        "magnitude": (dims, magnitude),
        "n_agreeing": (dims, agreeing),
        "n_high": (dims, np.sum([one.high for one in placed], axis=0)),
    }
    facts = {"method": "consensus", "label": "consensus", "n_methods": len(placed), "n_signed": len(signs)}
    return make_explanation(value, dims, coordinates, variables=variables, **facts)


def _of_unit_norm(values):
    """Each output's map divided by the root of its sum of squares."""
    norm = np.sqrt((values**2).sum(axis=(1, 2), keepdims=True))
    return values / np.where(norm > 0, norm, 1.0)


def _labelled(placed, coordinates):
    names = [one.name for one in placed]
    variables = {
        "family": (("explanation",), np.array([one.family for one in placed])),
        "signed": (("explanation",), np.array([one.signed for one in placed])),
    }
    values = np.array([one.values for one in placed])
    variables["high"] = (("explanation", *coordinates), np.array([one.high for one in placed]))
    coordinates = {"explanation": names, **coordinates}
    return make_explanation(values, tuple(coordinates), coordinates, variables=variables, method="maps on one grid")
