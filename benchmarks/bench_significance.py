"""How often permutation tests of maps call noise significant, and how often they find what was planted.

Run ``python benchmarks/bench_significance.py``; the table goes to ``benchmarks/results/significance.md``. Four parts:
a toy whose networks are differences of class means on white noise, for the claims that the contrast of held-out
evidence may and may not make; the same toy trained again on permuted labels, for the statistics of retraining;
SyncNets in closed form on simulated EEG, for contrast, retraining and stability (hours: ``--log`` keeps the outcome of
every data set in a file and goes on from there); and the null of one data set with 1,000 networks, timed. Noise is
simulated EEG whose labels were permuted. ``--quick`` is a tenth.
"""

import argparse
import json
import pathlib
import time
from functools import partial
from itertools import product

import numpy as np

from eegexplain import FLEXAttributor, PerturbationCorrelator, SyncNetClassifier
from eegexplain.datasets import make_oscillatory_eeg
from eegexplain.inspection import cross_validate_explanations, evidence_contrast, stability
from eegexplain.inspection._retraining import STATISTICS, _observed, _whole, exchange
from eegexplain.inspection._scheme import labelings, retrain
from eegexplain.inspection.significance import SIDES

RESULTS = pathlib.Path(__file__).parent / "results" / "significance.md"
CHANNELS = ["Fz", "C3", "C4", "Pz", "P3", "P4", "O1", "O2"]
NAMES = "Fp1 Fp2 F7 F3 Fz F4 F8 T7 C3 Cz C4 T8 P7 P3 Pz P4 P8 O1 O2".split()
ALPHA = 0.05
TOYS = [(40, 1, 5), (40, 5, 5), (40, 20, 2), (40, 20, 5), (40, 40, 10), (100, 20, 5), (100, 100, 5)]
LEVELS = {"noise": 0.0, "snr 0.2": 0.2, "snr 0.4": 0.4}
N_RETRAINED = {"noise": 19, "snr 0.2": 39, "snr 0.4": 39}  # permutations, trained again
SIDED = {"max": "two-sided", "max, greater": "greater", "total": "two-sided"}  # statistic and side of retraining


def learned_evidence(rng, n_trials, n_cells, n_folds):
    """Evidence of differences of class means, held out, for white noise."""
    X, y = rng.standard_normal((n_trials, n_cells)), np.arange(n_trials) % 2
    folds, evidence = np.arange(n_trials) // 2 % n_folds, np.empty((n_trials, n_cells))
    for fold in range(n_folds):
        inside = folds != fold
        weights = X[inside & (y == 1)].mean(0) - X[inside & (y == 0)].mean(0)
        evidence[~inside] = X[~inside] * weights
    return np.stack([-evidence, evidence], axis=1), y, folds


def toy_rates(n_data_sets):
    """Share of noise called significant, by claim."""
    rows = []
    for size in TOYS:
        counts = np.zeros(3)
        for seed in range(n_data_sets):
            evidence, y, folds = learned_evidence(np.random.default_rng(seed), *size)
            settings = {"folds": folds, "n_permutations": 199, "random_state": seed}
            both = np.concatenate([evidence, -evidence], axis=2)
            claims = evidence, both, evidence.sum(axis=2, keepdims=True)
            counts += [evidence_contrast(claim, y, **settings).p_value <= ALPHA for claim in claims]
        cells = " | ".join(f"{count / n_data_sets:.3f}" for count in counts)
        rows.append(f"| {' x '.join(map(str, size[:2]))}, {size[2]} folds | {cells} |")
    return [
        f"## Toy, {n_data_sets} noise data sets each (SE of .05: {np.sqrt(0.0475 / n_data_sets):.3f})",
        "",
        "| trials x cells | one-sided maximum | two-sided maximum | one-sided total |",
        "|---|---|---|---|",
        *rows,
        "",
    ]


