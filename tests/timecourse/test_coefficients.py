"""Coefficients over time against models fitted one by one, MNE, and planted truths."""

import warnings

import numpy as np
import pytest
from scipy.stats import spearmanr
from scipy.stats import t as student
from sklearn.base import BaseEstimator, clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.linear_model._base import LinearClassifierMixin
from sklearn.metrics import accuracy_score, balanced_accuracy_score, r2_score, roc_auc_score
from sklearn.model_selection import GroupKFold, KFold, LeaveOneOut, ShuffleSplit, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.utils import check_random_state
from sklearn.utils.estimator_checks import estimator_checks_generator

from eegexplain.plotting import TopomapDisplay
from eegexplain.timecourse import OrdinalLogisticRegression, TimeResolvedCoefficients

N_TRIALS, N_CHANNELS, N_TIMES = 60, 5, 20


def make_trials(n_classes=2, seed=0, n_trials=N_TRIALS):
    """Trials whose channel 2 follows the class around time 12; channels are correlated."""
    rng = np.random.default_rng(seed)
    y = np.arange(n_trials) % n_classes
    mixing = np.eye(N_CHANNELS) + 0.15 * rng.standard_normal((N_CHANNELS, N_CHANNELS))
    X = np.einsum("cd,ndt->nct", mixing, rng.standard_normal((n_trials, N_CHANNELS, N_TIMES)))
    course = np.exp(-0.5 * ((np.arange(N_TIMES) - 12) / 2) ** 2)
    X[:, 2] += 1.2 * y[:, None] * course
    return X, y


X, Y = make_trials()
NUMBERS = Y + np.random.default_rng(1).standard_normal(N_TRIALS)
X3, Y3 = make_trials(3)


DATA = {"two": (X, Y), "three": (X3, Y3), "numbers": (X, NUMBERS)}


@pytest.mark.parametrize(
    ("estimator", "data"),
    [
        (Ridge(alpha=3.0), "numbers"),
        (LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.2), "two"),
        (LinearDiscriminantAnalysis(solver="eigen", shrinkage=0.2), "two"),
        (LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1), "three"),
        (LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"), "two"),
        (LinearDiscriminantAnalysis(solver="eigen", shrinkage="auto"), "three"),
        (LogisticRegression(C=0.5, solver="newton-cholesky", tol=1e-10), "two"),
        (LogisticRegression(C=50.0, solver="newton-cholesky", tol=1e-10), "two"),
        (LogisticRegression(solver="newton-cholesky", tol=1e-10), "three"),
        (LogisticRegression(solver="newton-cholesky", tol=1e-10, class_weight="balanced"), "two"),
        (LogisticRegression(solver="newton-cholesky", tol=1e-10, fit_intercept=False), "two"),
        (LinearSVC(random_state=0), "two"),
        (LinearDiscriminantAnalysis(), "two"),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "cv",
    [None, KFold(3, shuffle=True, random_state=0), ShuffleSplit(3, test_size=0.3, train_size=0.4, random_state=0)],
    ids=repr,
)
def test_coefficients_equal_models_fitted_one_by_one(estimator, data, cv):
    X, y = DATA[data]
    X = X[:, :, 8:14]
    model = TimeResolvedCoefficients(estimator, cv=cv).fit(X, y)
    folds = [(np.arange(len(X)),) * 2] if cv is None else list(cv.split(X, y))
    coef = model.coef_ if model.coef_.ndim == 5 else model.coef_[None]
    assert coef.shape[1:] == (1, len(folds), 6, N_CHANNELS)
    mean_decision = np.zeros((len(coef), len(X)))
    time = 3
    for fold, (train, test) in enumerate(folds):
        one = make_pipeline(StandardScaler(), clone(estimator)).fit(X[train, :, time], y[train])
        assert np.allclose(coef[:, 0, fold, time], np.atleast_2d(one[-1].coef_), atol=1e-8)
        decision = (one.predict if isinstance(estimator, Ridge) else one.decision_function)(X[:, :, time])
        mean_decision += (decision[None] if decision.ndim == 1 else decision.T) / len(folds)
        if cv is not None:
            score = r2_score if isinstance(estimator, Ridge) else balanced_accuracy_score
            expected = score(y[test], one.predict(X[test][:, :, time]))
            assert np.isclose(model.scores_[0, fold, time], expected, atol=1e-7)
    assert np.allclose(model.explain(X)["value"].sel(time=time).values.T, mean_decision, atol=1e-7)


