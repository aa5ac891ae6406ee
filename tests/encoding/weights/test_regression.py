"""Temporal response functions without their design: the same numbers as with it, and as MNE's."""

import numpy as np
import pytest
from mne.decoding import ReceptiveField, TimeDelayingRidge
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import GroupKFold, KFold

from eegexplain.encoding import DelayedModel, WeightFitter
from eegexplain.encoding.weights import _regression

RNG = np.random.default_rng(0)
RUNS = np.repeat([0, 1, 2, 3], [90, 100, 110, 80])
X = RNG.normal(size=(380, 3)) + [0.0, 5.0, -1.0]
ALPHAS = np.logspace(-1, 4, 6)
SHORT_GRID = pytest.mark.filterwarnings("ignore:The best penalty lies at the edge")


def path_laplacian(n_lags):
    """Degrees minus neighbours, written out."""
    form = 2 * np.eye(n_lags) - np.eye(n_lags, k=1) - np.eye(n_lags, k=-1)
    form[[0, -1], [0, -1]] = 1
    return form


class Laid(DelayedModel):
    """The same design, but as the model's own: it is laid out."""

    def design(self, paradigm, groups=None):
        return super().design(paradigm, groups)


def data(model, noise=1.0):
    kernels = RNG.normal(size=(3 * len(model.get_lags()), 4))
    return model.predict(X, weights=kernels, groups=RUNS) + noise * RNG.normal(size=(380, 4)) + [0, 1, 20, -3]


@SHORT_GRID
@pytest.mark.parametrize("edges", ["mask", "zero"])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("options", [
    {"alpha": 3.0}, {"alpha": ALPHAS}, {"alpha": ALPHAS, "cv": 4}, {"alpha": ALPHAS, "cv": KFold(3)},
    {"alpha": ALPHAS, "cv": 4, "bands": [0, 0, 1], "n_band_candidates": 4, "random_state": 0},
    {"alpha": ALPHAS, "bands": [0, 0, 1], "n_band_candidates": 4, "random_state": 0},
    {"alpha": ALPHAS, "cv": 4, "scoring": "pearson", "penalty": "laplacian"},
    {"alpha": ALPHAS, "penalty": "laplacian"}, {"alpha": 3.0, "penalty": "laplacian"},
])  # fmt: skip
def test_the_design_is_not_needed(monkeypatch, edges, intercept, options):
    """Every option, with the design and without: the same penalties, weights, scores, R2 and patterns."""
    window = {"tmin": -0.03, "tmax": 0.05, "sfreq": 100.0, "edges": edges}
    y = data(DelayedModel(**window))
    made, lags = [], _regression.Lags
    monkeypatch.setattr(_regression, "Lags", lambda *parts: made.append(lags(*parts)) or made[-1])
    groups = None if isinstance(options.get("cv"), KFold) else RUNS
    lagged = WeightFitter(DelayedModel(**window), fit_intercept=intercept, **options).fit(X, y, groups)
    assert len(made) == 1
    laid = DelayedModel(**window) if "penalty" in options else Laid(**window)
    monkeypatch.setattr(_regression, "_lags", lambda *_: (None, None))
    found = WeightFitter(laid, fit_intercept=intercept, **options).fit(X, y, groups)
    assert len(made) == 1
    assert_array_equal(lagged.alpha_, found.alpha_)
    for name in ("weights_", "intercept_", "r2_", "patterns_", "alpha_scores_"):
        if getattr(found, name) is not None:
            assert_allclose(getattr(lagged, name), getattr(found, name), rtol=1e-8, atol=1e-9, err_msg=name)
    assert_allclose(lagged.predict(X, groups), laid.design(X, groups) @ found.weights_ + found.intercept_, atol=1e-9)


@pytest.mark.parametrize("penalty", ["ridge", "laplacian"])
@pytest.mark.parametrize("backward", [False, True])
def test_weights_are_those_of_mne(penalty, backward):
    """Forward and backward models, both penalties; MNE pads with zeros."""
    window = (-0.1, 0.0) if backward else (0.0, 0.1)
    x, y = RNG.normal(size=(300, 3)), RNG.normal(size=(300, 2))
    ridge = TimeDelayingRidge(*window, 50.0, alpha=5.0, reg_type=(penalty, "ridge"), fit_intercept=False)
    theirs = ReceptiveField(*window, 50.0, estimator=ridge).fit(x, y)
    model = DelayedModel(tmin=window[0], tmax=window[1], sfreq=50.0, edges="zero")
    ours = WeightFitter(model, 5.0, fit_intercept=False, penalty=penalty).fit(x, y)
    assert_allclose(ours.kernels_, theirs.coef_, atol=1e-10)
    assert_allclose(ours.predict(x), theirs.predict(x), atol=1e-9)


