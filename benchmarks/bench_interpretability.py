"""Cross-validated interpretability by analysis: decoding, significance, stability, faithfulness, time, memory.

Run ``python benchmarks/bench_interpretability.py``; the table goes to ``benchmarks/results/interpretability.md``. The
data are those of the demonstration (360 simulated trials of 6 subjects, folds by subject) and, where
``EEGEXPLAIN_DATA`` says where they are, recordings of the UCI EEG database by subject, whose the label is. Beside the
map of the true labels stands that of permuted ones, which none of the tests may call significant. ``null`` times 1,000
networks of the demonstration: 5 folds x 200 labelings, trained, explained and scored.
"""

import argparse
import os
import pathlib
import platform
import threading
import time

import numpy as np
import psutil

from eegexplain import FLEXAttributor, PerturbationCorrelator, SyncNetClassifier
from eegexplain._exchange import exchangeable, permuted_labels
from eegexplain.datasets import make_oscillatory_eeg
from eegexplain.inspection import cross_validate_models, explain_models, faithfulness_scorer

RESULTS = pathlib.Path(__file__).parent / "results" / "interpretability.md"
N_RETRAINED = {  # permutations whose networks are trained again, by data and analysis
    "simulated, 6 subjects": dict.fromkeys(("perturbation, data noise", "perturbation, independent", "FLEX"), 39),
    "UCI, by subject": {"perturbation, data noise": 19},  # networks of 61 channels take a second each
}
N_HALVED = {"simulated, 6 subjects": 19, "UCI, by subject": 0}  # permutations of stability
COLUMNS = (
    "analysis", "cells beyond zero", "significant cells", "halves agree: Spearman, cosine", "faithfulness", "CPU s",
    "MiB",
)  # fmt: skip


def demo():
    """Simulated EEG of the demonstration."""
    eeg = make_oscillatory_eeg(360, n_subjects=6, random_state=0)
    return eeg.X, eeg.y, eeg.subject, eeg.sfreq, eeg.ch_names


def uci():
    """Recordings of the UCI EEG database; the label is the subject's."""
    data = np.load(pathlib.Path(os.environ["EEGEXPLAIN_DATA"]) / "uci_eeg_train.npz", allow_pickle=False)
    scalp = ~np.isin(data["ch_names"], ["X", "Y", "nd"])
    names = data["ch_names"][scalp].astype(str).tolist()
    return data["X"][:, scalp].astype(np.float32), data["y"], data["subject"], 256.0, names


DATA = {"simulated, 6 subjects": demo, "UCI, by subject": uci}
ANALYSES = {
    "perturbation, data noise": lambda names: PerturbationCorrelator(bands="eeg", noise="data", ch_names=names),
    "perturbation, independent": lambda names: PerturbationCorrelator(bands="eeg", ch_names=names),
    "FLEX": lambda names: FLEXAttributor(basis="bands", n_steps=8, ch_names=names),
}


class Peak:
    """Most memory of this process inside the block, above what it had before, in MiB."""

    def __enter__(self):
        self.before = self.most = psutil.Process().memory_info().rss
        self.running = True
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()
        return self

    def _watch(self):
        while self.running:
            self.most = max(self.most, psutil.Process().memory_info().rss)
            time.sleep(0.01)

    def __exit__(self, *_):
        self.running = False
        self.thread.join()
        self.mib = (self.most - self.before) / 2**20


