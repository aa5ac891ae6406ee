"""Are maps truer when the network was chosen by accuracy and a score of its explanation, not by accuracy alone.

Run ``python benchmarks/bench_search.py``; the table goes to ``benchmarks/results/search.md``. For every simulated data
set (four rhythms of drawn places and frequencies), SyncNets of several widths and numbers of filters, explained by
FLEX, are scored on inner folds; each is then trained on all of these trials, and its map of further trials is compared
with the planted effect. Development seeds come first, confirmation seeds after them.
"""

import pathlib
import platform
import time
import warnings

import numpy as np
import torch
from scipy.stats import spearmanr
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid, StratifiedKFold, cross_validate

from eegexplain import FLEXAttributor, SyncNetClassifier
from eegexplain.datasets import Dipole, Source, make_oscillatory_eeg
from eegexplain.inspection import (
    accuracy_and_faithfulness,
    faithfulness_scorer,
    score_against_truth,
    stability_scorer,
)

RESULTS = pathlib.Path(__file__).parent / "results"
SEEDS = {"development": range(100, 110), "confirmation": range(200, 210)}
CHANNELS = ["Fz", "C3", "Cz", "C4", "P3", "Pz", "P4", "Oz"]
N_TRAIN, N_TEST = 90, 60
GRID = ParameterGrid({"estimator__filter_width": [0.15, 0.31, 0.62], "estimator__num_filters": [2, 8]})
SCORING = {
    "accuracy": "accuracy",
    "faithfulness (surrogate)": faithfulness_scorer(filling="surrogate"),
    "faithfulness (zeros)": faithfulness_scorer(filling="zeros"),
    "stability": stability_scorer(n_repeats=2),
}
WEIGHTS = (0.25, 0.5, 1.0)


def scores(seed):
    """Of every candidate on one data set: scores on inner folds by name; then truth, accuracy and chance."""
    rng = np.random.default_rng(seed)
    places, centers = rng.choice(CHANNELS, 4, replace=False), rng.choice(np.arange(6, 31, 3), 4, replace=False)
    sources = [Source(f"{place} {center} Hz", float(center), 3.0, Dipole(str(place)), stronger_in=number % 2)
               for number, (place, center) in enumerate(zip(places, centers, strict=True))]  # fmt: skip
    eeg = make_oscillatory_eeg(
        N_TRAIN + N_TEST, CHANNELS, duration=1.0, sources=sources, snr=0.6, random_state=seed, suppressor=True
    )
    train, test = slice(0, N_TRAIN), slice(N_TRAIN, None)
    flex = FLEXAttributor(SyncNetClassifier(sfreq=eeg.sfreq, random_state=seed), n_steps=8, random_state=seed)
    folds = StratifiedKFold(3, shuffle=True, random_state=seed)
    rows = []
    for settings in GRID:
        one = clone(flex).set_params(**settings)
        found = cross_validate(one, eeg.X[train], eeg.y[train], cv=folds, scoring=SCORING, error_score="raise")
        one.fit(eeg.X[train], eeg.y[train])
        held_out = one.explain_population(eeg.X[test], eeg.y[test])["value"].values
        truth = score_against_truth(held_out, eeg.truth)
        row = {name: found[f"test_{name}"].mean() for name in SCORING}
        rows.append(row | {"truth": truth.average_precision, "test": one.score(eeg.X[test], eeg.y[test]),
                           "chance": truth.chance})  # fmt: skip
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def summary(tables):
    """Lines of the table: means over data sets of what each choice finds, and its gain over accuracy alone."""
    alone = np.array([one["truth"][one["accuracy"].argmax()] for one in tables])
    tested = np.mean([one["test"][one["accuracy"].argmax()] for one in tables])
    yield f"| accuracy alone | {alone.mean():.2f} | | {tested:.3f} |"
    for name in [one for one in SCORING if one != "accuracy"]:
        for weight in WEIGHTS:
            choose = accuracy_and_faithfulness(weight, faithfulness=name)
            places = [choose({f"mean_test_{key}": one[key] for key in ("accuracy", name)}) for one in tables]
            truth, test = (np.array([one[key][place] for one, place in zip(tables, places, strict=True)])
                           for key in ("truth", "test"))  # fmt: skip
            gain, error = truth - alone, (truth - alone).std(ddof=1) / np.sqrt(len(alone))
            yield (f"| {name}, weight {weight:g} | {truth.mean():.2f} | {gain.mean():+.3f} ± {2 * error:.3f} | "
                   f"{test.mean():.3f} |")  # fmt: skip
    for name, pick in (("mean of all candidates", np.mean), ("best candidate by the truth", np.max)):
        found = np.array([pick(one["truth"]) for one in tables])
        yield f"| {name} | {found.mean():.2f} | {(found - alone).mean():+.3f} | |"
    ranks = {name: np.nanmean([spearmanr(one[name], one["truth"]).statistic for one in tables]) for name in SCORING}
    yield ""
    yield ("Rank correlation with the truth over candidates, mean over data sets: "
           + ", ".join(f"{name} {value:.2f}" for name, value in ranks.items())
           + f". A useless map has {np.mean([one['chance'][0] for one in tables]):.2f}.")  # fmt: skip


def main():
    """Run both halves and write the table."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    lines = ["# Searching by accuracy and explanation", ""]
    lines += [
        f"2-core x86-64 VM, Python {platform.python_version()}, torch {torch.__version__}, one thread; {len(GRID)} "
        f"candidates, {N_TRAIN} trials x {len(CHANNELS)} channels, 3 inner folds; {N_TEST} further trials explained. "
        "Average precision of the map against the planted effect; gain over the choice by accuracy alone ± "
        "two standard errors over data sets. Reproduce with `python benchmarks/bench_search.py`."
    ]
    for name, seeds in SEEDS.items():
        start, tables = time.process_time(), []
        for seed in seeds:
            tables.append(scores(seed))
            print(name, seed, f"{time.process_time() - start:.0f} s", tables[-1], flush=True)
        seconds = f"{time.process_time() - start:.0f} s"
        head = ["| chosen by | average precision | gain | accuracy |", "|---|---|---|---|"]
        lines += ["", f"## {len(seeds)} {name} data sets ({seconds})", "", *head, *summary(tables)]
    (RESULTS / "search.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