@pytest.mark.parametrize(
    ("change", "n_kept"),
    [
        (lambda data, y: None, 60),
        (lambda data, y: data[y == 0, 1:2].fill(2.0), 60),  # constant in one class
        (lambda data, y: data[:, 1].fill(2.0), 60),
        (lambda data, y: np.add(data, 1e4 * y[:, None, None], out=data), 60),
        (lambda data, y: None, 4),  # two trials of each class, which no shrinkage makes definite
        (lambda data, y: None, 3),
    ],
    ids=["plain", "constant in a class", "constant", "far apart", "two trials", "one trial"],
)
def test_automatic_shrinkage_equals_scikit_learn_where_a_class_is_odd(change, n_kept):
    data, y = X[:n_kept].copy(), Y[:n_kept]
    change(data, y)
    if n_kept == 60:
        data[:3, 3] *= 40  # heavy tails shrink differently
    inner = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    model = TimeResolvedCoefficients(inner, cv=[(np.arange(len(y)), np.arange(len(y)))]).fit(data, y)
    for time in (0, 12):
        z = StandardScaler().fit_transform(data[:, :, time])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # scikit-learn's of a single trial
            expected = clone(inner).fit(z, y)
        size = np.abs(expected.coef_).max()
        assert np.allclose(model.coef_[0, 0, time], expected.coef_[0], atol=1e-9 * size, rtol=0)


def test_coefficients_equal_those_of_mne():
    from mne.decoding import SlidingEstimator

    sliding = SlidingEstimator(make_pipeline(StandardScaler(), Ridge(2.0)), scoring="r2", verbose="error")
    sliding.fit(X, NUMBERS)
    model = TimeResolvedCoefficients(Ridge(2.0)).fit(X, NUMBERS)
    expected = np.array([step[-1].coef_ for step in sliding.estimators_])
    assert np.allclose(model.coef_[0, 0], expected, atol=1e-8)


@pytest.mark.parametrize(
    ("scoring", "metric"),
    [("accuracy", accuracy_score), ("balanced_accuracy", balanced_accuracy_score), ("roc_auc", roc_auc_score)],
)
def test_scores_equal_scikit_learn(scoring, metric):
    cv = StratifiedKFold(4)
    model = TimeResolvedCoefficients(cv=4, scoring=scoring).fit(X, Y)
    for fold, (train, test) in enumerate(cv.split(X, Y)):
        for time in (0, 12):
            one = make_pipeline(StandardScaler(), LogisticRegression(tol=1e-8)).fit(X[train, :, time], Y[train])
            answer = (one.decision_function if scoring == "roc_auc" else one.predict)(X[test, :, time])
            assert np.isclose(model.scores_[0, fold, time], metric(Y[test], answer))
    assert model.chance_ == 0.5


def test_planted_time_and_channel_are_found():
    model = TimeResolvedCoefficients(cv=5, sfreq=100.0, tmin=-0.05, kind="patterns").fit(*make_trials(n_trials=300))
    scores = model.scores_.mean(axis=(0, 1))
    assert abs(scores.argmax() - 12) <= 1 and scores.max() > 0.75
    assert np.abs(scores[:5] - model.chance_).max() < 0.12
    assert np.isclose(model.times_[12], 0.07)
    evidence = model.explanation_["value"].sel(output="1")
    assert np.abs(evidence.sel(time=0.07, method="nearest").values).argmax() == 2


