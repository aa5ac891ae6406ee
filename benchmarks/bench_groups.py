"""How often flips of subjects' signs call noise significant, how often they find what was planted, and what they need.

Run ``nice python benchmarks/bench_groups.py`` (25 CPU minutes); the table goes to ``benchmarks/results/groups.md``.
Four parts: maps drawn from a law, for the flips alone; SyncNets in closed form on simulated EEG, one procedure for each
of 10 subjects; maps of noise with unequal shares of the classes; and estimators of the spread between subjects from
errors that are known as badly as those of five folds. Noise is simulated EEG whose labels were permuted. ``--quick`` is
a tenth.
"""

import argparse
import pathlib

import numpy as np
import xarray as xr

from eegexplain import PerturbationCorrelator, SyncNetClassifier
from eegexplain._parallel import single_thread
from eegexplain.datasets import make_oscillatory_eeg
from eegexplain.inspection import explain_groups, group_significance

RESULTS = pathlib.Path(__file__).parent / "results" / "groups.md"
CHANNELS = ["Fz", "C3", "C4", "Pz", "O1", "O2"]
STATISTICS = ("max_t", "max_mean", "clusters")
ALPHA = 0.05
N_SUBJECTS, N_TRIALS = 10, 40
LEVELS = {"noise": 0.0, "snr 0.2": 0.2, "snr 0.3": 0.3}
LAWS = {
    "Gaussian": lambda rng, shape: rng.standard_normal(shape),
    "heavy tails": lambda rng, shape: rng.standard_t(2, shape),
    "unequal subjects": lambda rng, shape: rng.standard_normal(shape) * np.geomspace(1, 10, shape[0])[:, None, None],
}


def flips_alone(n_data_sets):
    """Share of noise called significant, of maps from a law that is symmetric."""
    rows = []
    for name, law in LAWS.items():
        for n_subjects in (6, 10, 20):
            counts = np.zeros(len(STATISTICS))
            for seed in range(n_data_sets):
                values = law(np.random.default_rng(seed), (n_subjects, len(CHANNELS), 5))
                maps = xr.DataArray(values, dims=("group", "channel", "band"), coords={"channel": CHANNELS})
                settings = {"n_permutations": None if n_subjects <= 10 else 199, "random_state": seed}
                counts += [group_significance(maps, statistic=one, **settings).p_value <= ALPHA for one in STATISTICS]
            rows.append(f"| {name} | {n_subjects} | {' | '.join(f'{count / n_data_sets:.3f}' for count in counts)} |")
    return [
        f"## Flips alone: {n_data_sets} noise data sets each, 6 channels x 5 bands "
        f"(SE of .05: {np.sqrt(0.0475 / n_data_sets):.3f})",
        "",
        f"| maps | subjects | {' | '.join(STATISTICS)} |",
        "|---|---|---|---|---|",
        *rows,
        "",
    ]


def correlator():
    """Explains networks in closed form."""
    net = SyncNetClassifier(num_filters=4, readout="log_power", training="closed", sfreq=64.0)
    return PerturbationCorrelator(net, bands="eeg", noise="data", ch_names=CHANNELS)


def simulated(seed, snr, n_subjects=N_SUBJECTS, share=0.5):
    """Short trials of several subjects; without signal labels are permuted within them."""
    settings = {"n_background": 30, "n_subjects": n_subjects, "random_state": seed}
    eeg = make_oscillatory_eeg(N_TRIALS * n_subjects, CHANNELS, sfreq=64.0, duration=1.0, snr=snr or 2.0, **settings)
    if snr:
        return eeg.X, eeg.y, eeg.subject
    rng, y = np.random.default_rng(seed), np.empty_like(eeg.y)
    for subject in range(n_subjects):
        y[eeg.subject == subject] = rng.permutation(np.arange(N_TRIALS) < round(share * N_TRIALS))
    return eeg.X, y, eeg.subject


def network_rates(n_noise, n_planted):
    """Share of data sets with a significant cell, and with one where a source is, by level."""
    rows = []
    for level, snr in LEVELS.items():
        n_data_sets, hits, right, scores = n_planted if snr else n_noise, np.zeros(3), np.zeros(3), []
        for seed in range(n_data_sets):
            X, y, subject = simulated(seed, snr)
            found = explain_groups(correlator(), X, y, groups=subject, cv=2, random_state=seed)
            tests = [found.significance(statistic, random_state=seed) for statistic in STATISTICS]
            hits += [test.p_value <= ALPHA for test in tests]
            right += [planted(test.significant) for test in tests]
            scores.append(float(found.dataset["test_score"].mean()))
        cells = " | ".join(f"{one / n_data_sets:.3f}" for one in (*hits, *right))
        rows.append(f"| {level} | {n_data_sets} | {np.mean(scores):.3f} | {cells} |")
        print(rows[-1], flush=True)
    return [
        f"## SyncNets in closed form, {N_SUBJECTS} subjects x {N_TRIALS} trials x {len(CHANNELS)} channels x 64 "
        "samples, 2 folds in each subject",
        "",
        f"| data | data sets | accuracy | {' | '.join(STATISTICS)} | "
        f"{' | '.join(f'{one}, at a source' for one in STATISTICS)} |",
        "|---|---|---|" + "---|" * 6,
        *rows,
        "",
    ]


