import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, ShuffleSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from eegexplain.encoding import (
    DelayedModel,
    GaussianTuningModel,
    LinearModelWithBaselineHRF,
    SPMHRFModel,
    WeightFitter,
)

ALPHAS = np.logspace(-2, 3, 6)
SHORT_GRID = pytest.mark.filterwarnings("ignore:The best penalty lies at the edge")


@pytest.fixture(scope="module")
def regression():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((120, 6)) + 2.0
    Y = X @ rng.standard_normal((6, 4)) + rng.standard_normal((120, 4)) * [0.1, 1.0, 5.0, 20.0] + 7.0
    return X, Y, np.repeat(np.arange(6), 20)


def test_scikit_learn_compliance():
    results = check_estimator(WeightFitter(), on_fail=None, on_skip=None)
    assert not [r["check_name"] for r in results if r["status"] == "failed"]
    assert sum(r["status"] == "passed" for r in results) >= 50


@pytest.mark.parametrize("alpha", [0, 1, 10])
def test_weights_equal_oracle(oracle, alpha):
    fit = WeightFitter(alpha=alpha, fit_intercept=False).fit(oracle["lin_X"], oracle["wf_Y"])
    assert_allclose(fit.weights_, oracle[f"wf_lin_a{alpha}"], atol=1e-5)


@pytest.mark.parametrize("alpha", [0, 1])
def test_weights_of_basis_functions_equal_oracle(oracle, alpha):
    model = GaussianTuningModel(parameters=oracle["g_pars"])
    fit = WeightFitter(model, alpha=alpha, fit_intercept=False).fit(oracle["g_x"][:, None], oracle["g_WY"])
    assert_allclose(fit.weights_, oracle[f"wf_g_a{alpha}"], atol=1e-5)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 50.0])
def test_equals_scikit_learn_ridge(regression, alpha):
    X, Y, _ = regression
    ours, theirs = WeightFitter(alpha=alpha).fit(X, Y), Ridge(alpha=alpha).fit(X, Y)
    assert_allclose(ours.coef_, theirs.coef_, atol=1e-8)
    assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-8)
    assert_allclose(ours.predict(X), theirs.predict(X), atol=1e-8)
    assert_allclose(ours.r2_, r2_score(Y, theirs.predict(X), multioutput="raw_values"))
    bare = WeightFitter(alpha=alpha, fit_intercept=False).fit(X, Y + 1)
    assert_allclose(bare.r2_, r2_score(Y + 1, bare.predict(X), multioutput="raw_values"))
    assert_allclose(ours.score(X, Y, multioutput="raw_values"), ours.r2_)
    assert ours.fit(X, Y[:, 0]).predict(X).shape == (120,)


def test_generalised_cross_validation_chooses_like_ridge_cv(regression):
    X, Y, _ = regression
    ours = WeightFitter(alpha=ALPHAS).fit(X, Y)
    theirs = RidgeCV(alphas=ALPHAS, alpha_per_target=True, gcv_mode="svd").fit(X, Y)
    assert len(set(ours.alpha_)) > 1
    assert_allclose(ours.predict(X), WeightFitter(alpha=ALPHAS).fit(X, Y).predict(X))
    for v, alpha in enumerate(ours.alpha_):
        assert_allclose(ours.coef_[v], Ridge(alpha=alpha).fit(X, Y[:, v]).coef_, atol=1e-8)
    # leave-one-out and generalised cross-validation agree up to neighbours on the grid
    assert (np.abs(np.log10(ours.alpha_ / theirs.alpha_)) <= 1.001).all()


def naive_gcv(X, y, alpha):
    X, y = X - X.mean(0), y - y.mean()
    hat = X @ np.linalg.solve(X.T @ X + alpha * np.eye(X.shape[1]), X.T) + 1 / len(X)
    residual = y - X @ np.linalg.solve(X.T @ X + alpha * np.eye(X.shape[1]), X.T @ y)
    return np.sum(residual**2) / (1 - np.trace(hat) / len(X)) ** 2


