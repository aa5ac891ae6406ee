"""What information maps find, miss and cost: against the exact law, for four decoders, and where there is nothing.

``nice python benchmarks/bench_information.py PART ...`` (all without one) appends to ``--log`` line by line and writes
``benchmarks/results/information.md`` from it. Trials are simulated (300 for training, 200 held out) but for ``real``,
which reads the UCI recordings where ``EEGEXPLAIN_DATA`` says. Development seeds are 961-964, confirmation 971-980; none
of them was used before.
"""

import argparse
import json
import os
import pathlib
import platform
import time
import warnings

import numpy as np
from scipy import stats
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import StratifiedGroupKFold

from eegexplain._module import reinitialized
from eegexplain._parallel import single_thread
from eegexplain.datasets import make_oscillatory_eeg
from eegexplain.datasets._law import draw
from eegexplain.information import InformationMapper, _measured, total_information
from eegexplain.information._testing import evidence_test
from eegexplain.inspection import average_precision, cross_validate_explanations
from eegexplain.inspection.references import reference_decoders
from eegexplain.models import EEGNetClassifier, SyncNetClassifier

RESULTS = pathlib.Path(__file__).parent / "results" / "information.md"
BANDS = {"delta": (1, 4), "theta": (4, 8), "alpha": (8, 13), "beta": (13, 30), "gamma": (30, 45)}
N_TRAIN, N_TEST = 300, 200
DEVELOPMENT, CONFIRMATION = (961, 962, 963, 964), (971, 972, 973, 974, 975, 976)
MAP = {"bands": BANDS, "unit": "nat", "random_state": 0}