def planted(significant):
    """Whether the 22 Hz rhythm over C3 or the 10 Hz rhythm over the back is among the cells."""
    over = significant.isel(output=1)
    return bool(over.sel(channel="C3", band="beta") or over.sel(channel=["O1", "O2"], band="alpha").any())


def share_rates(n_subjects):
    """How far maps of noise are from symmetric about zero, by the share of class 1."""
    rows = []
    for share in (0.5, 0.45):
        X, y, subject = simulated(round(1000 * share), 0.0, n_subjects, share)
        found = explain_groups(correlator(), X, y.astype(int), groups=subject, cv=2, random_state=0)
        maps = found.dataset["group_value"].isel(output=1).values.reshape(n_subjects, -1)
        bias = maps.mean(axis=0) / maps.std(axis=0, ddof=1)
        rng, counts = np.random.default_rng(0), np.zeros(2)
        for seed in range(200):
            some = maps[rng.choice(n_subjects, 20, replace=False)]
            settings = {"n_permutations": 199, "random_state": seed}
            counts += [group_significance(some, statistic=one, **settings).p_value <= ALPHA for one in STATISTICS[:2]]
        z = np.sqrt(np.mean(bias**2) * n_subjects)
        rates = " | ".join(f"{count / 200:.3f}" for count in counts)
        rows.append(f"| {share:g} | {z:.2f} | {np.abs(bias).max():.2f} | {rates} |")
        print(rows[-1], flush=True)
    return [
        f"## Unequal shares of the classes: maps of {n_subjects} subjects with permuted labels",
        "",
        "Mean over its error (root mean square over cells; 1 where maps are symmetric), the largest mean in standard "
        "deviations over subjects, and how often 20 of these subjects are called significant.",
        "",
        "| share of class 1 | mean / error | largest bias | max_t | max_mean |",
        "|---|---|---|---|---|",
        *rows,
        "",
    ]


def unweighted(values, variances):
    """Variance over subjects less the mean of their squared errors."""
    return np.maximum(values.var(axis=0, ddof=1) - variances.mean(axis=0), 0)


def dersimonian_laird(values, variances):
    """Moments of subjects that are weighted by their errors."""
    weights = 1 / variances
    mean = (weights * values).sum(0) / weights.sum(0)
    spread = (weights * (values - mean) ** 2).sum(0) - (len(values) - 1)
    return np.maximum(spread / (weights.sum(0) - (weights**2).sum(0) / weights.sum(0)), 0)


def restricted_likelihood(values, variances):
    """Restricted maximum likelihood, by Fisher's scoring."""
    found = unweighted(values, variances)
    for _ in range(100):
        weights = 1 / (variances + found)
        mean = (weights * values).sum(0) / weights.sum(0)
        step = (weights**2 * ((values - mean) ** 2 - variances)).sum(0) / (weights**2).sum(0)
        found = np.maximum(step + 1 / weights.sum(0), 0)
    return found


def spreads(n_data_sets):
    """Estimators of the variance between 10 subjects, whose errors of 1 have 4 degrees of freedom."""
    rows, rng = [], np.random.default_rng(0)
    for true in (0.0, 0.5, 1.0, 2.0):
        shape = (N_SUBJECTS, n_data_sets)
        values = rng.normal(0, true, shape) + rng.standard_normal(shape)
        variances = rng.chisquare(4, shape) / 4
        found = [of(values, variances) for of in (unweighted, dersimonian_laird, restricted_likelihood)]
        cells = " | ".join(f"{one.mean():.2f} ({np.sqrt(np.mean((one - true**2) ** 2)):.2f})" for one in found)
        rows.append(f"| {true**2:g} | {cells} |")
    return [
        f"## Variance between {N_SUBJECTS} subjects with errors of 1: mean over {n_data_sets} data sets (root mean "
        "square error)",
        "",
        "| true | unweighted moments | DerSimonian and Laird | restricted likelihood |",
        "|---|---|---|---|",
        *rows,
        "",
    ]


def main():
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the data sets")
    parser.add_argument("--parts", nargs="+", default=["flips", "spreads", "networks", "shares"])
    options = parser.parse_args()
    share = 10 if options.quick else 1
    parts = {
        "flips": lambda: flips_alone(500 // share),
        "spreads": lambda: spreads(20000 // share),
        "networks": lambda: network_rates(200 // share, 50 // share),
        "shares": lambda: share_rates(300 // share),
    }
    lines = ["# Sign flips over subjects: share of data sets with a significant cell at .05", ""]
    with single_thread():
        for name in options.parts:
            lines += parts[name]()
            RESULTS.parent.mkdir(exist_ok=True)
            RESULTS.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