def naive_cv(X, y, alpha, splits, intercept):
    residual = total = 0.0
    for train, test in splits:
        fit = Ridge(alpha=alpha, fit_intercept=intercept).fit(X[train], y[train])
        residual += np.sum((y[test] - fit.predict(X[test])) ** 2)
        total += np.sum((y[test] - intercept * y[train].mean()) ** 2)
    return 1 - residual / total


def test_scores_equal_naive_generalised_cross_validation(regression):
    X, Y, _ = regression
    scores = WeightFitter(alpha=ALPHAS).fit(X, Y).alpha_scores_
    for v in range(4):
        null = naive_gcv(X * 0, Y[:, v], 1.0)
        assert_allclose(scores[:, v], [1 - naive_gcv(X, Y[:, v], alpha) / null for alpha in ALPHAS], atol=1e-10)


@SHORT_GRID
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("wide", [False, True])
def test_scores_equal_naive_cross_validation(regression, intercept, wide):
    X, Y, groups = regression
    if wide:
        X = np.random.default_rng(1).standard_normal((120, 150))
    splits = list(GroupKFold(3).split(X, groups=groups))
    fit = WeightFitter(alpha=ALPHAS, cv=3, fit_intercept=intercept).fit(X, Y, groups=groups)
    for v in range(4):
        expected = [naive_cv(X, Y[:, v], alpha, splits, intercept) for alpha in ALPHAS]
        assert_allclose(fit.alpha_scores_[:, v], expected, atol=1e-8)
        assert fit.alpha_[v] == ALPHAS[np.argmax(expected)]
        expected = Ridge(alpha=fit.alpha_[v], fit_intercept=intercept).fit(X, Y[:, v]).coef_
        assert_allclose(fit.coef_[v], expected, atol=1e-7)


def test_other_splitters_and_overlapping_folds(regression):
    X, Y, _ = regression
    for cv in (KFold(4), ShuffleSplit(3, test_size=0.5, train_size=0.3, random_state=0)):
        fit = WeightFitter(alpha=ALPHAS, cv=cv).fit(X, Y)
        expected = [naive_cv(X, Y[:, 1], alpha, list(cv.split(X)), True) for alpha in ALPHAS]
        assert_allclose(fit.alpha_scores_[:, 1], expected, atol=1e-8)


def test_chunks_of_targets_do_not_matter(regression):
    X, Y, groups = regression
    for cv in (None, 3):
        whole = WeightFitter(alpha=ALPHAS, cv=cv).fit(X, Y, groups=groups)
        pieces = WeightFitter(alpha=ALPHAS, cv=cv, memory_limit=1).fit(X, Y, groups=groups)
        assert_allclose(pieces.weights_, whole.weights_, atol=1e-10)
        assert_allclose(pieces.r2_, whole.r2_)


def test_hrf_and_intercept_are_applied():
    rng = np.random.default_rng(2)
    hrf = SPMHRFModel(2.0)
    X, W = rng.standard_normal((200, 2)), np.array([[1.0, -2.0], [0.5, 3.0]])
    Y = hrf.convolve(X) @ W + 3.0
    fit = WeightFitter(LinearModelWithBaselineHRF(hrf_model=hrf)).fit(X, Y)
    assert_allclose(fit.weights_, W, atol=1e-8)
    assert_allclose(fit.intercept_, 3.0, atol=1e-8)


def test_temporal_response_functions_are_recovered_within_runs():
    rng = np.random.default_rng(3)
    X = rng.standard_normal((600, 2))
    groups = np.repeat(np.arange(6), 100)
    model = DelayedModel(tmin=-0.02, tmax=0.05, sfreq=100.0)
    kernels = rng.standard_normal((3, 2, 8))
    Y = model.predict(X, weights=kernels.reshape(3, -1).T, groups=groups) + 1.0
    edge = ~model.valid_samples(600, groups)
    Y[edge] += 100.0  # what happens there must not matter
    fit = WeightFitter(model, alpha=1e-9).fit(X, Y, groups=groups)
    assert_allclose(fit.kernels_, kernels, atol=1e-6)
    assert_allclose(fit.score(X, Y, groups=groups), 1.0)