class IdealObserver(ClassifierMixin, BaseEstimator):
    """Knows the law that trials were drawn from; the log likelihood ratio is a sum over frequency bins."""

    def __init__(self, law):
        self.law = law

    def fit(self, X, y):
        """Nothing is learned."""
        self.classes_ = np.unique(y)
        return self

    def by_bin(self, X):
        """Log likelihood ratio of each bin."""
        spectra, found = np.fft.rfft(np.asarray(X, dtype=float)), np.zeros((len(X), X.shape[2] // 2 + 1))
        for f, one in zip(range(1, spectra.shape[2] - 1), self.law.bins(), strict=True):
            if one.differs:
                parts = np.concatenate([spectra[:, :, f].real, spectra[:, :, f].imag], axis=1)
                logs = [_log_density(parts - m, c) for m, c in zip(one.means, one.covariances, strict=True)]
                found[:, f] = logs[1] - logs[0]
        return found

    def decision_function(self, X):
        """Log likelihood ratio."""
        return self.by_bin(X).sum(axis=1)

    def predict(self, X):
        """The likelier class."""
        return self.classes_[(self.decision_function(X) > 0).astype(int)]


def _log_density(x, covariance):
    factor = np.linalg.cholesky(covariance + 1e-12 * np.trace(covariance) / len(covariance) * np.eye(len(covariance)))
    white = np.linalg.solve(factor, x.T)
    return -0.5 * np.square(white).sum(axis=0) - np.log(np.diag(factor)).sum()


def simulated(seed, n_trials=N_TRAIN + N_TEST, **settings):
    """One simulated person."""
    eeg = make_oscillatory_eeg(n_trials, random_state=seed, **settings)
    return eeg, eeg.X.astype(np.float32), eeg.y


def decoders(sfreq, seed=0):
    """Decoders of four kinds."""
    references = reference_decoders(sfreq)
    return {
        "SyncNet": SyncNetClassifier(sfreq=sfreq, random_state=seed),
        "CSP + LDA": references["CSP + LDA"],
        "tangent space + LR": references["tangent space + LR"],
        "EEGNet": EEGNetClassifier(sfreq=sfreq, random_state=seed),
    }


def explained(decoder, X, y, eeg, groups=None, **settings):
    """Map of a trained decoder on held-out trials, and its CPU seconds."""
    started = time.process_time()
    own = {"sfreq": eeg.sfreq, "ch_names": eeg.ch_names, **MAP, **settings}
    mapper = InformationMapper(FrozenEstimator(decoder), **own).fit(X, y, groups=groups)
    return mapper, time.process_time() - started


def cell_truth(eeg):
    """Bands x channels: informative where a frequency of the band is, unknown where all there is is leakage."""
    role, masks = eeg.truth.role, _band_columns(eeg)
    informative = np.stack([(role[:, mask] == "informative").any(axis=1) for mask in masks], axis=1)
    known = informative | np.stack([(role[:, mask] == "irrelevant").all(axis=1) for mask in masks], axis=1)
    return informative, known


def _band_columns(eeg):
    frequencies = np.fft.rfftfreq(eeg.X.shape[2], 1 / eeg.sfreq)
    return [(frequencies >= low) & (frequencies < high) for low, high in BANDS.values()]


# ------------------------------------------------------------------ parts


def observer(log):
    """Information of the ideal observer against the exact values of the same trials, and against 64 partners."""
    for stage, seeds in (("development", DEVELOPMENT), ("confirmation", CONFIRMATION)):
        for seed in seeds:
            eeg, X, y = simulated(seed)
            ideal = IdealObserver(eeg.truth.laws[0]).fit(X, y)
            test = slice(N_TRAIN, None)
            few, seconds = explained(ideal, X[test], y[test], eeg)
            many, _ = explained(ideal, X[test], y[test], eeg, n_partners=64)
            ratios, sign = ideal.by_bin(X[test]), 2 * y[test] - 1
            full = np.logaddexp(0, -sign * ratios.sum(axis=1))
            rest = [np.logaddexp(0, -sign * ratios[:, ~mask].sum(axis=1)) for mask in _band_columns(eeg)]
            exact = np.array([(one - full).mean() for one in rest])
            log("observer", stage=stage, seed=seed, exact=exact, found=few.information_, many=many.information_,
                total=few.total_, exact_total=np.log(2) - full.mean(), seconds=seconds)  # fmt: skip


def maps(log):
    """Bands, bands x channels and Shapley values of every decoder."""
    for stage, seeds in (("development", DEVELOPMENT), ("confirmation", CONFIRMATION)):
        for seed in seeds:
            eeg, X, y = simulated(seed)
            informative, known = cell_truth(eeg)
            for name, decoder in decoders(eeg.sfreq).items():
                if name == "EEGNet" and seed not in (*DEVELOPMENT[:1], *CONFIRMATION[:3]):
                    continue
                decoder.fit(X[:N_TRAIN], y[:N_TRAIN])
                held = X[N_TRAIN:], y[N_TRAIN:]
                bands, seconds = explained(decoder, *held, eeg, decomposition="alone")
                cells, of_cells = explained(decoder, *held, eeg, space="channels")
                if name == "EEGNet" and seed != CONFIRMATION[0]:
                    shapley, of_shapley = None, np.nan
                else:
                    shapley, of_shapley = explained(decoder, *held, eeg, decomposition="shapley")
                log("maps", stage=stage, seed=seed, decoder=name, accuracy=decoder.score(*held), total=bands.total_,
                    total_p=bands.total_p_, slope=bands.slope_, unique=bands.explanation_["unique_value"].values,
                    alone=bands.information_, p=bands.p_values_, interaction=float(bands.interaction_.max()),
                    usable_ap=average_precision(cells.information_, informative, scored=known),
                    evidence_ap=average_precision(np.abs(cells.evidence_[1]), informative, scored=known),
                    chance=informative[known].mean(), cells_p=int((cells.p_values_ <= 0.05).sum()),
                    found=[f"{eeg.ch_names[c]} {list(BANDS)[b]}" for c, b in
                           zip(*np.unravel_index(np.argsort(-cells.information_, axis=None)[:3],
                                                 cells.information_.shape), strict=True)],
                    shapley=None if shapley is None else shapley.information_,
                    shapley_gap=None if shapley is None else shapley.information_.sum() - shapley.total_,
                    seconds=[seconds, of_cells, of_shapley])  # fmt: skip


class _Columns:
    """Catches what a map tests, which labels do not touch."""

    def __enter__(self):
        self.kept, self.own = [], _measured.lost_information

        def caught(judge, whole, effects):
            """Keep and pass on."""
            found = self.own(judge, whole, effects)
            self.kept.append((judge, found.effects.columns))
            return found

        _measured.lost_information = caught
        return self

    def __exit__(self, *exception):
        _measured.lost_information = self.own


def permuted(log):
    """How often permuted held-out labels have a cell at 5 %: the test costs no forward pass."""
    for seed in CONFIRMATION[:3]:
        eeg, X, y = simulated(seed)
        for name, decoder in decoders(eeg.sfreq).items():
            if name == "EEGNet":
                continue
            decoder.fit(X[:N_TRAIN], y[:N_TRAIN])
            for cells, settings in (("bands", {}), ("bins", {"cells": "bins"}), ("channels", {"space": "channels"})):
                with _Columns() as caught:
                    explained(decoder, X[N_TRAIN:], y[N_TRAIN:], eeg, n_permutations=19, **settings)
                judge, columns = caught.kept[0]
                rng, hits = np.random.RandomState(seed), 0
                for _ in range(100):
                    drawn = rng.permutation(judge.targets)
                    other = type(judge)(drawn, judge.folds, None, judge.calibrations, judge.calibrated_over, judge.loss,
                                        judge.unit)  # fmt: skip
                    hits += (evidence_test(columns, other, None, 99, rng).p_values <= 0.05).any()
                log("permuted", seed=seed, decoder=name, cells=cells, hits=hits, of=100)


def nothing(log, n_data_sets=20, n_networks=6):
    """Networks that cannot know anything: untrained ones, and ones trained on permuted labels, gated and not."""
    for seed in range(1000, 1000 + n_data_sets):
        eeg, X, y = simulated(seed)
        net = SyncNetClassifier(sfreq=eeg.sfreq, random_state=0).fit(X[:N_TRAIN], y[:N_TRAIN])
        trained = net.net_.module_
        for number in range(n_networks):
            net.net_.module_ = reinitialized(trained, number)
            found, _ = explained(net, X[N_TRAIN:], y[N_TRAIN:], eeg)
            _log_nothing(log, "untrained", seed, found)
        if seed >= 1010:
            continue
        wrong = np.random.default_rng(seed).permutation(y[:N_TRAIN])
        for name, decoder in decoders(eeg.sfreq).items():
            if name == "EEGNet" and seed >= 1003:
                continue
            decoder.fit(X[:N_TRAIN], wrong)
            _log_nothing(log, f"permuted labels, {name}", seed, explained(decoder, X[N_TRAIN:], y[N_TRAIN:], eeg)[0])


def _log_nothing(log, kind, seed, found):
    log("nothing", kind=kind, seed=seed, total=found.total_, gate=total_information(found.explanation_).shown,
        cell=bool((found.p_values_ <= 0.05).any()), largest=found.information_.max())  # fmt: skip


def procedures(log, n_data_sets=20):
    """What one network cannot show: five folds of networks trained on permuted labels, or not at all."""
    for seed in range(1200, 1200 + n_data_sets):
        eeg, X, y = simulated(seed, 300)
        wrong = np.random.default_rng(seed).permutation(y)
        for kind, labels, seeds in (("permuted labels", wrong, 1), ("true labels", y, 1)):
            mapper = InformationMapper(SyncNetClassifier(sfreq=eeg.sfreq), sfreq=eeg.sfreq, n_permutations=19, **MAP)
            found = cross_validate_explanations(mapper, X, labels, n_seeds=seeds, random_state=seed).dataset
            total = total_information(found)
            log("procedures", kind=kind, seed=seed, total=total.value, error=total.standard_error, gate=total.shown)


def coverage(log, n_sets=60):
    """Errors given the network over fresh held-out sets."""
    for seed in (DEVELOPMENT[0], CONFIRMATION[0]):
        eeg, X, y = simulated(seed)
        for name in ("SyncNet", "CSP + LDA"):
            decoder = decoders(eeg.sfreq)[name].fit(X[:N_TRAIN], y[:N_TRAIN])
            kept = []
            for number in range(n_sets):
                new = draw(eeg.truth.laws[0], y[N_TRAIN:], np.random.default_rng([seed, number])).astype(np.float32)
                found, _ = explained(decoder, new, y[N_TRAIN:], eeg, n_permutations=19)
                kept.append([[*found.information_, found.total_], [*found.standard_errors_, found.total_error_],
                             [*found.evidence_[1], np.nan], [*found.evidence_errors_[1], np.nan]])  # fmt: skip
            kept = np.array(kept)
            limit = stats.t.ppf(0.975, N_TEST - 1)
            for what, place in (("usable", 0), ("evidence", 2)):
                value, error = kept[:, place], kept[:, place + 1]
                covered = (np.abs(value - value.mean(axis=0)) <= limit * error).mean(axis=0)
                log("coverage", over="trials", seed=seed, decoder=name, what=what, coverage=covered,
                    ratio=np.median(error, axis=0) / value.std(axis=0, ddof=1))  # fmt: skip


def repeats(log, n_procedures=40):
    """Total errors over whole procedures: other trials, other networks."""
    channels, kept = ["Fz", "C3", "C4", "Pz", "P3", "P4", "O1", "O2"], []
    for seed in range(1100, 1100 + n_procedures):
        eeg, X, y = simulated(seed, 200, ch_names=channels, duration=1.0)
        net = SyncNetClassifier(sfreq=eeg.sfreq, num_filters=8)
        mapper = InformationMapper(net, ch_names=channels, n_permutations=19, **MAP)
        found = cross_validate_explanations(mapper, X, y, n_seeds=2, random_state=seed).dataset
        total = total_information(found)
        kept.append([[*found["value"].values, total.value], [*found["standard_error"].values, total.standard_error]])
    kept = np.array(kept)
    value, error = kept[:, 0], kept[:, 1]
    covered = (np.abs(value - value.mean(axis=0)) <= stats.t.ppf(0.975, 4) * error).mean(axis=0)
    log("repeats", over="folds", seed=0, decoder="SyncNet", what="usable", coverage=covered,
        ratio=np.median(error, axis=0) / value.std(axis=0, ddof=1))  # fmt: skip


def real(log):
    """UCI by subject: partners of other subjects, errors over subjects."""
    if "EEGEXPLAIN_DATA" not in os.environ:
        return
    data = np.load(pathlib.Path(os.environ["EEGEXPLAIN_DATA"]) / "uci_eeg_train.npz", allow_pickle=False)
    scalp = ~np.isin(data["ch_names"], ["X", "Y", "nd"])
    X, y, groups = data["X"][:, scalp].astype(np.float32), data["y"], data["subject"]
    for partition in (0, 1):
        splits = list(StratifiedGroupKFold(5, shuffle=True, random_state=partition).split(X, y, groups))
        for name, decoder in decoders(256.0).items():
            if name in ("EEGNet", "CSP + LDA"):
                continue
            started = time.process_time()
            mapper = InformationMapper(decoder, sfreq=256.0, n_permutations=99, **MAP)
            found = cross_validate_explanations(mapper, X, y, groups=groups, cv=splits, random_state=0)
            total = total_information(found.dataset)
            log("real", partition=partition, decoder=name, accuracy=found.decoding_.balanced_accuracy,
                verdict=found.decoding_.verdict, total=total.value, error=total.standard_error, p=total.p_value,
                bands=found.dataset["value"].values, errors=found.dataset["standard_error"].values,
                given=found.dataset["error_given_networks"].values,
                total_given=float(found.dataset["total_error_given_networks"]),
                seconds=time.process_time() - started)  # fmt: skip


def cost(log):
    """CPU seconds at 200 x 19 x 256, one thread, medians of three; and with 16 times the trials from a file."""
    eeg, X, y = simulated(CONFIRMATION[0])
    kinds = {"5 bands": {}, "22 bins": {"cells": "bins"}, "95 channel cells": {"space": "channels"},
             "Shapley, 64 coalitions": {"decomposition": "shapley"}}  # fmt: skip
    for name, decoder in decoders(eeg.sfreq).items():
        decoder.fit(X[:N_TRAIN], y[:N_TRAIN])
        for kind, settings in kinds.items():
            repeats = 1 if name == "EEGNet" else 3
            seconds = [explained(decoder, X[N_TRAIN:], y[N_TRAIN:], eeg, **settings)[1] for _ in range(repeats)]
            log("cost", decoder=name, cells=kind, seconds=float(np.median(seconds)), load=os.getloadavg()[0])


PARTS = {part.__name__: part for part in (observer, maps, permuted, nothing, procedures, coverage, repeats, real, cost)}


# ------------------------------------------------------------------ table


def _mean(rows, key):
    return np.mean([row[key] for row in rows], axis=0)


def _numbers(values, digits=3):
    return " ".join(f"{value:.{digits}f}" for value in np.atleast_1d(np.asarray(values, dtype=float)))


def _observer_table(rows):
    yield from ("## Ideal observer: found against exact, same trials", "",
                "| seeds | mean error (alpha, beta) | largest | 4 less 64 partners, largest | total - exact (mean) |",
                "|---|---|---|---|---|")  # fmt: skip
    for stage in ("development", "confirmation"):
        own = [row for row in rows if row["stage"] == stage]
        wrong = np.abs([np.subtract(row["found"], row["exact"]) for row in own])
        spread = np.abs([np.subtract(row["found"], row["many"]) for row in own])
        total = np.mean([row["total"] - row["exact_total"] for row in own])
        yield (f"| {stage}, {len(own)} | {wrong[:, 2:4].mean():.4f} | {wrong.max():.4f} | {spread.max():.4f} | "
               f"{total:+.4f} |")  # fmt: skip


def _maps_table(rows):
    yield from ("## Maps", "",
                "| decoder | seeds | accuracy | total | unique | alone | alpha, beta at p <= .05 | AP usable "
                "| AP evidence | chance | Shapley - total | largest interaction |", "|---" * 12 + "|")  # fmt: skip
    for name in dict.fromkeys(row["decoder"] for row in rows):
        for stage in ("development", "confirmation"):
            own = [row for row in rows if row["decoder"] == name and row["stage"] == stage]
            both = sum(row["p"][2] <= 0.05 and row["p"][3] <= 0.05 for row in own)
            gaps = [abs(row["shapley_gap"]) for row in own if row["shapley_gap"] is not None]
            yield (
                f"| {name} | {stage}, {len(own)} | {_mean(own, 'accuracy'):.3f} | {_mean(own, 'total'):.3f} | "
                f"{_numbers(_mean(own, 'unique'))} | {_numbers(_mean(own, 'alone'))} | {both}/{len(own)} | "
                f"{_mean(own, 'usable_ap'):.3f} (least {min(row['usable_ap'] for row in own):.3f}) | "
                f"{_mean(own, 'evidence_ap'):.3f} | {_mean(own, 'chance'):.2f} | {max(gaps, default=np.nan):.0e} | "
                f"{max(row['interaction'] for row in own):.3f} |"
            )


def _permuted_table(rows):
    yield from ("## Permuted held-out labels: share with any cell at 5 %", "", "| decoder | bands | bins | channels |",
                "|---|---|---|---|")  # fmt: skip
    for name in dict.fromkeys(row["decoder"] for row in rows):
        shares = []
        for cells in ("bands", "bins", "channels"):
            own = [row for row in rows if row["decoder"] == name and row["cells"] == cells]
            shares.append(f"{sum(row['hits'] for row in own) / max(sum(row['of'] for row in own), 1):.3f}")
        yield f"| {name} | {' | '.join(shares)} |"


def _nothing_table(rows):
    yield from ("## Networks that know nothing", "",
                "| network | n | a cell at 5 % | gate open | gate and cell | largest cell: median, largest |",
                "|---|---|---|---|---|---|")  # fmt: skip
    for kind in dict.fromkeys(row["kind"] for row in rows):
        own = [row for row in rows if row["kind"] == kind]
        opened = [row["gate"] and row["total"] >= 1e-3 for row in own]  # as `shown` says; logs may be of before
        cells = [row["cell"] for row in own]
        seen = np.array([cells, opened, np.logical_and(cells, opened)], dtype=float).T
        shares, largest = seen.mean(axis=0), [row["largest"] for row in own]
        told = " | ".join(f"{one:.3f}" for one in shares)
        yield f"| {kind} | {len(own)} | {told} | {np.median(largest):.4f}, {np.max(largest):.3f} |"


def _procedures_table(rows):
    yield from ("## Five folds: gate over folds", "", "| labels | data sets | gate open | mean total | largest total |",
                "|---|---|---|---|---|")  # fmt: skip
    for kind in dict.fromkeys(row["kind"] for row in rows):
        own = [row for row in rows if row["kind"] == kind]
        totals = [row["total"] for row in own]
        yield f"| {kind} | {len(own)} | {_mean(own, 'gate'):.2f} | {np.mean(totals):.4f} | {max(totals):.3f} |"


def _coverage_table(rows):
    over = {"trials": "fresh held-out sets, errors given the network", "folds": "whole procedures, total errors"}
    yield from (f"## Coverage of 95 % intervals over {over[rows[0]['over']]} (five bands, total)", "",
                "| over | decoder | seed | quantity | coverage | mean | error / SD |", "|---" * 7 + "|")  # fmt: skip
    for row in rows:
        covered = np.array(row["coverage"], dtype=float)
        covered[np.isnan(row["ratio"])] = np.nan  # evidence has no total
        yield (f"| {row['over']} | {row['decoder']} | {row['seed']} | {row['what']} | {_numbers(covered, 2)} | "
               f"{np.nanmean(covered):.3f} | {_numbers(row['ratio'], 2)} |")  # fmt: skip


def _real_table(rows):
    yield from ("## UCI by subject (five folds, 20 subjects)", "",
                "| decoder | partition | accuracy | verdict | total ± error over folds (given networks) | p "
                "| bands ± error over folds |", "|---" * 7 + "|")  # fmt: skip
    for row in rows:
        bands = ", ".join(f"{v:.3f} ± {e:.3f}" for v, e in zip(row["bands"], row["errors"], strict=True))
        yield (f"| {row['decoder']} | {row['partition']} | {row['accuracy']:.3f} | {row['verdict']} | "
               f"{row['total']:.3f} ± {row['error']:.3f} ({row['total_given']:.3f}) | {row['p']:.3f} | "
               f"{bands} |")  # fmt: skip


def _cost_table(rows):
    kinds = list(dict.fromkeys(row["cells"] for row in rows))
    yield from ("## CPU seconds at 200 x 19 x 256", "", f"| decoder | {' | '.join(kinds)} |",
                "|---" * (len(kinds) + 1) + "|")  # fmt: skip
    for name in dict.fromkeys(row["decoder"] for row in rows):
        own = {row["cells"]: row["seconds"] for row in rows if row["decoder"] == name}
        yield f"| {name} | {' | '.join(f'{own[kind]:.2f}' if kind in own else '' for kind in kinds)} |"


TABLES = {"observer": _observer_table, "maps": _maps_table, "permuted": _permuted_table, "nothing": _nothing_table,
          "procedures": _procedures_table, "coverage": _coverage_table,
          "repeats": _coverage_table, "real": _real_table, "cost": _cost_table}  # fmt: skip


def table(rows):
    """The lines of the results file."""
    lines = ["# Information maps", "", f"{platform.machine()}, one thread; nats; bands {', '.join(BANDS)}.", ""]
    for part, lines_of in TABLES.items():
        own = [row for row in rows if row["part"] == part]
        if own:
            lines += [*lines_of(own), ""]
    return lines


def main():
    """Run parts, or only write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, "table", []])
    parser.add_argument("--log", type=pathlib.Path, default=pathlib.Path("information.jsonl"))
    options = parser.parse_args()

    def log(part, **facts):
        """A line of the log."""
        arrays = np.ndarray | np.generic
        plain = {key: value.tolist() if isinstance(value, arrays) else value for key, value in facts.items()}
        with options.log.open("a") as file:
            file.write(json.dumps({"part": part, **plain}) + "\n")

    for name in options.parts or PARTS:
        if name != "table":
            with single_thread(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                PARTS[name](log)
    rows = [json.loads(line) for line in options.log.read_text().splitlines()] if options.log.exists() else []
    RESULTS.write_text("\n".join(table(rows)).rstrip() + "\n")


if __name__ == "__main__":
    main()
