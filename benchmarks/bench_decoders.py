"""How well do decoders decode? Settings of SyncNet beside linear decoders of covariances, on data of many kinds.

``python benchmarks/bench_decoders.py development NAME ...`` or ``... confirmation NAME ...`` runs the problems of these
names (all without one) and keeps one JSON file per problem, seed and decoder in ``--cache``, so that it can be stopped
and go on; ``... table`` writes ``benchmarks/results/decoders.md`` from what is there. Real EEG (the UCI file) is read
where ``EEGEXPLAIN_DATA`` says; without it the problem is left out. Defaults are chosen on development seeds and
confirmed on the others.
"""

import argparse
import functools
import json
import os
import pathlib
import platform
import time
import warnings
from dataclasses import dataclass

import numpy as np
import scipy.signal
import torch
from scipy import stats
from sklearn.base import clone
from sklearn.metrics import balanced_accuracy_score, log_loss
from sklearn.model_selection import StratifiedGroupKFold

from eegexplain.datasets import make_oscillatory_eeg, make_synchrony_eeg
from eegexplain.models import SyncNetClassifier

RESULTS = pathlib.Path(__file__).parent / "results"
TODAY = "max, gradient"  # what the others are compared with


@dataclass(frozen=True)
class Problem:
    """Trials, and the parts in which they are trained on and predicted; ``groups`` are people, never split."""

    X: np.ndarray
    y: np.ndarray
    sfreq: float
    splits: list
    groups: np.ndarray | None = None


# ------------------------------------------------------------------ data


def uci(partition):
    """Alcoholics and controls, 20 people, none in training and test."""
    data = np.load(pathlib.Path(os.environ["EEGEXPLAIN_DATA"]) / "uci_eeg_train.npz", allow_pickle=False)
    scalp = ~np.isin(data["ch_names"], ["X", "Y", "nd"])
    return by_people(data["X"][:, scalp].astype(np.float32), data["y"], 256.0, data["subject"], partition)


def by_people(X, y, sfreq, people, seed):
    splits = StratifiedGroupKFold(5, shuffle=True, random_state=seed).split(X, y, people)
    return Problem(X, y, sfreq, list(splits), people)


def six_people(seed):
    """The demo: 360 trials of six simulated people."""
    eeg = make_oscillatory_eeg(360, n_subjects=6, random_state=seed)
    return by_people(eeg.X, eeg.y, eeg.sfreq, eeg.subject, 0)


def one_person(seed, n_train=300, n_test=800, change=None, **settings):
    """One simulated person."""
    eeg = make_oscillatory_eeg(n_train + n_test, random_state=seed, **settings)
    X = eeg.X if change is None else change(eeg.X, eeg.sfreq)
    return Problem(X, eeg.y, eeg.sfreq, [(np.arange(n_train), np.arange(n_train, n_train + n_test))])


def imbalanced(seed):
    """One trial of class 1 for four of class 0."""
    eeg = make_oscillatory_eeg(1400, random_state=seed)
    first, second = np.flatnonzero(eeg.y == 0), np.flatnonzero(eeg.y == 1)
    train = np.sort(np.r_[first[:200], second[:50]])
    test = np.sort(np.r_[first[200:600], second[50:150]])
    return Problem(eeg.X, eeg.y, eeg.sfreq, [(train, test)])


def channels(n):
    """Names of n electrodes that a montage knows, all over the head."""
    import mne

    known = ("Fp", "AF", "F", "C", "T", "P", "O")
    names = [n for n in mne.channels.make_standard_montage("spherical_1005").ch_names if n.startswith(known)]
    return [names[place] for place in np.linspace(0, len(names) - 1, n).round().astype(int)]


def band_passed(X, sfreq):
    """8 to 30 Hz, as motor imagery is often handed round."""
    return scipy.signal.sosfiltfilt(scipy.signal.butter(4, (8, 30), "bandpass", fs=sfreq, output="sos"), X)


def synchrony(seed):
    """Classes with the same power; in one the channels follow a common rhythm with lags."""
    eeg = make_synchrony_eeg(600, random_state=seed)
    return Problem(eeg.X, eeg.y, eeg.sfreq, [(np.arange(400), np.arange(400, 600))])


def sign_of_a_lag(seed, n_trials=500, n_train=200, n_channels=8, sfreq=128.0, snr=0.2):
    """Two sources follow one rhythm, the second a quarter of a cycle behind or ahead: equal covariances."""
    rng = np.random.default_rng(seed)
    y, phase = rng.integers(0, 2, n_trials), rng.uniform(0, 2 * np.pi, (n_trials, 1))
    angle = 2 * np.pi * 10 * np.arange(256) / sfreq + phase
    lag = np.where(y == 1, 1, -1)[:, None] * np.pi / 2
    noise = np.cumsum(rng.standard_normal((n_trials, n_channels, 256)), axis=-1)
    noise = noise - scipy.signal.savgol_filter(noise, 65, 1) + rng.standard_normal(noise.shape)
    mixing = rng.standard_normal((n_channels, n_channels))
    places = rng.standard_normal((2, n_channels))
    X = np.einsum("ij,njt->nit", mixing, noise) / np.sqrt(n_channels)
    X += snr * sum(s[:, None] * np.cos(a)[:, None] for s, a in zip(places, (angle, angle - lag), strict=True))
    return Problem(X, y, sfreq, [(np.arange(n_train), np.arange(n_train, n_trials))])