def test_equals_mne_time_delaying_ridge():
    from mne.decoding import TimeDelayingRidge

    rng = np.random.default_rng(4)
    X, Y = rng.standard_normal((400, 3)), rng.standard_normal((400, 2))
    theirs = TimeDelayingRidge(0.0, 0.1, 50.0, alpha=5.0, fit_intercept=False).fit(X, Y)
    model = DelayedModel(tmax=0.1, sfreq=50.0, edges="zero")
    assert_allclose(WeightFitter(model, 5.0, fit_intercept=False).fit(X, Y).kernels_, theirs.coef_, atol=1e-10)


@SHORT_GRID
def test_banded_ridge_equals_ridge_of_scaled_bands_and_finds_the_useless_band():
    rng = np.random.default_rng(5)
    X = pd.DataFrame(rng.standard_normal((150, 43)), columns=[f"f{i}" for i in range(43)])
    Y = X.to_numpy()[:, :3] @ rng.standard_normal((3, 5)) + rng.standard_normal((150, 5))
    bands = {"good": [f"f{i}" for i in range(3)], "noise": [f"f{i}" for i in range(3, 43)]}
    for cv in (None, 5):
        fit = WeightFitter(alpha=np.logspace(-1, 4, 8), bands=bands, cv=cv, random_state=0).fit(X, Y)
        assert fit.band_names_ == ["good", "noise"]
        assert (fit.band_alphas_[1] > 5 * fit.band_alphas_[0]).all()
        plain = WeightFitter(alpha=np.logspace(-1, 4, 8), cv=cv).fit(X, Y)
        assert (fit.alpha_scores_.max(0) > plain.alpha_scores_.max(0)).all()
        penalty = np.repeat(fit.band_alphas_[:, 0], [3, 40])
        Xc, y = X.to_numpy() - X.to_numpy().mean(0), Y[:, 0] - Y[:, 0].mean()
        assert_allclose(fit.coef_[0], np.linalg.solve(Xc.T @ Xc + np.diag(penalty), Xc.T @ y), atol=1e-8)
    labels = WeightFitter(alpha=[0.1, 1.0], bands=["a"] * 3 + ["b"] * 40, random_state=0).fit(X, Y)
    assert labels.band_names_ == ["a", "b"]


@SHORT_GRID
def test_patterns_of_a_backward_model_equal_haufes_formula_and_point_to_the_source():
    rng = np.random.default_rng(6)
    stimulus, noise = rng.standard_normal((2, 3000))
    eeg = np.outer(stimulus, [1.0, 0.0, 0.5]) + np.outer(noise, [1.0, 1.0, 0.0]) + 0.1 * rng.standard_normal((3000, 3))
    fit = WeightFitter(alpha=1.0).fit(eeg, np.column_stack([stimulus, stimulus + 0.5 * noise]))
    prediction = fit.predict(eeg)
    expected = np.cov(eeg.T) @ fit.weights_ @ np.linalg.inv(np.cov(prediction.T))
    assert_allclose(fit.patterns_, expected, atol=1e-8)
    banded = WeightFitter(alpha=[1000.0, 2000.0], bands=[0, 1, 1], random_state=0).fit(eeg, eeg[:, 0])
    assert banded.band_alphas_[1, 0] > 1.5 * banded.band_alphas_[0, 0]
    expected = np.cov(eeg.T) @ banded.weights_ / np.var(banded.predict(eeg), ddof=1)
    assert_allclose(banded.patterns_, expected, atol=1e-8)
    backward = WeightFitter(alpha=1.0).fit(eeg, stimulus)
    pattern = backward.patterns_[:, 0] / backward.patterns_[0, 0]
    assert_allclose(pattern, [1.0, 0.0, 0.5], atol=0.05)
    assert abs(backward.coef_[1]) > 0.3  # the weight of the channel without signal, which cancels noise


