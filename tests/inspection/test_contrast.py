"""How the data of the classes differ, against sums by hand, resampling and simulated truth."""

import mne
import numpy as np
import pytest

from eegexplain.datasets import make_oscillatory_eeg
from eegexplain.inspection import average_precision, evoked_contrast, power_contrast


def naive_values(X, y, bins):
    """Log of each class's mean power in these bins less the mean of the others', trial by trial."""
    found = []
    for k in np.unique(y):
        mean = {}
        for j in np.unique(y):
            total = np.zeros(X.shape[1])
            for trial in X[y == j]:
                for c, signal in enumerate(trial):
                    centered = signal - signal.mean()
                    for b in bins:
                        wave = np.exp(-2j * np.pi * b * np.arange(len(signal)) / len(signal))
                        total[c] += abs(np.sum(centered * wave)) ** 2
            mean[j] = np.log(total / np.sum(y == j))
        found.append(mean[k] - np.mean([mean[j] for j in mean if j != k], axis=0))
    return np.array(found)


def three_classes(seed=1):
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((45, 2, 50)), np.arange(45) % 3
    X[y == 2, 1] += 3 * np.sin(2 * np.pi * 10 * np.arange(50) / 50)
    return X, y


def test_values_are_logs_of_mean_power():
    X, y = three_classes()
    single = power_contrast(X, y, sfreq=50.0, ch_names=["a", "b"])
    np.testing.assert_allclose(single["value"].values[:, :, 10], naive_values(X, y, [10]), atol=1e-10)
    bands = power_contrast(X, y, sfreq=50.0, bands={"alpha": (8, 13), "beta": (13, 24)})
    np.testing.assert_allclose(bands["value"].values[:, :, 0], naive_values(X, y, range(8, 13)), atol=1e-10)
    assert single["value"].sel(output="2", channel="b", frequency=10.0) > 2
    np.testing.assert_allclose(power_contrast(1e200 * X, y)["value"], single["value"], atol=1e-9)


@pytest.mark.parametrize("n_per_group", [1, 4])
def test_errors_are_those_of_the_bootstrap(n_per_group):
    """Of trials, and of groups whose trials share a strength."""
    rng = np.random.default_rng(2)
    n_groups = 240 // n_per_group
    groups = np.repeat(np.arange(n_groups), n_per_group)
    strength = np.exp(0.4 * rng.standard_normal(n_groups))[groups]
    X, y = strength[:, None, None] * rng.standard_normal((240, 1, 16)), rng.integers(0, 3, 240)
    options = {"sfreq": 16.0, "bands": {"x": (2, 5)}}
    found = power_contrast(X, y, groups=None if n_per_group == 1 else groups, **options)
    members = [np.flatnonzero(groups == g) for g in range(n_groups)]
    values = []
    for _ in range(400):
        rows = np.concatenate([members[g] for g in rng.integers(0, n_groups, n_groups)])
        values.append(power_contrast(X[rows], y[rows], **options)["value"].values)
    np.testing.assert_allclose(found["standard_error"], np.std(values, axis=0), rtol=0.12)
    assert found.attrs["degrees_of_freedom"] == (237 if n_per_group == 1 else n_groups - 1)


def test_a_difference_within_groups_is_known_better_than_one_between():
    rng = np.random.default_rng(3)
    groups, y = np.repeat(np.arange(20), 10), np.arange(200) % 2
    X = np.exp(rng.standard_normal(20))[groups][:, None, None] * rng.standard_normal((200, 1, 32))
    within = power_contrast(X, y, groups=groups, bands={"x": (0.1, 0.4)})
    between = power_contrast(X, groups % 2, groups=groups, bands={"x": (0.1, 0.4)})
    assert within["standard_error"].max() < 0.6 * between["standard_error"].min()


