"""One network procedure for each group, what holds of all groups, and what flips of signs may not be asked."""

import gc
import weakref

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold

from eegexplain import FLEXAttributor, PerturbationCorrelator, SyncNetClassifier
from eegexplain.datasets import make_oscillatory_eeg
from eegexplain.inspection import (
    CrossValidatedExplanation,
    GroupExplanation,
    cross_validate_explanations,
    explain_groups,
    group_significance,
)
from eegexplain.inspection.cross_validation import own_seed
from eegexplain.plotting import TopomapDisplay
from tests.inspection.differences import Difference, Weights

EXPLAINER = Weights(Difference())
CHANNELS = ["C3", "C4", "Pz", "O1"]
NET = SyncNetClassifier(num_filters=4, readout="log_power", training="closed", sfreq=64.0)


def trials(seed, n_groups=6, shift=0.0, n_trials=20):
    """White noise; channel 2 tells the classes apart, each group has an offset of its own."""
    rng = np.random.default_rng(seed)
    y, groups = np.arange(n_groups * n_trials) % 2, np.arange(n_groups * n_trials) // n_trials
    X = rng.standard_normal((len(y), 6, 2)) + rng.standard_normal((n_groups, 6, 1))[groups]
    X[y == 1, 2] += shift
    mixed = rng.permutation(len(y))
    return X[mixed], y[mixed], np.array([f"s{code}" for code in groups])[mixed]


@pytest.fixture(scope="module")
def found():
    X, y, groups = trials(0, shift=2.0)
    return explain_groups(EXPLAINER, X, y, groups=groups, cv=3, random_state=0, return_estimator=True)


def test_each_group_is_cross_validated_by_itself(found):
    X, y, groups = trials(0, shift=2.0)
    seed, own = found.dataset.attrs["seed"], []
    for code in range(6):
        inside = groups == f"s{code}"
        alone = cross_validate_explanations(EXPLAINER, X[inside], y[inside], cv=3, random_state=own_seed(seed, code))
        own.append(alone.dataset)
        np.testing.assert_array_equal(found.dataset["group_value"].sel(group=f"s{code}"), alone.dataset["value"])
        np.testing.assert_array_equal(found.dataset["group_error"][code], alone.dataset["standard_error"])
        assert found.dataset["test_score"][code] == alone.dataset["test_score"].mean()
        nets = found.estimators_[f"s{code}"]
        assert len(nets) == 3 and nets[0][0].weights_.shape == (6,)
    maps = np.array([one["value"].values for one in own])
    np.testing.assert_allclose(found.dataset["value"], maps.mean(0))
    np.testing.assert_allclose(found.dataset["standard_error"], maps.std(0, ddof=1) / np.sqrt(6))
    errors = np.array([one["standard_error"].values for one in own])
    between = np.maximum(maps.var(0, ddof=1) - np.mean(errors**2, axis=0), 0)
    np.testing.assert_allclose(found.dataset["between_sd"] ** 2, between)
    assert found.dataset.attrs["degrees_of_freedom"] == 5
    assert (found.dataset["n_trials"] == 10).all() and found.dataset["n_trials"].dims == ("group", "class")
    limits = found.prediction_interval(0.9)
    np.testing.assert_allclose((limits["low"] + limits["high"]) / 2, found.dataset["value"])
    reach = 2.015 * maps.std(0, ddof=1) * np.sqrt(1 + 1 / 6)  # t of 5 degrees of freedom at .95
    np.testing.assert_allclose(limits["high"] - found.dataset["value"], reach, rtol=1e-3)


def test_networks_must_be_kept_and_the_order_of_groups_does_not_matter(found):
    X, y, groups = trials(0, shift=2.0)
    order = np.argsort(groups, kind="stable")
    again = explain_groups(EXPLAINER, X[order], y[order], groups=groups[order], cv=3, random_state=0)
    xr.testing.assert_allclose(again.dataset, found.dataset)
    with pytest.raises(AttributeError, match="return_estimator=True"):
        again.estimators_  # noqa: B018