@SHORT_GRID
@pytest.mark.parametrize("cv", [None, 3])
def test_rank_deficiency_never_fails(cv):
    rng = np.random.default_rng(7)
    X = np.repeat(rng.standard_normal((30, 4)), 20, axis=1)
    X[:, 7] = 0.0
    Y = X[:, :1] + rng.standard_normal((30, 2))
    for alpha in (0.0, [0.0, 1e-12, 1.0]):
        fit = WeightFitter(alpha=alpha, cv=cv).fit(X, Y)
        assert np.isfinite(fit.weights_).all()
        assert np.abs(fit.weights_).max() < 10
    minimum_norm = np.linalg.lstsq(X - X.mean(0), Y - Y.mean(0), rcond=None)[0]
    assert_allclose(WeightFitter().fit(X, Y).weights_, minimum_norm, atol=1e-9)


def test_pandas_in_pandas_out(regression):
    X, Y, _ = regression
    X, Y = pd.DataFrame(X, columns=list("abcdef")), pd.DataFrame(Y, columns=list("pqrs"))
    fit = WeightFitter(alpha=1.0).fit(X, Y)
    assert_array_equal(fit.weights_.index, list("abcdef"))
    assert_array_equal(fit.weights_.columns, list("pqrs"))
    assert_array_equal(fit.predict(X).columns, list("pqrs"))
    assert fit.predict(X).index.equals(X.index)


def test_paradigm_and_data_of_the_model_are_used(regression):
    X, Y, _ = regression
    model = GaussianTuningModel(X[:, :1], Y, parameters=[[0.0, 1.0, 1.0, 0.0], [2.0, 1.0, 1.0, 0.0]])
    fit = WeightFitter(model).fit()
    assert_allclose(fit.predict(), WeightFitter(model).fit(X[:, :1], Y).predict(X[:, :1]))


def test_grid_search_over_lags_through_a_pipeline():
    rng = np.random.default_rng(8)
    X = rng.standard_normal((300, 1))
    Y = DelayedModel(tmax=3.0).predict(X, weights=np.array([[0.0], [0.0], [0.0], [1.0]]))
    pipeline = make_pipeline(StandardScaler(), WeightFitter(DelayedModel(tmax=1.0), alpha=1.0))
    search = GridSearchCV(pipeline, {"weightfitter__model__tmax": [1.0, 2.0, 3.0, 9.0]}, cv=3)
    with pytest.warns(UserWarning, match="without their runs"):
        search.fit(X, Y)
    assert search.best_params_["weightfitter__model__tmax"] in (3.0, 9.0)
    assert search.best_score_ > 0.9


def test_runs_are_routed_to_fit_and_score_in_cross_validation():
    rng = np.random.default_rng(9)
    X, groups = rng.standard_normal((300, 1)), np.repeat(np.arange(6), 50)
    model = DelayedModel(tmax=2.0)
    Y = model.predict(X, weights=np.array([[0.0], [0.0], [1.0]]), groups=groups)
    with config_context(enable_metadata_routing=True):
        fitter = WeightFitter(model).set_fit_request(groups=True).set_score_request(groups=True)
        scores = cross_val_score(fitter, X, Y, cv=GroupKFold(3), params={"groups": groups})
    assert_allclose(scores, 1.0)


def test_rows_of_other_labels_are_refused(regression):
    """A shuffled paradigm: positions agree, labels tell that they must not."""
    X, Y, groups = regression
    X, Y = pd.DataFrame(X), pd.DataFrame(Y)
    shuffled = X.sample(frac=1.0, random_state=0)
    with pytest.raises(ValueError, match=r"indices of X and y differ: row 0 is .* bring both into one order"):
        WeightFitter().fit(shuffled, Y)
    with pytest.raises(ValueError, match="indices of X and groups differ"):
        WeightFitter().fit(X, Y, pd.Series(groups, index=shuffled.index))
    fit = WeightFitter().fit(shuffled, Y.loc[shuffled.index])
    with pytest.raises(ValueError, match="indices of X and y differ"):
        fit.score(shuffled, Y)
    assert_allclose(fit.weights_, WeightFitter().fit(X, Y.to_numpy()).weights_, atol=1e-10)
    seconds = np.arange(120) / 128
    WeightFitter().fit(X.set_index(seconds), Y.set_index(seconds * (1 + 1e-12)))  # times that rounding tells apart


