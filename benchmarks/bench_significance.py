"""How often permutation tests of maps call noise significant, and how often they find what was planted.

Run ``python benchmarks/bench_significance.py``; the table goes to ``benchmarks/results/significance.md``. Three parts:
a toy whose networks are differences of class means on white noise, for the claims that the contrast of held-out
evidence may and may not make; SyncNets in closed form on simulated EEG, for contrast and retraining; and the null of
one data set with 1,000 networks, timed. Noise is simulated EEG whose labels were permuted. ``--quick`` is a tenth.
"""

import argparse
import pathlib
import time

import numpy as np

from eegexplain import FLEXAttributor, PerturbationCorrelator, SyncNetClassifier
from eegexplain.datasets import make_oscillatory_eeg
from eegexplain.inspection import cross_validate_explanations, evidence_contrast

RESULTS = pathlib.Path(__file__).parent / "results" / "significance.md"
CHANNELS = ["Fz", "C3", "C4", "Pz", "P3", "P4", "O1", "O2"]
ALPHA = 0.05
TOYS = [(40, 1, 5), (40, 5, 5), (40, 20, 2), (40, 20, 5), (40, 40, 10), (100, 20, 5), (100, 100, 5)]
LEVELS = {"noise": 0.0, "snr 2": 2.0, "snr 4": 4.0}
KINDS = {
    "contrast (FLEX)": ("flex", {"kind": "contrast", "n_permutations": 199}),
    "retraining, max, gain": ("correlator", {"kind": "retraining", "n_permutations": 39}),
    "retraining, greater, gain": ("correlator", {"kind": "retraining", "alternative": "greater", "n_permutations": 39}),
}


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


def network_rates(n_noise, n_planted):
    """Share of data sets with a significant cell, by kind and level."""
    analyses, rows = explainers(), []
    for level, snr in LEVELS.items():
        n_data_sets = n_planted if snr else n_noise
        hits = dict.fromkeys(KINDS, 0)
        decoded = 0
        for seed in range(n_data_sets):
            X, y = simulated(seed, snr)
            found = {
                name: cross_validate_explanations(one, X, y, random_state=seed, return_trials=name == "flex")
                for name, one in analyses.items()
            }
            decoded += found["flex"].decoding_.above_chance
            for kind, (name, settings) in KINDS.items():
                hits[kind] += found[name].significance(random_state=seed, **settings).p_value <= ALPHA
        rates = " | ".join(f"{count / n_data_sets:.3f}" for count in (*hits.values(), decoded))
        rows.append(f"| {level} | {n_data_sets} | {rates} |")
    return [
        "## SyncNets in closed form, 80 trials x 8 channels x 128 samples, 5 folds",
        "",
        f"| data | data sets | {' | '.join(KINDS)} | accuracy alone |",
        "|---|---|" + "---|" * (len(KINDS) + 1),
        *rows,
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
    parser.add_argument("--parts", nargs="+", default=["toy", "networks", "time"], help="which parts to run")
    options = parser.parse_args()
    share = 10 if options.quick else 1
    parts = {
        "toy": lambda: toy_rates(1000 // share),
        "networks": lambda: network_rates(200 // share, 50 // share),
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