@pytest.mark.slow
def test_the_result_does_not_depend_on_processes(found):
    X, y, groups = trials(0, shift=2.0)
    apart = explain_groups(EXPLAINER, X, y, groups=groups, cv=3, random_state=0, n_jobs=2)
    xr.testing.assert_identical(apart.dataset, found.dataset)


def test_planted_cells_are_significant_on_their_side_and_noise_is_not(found):
    test = found.significance()
    assert test.significant.values[:, 2].all() and not np.delete(test.significant.values, 2, axis=1).any()
    assert test.exact and test.exchanged == "groups" and test.n_permutations == 31
    assert str(test).endswith("sign-flips, signs of groups flipped 31 times, exact.")
    same = group_significance(found.dataset["group_value"])
    np.testing.assert_array_equal(same.p_values, test.p_values)
    greater = found.significance("max_mean", alternative="greater")
    assert greater.significant.values[:, 2].tolist() == [False, True]


@pytest.mark.parametrize("ending", ["nc", "npz"])
def test_what_is_saved_is_loaded_and_tested_alike(found, tmp_path, ending):
    found.save(tmp_path / f"map.{ending}")
    again = GroupExplanation.load(tmp_path / f"map.{ending}")
    np.testing.assert_array_equal(again.significance().p_values, found.significance().p_values)
    np.testing.assert_allclose(again.prediction_interval()["low"], found.prediction_interval()["low"])
    with pytest.raises(AttributeError, match="networks were not kept"):
        again.estimators_  # noqa: B018
    CrossValidatedExplanation(found.dataset[["value"]]).save(tmp_path / f"other.{ending}")
    with pytest.raises(ValueError, match="an explanation that is not of groups"):
        GroupExplanation.load(tmp_path / f"other.{ending}")


@pytest.fixture(scope="module")
def eeg():
    return make_oscillatory_eeg(240, CHANNELS, sfreq=64.0, duration=1.0, snr=4.0, n_subjects=6, random_state=0)


@pytest.fixture(scope="module")
def correlated(eeg):
    correlator = PerturbationCorrelator(NET, bands="eeg", noise="data", ch_names=CHANNELS)
    return explain_groups(correlator, eeg.X, eeg.y, groups=eeg.subject, cv=2, random_state=0)


def test_exchanged_names_of_the_classes_flip_the_signs_of_maps(eeg, correlated):
    """Why flips are right: labels of noise may as well be the opposite ones."""
    inside = eeg.subject < 2
    X, y, groups = eeg.X[inside], eeg.y[inside], eeg.subject[inside]
    other = explain_groups(correlated.explainer, X, 1 - y, groups=groups, cv=2, random_state=0).dataset["group_value"]
    one = correlated.dataset["group_value"].sel(group=[0, 1])
    np.testing.assert_allclose(one, -other, atol=1e-4 * np.abs(one).max())


def test_maps_beside_the_main_one_are_averaged_too(eeg):
    inside = eeg.subject < 2
    flex = FLEXAttributor(NET, basis="bands", n_steps=2, ch_names=CHANNELS)
    found = explain_groups(flex, eeg.X[inside], eeg.y[inside], groups=eeg.subject[inside], cv=2, random_state=0).dataset
    np.testing.assert_allclose(found["class_value"], found["class_group_value"].mean("group"))
    np.testing.assert_allclose(found["class_standard_error"], found["class_group_value"].std("group", ddof=1) / 2**0.5)