@SHORT_GRID
def test_a_laplacian_is_the_form_of_squared_differences_and_finds_smooth_kernels():
    rng = np.random.default_rng(1)
    form, w = path_laplacian(6), rng.normal(size=6)
    assert_allclose(w @ form @ w, (np.diff(w) ** 2).sum())
    model = DelayedModel(tmax=0.3, sfreq=100.0)
    lags = model.get_times()
    smooth = np.exp(-0.5 * ((lags - 0.12) / 0.04) ** 2)
    x = rng.normal(size=(1500, 1))
    y = model.predict(x, weights=smooth[:, None]) + 5 * rng.normal(size=(1500, 1))
    alphas, errors = np.logspace(-1, 7, 17), {}
    for penalty in ("ridge", "laplacian"):
        fit = WeightFitter(model, alphas, cv=5, penalty=penalty).fit(x, y)
        errors[penalty] = np.linalg.norm(fit.kernels_[0, 0] - smooth)
    assert errors["laplacian"] < 0.75 * errors["ridge"]
    design = model.design(x)[30:]
    design, centred = design - design.mean(0), y[30:] - y[30:].mean(0)
    fit = WeightFitter(model, [1e-3, 50.0, 1e9], penalty="laplacian").fit(x, y)
    expected = np.linalg.solve(design.T @ design + 50 * path_laplacian(31), design.T @ centred)
    assert_allclose(WeightFitter(model, 50.0, penalty="laplacian").fit(x, y).weights_, expected, atol=1e-10)
    assert fit.alpha_ == 50
    assert_allclose(fit.weights_, expected, atol=1e-9)
    silent = np.column_stack([x, np.zeros(1500)])  # neither data nor penalty say what its mean over lags is
    fit = WeightFitter(model, [10.0, 50.0], penalty="laplacian").fit(silent, y)
    assert_allclose(fit.kernels_[0, 1], 0.0, atol=1e-9)


def test_a_mean_far_from_zero_costs_no_digits(monkeypatch):
    """Signals about a million with a variance of one: centred where edges allow it, else by the design."""
    made, lags = [], _regression.Lags
    monkeypatch.setattr(_regression, "Lags", lambda *parts: made.append(lags(*parts)) or made[-1])
    for edges in ("mask", "zero"):
        made.clear()
        model = DelayedModel(tmax=0.04, sfreq=100.0, edges=edges)
        y = RNG.normal(size=(380, 2)) + 1e6
        laid = WeightFitter(Laid(tmax=0.04, sfreq=100.0, edges=edges), 2.0).fit(X + 1e6, y, RUNS)
        assert_allclose(WeightFitter(model, 2.0).fit(X + 1e6, y, RUNS).kernels_, laid.kernels_, atol=1e-7)
        assert len(made) == (edges == "mask")


@SHORT_GRID
def test_correlations_choose_and_score():
    """Against scikit-learn's ridge, fold by fold; sizes of responses do not matter."""
    y = data(DelayedModel(tmax=0.05, sfreq=100.0), noise=20.0)
    model = DelayedModel(tmax=0.05, sfreq=100.0)
    fit = WeightFitter(model, ALPHAS, cv=4, scoring="pearson").fit(X, y, RUNS)
    valid = model.valid_samples(380, RUNS)
    design, kept = model.design(X, RUNS)[valid], y[valid]
    for k, alpha in enumerate(ALPHAS):
        correlations = []
        for train, test in GroupKFold(4).split(design, groups=RUNS[valid]):
            centred = design[train] - design[train].mean(0)
            w = np.linalg.solve(centred.T @ centred + alpha * np.eye(18), centred.T @ kept[train])
            correlations.append([np.corrcoef(design[test] @ w[:, v], kept[test][:, v])[0, 1] for v in range(4)])
        assert_allclose(fit.alpha_scores_[k], np.mean(correlations, axis=0), atol=1e-9)
    prediction = fit.predict(X, RUNS)[valid]
    expected = [np.corrcoef(prediction[:, v], kept[:, v])[0, 1] for v in range(4)]
    assert_allclose(fit.score(X, y, groups=RUNS, multioutput="raw_values"), expected)
    assert_allclose(fit.score(X, y, groups=RUNS), np.mean(expected))


def test_what_cannot_be_asked():
    y = X[:, :1]
    with pytest.raises(ValueError, match="scoring='pearson' needs folds"):
        WeightFitter(alpha=ALPHAS, scoring="pearson").fit(X, y)
    with pytest.raises(ValueError, match="penalty='laplacian' is on neighbouring lags"):
        WeightFitter(alpha=1.0, penalty="laplacian").fit(X, y)
    with pytest.raises(ValueError, match="penalty='smooth' .*laplacian|penalty"):
        WeightFitter(alpha=1.0, penalty="smooth").fit(X, y)
    with pytest.raises(ValueError, match="weights have 2 rows, but 3 features at 2 lags are 6 columns"):
        DelayedModel(tmax=1.0).predict(X, weights=np.ones((2, 1)))