def test_order_of_trials_and_names_of_groups_do_not_matter():
    X, y = three_classes()
    groups, order = np.arange(45) // 3, np.random.default_rng(4).permutation(45)
    found = power_contrast(X, y, groups=groups)
    for other in (power_contrast(X[order], y[order], groups=groups[order]), power_contrast(X, y, groups=-groups)):
        for name in ("value", "standard_error"):
            np.testing.assert_allclose(other[name], found[name], atol=1e-10)


def test_log_of_means_finds_more_than_the_mean_of_logs():
    """On 300 simulated trials; the mean of logs was what the report showed."""
    precision = []
    for seed in range(2):
        eeg = make_oscillatory_eeg(300, random_state=1000 + seed)
        informative = eeg.truth.role == "informative"
        scored = informative | (eeg.truth.role == "irrelevant")
        logs = np.log(np.abs(np.fft.rfft(eeg.X)) ** 2 + 1e-12)
        old = logs[eeg.y == 1].mean(axis=0) - logs[eeg.y == 0].mean(axis=0)
        new = power_contrast(eeg.X, eeg.y)["value"].values[1]
        precision.append([average_precision(values, informative, scored=scored) for values in (old, new)])
    old, new = np.mean(precision, axis=0)
    assert new > 0.95 and new > old + 0.02


def test_channels_without_signal_differ_by_nothing():
    X = np.random.default_rng(3).standard_normal((10, 2, 16))
    X[:, 1] = 5.0
    found = power_contrast(X, np.arange(10) % 2)
    assert np.isfinite(found["value"]).all() and np.isfinite(found["standard_error"]).all()
    assert not found["value"].values[:, 1].any() and not found["standard_error"].values[:, 1].any()


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (np.full((4, 1, 8), np.nan), [0, 1, 0, 1], "contains NaN"),
        (np.ones((4, 8)), [0, 1, 0, 1], "must have 3 dimensions"),
        (np.ones((4, 1, 8)) * 1j, [0, 1, 0, 1], "complex"),
        (np.ones((4, 1, 8)), [0, 1, np.nan, 1], "or NaN among them"),
        (np.ones((4, 1, 8)), [0.5, 1, 0, 1], "continuous"),
        (np.ones((4, 1, 8)), [0, 1, 0], "one class for each of the 4"),
        (np.ones((4, 1, 8)), [1, 1, 1, 1], "at least 2 classes"),
    ],
)
def test_what_cannot_be_contrasted_is_named(X, y, message):
    with pytest.raises(ValueError, match=message):
        power_contrast(X, y)


def test_means_differ_as_those_of_mne():
    X, y = three_classes()
    epochs = mne.EpochsArray(1e-6 * X, mne.create_info(["C3", "C4"], 50.0, "eeg"),
                             np.stack([np.arange(45), np.zeros(45, int), y], 1), verbose="error")  # fmt: skip
    of_class = [epochs[str(k)].average() for k in range(3)]
    expected = mne.combine_evoked([of_class[2], of_class[0], of_class[1]], [1, -0.5, -0.5]).data
    found = evoked_contrast(epochs, y)
    np.testing.assert_allclose(found["value"].sel(output="2"), expected, rtol=1e-9, atol=1e-16)
    np.testing.assert_allclose(found["time"], epochs.times)
    assert found.attrs["degrees_of_freedom"] == 42


def test_errors_of_means_are_those_of_independent_samples():
    rng = np.random.default_rng(3)
    X, y = rng.standard_normal((60, 2, 8)) * np.repeat([1, 3], 30)[:, None, None], np.repeat([0, 1], 30)
    found = evoked_contrast(X, y)["standard_error"].values[1]
    np.testing.assert_allclose(found, np.sqrt((X[:30].var(0) + X[30:].var(0)) / 30 * 60 / 59), rtol=1e-9)
    groups = np.repeat(np.arange(20), 3)
    means = X.reshape(20, 3, 2, 8).mean(1)  # a class is a property of the group
    expected = np.sqrt((means[:10].var(0) + means[10:].var(0)) / 10 * 20 / 19)
    np.testing.assert_allclose(evoked_contrast(X, y, groups=groups)["standard_error"][1], expected, rtol=1e-9)