def explainers():
    """The two around one network in closed form."""
    net = SyncNetClassifier(num_filters=8, readout="log_power", training="closed", sfreq=128.0)
    return {
        "flex": FLEXAttributor(net, basis="bands", n_steps=8, ch_names=CHANNELS),
        "correlator": PerturbationCorrelator(net, bands="eeg", noise="data", ch_names=CHANNELS),
    }


def simulated(seed, snr):
    """Short trials; without signal labels are permuted."""
    eeg = make_oscillatory_eeg(80, CHANNELS, duration=1.0, snr=snr or 2.0, random_state=seed)
    return eeg.X, eeg.y if snr else np.random.default_rng(seed).permutation(eeg.y)


def retrained_toy(rng, n_trials, n_cells, n_folds, effect, n_permutations):
    """Mean maps of the toy for the true and for permuted labels; the effect moves a block of two neighbors."""
    y = np.arange(n_trials) % 2
    X = rng.standard_normal((n_trials, n_cells))
    X[:, :2] += effect * (y - 0.5)[:, None]
    folds, labels = np.arange(n_trials) // 2 % n_folds, [y]
    for _ in range(n_permutations):
        permuted = y.copy()
        for fold in range(n_folds):
            permuted[folds == fold] = rng.permutation(permuted[folds == fold])
        labels.append(permuted)
    sides, maps = np.array(labels) - 0.5, 0.0
    for fold in range(n_folds):
        weights = sides[:, folds != fold] @ X[folds != fold] / np.sum(folds != fold)
        maps = maps + weights * (sides[:, folds == fold] @ X[folds == fold]) / n_folds
    return maps


def statistic_rates(n_noise, n_planted):
    """Share of toys called significant, by statistic of retraining: one output, channels by one column."""
    import xarray as xr

    rows, n_permutations = [], 200
    for level, effect, n_data_sets in (("noise", 0.0, n_noise), ("planted", 0.45, n_planted)):
        for size in ((40, 8, 5), (80, 19, 5)):
            hits = dict.fromkeys(STATISTICS, 0)
            for seed in range(n_data_sets):
                maps = retrained_toy(np.random.default_rng(seed), *size, effect, n_permutations)[:, None, :, None]
                named = xr.DataArray(maps[0], dims=("output", "channel", "band"), coords={"channel": NAMES[: size[1]]})
                for name, statistic in STATISTICS.items():
                    found = statistic.of(maps, SIDES["greater"], named).reshape(len(maps), -1).max(axis=1)
                    hits[name] += np.sum(found >= found[0]) / len(found) <= ALPHA
            cells = " | ".join(f"{count / n_data_sets:.3f}" for count in hits.values())
            rows.append(f"| {level} | {' x '.join(map(str, size[:2]))} | {n_data_sets} | {cells} |")
    return [
        f"## Toy trained again, {n_permutations} permutations, one-sided; planted: two neighboring channels",
        "",
        f"| data | trials x cells | data sets | {' | '.join(STATISTICS)} |",
        "|---|---|---|" + "---|" * len(STATISTICS),
        *rows,
        "",
    ]


def contrasted(level, seed):
    """P values of the contrast of one data set's evidence, and of its accuracy."""
    X, y = simulated(seed, LEVELS[level])
    found = cross_validate_explanations(explainers()["flex"], X, y, random_state=seed, return_trials=True)
    tested = found.significance(n_permutations=199, random_state=seed)
    return {"contrast (FLEX)": tested.p_value, "accuracy": found.decoding_.p_value}


def retrained(level, seed):
    """P values of several statistics of the same retrained networks: they differ in what is made of the maps alone."""
    X, y = simulated(seed, LEVELS[level])
    found = cross_validate_explanations(explainers()["correlator"], X, y, random_state=seed, return_estimator=True)
    rng, explained = np.random.RandomState(seed), (found.models, found.explainer)
    stacks = labelings(found.models, exchange(found.models, ALPHA), N_RETRAINED[level], [found.explainer], rng)
    again = [one.gain.values for one in retrain(found.models, stacks, partial(_whole, found.explainer))]
    gain = _observed(*explained, rng, {}).gain
    maps, tested = np.stack([gain.values, *again]), {}
    for name, side in SIDED.items():
        largest = STATISTICS[name.split(",")[0]].of(maps, SIDES[side], gain).reshape(len(maps), -1).max(axis=1)
        tested[f"retraining, {name}"] = np.mean(largest >= largest[0] * (1 - 1e-9))
    return tested