def test_patterns_ignore_a_channel_that_only_cancels_noise():
    """Haufe's example: channel 0 is signal plus noise, channel 1 the noise alone."""
    rng = np.random.default_rng(0)
    y = np.arange(400) % 2
    noise = np.repeat(rng.standard_normal((200, 3)), 2, axis=0)  # the same for both classes
    X = np.stack([noise + 0.5 * (2 * y[:, None] - 1) + 0.05 * rng.standard_normal((400, 3)), noise], axis=1)
    model = TimeResolvedCoefficients(LinearDiscriminantAnalysis(solver="lsqr", shrinkage=1e-4)).fit(X, y)
    coef, pattern = np.abs(model.coef_[0, 0, 1]), np.abs(model.patterns_[0, 0, 1])
    assert coef[1] > 0.8 * coef[0]
    assert pattern[1] < 0.15 * pattern[0]


@pytest.mark.parametrize("problem", ["two", "three"])
def test_patterns_equal_the_formula(problem):
    data, y = DATA[problem]
    model = TimeResolvedCoefficients(LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.2)).fit(data, y)
    coef = (model.coef_ if problem == "three" else model.coef_[None])[:, 0, 0, 7]
    patterns = (model.patterns_ if problem == "three" else model.patterns_[None])[:, 0, 0, 7]
    z = StandardScaler().fit_transform(data[:, :, 7])
    expected = np.cov(z.T) @ coef.T @ np.linalg.pinv(np.atleast_2d(np.cov((z @ coef.T).T)), rcond=1e-10)
    assert np.allclose(patterns, expected.T, atol=1e-8)


def test_subjects_are_fitted_apart():
    groups = np.repeat(["a", "b", "c"], 20)
    model = TimeResolvedCoefficients(cv=4).fit(X, Y, groups=groups)
    assert model.coef_.shape == model.patterns_.shape == (3, 4, N_TIMES, N_CHANNELS)
    assert model.scores_.shape == (3, 4, N_TIMES)
    for k, name in enumerate("abc"):
        alone = TimeResolvedCoefficients(cv=4).fit(X[groups == name], Y[groups == name])
        assert np.allclose(model.coef_[k], alone.coef_[0], atol=1e-10)
        assert np.allclose(model.scores_[k], alone.scores_[0])
    value = model.explanation_["value"].sel(output="1").values
    by_subject = model.coef_.mean(axis=1)
    assert np.allclose(value, by_subject.mean(axis=0).T)
    error = by_subject.std(axis=0, ddof=1).T / np.sqrt(3)
    assert np.allclose(model.explanation_["standard_error"].sel(output="0"), error)
    assert np.allclose(model.explanation_["score"], model.scores_.mean(axis=(0, 1)))
    assert "score_standard_error" in model.explanation_


def test_the_explanation_has_an_output_per_class_and_feeds_the_maps(tmp_path):
    names = ["Fz", "C3", "Cz", "C4", "Pz"]
    model = TimeResolvedCoefficients(sfreq=50.0, ch_names=names).fit(X, np.array(["left", "right"])[Y])
    value = model.explanation_["value"]
    assert value.dims == ("output", "channel", "time") and list(value["output"].values) == ["left", "right"]
    assert np.array_equal(value.sel(output="left"), -value.sel(output="right"))
    assert np.allclose(value.sel(output="right"), model.coef_[0, 0].T)
    assert "score" not in model.explanation_ and not hasattr(model, "scores_")
    display = TopomapDisplay.from_explanation(model.explanation_, output="right")
    assert display.values.shape == (1, N_TIMES, 5) and np.allclose(display.times, np.arange(N_TIMES) / 50)
    assert display.label == "coefficient (per SD)"
    three = TimeResolvedCoefficients().fit(X3, Y3)
    assert three.coef_.shape == (3, 1, 1, N_TIMES, N_CHANNELS) and three.explanation_["value"].shape[0] == 3
    assert three.transform(X3).shape == (N_TRIALS, 3 * N_TIMES)


def test_absolute_values_are_taken_before_the_mean():
    model = TimeResolvedCoefficients(cv=3, absolute=True).fit(X, Y)
    assert np.allclose(model.explanation_["value"][1], np.abs(model.coef_).mean(axis=(0, 1)).T)
    assert (model.coef_ < 0).any()