def measured(name, models, names, title, true):
    """One row: what is asked of one analysis; of permuted labels, what needs no further networks."""
    explainer = ANALYSES[name](names)
    explainer.set_params(estimator=models.estimator)
    scoring = {"faithfulness": faithfulness_scorer()}
    begin = time.process_time()
    with Peak() as peak:
        found = explain_models(models, explainer, return_trials=name == "FLEX", random_state=0)
    spent = time.process_time() - begin
    faithful = explain_models(models, explainer, scoring=scoring, random_state=0).dataset["test_faithfulness"]
    beyond = found.beyond_zero.isel(output=1)
    cells = [" ".join((str(c.channel.item()), str(c.band.item()))) for c in beyond.stack(c=beyond.dims) if c]
    asked, tests = N_RETRAINED[title].get(name, 0) * true, {}
    if asked:
        tests["retraining"] = found.significance("retraining", n_permutations=asked, random_state=0)
    if name == "FLEX":
        tests["contrast"] = found.significance(random_state=0)
    agreement = ""
    if true:
        n_permutations = N_HALVED[title]
        halves = found.stability(n_folds=2, n_repeats=2, n_permutations=n_permutations, random_state=0)
        agreement = ", ".join(
            f"{halves.mean[one]:.2f}" + f" (p = {halves.p_values[one]:.2f})" * bool(n_permutations)
            for one in ("spearman", "cosine")
        )
    told = "; ".join(f"{kind} {int(one.significant.sum() / 2)}, p = {one.p_value:.3f}" for kind, one in tests.items())
    beyond = f"{len(cells)}: {', '.join(cells[:3])}{', ...' if len(cells) > 3 else ''}"
    faithful = f"{faithful.mean().item():.2f} ± {faithful.mean('seed').std(ddof=1).item():.2f}"
    return f"| {name} | {beyond} | {told} | {agreement} | {faithful} | {spent:.1f} | {peak.mib:.0f} |"


def table(title, load):
    """All analyses of one data set; of simulated trials with permuted labels, too."""
    X, y, subjects, sfreq, names = load()
    codes = np.unique(y, return_inverse=True)[1]
    design = exchangeable(codes, np.zeros_like(codes), np.unique(subjects, return_inverse=True)[1])
    permuted = next(permuted_labels(codes, design, 1, np.random.RandomState(1)))
    lines = []
    for labels, target in (("", codes), (", permuted labels", permuted))[: 1 + title.startswith("simulated")]:
        begin = time.process_time()
        models = cross_validate_models(SyncNetClassifier(sfreq=sfreq), X, target, groups=subjects, random_state=0)
        spent, one = time.process_time() - begin, models.decoding
        lines += [
            f"## {title}{labels}: {X.shape[0]} trials x {X.shape[1]} channels x {X.shape[2]} samples",
            "",
            f"Balanced accuracy {one.balanced_accuracy:.3f} (p = {one.p_value:.3f}): {one.verdict}. Training: "
            f"{spent:.1f} CPU s for {len(models.folds)} folds.",
            "",
            f"| {' | '.join(COLUMNS)} |",
            "|---" * len(COLUMNS) + "|",
            *(measured(name, models, names, title, not labels) for name in ANALYSES),
            "",
        ]
        print("\n".join(lines[-len(ANALYSES) - 7 :]), flush=True)
    return lines


def null():
    """1,000 networks of the demonstration."""
    X, y, subjects, sfreq, names = demo()
    explainer = PerturbationCorrelator(SyncNetClassifier(sfreq=sfreq), bands="eeg", noise="data", ch_names=names)
    models = cross_validate_models(explainer, X, y, groups=subjects, random_state=0)
    found = explain_models(models, explainer, random_state=0)
    begin, wall = time.process_time(), time.perf_counter()
    tested = found.significance("retraining", n_permutations=199, random_state=0)
    spent, wall = time.process_time() - begin, time.perf_counter() - wall
    return [
        "## Null of the demonstration: 5 folds x 200 labelings",
        "",
        f"1,000 networks trained, explained and scored: {spent:.0f} CPU s, {wall:.0f} s on one thread. {tested}",
        "",
    ]


def main():
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="+", default=[*DATA, "null"], help="which parts to run")
    options = parser.parse_args()
    lines = [
        "# What each analysis is worth on held-out trials",
        "",
        f"2-core x86-64 VM, Python {platform.python_version()}, one thread; default network, 5 folds. Cells",
        "beyond zero: Holm, total error, t(4). Significant cells: 5 % familywise; retraining: largest gain, two-sided,",
        "39 permutations (UCI: 19), so that p is at least .025 (.05); contrast: 999 permutations. Stability: halves",
        "cross-validated in 2 folds, 2 repeats, 19 permutations (UCI: none). Faithfulness: gain of deletion over",
        "random order by its range (`faithfulness_scorer`), mean and SD over folds. CPU and memory: the map alone.",
        "",
    ]
    for name in options.parts:
        if name == "UCI, by subject" and "EEGEXPLAIN_DATA" not in os.environ:
            print("EEGEXPLAIN_DATA is not set: UCI left out")
            continue
        lines += null() if name == "null" else table(name, DATA[name])
        RESULTS.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