ONE = {"development": range(941, 947), "confirmation": range(961, 971)}
FEW = {"development": range(931, 934), "confirmation": range(971, 976)}
PROBLEMS = {  # name: maker of a problem from a seed, seeds
    "UCI, by person": (uci, {"development": (911, 912), "confirmation": (913, 914, 915)}),
    "six people": (six_people, {"development": range(4), "confirmation": range(10, 16)}),
    "300 trials": (one_person, ONE),
    "150 trials": (functools.partial(one_person, n_train=150), ONE),
    "80 trials": (functools.partial(one_person, n_train=80), ONE),
    "40 trials": (functools.partial(one_person, n_train=40), ONE),
    "synchrony": (synchrony, {"development": range(951, 955), "confirmation": range(961, 967)}),
    "sign of a lag": (sign_of_a_lag, {"development": range(4), "confirmation": range(10, 16)}),
    "10 channels": (functools.partial(one_person, n_train=200, ch_names=channels(10)), FEW),
    "64 channels": (functools.partial(one_person, n_train=200, n_test=400, ch_names=channels(64)), FEW),
    "128 channels": (functools.partial(one_person, n_train=200, n_test=300, ch_names=channels(128)), FEW),
    "100 Hz": (functools.partial(one_person, n_train=200, sfreq=100.0), FEW),
    "512 Hz": (functools.partial(one_person, n_train=200, n_test=400, sfreq=512.0), FEW),
    "8-30 Hz only": (functools.partial(one_person, n_train=200, change=band_passed), FEW),
    "1 of 4 rare": (imbalanced, FEW),
}


# ------------------------------------------------------------------ decoders


def syncnet(**settings):
    return lambda sfreq, seed: SyncNetClassifier(sfreq=sfreq, random_state=seed, **settings)


def reference(name):
    def make(sfreq, seed):
        from eegexplain.inspection import reference_decoders

        return reference_decoders(sfreq)[name]

    return make


LOG_POWER = {"readout": "log_power"}
DECODERS = {
    TODAY: syncnet(readout="max", training="gradient"),
    "log power, gradient": syncnet(**LOG_POWER, training="gradient"),
    "closed, 20 filters": syncnet(**LOG_POWER, training="closed", num_filters=20),
    "closed, 60 filters": syncnet(**LOG_POWER, training="closed", num_filters=60),
    "closed, 200 filters": syncnet(**LOG_POWER, training="closed", num_filters=200),
    "tangent space + LR": reference("tangent space + LR"),
    "CSP + LDA": reference("CSP + LDA"),
}


# ------------------------------------------------------------------ one run


def run(problem, decoder, seed):
    """Balanced accuracy, information in nats and seconds of one decoder; accuracy per person where there are some."""
    n_classes = len(np.unique(problem.y))
    probability, seconds = np.full((len(problem.y), n_classes), np.nan), []
    for fold, (train, test) in enumerate(problem.splits):
        estimator = clone(decoder(problem.sfreq, seed + fold))
        groups = {} if problem.groups is None else {"groups": problem.groups[train]}
        start = time.process_time()
        if isinstance(estimator, SyncNetClassifier):
            estimator.fit(problem.X[train], problem.y[train], **groups)
        else:
            estimator.fit(problem.X[train], problem.y[train])
        seconds.append(time.process_time() - start)
        probability[test] = estimator.predict_proba(problem.X[test])
    seen = np.isfinite(probability[:, 0])
    y, probability = problem.y[seen], np.clip(probability[seen], 1e-6, 1)
    predicted = np.unique(problem.y)[probability.argmax(axis=1)]
    shares = np.unique(y, return_counts=True)[1] / len(y)
    found = {
        "accuracy": balanced_accuracy_score(y, predicted),
        "nats": float(-(shares * np.log(shares)).sum() - log_loss(y, probability)),
        "seconds": float(np.median(seconds)),
    }
    if problem.groups is not None:
        people = problem.groups[seen]
        found["people"] = {str(who): float((predicted == y)[people == who].mean()) for who in np.unique(people)}
    return found