def test_maps_of_held_out_trials_are_the_same_and_scores_are_theirs():
    held_out, labels = make_trials(seed=5)
    model = TimeResolvedCoefficients(cv=3).fit(X, Y)
    population = model.explain_population(held_out, labels)
    assert np.array_equal(population["value"], model.explanation_["value"])
    predicted = model.explain(held_out)["value"].values[..., 12] > 0
    assert np.isclose(population["score"][12], balanced_accuracy_score(labels, predicted.ravel()))
    assert "score" not in model.explain_population(held_out)


def test_units_and_channel_order_do_not_matter():
    model = TimeResolvedCoefficients(cv=3).fit(X, Y)
    tiny = TimeResolvedCoefficients(cv=3).fit(1e-6 * X + 3e-4, Y)
    assert np.allclose(tiny.coef_, model.coef_, atol=1e-7)
    order = np.array([3, 0, 4, 2, 1])
    swapped = TimeResolvedCoefficients(cv=3).fit(X[:, order], Y)
    assert np.allclose(swapped.coef_, model.coef_[..., order], atol=1e-8)
    assert np.allclose(swapped.patterns_, model.patterns_[..., order], atol=1e-8)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "estimator", [LogisticRegression(C=1e6), OrdinalLogisticRegression(C=1e6), Ridge(1e-6)], ids=str
)
def test_fewer_trials_than_channels_separable_and_constant_channels(estimator):
    rng = np.random.default_rng(0)
    few = rng.standard_normal((8, 12, 3))
    few[:, 4] = 1.0
    few[:, 5] = few[:, 6]
    y = np.arange(8) % 2
    model = TimeResolvedCoefficients(estimator, cv=2).fit(few, y)
    assert np.isfinite(model.coef_).all() and np.isfinite(model.patterns_).all()
    assert (model.coef_[..., 4] == 0).all()
    assert np.allclose(model.coef_[..., 5], model.coef_[..., 6], atol=1e-5)


def test_numbers_are_predicted_from_the_mean_over_time():
    model = TimeResolvedCoefficients(Ridge(), cv=3).fit(X, NUMBERS)
    assert np.allclose(model.predict(X), model.transform(X).mean(axis=1))
    assert not hasattr(model, "predict_proba") and not hasattr(model, "classes_")
    assert model.chance_ == 0.0
    ranks = TimeResolvedCoefficients(Ridge(), cv=3, scoring="rank_correlation").fit(X, NUMBERS).scores_
    for fold, (train, test) in enumerate(KFold(3).split(X)):
        one = make_pipeline(StandardScaler(), Ridge()).fit(X[train, :, 4], NUMBERS[train])
        assert np.isclose(ranks[0, fold, 4], spearmanr(one.predict(X[test, :, 4]), NUMBERS[test]).statistic)


def test_ordinal_over_time_equals_one_by_one():
    cv = KFold(3, shuffle=True, random_state=0)
    model = TimeResolvedCoefficients(OrdinalLogisticRegression(), cv=cv).fit(X3, Y3)
    assert model.coef_.shape == (1, 3, N_TIMES, N_CHANNELS)
    for fold, (train, test) in enumerate(cv.split(X3)):
        for time in (0, 12, 17):
            one = make_pipeline(StandardScaler(), OrdinalLogisticRegression()).fit(X3[train, :, time], Y3[train])
            assert np.allclose(model.coef_[0, fold, time], one[-1].coef_[0], atol=1e-7)
            expected = balanced_accuracy_score(Y3[test], one.predict(X3[test, :, time]))
            assert np.isclose(model.scores_[0, fold, time], expected)
    assert list(model.explanation_["output"].values) == ["higher"]
    assert model.transform(X3).shape == (N_TRIALS, N_TIMES) and set(model.predict(X3)) <= {0, 1, 2}


@pytest.mark.slow  # three other inner models pass it in tests/test_common.py
@pytest.mark.parametrize(("estimator", "check"), list(estimator_checks_generator(TimeResolvedCoefficients())))
def test_the_default_passes_the_battery(estimator, check):
    check(estimator)


# -- bad input


