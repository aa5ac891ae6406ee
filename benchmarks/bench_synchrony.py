"""Information in phase relations: planted synchrony, power alone, networks that learned nothing, permuted labels.

Run ``python benchmarks/bench_synchrony.py``; the table goes to ``benchmarks/results/synchrony.md``. 300 training and
200 held-out trials. Synchrony is `make_synchrony_eeg` (8 channels, 10 Hz, lags planted, equal power), power alone is
`make_oscillatory_eeg` (19 channels). Every finished data set is a line of ``--log``, and is not run again.
"""

import argparse
import json
import pathlib
import time
import warnings

import numpy as np
from sklearn.frozen import FrozenEstimator

from eegexplain import SyncNetClassifier
from eegexplain._bits import make_judge
from eegexplain.datasets import make_oscillatory_eeg, make_synchrony_eeg
from eegexplain.information import SynchronyMapper
from eegexplain.information._testing import test_evidence

RESULTS = pathlib.Path(__file__).parent / "results" / "synchrony.md"
N_TRAIN, N_PERMUTED = 300, 40
ALPHA = {"alpha": (8.0, 12.0)}
SEEDS = {"synchrony": range(961, 971), "power": range(971, 976), "power in channels": range(971, 973)}


def mapped(net, eeg, **settings):
    """Mapper of held-out trials, and its CPU seconds."""
    begin = time.process_time()
    names = {"ch_names": eeg.ch_names, "sfreq": eeg.sfreq, "unit": "nat", "random_state": 0, "bands": ALPHA}
    found = SynchronyMapper(FrozenEstimator(net), **{**names, **settings}).fit(eeg.X[N_TRAIN:], eeg.y[N_TRAIN:])
    return found, time.process_time() - begin


def trained(eeg, seed, y=None, **settings):
    """A SyncNet of the first trials."""
    net = SyncNetClassifier(sfreq=eeg.sfreq, random_state=seed, **settings)
    return net.fit(eeg.X[:N_TRAIN], eeg.y[:N_TRAIN] if y is None else y)


def numbers(found, seconds):
    """What is told of every data set."""
    pairs = found.p_values_[0][np.triu_indices(found.p_values_.shape[1], 1)]
    beside = found.diagonal_p_values_[0][np.triu_indices(found.diagonal_p_values_.shape[1], 1)]
    return {
        "total": found.total_, "gate": bool(found.total_p_ <= 0.05), "relations": float(found.relations_[0]),
        "relations_p": float(found.relations_p_[0]), "reversal": float(found.reversal_[0]),
        "reversal_z": float(found.reversal_z_[0]), "pairs": int((pairs <= 0.05).sum()), "n_pairs": len(pairs),
        "diagonal": float(found.diagonal_[0]), "diagonal_pairs": int(np.nansum(beside <= 0.05)),
        "n_diagonal": int(np.isfinite(beside).sum()),
        "largest_diagonal": float(np.nanmax(found.diagonal_evidence_[1, 0])),
        "interaction": float(found.interaction_[0]), "seconds": seconds,
    }  # fmt: skip


def permuted_rate(found, eeg, seed):
    """Share of permutations of the held-out labels in which any pair is called at 5 %, in all bands."""
    rng, y = np.random.RandomState(seed), eeg.y[N_TRAIN:]
    values = np.asarray(found.explain(eeg.X[N_TRAIN:])["value"])  # trials, outputs, bands, pairs
    columns = values.transpose(2, 3, 0, 1).reshape(-1, *values.shape[:2])
    called = 0
    for _ in range(N_PERMUTED):
        labels = rng.permutation(y)
        judge, _ = make_judge(labels, rng.standard_normal(len(labels)))
        called += (test_evidence(columns, judge, None, 199, rng).p_values <= 0.05).any()
    return called / N_PERMUTED


def synchrony(seed):
    """Planted lags."""
    eeg = make_synchrony_eeg(500, random_state=seed)
    net = trained(eeg, seed)
    found, seconds = mapped(net, eeg, space="channels")
    upper = np.triu_indices(8, 1)
    weights = np.outer(eeg.truth.patterns[0], eeg.truth.patterns[0])[upper]
    row = {"accuracy": net.score(eeg.X[N_TRAIN:], eeg.y[N_TRAIN:]), **numbers(found, seconds)}
    row["r"] = float(np.corrcoef(found.evidence_[1, 0][upper], weights)[0, 1])
    row["r_information"] = float(np.corrcoef(found.information_[0][upper], weights)[0, 1])
    row["permuted_rate"] = permuted_rate(found, eeg, seed)
    rng = np.random.default_rng(seed)
    nothing = {
        "untrained": trained(eeg, seed, training="gradient", max_epochs=1, lr=1e-12),
        "permuted": trained(eeg, seed, rng.permutation(eeg.y[:N_TRAIN])),
    }
    for name, one in nothing.items():
        of_nothing, _ = mapped(one, eeg, space="channels", n_permutations=199)
        row |= {f"{name}_{key}": numbers(of_nothing, 0)[key] for key in ("total", "gate", "relations", "pairs")}
        row[f"{name}_shown"] = bool(of_nothing.total_p_ <= 0.05 and of_nothing.relations_p_[0] <= 0.05)
    outside, _ = mapped(net, eeg, space="channels", bands={"theta": (4.0, 7.0), "beta": (14.0, 20.0)})
    row["elsewhere"] = [float(value) for value in outside.relations_]
    row["elsewhere_z"] = [float(v / e) if e > 0 else 0.0
                          for v, e in zip(outside.relations_, outside.relations_errors_, strict=True)]  # fmt: skip
    return row