def halved(level, seed):
    """P values of the agreement of halves of one data set."""
    X, y = simulated(seed, LEVELS[level])
    settings = {"n_folds": 2, "n_repeats": 1, "n_permutations": 19, "random_state": seed}
    told = stability(explainers()["correlator"], X, y, **settings).p_values
    return {f"stability, {name.replace('_', ' ')}": told[name] for name in told}


TESTS = {"contrast": (contrasted, 200, 50), "retraining": (retrained, 200, 50), "stability": (halved, 60, 20)}


def network_rates(share, log):
    """Share of data sets with a significant cell, by test and level."""
    known = [json.loads(line) for line in log.read_text().splitlines()] if log and log.exists() else []
    rows = []
    for (kind, (test, *n_data_sets)), level in product(TESTS.items(), LEVELS):
        done = {one["seed"]: one["p"] for one in known if (one["kind"], one["level"]) == (kind, level)}
        n_seeds = n_data_sets[LEVELS[level] > 0] // share
        for seed in range(n_seeds):
            if seed not in done:
                done[seed] = {name: float(value) for name, value in test(level, seed).items()}
                if log:
                    with log.open("a", encoding="utf-8") as file:
                        file.write(json.dumps({"kind": kind, "level": level, "seed": seed, "p": done[seed]}) + "\n")
        for name in done[0]:
            rate = np.mean([done[seed][name] <= ALPHA for seed in range(n_seeds)])
            rows.append((name, level, f"{rate:.3f} of {n_seeds}"))
    rates = {(name, level): rate for name, level, rate in rows}
    return [
        "## SyncNets in closed form, 80 trials x 8 channels x 128 samples, 5 folds",
        "",
        "Contrast: 199 permutations; retraining: gain maps, 19 permutations of noise and 39 of signals (the smallest p",
        "values are .05 and .025: more permutations have more power); stability: halves cross-validated in 2 folds, 1",
        "repeat, 19 permutations. Standard error of .05: .015 in 200 data sets, .028 in 60.",
        "",
        f"| test | {' | '.join(LEVELS)} |",
        "|---|" + "---|" * len(LEVELS),
        *(
            f"| {name} | {' | '.join(rates[name, level] for level in LEVELS)} |"
            for name in dict.fromkeys(name for name, *_ in rows)
        ),
        "",
    ]


def timed():
    """The null of the demonstration's size: 5 folds x 200 permutations."""
    eeg = make_oscillatory_eeg(120, duration=1.0, random_state=0)
    net = SyncNetClassifier(readout="log_power", training="closed", sfreq=eeg.sfreq)
    correlator = PerturbationCorrelator(net, bands="eeg", noise="data", ch_names=eeg.ch_names)
    found = cross_validate_explanations(correlator, eeg.X, eeg.y, random_state=0)
    begin = time.process_time()
    test = found.significance("retraining", n_permutations=199, random_state=0)
    spent = time.process_time() - begin
    return [f"5 folds x 200 labelings, {eeg.X.shape} trials: {spent:.0f} CPU s. {test}", ""]


def main():
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the data sets")
    every = ["toy", "statistics", "networks", "time"]
    parser.add_argument("--parts", nargs="+", default=every, help="which parts to run")
    parser.add_argument("--log", type=pathlib.Path, help="file that keeps the outcome of every data set of networks")
    options = parser.parse_args()
    share = 10 if options.quick else 1
    parts = {
        "toy": lambda: toy_rates(1000 // share),
        "statistics": lambda: statistic_rates(1000 // share, 200 // share),
        "networks": lambda: network_rates(share, options.log),
        "time": timed,
    }
    lines = ["# Permutation tests of maps: share of data sets with a significant cell at .05", ""]
    for name in options.parts:
        lines += parts[name]()
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