def test_a_class_missing_in_a_fold_is_named():
    groups = np.repeat([0, 1], 30)
    y = Y.copy()
    y[30:] = 0
    y[31] = 1
    with pytest.raises(ValueError, match="Class 1 is missing from the training trials of subject 1, fold 0"):
        TimeResolvedCoefficients(cv=KFold(3)).fit(X, y, groups=groups)
    y[31] = 0
    with pytest.raises(ValueError, match="Class 1 is missing from the training trials of subject 1, fold 0"):
        TimeResolvedCoefficients(OrdinalLogisticRegression()).fit(X, y, groups=groups)


@pytest.mark.parametrize(
    ("model", "y", "error", "message"),
    [
        (TimeResolvedCoefficients(kind="weights"), Y, ValueError, "kind='weights'"),
        (TimeResolvedCoefficients(scoring="roc"), Y, ValueError, "Did you mean 'roc_auc'"),
        (TimeResolvedCoefficients(Ridge(), scoring="accuracy"), NUMBERS, ValueError, "does not fit numbers"),
        (TimeResolvedCoefficients(), NUMBERS, ValueError, "continuous"),
        (TimeResolvedCoefficients(KNeighborsClassifier()), Y, TypeError, "has no coef_ after fit"),
        (TimeResolvedCoefficients(SVC(kernel="linear"), ), np.arange(60) % 4, TypeError, "6 rows of coef_"),
        (TimeResolvedCoefficients(OrdinalLogisticRegression(C=0)), Y, ValueError, "C must be a finite number above 0"),
        (TimeResolvedCoefficients(), np.zeros(60), ValueError, "only one class"),
        (TimeResolvedCoefficients(cv=100), Y, ValueError, "n_splits=100"),
    ],
)  # fmt: skip
def test_bad_parameters_are_named(model, y, error, message):
    with pytest.raises(error, match=message):
        model.fit(X[:, :, :3], y)


def test_unequal_folds_and_unknown_fit_parameters_are_named():
    groups = np.repeat([0, 1], [20, 40])
    with pytest.raises(ValueError, match="different numbers of folds"):
        TimeResolvedCoefficients(Ridge(), cv=LeaveOneOut()).fit(X[:, :, :2], NUMBERS, groups=groups)
    with pytest.raises(TypeError, match="also weights"):
        TimeResolvedCoefficients().fit(X, Y, weights=1)
    with pytest.raises(ValueError, match="groups"):
        TimeResolvedCoefficients(cv=GroupKFold(2)).fit(X, Y)


class DrawnWeights(LinearClassifierMixin, BaseEstimator):
    """Weights are drawn, not learned: fits agree exactly where they share a seed."""

    def __init__(self, random_state=None):
        self.random_state = random_state

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.coef_ = check_random_state(self.random_state).standard_normal((1, X.shape[1]))
        self.intercept_ = np.zeros(1)
        return self


@pytest.mark.parametrize("random_state", [0, None])
def test_models_of_different_folds_times_and_subjects_share_no_seed(random_state):
    subject = np.arange(N_TRIALS) // 2 % 2
    model = TimeResolvedCoefficients(DrawnWeights(random_state), cv=3)
    weights = model.fit(X, Y, groups=subject).coef_.reshape(-1, N_CHANNELS)
    assert len(np.unique(weights[:, 0])) == 2 * 3 * N_TIMES
    if random_state is not None:
        again = clone(model).fit(X, Y, groups=subject)
        np.testing.assert_array_equal(again.coef_, model.coef_)


@pytest.mark.parametrize("cv", [[], [(np.arange(20), np.arange(0))], [(np.arange(0), np.arange(20))]])
def test_folds_without_trials_are_refused(cv):
    with pytest.raises(ValueError, match="there is no fold|no training or no test trials"):
        TimeResolvedCoefficients(cv=cv).fit(X, Y)


@pytest.mark.parametrize("tmin", [np.nan, np.inf, "0", True, None])
def test_the_first_time_is_a_number(tmin):
    with pytest.raises(ValueError, match="tmin must be a finite number"):
        TimeResolvedCoefficients(tmin=tmin).fit(X, Y)