def power(seed, space="principal"):
    """Power alone tells the classes: no lags."""
    eeg = make_oscillatory_eeg(500, random_state=seed)
    net = trained(eeg, seed)
    found, seconds = mapped(net, eeg, space=space)
    return {"accuracy": net.score(eeg.X[N_TRAIN:], eeg.y[N_TRAIN:]), **numbers(found, seconds)}


RUNS = {
    "synchrony": synchrony,
    "power": power,
    "power in channels": lambda seed: power(seed, "channels"),
}


def spread(rows, name, digits=2):
    """Smallest, median and largest."""
    values = np.array([row[name] for row in rows], float)
    return " / ".join(f"{value:.{digits}f}" for value in (values.min(), np.median(values), values.max()))


def report(rows):
    """The table of what was found, and what was missed."""
    of = {kind: [row for row in rows if row["kind"] == kind] for kind in RUNS}
    planted, alone, channels = (of[kind] for kind in RUNS)
    lines = [
        "# Information in phase relations",
        "",
        f"SyncNets of {N_TRAIN} trials, 200 held-out ones, 8-12 Hz, information in nats; smallest / median / largest "
        f"over data sets ({len(planted)} of planted synchrony in 8 channels, {len(alone)} of power alone in 19, "
        f"{len(channels)} of these in channels). Reproduce with `python benchmarks/bench_synchrony.py`.",
        "",
        "| | target | planted synchrony | power alone, components | power alone, channels |",
        "|---|---|---|---|---|",
    ]

    def line(text, target, name, digits=2):
        """One row of all three."""
        cells = " | ".join(spread(one, name, digits) if one else "" for one in (planted, alone, channels))
        lines.append(f"| {text} | {target} | {cells} |")

    line("accuracy", "", "accuracy")
    line("information of the output", "", "total")
    line("information of all relations", "", "relations")
    line("time reversal costs", "", "reversal", 3)
    line("time reversal, z", "> 5; < 2", "reversal_z", 1)
    line("pairs at corrected p <= .05", "", "pairs", 0)
    line("of", "", "n_pairs", 0)
    line("uncorrelated components: information", "", "diagonal", 3)
    line("uncorrelated components: pairs at corrected p <= .05", "1 or more; 0", "diagonal_pairs", 0)
    line("of", "", "n_diagonal", 0)
    line("uncorrelated components: largest evidence", "", "largest_diagonal")
    line("share of interactions", "", "interaction", 3)
    line("CPU s, both controls included", "", "seconds", 1)
    if planted:
        lines += ["", "| planted synchrony | target | smallest / median / largest |", "|---|---|---|"]
        for text, target, name in (
            ("r of the pairs' evidence with planted weights", ">= .7", "r"),
            ("r of the pairs' information with planted weights", "", "r_information"),
            ("any pair at 5 % under permuted held-out labels", ".02-.08 (mean)", "permuted_rate"),
            ("untrained: information of the output", "<= .008", "untrained_total"),
            ("untrained: pairs without gate", "", "untrained_pairs"),
            ("permuted training labels: information of the output", "<= .008", "permuted_total"),
            ("permuted training labels: pairs without gate", "", "permuted_pairs"),
        ):
            lines.append(f"| {text} | {target} | {spread(planted, name, 3)} |")
        mean = np.mean([row["permuted_rate"] for row in planted])
        gates = {name: sum(row[f"{name}_gate"] for row in planted) for name in ("untrained", "permuted")}
        shown = {name: sum(row[f"{name}_shown"] for row in planted) for name in ("untrained", "permuted")}
        below = sum(row["r"] < 0.7 for row in planted)
        other = np.array([row["elsewhere"] for row in planted])
        other_z = np.array([row["elsewhere_z"] for row in planted])
        lines += [
            "",
            f"- Planted weights: r below .7 in {below} of {len(planted)} data sets.",
            f"- Permuted held-out labels: any pair in {mean:.3f} of {N_PERMUTED * len(planted)}.",
            f"- Gate of the whole output open: untrained {gates['untrained']}, permuted training labels "
            f"{gates['permuted']} of {len(planted)}; relations shown behind it: {shown['untrained']}, "
            f"{shown['permuted']}.",
            f"- Relations at 4-7 and 14-20 Hz, where nothing is planted: {other.min():.3f} to {other.max():.3f} nats, "
            f"z {other_z.min():.1f} to {other_z.max():.1f}.",
        ]
    return "\n".join(lines) + "\n"


def main():
    """Run what the log lacks, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--log", type=pathlib.Path, default=pathlib.Path("synchrony.jsonl"), help="a line per data set")
    parser.add_argument("--kinds", nargs="+", default=list(RUNS), choices=list(RUNS))
    parser.add_argument("--quick", action="store_true", help="one data set of each kind")
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS)
    options = parser.parse_args()
    rows = [json.loads(line) for line in options.log.read_text().splitlines()] if options.log.exists() else []
    done = {(row["kind"], row["seed"]) for row in rows}
    for kind in options.kinds:
        for seed in list(SEEDS[kind])[: 1 if options.quick else None]:
            if (kind, seed) in done:
                continue
            begin = time.process_time()
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="The whole map is 0")
                rows.append({"kind": kind, "seed": seed, **RUNS[kind](seed)})
            print(kind, seed, f"{time.process_time() - begin:.0f} CPU s", flush=True)
            with options.log.open("a") as log:
                log.write(json.dumps(rows[-1]) + "\n")
    options.output.write_text(report(rows))


if __name__ == "__main__":
    main()