def run_all(part, names, decoders, cache):
    """Every problem, seed and decoder that is not in the cache yet."""
    for name in names or PROBLEMS:
        make, seeds = PROBLEMS[name]
        if name.startswith("UCI") and "EEGEXPLAIN_DATA" not in os.environ:
            print(f"{name}: EEGEXPLAIN_DATA is not set, left out")
            continue
        for seed in seeds[part]:
            problem = None
            for label in decoders or DECODERS:
                path = cache / f"{part}__{name}__{seed}__{label}.json".replace(" ", "_")
                if path.exists():
                    continue
                problem = make(seed) if problem is None else problem
                found = run(problem, DECODERS[label], seed)
                path.write_text(json.dumps(found | {"part": part, "problem": name, "seed": seed, "decoder": label}))
                print(f"{name} {seed} {label}: {found['accuracy']:.3f} {found['nats']:.3f} {found['seconds']:.2f} s",
                      flush=True)


# ------------------------------------------------------------------ table


def gathered(cache, part):
    """Results by problem and decoder, in the order of the seeds."""
    found = {}
    for path in sorted(cache.glob(f"{part}__*.json")):
        row = json.loads(path.read_text())
        found.setdefault(row["problem"], {}).setdefault(row["decoder"], {})[row["seed"]] = row
    return found


def paired(ours, others, key="accuracy"):
    """Mean difference and half of its 90 % interval: over seeds, for UCI over people."""
    seeds = sorted(set(ours) & set(others))
    if all("people" in ours[seed] for seed in seeds) and len({tuple(ours[seed]["people"]) for seed in seeds}) == 1:
        per_seed = [[ours[s]["people"][who] - others[s]["people"][who] for who in ours[s]["people"]] for s in seeds]
        values = np.mean(per_seed, axis=0)  # partitions share their people: they are averaged first
        if len(values) < 15 or key != "accuracy":
            values = np.array([ours[s][key] - others[s][key] for s in seeds])
    else:
        values = np.array([ours[s][key] - others[s][key] for s in seeds])
    half = stats.t.isf(0.05, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return values.mean(), half


def rows(found, part):
    """Two tables: means with standard errors over seeds, and differences from today's default."""
    labels = [label for label in DECODERS if any(label in results for results in found.values())]
    yield f"\n## {part.capitalize()}\n"
    yield "Balanced accuracy ± standard error over seeds | information in nats | CPU s of a fit\n"
    yield "| data | " + " | ".join(labels) + " |"
    yield "|---" * (len(labels) + 1) + "|"
    for name in [name for name in PROBLEMS if name in found]:
        cells = []
        for label in labels:
            results = list(found[name].get(label, {}).values())
            if not results:
                cells.append("")
                continue
            accuracy = np.array([row["accuracy"] for row in results])
            error = accuracy.std(ddof=1) / np.sqrt(len(accuracy)) if len(accuracy) > 1 else np.nan
            nats, seconds = (np.mean([row[key] for row in results]) for key in ("nats", "seconds"))
            cells.append(f"{accuracy.mean():.3f} ± {error:.3f}, {nats:.2f}, {seconds:.2f} s")
        yield f"| {name} | " + " | ".join(cells) + " |"
    for against in (TODAY, "tangent space + LR"):
        yield f"\nDifference of accuracy from \"{against}\" with its 90 % interval\n"
        yield "| data | " + " | ".join(label for label in labels if label != against) + " |"
        yield "|---" * len(labels) + "|"
        for name in [name for name in PROBLEMS if name in found and against in found[name]]:
            cells = []
            for label in labels:
                if label == against:
                    continue
                if label in found[name]:
                    mean, half = paired(found[name][label], found[name][against])
                    cells.append(f"{mean:+.3f} ± {half:.3f}")
                else:
                    cells.append("")
            yield f"| {name} | " + " | ".join(cells) + " |"


def write_table(cache):
    lines = [
        "# Decoders on data of many kinds\n",
        f"2-core x86-64 VM, Python {platform.python_version()}, torch {torch.__version__}, one thread. Reproduce with "
        "`python benchmarks/bench_decoders.py development`, `... confirmation`, then `... table`. Seeds of development "
        "were looked at while the closed form was built (its shrinkage, its rank, its number of filters), those of "
        "confirmation were not; the partitions of UCI share their 20 people, so they are no proof by themselves. "
        "Decoders without an entry were not run.",
    ]
    for part in ("development", "confirmation"):
        lines += rows(gathered(cache, part), part)
    (RESULTS / "decoders.md").write_text("\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=("development", "confirmation", "table"))
    parser.add_argument("names", nargs="*", help="problems; all when none is given")
    parser.add_argument("--decoders", nargs="*", help="names of decoders; all when none is given")
    parser.add_argument("--cache", type=pathlib.Path, default=pathlib.Path("decoders-cache"))
    args = parser.parse_args()
    args.cache.mkdir(exist_ok=True)
    if args.part == "table":
        write_table(args.cache)
    else:
        run_all(args.part, args.names, args.decoders, args.cache)


if __name__ == "__main__":
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    main()