def test_networks_find_what_was_planted_in_all_subjects_and_displays_take_it(correlated):
    found = correlated
    value = found.dataset["value"].sel(output="1")
    assert value.sel(channel="C3", band="beta") > 0 > value.sel(channel="O1", band="alpha")
    test = found.significance("clusters")
    assert test.significant.sel(output="1", channel="C3", band="beta")
    shown = TopomapDisplay.from_explanation(found.explanation_, output="1")
    np.testing.assert_allclose(shown.values[0], value.transpose("band", "channel"))
    display = found.plot(output="1", significance=test, n_cells=3)
    channel, band = display.ax_.get_yticklabels()[0].get_text().split()
    assert float(np.abs(value.sel(channel=channel, band=band))) == float(np.abs(value).max())
    strongest = found.dataset["group_value"].sel(output="1", channel=channel, band=band)
    np.testing.assert_allclose(np.asarray(display.points_.get_offsets())[::3, 0], strongest)
    assert display.points_.get_label() == "each group" and display.ax_.get_title(loc="right") == "class 1, 6 groups"
    np.testing.assert_array_equal(display.mask, test.significant.sel(output="1").values.ravel())
    plt.close("all")


BALANCED = trials(0)


def relabeled(name, label):
    """All trials of a group get one label."""
    y = BALANCED[1].copy()
    y[BALANCED[2] == name] = label
    return y


def few(name, keep):
    """All but some trials of class 1 of a group become trials of class 0."""
    y = BALANCED[1].copy()
    ones = np.flatnonzero((BALANCED[2] == name) & (y == 1))
    y[ones[keep:]] = 0
    return y


