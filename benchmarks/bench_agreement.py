"""How often two analyses are said to agree more than on permuted labels: on noise, and where something is planted.

Run ``python benchmarks/bench_agreement.py``; the table goes to ``benchmarks/results/agreement.md``. SyncNets in closed
form on simulated EEG of 80 trials x 8 channels: both noises of the perturbation correlation, and the data's own
contrast, against networks that were trained and explained again on permuted labels. Noise is simulated EEG whose
labels were permuted. ``--quick`` is a tenth.
"""

import argparse
import pathlib
import time
from functools import partial

import numpy as np

from eegexplain import PerturbationCorrelator, SyncNetClassifier
from eegexplain.datasets import make_oscillatory_eeg
from eegexplain.inspection import compare_explanations, cross_validate_models, explain_models, power_contrast

RESULTS = pathlib.Path(__file__).parent / "results" / "agreement.md"
CHANNELS = ["Fz", "C3", "C4", "Pz", "P3", "P4", "O1", "O2"]
ALPHA, N_PERMUTATIONS, N_FOLDS, SFREQ = 0.05, 19, 2, 128.0
LEVELS = {"noise": 0.0, "snr 1": 1.0, "snr 2": 2.0, "snr 4": 4.0}
NET = SyncNetClassifier(num_filters=4, readout="log_power", training="closed", sfreq=SFREQ)


def simulated(seed, snr):
    """Short trials; without signal labels are permuted."""
    eeg = make_oscillatory_eeg(80, CHANNELS, duration=1.0, snr=snr or 2.0, random_state=seed)
    return eeg.X, eeg.y if snr else np.random.default_rng(seed).permutation(eeg.y)


def compared(seed, snr):
    """Agreement of three maps of one data set."""
    X, y = simulated(seed, snr)
    models = cross_validate_models(NET, X, y, cv=N_FOLDS, random_state=seed)
    axes = {"bands": "eeg", "ch_names": CHANNELS}
    given = {
        noise: explain_models(models, PerturbationCorrelator(noise=noise, **axes), scoring={}, random_state=seed)
        for noise in ("independent", "data")
    }
    given["contrast"] = partial(power_contrast, sfreq=SFREQ, **axes)
    return compare_explanations(given, n_permutations=N_PERMUTATIONS, random_state=seed).agreement


def rates(levels, n_noise, n_planted):
    """Share of data sets with p <= ALPHA by pair, and over all pairs."""
    rows = []
    for level in levels:
        begin, snr = time.process_time(), LEVELS[level]
        found = [compared(seed, snr) for seed in range(n_planted if snr else n_noise)]
        for place, pair in enumerate(found[0].index):
            one = [table.iloc[place] for table in found]
            means = [np.mean([row[name] for row in one]) for name in ("spearman", "chance")]
            called = [np.mean([row[name] <= ALPHA for row in one]) for name in ("p_value", "familywise_p")]
            numbers = " | ".join(f"{value:.2f}" for value in means) + "".join(f" | {value:.3f}" for value in called)
            rows.append(f"| {level} ({len(found)}) | {' and '.join(pair)} | {numbers} |")
        called = np.mean([(table["familywise_p"] <= ALPHA).any() for table in found])
        rows.append(f"| {level} ({len(found)}) | any pair | | | | {called:.3f} |")
        print("\n".join(rows[-4:]), f"{time.process_time() - begin:.0f} CPU s", flush=True)
    return rows


def main():
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the data sets")
    parser.add_argument("--levels", nargs="+", default=list(LEVELS), choices=list(LEVELS), help="which to run")
    options = parser.parse_args()
    share = 10 if options.quick else 1
    head = ["data (sets)", "pair", "mean rank agreement", "on permuted labels", "p <= .05", "familywise p <= .05"]
    lines = [
        "# Agreement of maps: share of data sets where it is more than that of permuted labels",
        "",
        f"SyncNets in closed form, 80 trials x 8 channels x 128 samples, {N_FOLDS} folds, {N_PERMUTATIONS} "
        "permutations.",
        "",
        f"| {' | '.join(head)} |",
        "|---|---|---|---|---|---|",
        *rates(options.levels, 60 // share, 30 // share),
        "",
    ]
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