def draw_trials(n_trials, rng):
    """Trials of two classes, with correlated channels and few times."""
    y = np.arange(n_trials) % 2
    X = rng.standard_normal((n_trials, 3, 2)) + rng.standard_normal((n_trials, 1, 2))
    X[:, 1] += 0.8 * y[:, None]
    return X, y


@pytest.mark.parametrize("kind", ["coefficients", "patterns"])
@pytest.mark.parametrize(("estimator", "cv"), [
    (None, None), (Ridge(), KFold(10, shuffle=True, random_state=0)),
    (LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1), ShuffleSplit(40, test_size=0.2, random_state=0)),
])  # fmt: skip
def test_errors_over_trials_are_the_spread_over_data_sets(estimator, cv, kind):
    rng = np.random.default_rng(0)
    fits = [TimeResolvedCoefficients(estimator, cv=cv, kind=kind).fit(*draw_trials(200, rng)) for _ in range(60)]
    values = np.array([fit.explanation_["value"].values for fit in fits])
    errors = np.array([fit.standard_errors_ for fit in fits])
    assert 0.8 < (np.median(errors, axis=0) / values.std(axis=0)).mean() < 1.2
    covered = np.abs(values - values.mean(axis=0)) <= student.ppf(0.975, 9) * errors
    assert 0.90 <= covered.mean() <= 0.98


def test_errors_over_trials_do_not_depend_on_the_order_of_trials():
    order = np.random.default_rng(0).permutation(N_TRIALS)
    first, second = (TimeResolvedCoefficients().fit(X[o], Y[o]).standard_errors_ for o in (slice(None), order))
    np.testing.assert_allclose(first, second, rtol=1e-6)
    assert first.shape == (2, N_CHANNELS, N_TIMES) and (first > 0).all()
    np.testing.assert_array_equal(first[0], first[1])


def test_where_no_error_is_known_it_is_nan():
    few = np.flatnonzero(np.arange(N_TRIALS) < 18)  # nine of each class
    assert np.isnan(TimeResolvedCoefficients().fit(X[few], Y[few]).standard_errors_).all()
    one_split = TimeResolvedCoefficients(cv=ShuffleSplit(1, random_state=0)).fit(X, Y)
    assert np.isnan(one_split.standard_errors_).all()


def test_errors_over_subjects_contain_their_spread():
    subject = np.arange(N_TRIALS) // 20
    fit = TimeResolvedCoefficients(Ridge()).fit(X, NUMBERS, groups=subject)
    alone = [TimeResolvedCoefficients(Ridge()).fit(X[subject == s], NUMBERS[subject == s]) for s in range(3)]
    expected = np.std([one.explanation_["value"].values for one in alone], axis=0, ddof=1) / np.sqrt(3)
    np.testing.assert_allclose(fit.standard_errors_, expected, rtol=1e-10)


def test_coefficients_and_patterns_have_errors_at_once():
    for groups in (None, np.arange(N_TRIALS) // 20):
        for data, y in ((X, Y), (X3, Y3)):
            fits = [TimeResolvedCoefficients(cv=3, kind=kind).fit(
                data[:, :, :3], y, groups=groups) for kind in ("coefficients", "patterns")]  # fmt: skip
            own = [fit.standard_errors_ if y is Y3 else fit.standard_errors_[1] for fit in fits]
            maps = (fits[0].coef_, fits[0].patterns_)
            if groups is None:  # jackknife of three folds: (1 - d) / d = 2 times the variance over models
                naive = [np.sqrt(2) * each[..., 0, :, :, :].std(axis=-3) for each in maps]
            else:
                naive = [each.mean(axis=-3).std(axis=-3, ddof=1) / np.sqrt(3) for each in maps]
            for found, error in zip(own, naive, strict=True):
                np.testing.assert_allclose(found.swapaxes(-1, -2), error, rtol=1e-10)
            for fit in fits:
                np.testing.assert_array_equal(fit.coef_standard_errors_, own[0].swapaxes(-1, -2))
                np.testing.assert_array_equal(fit.patterns_standard_errors_, own[1].swapaxes(-1, -2))