REFUSED = [
    ("The label is constant within each group: .*cross_validate_explanations.*exchanges the labels of whole groups",
     {"y": np.isin(BALANCED[2], ["s0", "s1", "s2"]).astype(int)}),
    ("The label is constant within group 's3': leave this group out", {"y": relabeled("s3", 1)}),
    ("Group 's4' has 2 trials of class 1: 3 folds need at least", {"y": few("s4", 2), "cv": 3}),
    ("Group 's4' has 1 trials of class 1: 2 folds", {"y": few("s4", 1)}),
    ("All trials are of one group, 'a'", {"groups": np.full(120, "a")}),
    ("groups has length 100, but there are 120", {"groups": np.arange(100)}),
    ("contains NaN", {"X": np.where(BALANCED[0] > 3, np.nan, BALANCED[0])}),
    ("groups contains NaN", {"groups": np.where(np.arange(120) == 3, np.nan, np.arange(120) % 6)}),
    ("inconsistent numbers of samples", {"y": BALANCED[1][:100]}),
    ("cv divides the trials of each group: give a number or a splitter, got list", {"cv": [(np.arange(9), [10])]}),
    ("A frozen network cannot be trained", {"explainer": Weights(FrozenEstimator(Difference()))}),
    ("Group 's0': There must be at least 2 folds", {"cv": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("words", "settings"), REFUSED)
def test_what_groups_cannot_answer_is_refused_by_name(words, settings):
    X, y, groups = BALANCED
    given = {"explainer": EXPLAINER, "X": X, "y": y, "groups": groups} | settings
    explainer = given.pop("explainer")
    if explainer is not EXPLAINER:
        explainer.explain_population = EXPLAINER.explain_population
    with pytest.raises(ValueError, match=words):
        explain_groups(explainer, given.pop("X"), given.pop("y"), **given)


def test_a_network_alone_and_a_trial_in_two_groups_are_refused():
    X, y, groups = trials(0)
    with pytest.raises(TypeError, match="Difference is no explainer"):
        explain_groups(Difference(), X, y, groups=groups)
    one, other = np.flatnonzero(groups == "s1")[0], np.flatnonzero(groups == "s5")[3]
    X[other] = X[one]
    with pytest.raises(ValueError, match=f"Trials {min(one, other)} and {max(one, other)} are copies .*'s[15]' and 's"):
        explain_groups(EXPLAINER, X, y, groups=groups)


def test_unequal_shares_are_told_at_once_and_not_tested():
    X, y, groups = trials(0)
    lost = np.flatnonzero((groups == "s2") & (y == 1))[:5]
    X, y, groups = (np.delete(values, lost, axis=0) for values in (X, y, groups))
    with pytest.warns(UserWarning, match=r"unequal shares in group 's2' \(10, 5 trials\)"):
        found = explain_groups(EXPLAINER, X, y, groups=groups, cv=2)
    assert found.dataset["n_trials"].sel(group="s2").values.tolist() == [10, 5]
    with pytest.raises(ValueError, match="group 's2' .10, 5 trials.* Leave out trials of the larger class at random"):
        found.significance()
    X, y, groups = trials(0, n_trials=41)  # 21 and 20
    assert not explain_groups(EXPLAINER, X, y, groups=groups, cv=2).significance().exact


def test_each_group_counts_once_whatever_its_size():
    X, y, groups = trials(0, 8)
    groups[np.isin(groups, ["s6", "s7"])] = "s0"
    kept = (groups != "s1") | (np.random.default_rng(0).random(len(groups)) < 0.6)
    with pytest.warns(UserWarning) as told:
        found = explain_groups(EXPLAINER, X[kept], y[kept], groups=groups[kept], cv=2)
    assert any("Group 's1' has" in str(one.message) and "each counts once" in str(one.message) for one in told)
    np.testing.assert_allclose(found.dataset["value"], found.dataset["group_value"].mean("group"))


class Sizes(Weights):
    """Explains by values that have no sign."""

    def fit(self, X, y, groups=None):
        super().fit(X, y)
        self.explanation_["value"] = np.abs(self.explanation_["value"])
        return self


class Named(Weights):
    """One output alone: the cells of either have a sign, but the other is no mirror."""

    def fit(self, X, y, groups=None):
        super().fit(X, y)
        self.explanation_["value"] = self.explanation_["value"] + [[0.0], [0.1]]
        return self


class Only(Weights):
    """The first output alone, unsigned."""

    def fit(self, X, y, groups=None):
        super().fit(X, y)
        self.explanation_ = np.abs(self.explanation_).isel(output=[0])
        return self


@pytest.mark.parametrize(
    ("explainer", "words"),
    [
        (Sizes(Difference()), "do not mirror each other: .*response='centered_logit'"),
        (Named(Difference()), "do not mirror each other"),
        (Only(Difference()), "No two of these values have different signs"),
    ],
)
def test_maps_that_noise_does_not_flip_are_not_tested(explainer, words):
    X, y, groups = trials(0)
    found = explain_groups(explainer, X, y, groups=groups, cv=2)
    with pytest.raises(ValueError, match=words):
        found.significance()


def test_maps_of_other_shapes_name_the_group():
    X, y, groups = trials(0)

    class Odd(Weights):
        """Another axis for loud groups."""

        def fit(self, X, y, groups=None):
            super().fit(X, y)
            if X.std() > 50:
                self.explanation_ = self.explanation_.isel(channel=slice(3))
            return self

    X[groups == "s4"] *= 100
    with pytest.raises(ValueError, match="group 's4' has the axes {'output': 2, 'channel': 3}, that of group 's0'"):
        explain_groups(Odd(Difference()), X, y, groups=groups, cv=2)


class Interrupted(Weights):
    """A user who gives up in the second group."""

    left = 3

    def fit(self, X, y, groups=None):
        type(self).left -= 1
        if type(self).left < 0:
            raise KeyboardInterrupt
        return super().fit(X, y)


def test_an_interrupted_call_leaves_nothing_behind():
    X, y, groups = trials(0)
    explainer, before = Interrupted(Difference()), np.random.get_state()[1].copy()
    copies = X.copy(), y.copy(), groups.copy()
    with pytest.raises(KeyboardInterrupt):
        explain_groups(explainer, X, y, groups=groups, cv=2)
    assert sorted(vars(explainer)) == ["ch_names", "estimator"] and sorted(vars(explainer.estimator)) == []
    assert all((one == other).all() for one, other in zip(copies, (X, y, groups), strict=True))
    assert (np.random.get_state()[1] == before).all()


class Slopes(Weights):
    """Explains linear regression."""

    def fit(self, X, y, groups=None):
        slopes = self.estimator.estimator.coef_
        self.explanation_ = xr.Dataset({"value": (("output", "time"), slopes[None])})
        return self


def test_numbers_splitters_and_weights_of_trials():
    rng = np.random.default_rng(0)
    X, groups = rng.standard_normal((120, 4)), np.arange(120) % 6
    y = X[:, 1] + 0.3 * rng.standard_normal(120)
    weight = np.where(np.arange(120) < 60, 1.0, 0.0)
    found = explain_groups(
        Slopes(LinearRegression()), X, y, groups=groups, cv=KFold(2), params={"sample_weight": weight + 0.01}
    )
    test = found.significance()
    assert test.significant.values.tolist() == [[False, True, False, False]] and not test.exact
    assert (found.dataset["n_trials"] == 20).all() and found.dataset["test_score"].min() > 0.5
    y[groups == 2] = 3.0
    with pytest.raises(ValueError, match="target is constant within group 2"):
        explain_groups(Slopes(LinearRegression()), X, y, groups=groups)


def load(path):
    saved = np.load(path)
    return saved["X"], saved["y"]


def save(folder, X, y, groups):
    for name in np.unique(groups):
        np.savez(folder / f"{name}.npz", X=X[groups == name], y=y[groups == name])
    return sorted(folder.glob("*.npz"), reverse=True)


def test_groups_in_files_are_read_one_by_one_and_give_what_they_give_in_memory(found, tmp_path):
    files, run = save(tmp_path, *trials(0, shift=2.0)), {"cv": 3, "random_state": 0}
    refs, held = [], []

    def noted(path):
        gc.collect()
        held.append(sum(one() is not None for one in refs))  # arrays of files that were read before
        X, y = load(path)
        refs.append(weakref.ref(X))
        return X, y

    read = explain_groups(EXPLAINER, files, read=noted, **run)
    assert held == [0] * len(files)
    xr.testing.assert_identical(read.dataset, found.dataset)
    kept = explain_groups(EXPLAINER, files, read=load, **run, checkpoint=tmp_path / "kept")
    assert kept.dataset.identical(read.dataset)
    np.savez(files[0], X=np.ones((20, 6, 2)), y=np.arange(20) % 2)
    with pytest.raises(ValueError, match="of another call: files was dict"):
        explain_groups(EXPLAINER, files, read=load, **run, checkpoint=tmp_path / "kept")


def test_files_that_no_mean_can_be_taken_of_are_refused_by_name(tmp_path):
    X, y, groups = trials(0)
    files = save(tmp_path, X, y, groups)

    def asked(files, **given):
        return explain_groups(EXPLAINER, files, read=load, cv=2, random_state=0, **given)

    with pytest.raises(ValueError, match="6 files with 2 names"):
        asked(files, groups=[0, 1, 0, 1, 0, 1])
    with pytest.raises(ValueError, match="leave it out"):
        asked(files, y=y)
    with pytest.raises(ValueError, match="y and groups are needed"):
        explain_groups(EXPLAINER, X, y)
    changed = load(files[0])[0]
    changed[0] = load(files[1])[0][0]
    np.savez(files[0], X=changed, y=np.arange(20) % 2)
    with pytest.raises(ValueError, match="files of 's4' and 's5' share a trial"):
        asked(files)
    np.savez(files[0], X=changed + 1, y=np.arange(20) % 2 + 1)
    with pytest.raises(ValueError, match=r"'s5' has the classes \[1, 2\], 's0' has \[0, 1\]"):
        asked(files)
    np.savez(files[0], X=changed + 1, y=np.zeros(20, int))
    with pytest.raises(ValueError, match="Group 's5': The label is constant"):
        asked(files)
