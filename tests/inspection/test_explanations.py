"""Cross-validated explanations: held-out trials only, errors that contain the networks, what is kept and refused."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from scipy import stats
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import ShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from eegexplain import FLEXAttributor, PerturbationCorrelator, ReverseCorrelator, SyncNetClassifier, SyncNetRegressor
from eegexplain.datasets import make_oscillatory_eeg
from eegexplain.inspection import CrossValidatedExplanation, average_precision, cross_validate_explanations
from eegexplain.inspection.significance import significance
from tests.inspection.differences import Difference, Weights

CHANNELS = ["Fz", "C3", "C4", "Pz", "O1", "O2"]
NET = SyncNetClassifier(num_filters=8, readout="log_power", training="closed", sfreq=128.0)


@pytest.fixture(scope="module")
def eeg():
    return make_oscillatory_eeg(100, CHANNELS, duration=1.0, snr=3.0, n_subjects=5, random_state=0)


@pytest.fixture(scope="module")
def correlator():
    return PerturbationCorrelator(NET, bands="eeg", noise="data", ch_names=CHANNELS)


@pytest.fixture(scope="module")
def found(eeg, correlator):
    return cross_validate_explanations(
        correlator, eeg.X, eeg.y, n_seeds=2, random_state=0, return_estimator=True, return_trials=True
    )


def test_each_map_is_that_of_its_network_on_trials_it_never_saw(eeg, correlator, found):
    data = found.dataset
    assert sorted(np.concatenate([fold.test for fold in found.models.folds])) == list(range(100))
    for number, fold in enumerate(found.models.folds):
        assert not set(fold.train) & set(fold.test)
        assert (data["fold_of_trial"].values[fold.test] == number).all()
        evidence = []
        for which, net in enumerate(found.estimators_[number]):
            alone = clone(correlator).set_params(estimator=FrozenEstimator(net)).fit(eeg.X[fold.test], eeg.y[fold.test])
            np.testing.assert_allclose(data["fold_value"][number, which], alone.explanation_["value"], atol=1e-6)
            assert data["test_score"][number, which] == net.score(eeg.X[fold.test], eeg.y[fold.test])
            evidence.append(alone.explain(eeg.X[fold.test])["value"].values)
        np.testing.assert_allclose(data["trial_value"].values[fold.test], np.mean(evidence, axis=0), atol=1e-6)
    np.testing.assert_allclose(data["value"], data["fold_value"].mean(("fold", "seed")))
    assert (data["standard_error"] >= data["nadeau_bengio_error"] - 1e-12).all()
    assert 0 <= data.attrs["data_share"] <= 1 and data.attrs["degrees_of_freedom"] == 4


def test_the_mean_map_finds_what_was_planted_and_says_how_well_it_decodes(eeg, found):
    planted = eeg.truth.effect[1]
    bands = found.dataset["band"].values.tolist()
    strong = np.zeros((len(CHANNELS), len(bands)), bool)
    for frequency, channel in ((10.0, "O1"), (10.0, "O2"), (22.0, "C3")):
        strong[CHANNELS.index(channel), bands.index("alpha" if frequency == 10 else "beta")] = True
    assert np.abs(planted[CHANNELS.index("O1"), eeg.frequencies == 10]).item() > 0.5
    value = found.dataset["value"].sel(output="1").values
    assert average_precision(value, strong) > 0.8
    assert value[CHANNELS.index("O1"), bands.index("alpha")] < 0 < value[CHANNELS.index("C3"), bands.index("beta")]
    assert found.decoding_.verdict == "decodes"
    prediction = found.dataset["prediction"].values
    assert found.decoding_.accuracy == np.mean(prediction == eeg.y)


def test_the_picture_tells_cells_beyond_zero_and_the_verdict(found):
    data = found.dataset
    t = np.abs(data["value"] / data["standard_error"]).sel(output="1").values
    p = np.sort(2 * stats.t.sf(t, 4), axis=None)
    worth = np.abs(data["value"].sel(output="1").values) >= 0.05 * np.abs(data["value"]).max().item()
    n_beyond = next((place for place in range(p.size) if p[place] > 0.05 / (p.size - place)), p.size)
    expected = (2 * stats.t.sf(t, 4) <= (p[n_beyond - 1] if n_beyond else -1)) & worth
    mask = found.beyond_zero
    np.testing.assert_array_equal(mask.sel(output="1"), expected)
    np.testing.assert_array_equal(mask.sel(output="0"), expected)  # the mirror image is no second family
    assert 0 < expected.sum() < expected.size
    display = found.plot(output="0", n_cells=3)
    np.testing.assert_array_equal(display.mask, expected.ravel())
    assert len(display.ax_.get_yticks()) == 3 and "decodes: balanced accuracy" in display.note
    tested = significance(data["value"] * 0, np.arange(19.0), kind="retraining", exchanged="trials", exact=True)
    assert not found.plot(significance=tested).mask.any()
    plt.close("all")


def test_the_summary_says_decoding_cells_and_what_they_need(found):
    text, data = str(found), found.dataset.sel(output="1")
    assert text.startswith("Mean map of 10 networks (5 folds), of trials that they never saw. Decodes: balanced acc")
    n_beyond = int(found.beyond_zero.sel(output="1").sum())
    assert f"{n_beyond} of 30 cells beyond zero" in text
    strongest = data["value"].where(found.beyond_zero.sel(output="1")).stack(cell=("channel", "band"))
    best = strongest[np.nanargmax(np.abs(strongest.values))]
    error = data["standard_error"].sel(channel=best["channel"], band=best["band"]).item()
    told = f": 1 {best['channel'].item()} {best['band'].item()} {best.item():+.3g} ± {error:.2g}"
    assert told in text
    one, first = stats.t.ppf(0.975, 4), stats.t.ppf(1 - 0.025 / 30, 4)
    assert f"{one:.1f} errors for one cell, {first:.1f} for the first" in text


def test_two_folds_say_how_little_they_know():
    X, y = np.random.default_rng(0).standard_normal((40, 3, 4)), np.arange(40) % 2
    text = str(cross_validate_explanations(Weights(Difference()), X, y, cv=2, random_state=0))
    assert "0 of 3 cells beyond zero" in text and "12.7 errors for one cell, 38.2 for the first" in text


def test_maps_of_other_shapes_name_the_fold():
    class Uneven(Weights):
        n_fitted = 0

        def fit(self, X, y, groups=None):
            super().fit(X, y, groups)
            Uneven.n_fitted += 1
            self.explanation_ = self.explanation_.isel(channel=slice(0, 3 - (Uneven.n_fitted == 3)))
            return self

    X, y = np.random.default_rng(0).standard_normal((40, 3, 4)), np.arange(40) % 2
    with pytest.raises(ValueError, match=r"fold 2 has the axes \{'output': 2, 'channel': 2\}, that of fold 0"):
        cross_validate_explanations(Uneven(Difference()), X, y, cv=4, random_state=0)


def test_the_result_depends_on_the_seed_alone(eeg, correlator, found):
    same = cross_validate_explanations(correlator, eeg.X, eeg.y, n_seeds=2, random_state=0, n_jobs=2)
    kept = [name for name in same.dataset if name != "trial_value"]
    xr.testing.assert_identical(same.dataset[kept], found.dataset[kept])
    with pytest.raises(AttributeError, match="return_estimator=True"):
        same.estimators_  # noqa: B018
    other = cross_validate_explanations(correlator, eeg.X, eeg.y, random_state=1)
    assert not np.allclose(other.dataset["value"], found.dataset["value"])


@pytest.mark.parametrize("ending", ["nc", "npz"])
def test_what_is_saved_is_loaded_and_judged_alike(found, tmp_path, ending):
    found.save(tmp_path / f"map.{ending}")
    again = CrossValidatedExplanation.load(tmp_path / f"map.{ending}")
    np.testing.assert_array_equal(again.dataset["standard_error"], found.dataset["standard_error"])
    one, other = again.decoding_, found.decoding_
    assert (one.p_value, one.chance_upper, one.low) == (other.p_value, other.chance_upper, other.low)
    assert one.information.value == pytest.approx(other.information.value)
    with pytest.raises(AttributeError, match="networks were not kept"):
        again.estimators_  # noqa: B018


def test_groups_are_not_split_and_go_to_the_network(eeg, correlator):
    found = cross_validate_explanations(correlator, eeg.X, eeg.y, groups=eeg.subject, random_state=0)
    for fold in range(5):
        assert len(np.unique(eeg.subject[found.dataset["fold_of_trial"].values == fold])) == 1
    assert found.decoding_.n_groups == 5
    with pytest.warns(UserWarning, match="trials of 1 of 5 groups in training and test parts"):
        cross_validate_explanations(
            correlator, eeg.X, eeg.y, groups=eeg.subject, cv=[(np.arange(50), np.arange(50, 100))] * 2
        )


def test_shuffled_splits_have_the_error_of_nadeau_and_bengio(eeg, correlator):
    splits = ShuffleSplit(3, test_size=0.4, random_state=0)
    found = cross_validate_explanations(correlator, eeg.X, eeg.y, cv=splits, random_state=0).dataset
    means = found["fold_value"].values[:, 0]
    np.testing.assert_allclose(found["nadeau_bengio_error"], means.std(0, ddof=1) * np.sqrt(1 / 3 + 0.4 / 0.6))
    assert np.isnan(found.attrs["data_share"]) and (found["fold_of_trial"].values == -1).any()


def test_any_model_several_variables_scorers_and_numbers(eeg):
    power = FunctionTransformer(lambda X: np.log(np.square(np.fft.rfft(X)[..., 2:30]).__abs__().mean(-1)))
    pipeline = make_pipeline(power, LogisticRegression())
    sampled = PerturbationCorrelator(pipeline, bands="eeg", n_iterations=2, sfreq=128.0)
    scoring = {"acc": "accuracy", "bits": lambda one, X, y: -one.score(X, y)}
    data = cross_validate_explanations(sampled, eeg.X, eeg.y, cv=2, scoring=scoring, random_state=0).dataset
    np.testing.assert_array_equal(data["test_acc"], -data["test_bits"])
    flex = FLEXAttributor(NET, n_steps=4, ch_names=CHANNELS)
    assert cross_validate_explanations(flex, eeg.X, eeg.y, cv=2, random_state=0).dataset["value"].dims[0] == "output"
    numbers = SyncNetRegressor(readout="log_power", training="closed", num_filters=4, sfreq=128.0)
    size = np.log(np.square(eeg.X[:, 4]).mean(-1))
    found = cross_validate_explanations(PerturbationCorrelator(numbers, bands="eeg"), eeg.X, size, cv=3, random_state=0)
    assert found.decoding_ is None and found.dataset["test_score"].mean() > 0.3


def test_what_cannot_be_cross_validated_is_refused(eeg, correlator):
    fitted = clone(NET).fit(eeg.X, eeg.y)
    refused = [
        (TypeError, "no explainer", NET, eeg.X, eeg.y, {}),
        (ValueError, "frozen network cannot be trained", PerturbationCorrelator(FrozenEstimator(fitted)), eeg.X, eeg.y,
         {}),
        (ValueError, "filter 0 of one has nothing to do", ReverseCorrelator(NET), eeg.X, eeg.y, {"cv": 2}),
        (ValueError, r"training part of split 1 has no trial of class 1", correlator, eeg.X, eeg.y,
         {"cv": [(np.arange(60), np.arange(60, 100)), (np.flatnonzero(eeg.y == 0), np.flatnonzero(eeg.y == 1))]}),
        (ValueError, "trains and tests on the same 10 trials", correlator, eeg.X, eeg.y,
         {"cv": [(np.arange(60), np.arange(50, 100))] * 2}),
        (ValueError, "gives 1 split", correlator, eeg.X, eeg.y, {"cv": [(np.arange(60), np.arange(60, 100))]}),
        (ValueError, "numbers of trials from 0 to 99", correlator, eeg.X, eeg.y, {"cv": [([0, 100], [1])] * 2}),
        (ValueError, r"as many as groups .*\(5\), got 7", correlator, eeg.X, eeg.y, {"groups": eeg.subject, "cv": 7}),
        (ValueError, "n_seeds", correlator, eeg.X, eeg.y, {"n_seeds": 0}),
    ]  # fmt: skip
    for kind, words, explainer, X, y, settings in refused:
        with pytest.raises(kind, match=words):
            cross_validate_explanations(explainer, X, y, **settings)