def test_a_constant_target_warns_once_and_leaves_others_alone(regression):
    X, Y, _ = regression
    broken = Y.copy()
    broken[:, 2] = 4.0
    with pytest.warns(UserWarning, match="1 target.* never vary: 2") as record:
        fit = WeightFitter(alpha=1.0).fit(X, broken)
    assert len(record) == 1
    assert np.isnan(fit.r2_[2])
    assert_allclose(fit.predict(X)[:, 2], 4.0)
    others = [0, 1, 3]
    assert_allclose(fit.weights_[:, others], WeightFitter(alpha=1.0).fit(X, Y).weights_[:, others])


@pytest.mark.parametrize("n_features", [6, 150])
@pytest.mark.parametrize("scoring", ["r2", "pearson"])
def test_nothing_predicts_a_target_that_never_varies(n_features, scoring):
    """Its mean is no number exactly, and what rounding leaves is no variance."""
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((120, n_features)), np.full((120, 2), 0.1)
    Y[:, 0] = X[:, 0]
    with pytest.warns(UserWarning, match="never vary"):
        fit = WeightFitter(alpha=[1e-3, 1e-2, 1e-1, 1.0], cv=3, scoring=scoring).fit(X, Y)
    assert not fit.alpha_scores_[:, 1].any() and np.isnan(fit.r2_[1])
    assert_array_equal(fit.weights_[:, 1], 0)
    if scoring == "pearson":
        assert np.isnan(fit.score(X, Y, multioutput="raw_values")[1])


@pytest.mark.parametrize(
    ("fitter", "change", "message"),
    [
        (WeightFitter(alpha=-1.0), {}, "alpha"),
        (WeightFitter(alpha=[]), {}, "alpha"),
        (WeightFitter(bands=[0] * 6), {}, "several candidates"),
        (WeightFitter(alpha=ALPHAS, bands=[0] * 5), {}, "one label per feature"),
        (WeightFitter(alpha=ALPHAS, bands={"a": [0, 1]}), {}, "in no band"),
        (WeightFitter(alpha=ALPHAS, bands={"a": range(6), "b": [0]}), {}, "in two bands"),
        (WeightFitter(alpha=ALPHAS, bands={"a": [9]}), {}, "no feature 9"),
        (WeightFitter(alpha=ALPHAS, cv=3), {"groups": np.zeros(120)}, "at least two runs"),
        (WeightFitter(), {"groups": np.zeros(7)}, "one label per sample"),
        (WeightFitter(), {"y": np.ones((100, 2))}, "inconsistent numbers of samples"),
        (WeightFitter(), {"y": None}, "requires y"),
        (WeightFitter(DelayedModel(tmax=30.0)), {"groups": np.repeat(np.arange(6), 20)}, "spans 31 samples"),
    ],
)
def test_bad_input(regression, fitter, change, message):
    X, Y, _ = regression
    arguments = {"X": X, "y": Y, **change}
    with pytest.raises(ValueError, match=message):
        fitter.fit(**arguments)


def test_missing_data_names_the_target(regression):
    X, Y, _ = regression
    Y = pd.DataFrame(Y, columns=["Fz", "Cz", "Pz", "Oz"])
    Y.loc[5, "Pz"] = np.nan
    with pytest.raises(ValueError, match="Input y contains NaN. Targets concerned: 'Pz'"):
        WeightFitter().fit(X, Y)
    with pytest.raises(AttributeError, match="no lags"):
        WeightFitter().fit(X, Y.fillna(0.0)).kernels_  # noqa: B018


@pytest.mark.parametrize("unit", [1e200, 1e-200])
@pytest.mark.parametrize("which", ["X", "y"])
def test_units_whose_squares_no_number_holds_are_refused(which, unit):
    data = {name: np.random.default_rng(0).standard_normal((30, 2)) for name in ("X", "y")}
    data[which] = unit * data[which]
    with pytest.raises(ValueError, match=f"largest value of {which}.*in another unit"):
        WeightFitter().fit(**data)
