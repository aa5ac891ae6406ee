"""Numbers and folds: every estimator names the parameter that makes no sense, before any work."""

import inspect
import numbers

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold

from eegexplain import TimeResolvedCoefficients
from eegexplain._settings import AT_LEAST_ONE, COMMON, Number, as_splits
from eegexplain.encoding import GaussianTuningModel, ParameterFitter, ResidualFitter, StimulusDecoder, WeightFitter
from tests.estimators import CASES, FEW_TRIALS, fast_classifier, trials

pytestmark = FEW_TRIALS

NONSENSE = (np.inf, -np.inf, np.nan, -1, 1.5, "x", None, [1, 2], 1j)


def tuning():
    rng = np.random.default_rng(0)
    x = rng.uniform(-3, 3, (30, 1))
    return x, GaussianTuningModel().simulate(x, np.array([[0.0, 1, 1, 0], [1, 1, 1, 0]]), noise=0.2, random_state=0)


def fitter():
    return ParameterFitter(GaussianTuningModel(), max_n_iterations=2)


ESTIMATORS = {case.name: (case.make, lambda case=case: trials(case.regression)) for case in CASES}
ESTIMATORS |= {
    "WeightFitter": (WeightFitter, tuning),
    "ParameterFitter": (fitter, tuning),
    "ResidualFitter": (ResidualFitter, lambda: (tuning()[1], None)),
    "StimulusDecoder": (lambda: StimulusDecoder(fitter()), tuning),
}
# Parameters that are numbers, whose default does not show it, and what each takes of `NONSENSE`.
OPTIONAL = {"sfreq", "tol", "n_jobs", "fmin", "fmax", "n_steps", "patience", "shrinkage", "dof", "random_state",
            "population_tol", "sample_share"}
TAKES = {
    1.5: {"sfreq", "tol", "fmin", "scale", "lr", "filter_width", "pool_size", "tmin", "alpha", "ridge", "memory_limit",
          "learning_rate", "r2_atol", "dof", "kernel_length", "population_tol"},
    -1: {"n_jobs", "tmin"},
    None: {"sfreq", "n_jobs", "fmin", "fmax", "patience", "dof", "random_state", "population_tol", "cv"},
}  # fmt: skip


def takes(estimator, name, value):
    """Whether the documentation allows it."""
    if name in {"alpha", "windows"} and isinstance(value, list):
        return True  # candidates, edges
    if name == "tol" and value is None:
        return "PerturbationCorrelator" in type(estimator).__name__
    return any(value is known or value == known for known, names in TAKES.items() if name in names)


def numeric_parameters(estimator):
    for name, parameter in inspect.signature(type(estimator).__init__).parameters.items():
        default = parameter.default
        if name in OPTIONAL or (isinstance(default, numbers.Real) and not isinstance(default, bool)):
            yield name


@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_number_that_makes_no_sense_is_named(name):
    make, data = ESTIMATORS[name]
    X, y = data()
    estimator = make()
    names = list(numeric_parameters(estimator))
    assert names
    for parameter in names:
        for value in NONSENSE:
            if takes(estimator, parameter, value):
                continue
            with pytest.raises((ValueError, TypeError), match=parameter):
                clone(estimator).set_params(**{parameter: value}).fit(X, y)
                pytest.fail(f"{parameter}={value!r} is accepted")


def test_common_names_mean_the_same_in_every_signature():
    """A numeric parameter that no table knows would not be checked."""
    for make, _ in ESTIMATORS.values():
        estimator = make()
        known = {*COMMON, *getattr(estimator, "_numbers", {}), *getattr(estimator, "_parameter_constraints", {})}
        assert set(numeric_parameters(estimator)) <= known | {"sfreq", "random_state", "alpha", "windows", "cv"}


@pytest.mark.parametrize("limit", [1, 10, 1000.0])
def test_any_memory_limit_gives_the_same_numbers(limit):
    for name, attribute in (("FLEXAttributor", "attributions_"), ("WeightFitter", "weights_"),
                            ("ParameterFitter", "parameters_")):  # fmt: skip
        make, data = ESTIMATORS[name]
        X, y = data()
        ample, scarce = (make().set_params(memory_limit=size).fit(X, y) for size in (2**28, limit))
        np.testing.assert_allclose(getattr(scarce, attribute), getattr(ample, attribute), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("number", "good", "bad", "words"),
    [
        (AT_LEAST_ONE, [1, np.int32(3)], [0, 1.0, True], "a whole number of at least 1"),
        (Number(above=0, most=1), [1, 0.5, np.float32(0.1)], [0, 1.1, True], "a finite number above 0 and at most 1"),
        (Number(least=0, other=(None, "auto")), [0, None, "auto"], [-1, "none"], "or None or 'auto'"),
        (Number(above=0, other=(np.inf,)), [np.inf, 3], [-np.inf, np.array([1.0, 2.0])], "above 0 or inf"),
    ],
)
def test_a_number_says_what_it_may_be(number, good, bad, words):
    for value in good:
        number.check("size", value)
    for value in bad:
        with pytest.raises(ValueError, match=f"size must be .*{words}"):
            number.check("size", value)


@pytest.mark.parametrize("max_iter", [-1, 1.5])
def test_the_ordinal_solver_is_not_asked_for_less_than_no_steps(max_iter):
    from eegexplain.timecourse import OrdinalLogisticRegression

    X, y = trials()
    with pytest.raises(ValueError, match="max_iter must be a whole number of at least 0"):
        TimeResolvedCoefficients(OrdinalLogisticRegression(max_iter=max_iter)).fit(X, y)


@pytest.mark.parametrize("inner", [Ridge(alpha=-1.0), Ridge(alpha=np.nan)])
def test_models_over_time_check_their_own_parameters(inner):
    X, y = trials(regression=True)
    with pytest.raises(ValueError, match="alpha"):
        TimeResolvedCoefficients(inner).fit(X, y)


NO_FOLDS = (["Cz"], "Cz", [], [1, 2], [([0, 1],)], [([0, 1], [99])], [([0, 1], 2)], 1, 2.5, [("a", "b")])


@pytest.mark.parametrize("cv", NO_FOLDS)
def test_folds_that_are_none_are_named(cv):
    X, y = trials()
    with pytest.raises(ValueError, match="cv must be a number of folds of at least 2, a splitter, or pairs"):
        TimeResolvedCoefficients(cv=cv).fit(X, y)
    with pytest.raises(ValueError, match="cv must be"):
        WeightFitter(alpha=[1.0, 2.0], cv=cv).fit(*tuning())


def test_folds_are_those_of_scikit_learn():
    X = np.zeros((6, 1))
    for cv in (3, KFold(3), list(KFold(3).split(X)), iter(KFold(3).split(X))):
        for one, other in zip(as_splits(cv, X), KFold(3).split(X), strict=True):
            np.testing.assert_array_equal(one[0], other[0])
            np.testing.assert_array_equal(one[1], other[1])
    mask = np.arange(6) < 3
    (train, test), *_ = as_splits([(mask, ~mask)], X)
    assert train.tolist() == [0, 1, 2] and test.tolist() == [3, 4, 5]
    with pytest.raises(ValueError, match="n_splits=9"):
        as_splits(KFold(9), X)


def test_a_facade_names_its_own_parameters():
    X, y = trials()
    with pytest.raises(ValueError, match="batch_size"):
        fast_classifier(batch_size=1.5).fit(X, y)
