"""How often errors of cross-validated maps cover what repeating the whole procedure would give.

``python benchmarks/bench_cross_validation.py [REGIME ...] [--repeats 60]`` draws new trials, trains new networks and
explains them, again and again; the mean map over all repetitions is what each interval should cover. Tables go to
``benchmarks/results/cross_validation.md``, one per regime that was run.
"""

import argparse
import pathlib
import platform
import time
import warnings
from dataclasses import dataclass, field

import numpy as np
import torch
from scipy import stats

from eegexplain.datasets import make_oscillatory_eeg
from eegexplain.inspection import cross_validate_explanations
from eegexplain.models import SyncNetClassifier
from eegexplain.perturbation import PerturbationCorrelator

RESULTS = pathlib.Path(__file__).parent / "results" / "cross_validation.md"
CHANNELS = ["Fp1", "Fz", "C3", "Cz", "C4", "Pz", "O1", "O2"]
ERRORS = {
    "error_given_networks": "over trials or groups",
    "nadeau_bengio_error": "Nadeau and Bengio",
    "jackknife_error": "jackknife",
    "standard_error": "standard_error",
}
GRADIENT = {"readout": "max", "training": "gradient", "num_filters": 8, "max_epochs": 20}


@dataclass(frozen=True)
class Regime:
    """What is drawn anew in each repetition."""

    n_trials: int
    n_subjects: int = 1
    n_seeds: int = 1
    settings: dict = field(default_factory=dict)


REGIMES = {
    "closed form, 200 trials": Regime(200),
    "closed form, 80 trials": Regime(80),
    "closed form, 300 trials of 10 subjects, as groups": Regime(300, n_subjects=10),
    "gradients, 200 trials, 2 seeds": Regime(200, n_seeds=2, settings=GRADIENT),
    "gradients, 240 trials of 10 subjects, 2 seeds": Regime(240, n_subjects=10, n_seeds=2, settings=GRADIENT),
}


def repeated(regime, n_repeats):
    """Map and errors of each repetition, ``(n_repeats, n_cells)`` by name, and accuracies and shares of the data."""
    found = {name: [] for name in ("value", *ERRORS)}
    accuracy, share = [], []
    for seed in range(n_repeats):
        eeg = make_oscillatory_eeg(
            regime.n_trials, CHANNELS, duration=1.0, n_subjects=regime.n_subjects, random_state=5000 + seed
        )
        net = SyncNetClassifier(sfreq=eeg.sfreq, **regime.settings)
        correlator = PerturbationCorrelator(net, bands="eeg", noise="data", ch_names=CHANNELS)
        groups = eeg.subject if regime.n_subjects > 1 else None
        settings = {"groups": groups, "n_seeds": regime.n_seeds, "random_state": seed, "scoring": {}}
        dataset = cross_validate_explanations(correlator, eeg.X, eeg.y, **settings).dataset
        for name, values in found.items():
            values.append(dataset[name].sel(output="1").values.ravel())
        accuracy.append(np.mean(dataset["prediction"].values == eeg.y))
        share.append(dataset.attrs["data_share"])
    return {name: np.array(values) for name, values in found.items()}, np.mean(accuracy), np.nanmean(share)


def table(name, n_repeats):
    """Coverage of 95 % intervals by each error: all cells, planted ones, the tenth percentile and the worst."""
    start = time.process_time()
    found, accuracy, share = repeated(REGIMES[name], n_repeats)
    maps = found["value"]
    truth = maps.mean(axis=0)
    planted = np.abs(truth) > 0.5 * np.abs(truth).max()
    yield (
        f"\n## {name}\n\n{n_repeats} repetitions, accuracy {accuracy:.3f}, mean data_share {share:.2f}, "
        f"{planted.sum()} planted of {len(truth)} cells, {time.process_time() - start:.0f} CPU s\n"
    )
    yield "| error | mean cell | planted | 10th percentile | worst | median SE / SD |"
    yield "|---|---|---|---|---|---|"
    for key, title in ERRORS.items():
        reach = 1.96 if key == "error_given_networks" else stats.t.isf(0.025, 4)
        inside = (np.abs(maps - truth) <= reach * found[key]).mean(axis=0)
        ratio = np.median(np.sqrt((found[key] ** 2).mean(axis=0)) / maps.std(axis=0, ddof=1))
        yield (
            f"| {title} | {inside.mean():.3f} | {inside[planted].mean():.3f} | {np.quantile(inside, 0.1):.3f} | "
            f"{inside.min():.3f} | {ratio:.2f} |"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("regimes", nargs="*", help="names; the closed forms when none is given")
    parser.add_argument("--repeats", type=int, default=60)
    args = parser.parse_args()
    lines = [
        "# Coverage of the errors of cross-validated maps\n",
        "Perturbation correlation with the data's noise, 8 channels x 5 bands, 1 s at 128 Hz, five folds; "
        f"2-core x86-64 VM, Python {platform.python_version()}, torch {torch.__version__}, one thread. Reproduce with "
        "`python benchmarks/bench_cross_validation.py`.",
    ]
    for name in args.regimes or [name for name in REGIMES if name.startswith("closed")]:
        lines += table(name, args.repeats)
        RESULTS.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    main()
