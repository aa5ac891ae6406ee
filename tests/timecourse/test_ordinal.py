"""Logistic regression for ordered classes against statsmodels, the written-out loss and scikit-learn."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import estimator_checks_generator

from eegexplain.timecourse import OrdinalLogisticRegression


def ordinal_data(seed=0, n=200, n_classes=4, n_features=3):
    rng = np.random.default_rng(seed)
    data = rng.standard_normal((n, n_features)) * [1.0, 5.0, 0.2][:n_features] + 2
    latent = data @ [1.0, -0.3, 2.0][:n_features] + rng.logistic(size=n)
    return data, np.searchsorted(np.quantile(latent, np.arange(1, n_classes) / n_classes), latent)


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_ordinal_equals_statsmodels(n_classes):
    from statsmodels.miscmodels.ordinal_model import OrderedModel

    data, y = ordinal_data(n_classes=n_classes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = OrderedModel(y, data, distr="logit")
        other = model.fit(method="bfgs", disp=False, maxiter=500, gtol=1e-9)
    ours = OrdinalLogisticRegression(C=np.inf).fit(data, y)
    assert np.allclose(ours.coef_[0], other.params[: data.shape[1]], atol=1e-4)
    thresholds = model.transform_threshold_params(other.params[data.shape[1] :])[1:-1]
    assert np.allclose(ours.thresholds_, thresholds, atol=1e-4)
    assert np.allclose(ours.predict_proba(data[:9]), other.predict(data[:9]), atol=1e-4)


def test_ordinal_equals_the_minimum_of_the_written_out_loss():
    data, y = ordinal_data(n_classes=3, n=60)

    def loss(parameters):
        edges = np.concatenate([[-np.inf], parameters[3:], [np.inf]])
        latent = data @ parameters[:3]
        probability = expit(edges[y + 1] - latent) - expit(edges[y] - latent)
        return -np.log(np.maximum(probability, 1e-300)).sum() + (parameters[:3] ** 2).sum() / (2 * 0.3)

    ours = OrdinalLogisticRegression(C=0.3).fit(data, y)
    options = {"maxiter": 6000, "fatol": 1e-12}
    best = minimize(loss, np.r_[np.zeros(3), -1.0, 1.0], method="Nelder-Mead", options=options)
    found = np.concatenate([ours.coef_[0], ours.thresholds_])
    assert loss(found) <= best.fun + 1e-9
    assert np.allclose(found, best.x, atol=1e-3)


def test_ordinal_with_two_classes_is_logistic_regression():
    data, y = ordinal_data(n_classes=2)
    ours = OrdinalLogisticRegression(C=0.7).fit(data, y)
    other = LogisticRegression(C=0.7, solver="newton-cholesky", tol=1e-12).fit(data, y)
    assert np.allclose(ours.coef_, other.coef_, atol=1e-8) and np.allclose(-ours.thresholds_, other.intercept_)
    assert np.allclose(ours.predict_proba(data), other.predict_proba(data))


@given(st.integers(0, 10_000), st.integers(2, 6), st.floats(-3, 3))
def test_ordinal_converges_from_anywhere(seed, n_classes, log_c):
    """The gradient at the solution vanishes, whatever the classes, sizes and penalty."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(n_classes, 60))
    y = np.concatenate([np.arange(n_classes), rng.integers(0, n_classes, n - n_classes)])
    data = rng.standard_normal((n, 4)) * 10.0 ** rng.uniform(-2, 2, 4)
    strength = 10.0**log_c
    model = OrdinalLogisticRegression(C=strength).fit(data, y)
    assert (np.diff(model.thresholds_) > 0).all()
    edges = np.concatenate([[-np.inf], model.thresholds_, [np.inf]])
    latent = data @ model.coef_[0]
    pull = 1 - expit(edges[y + 1] - latent) - expit(edges[y] - latent)
    gradient = pull @ data + model.coef_[0] / strength
    assert np.abs(gradient).max() <= 1e-5 * (1 + np.abs(data).max() * n)


@pytest.mark.parametrize(("estimator", "check"), list(estimator_checks_generator(OrdinalLogisticRegression())))
def test_ordinal_is_a_scikit_learn_classifier(estimator, check):
    check(estimator)


def test_ordinal_warns_when_stopped_early():
    data, y = ordinal_data()
    with pytest.warns(ConvergenceWarning, match="increase max_iter"):
        OrdinalLogisticRegression(C=np.inf, max_iter=1).fit(data, y)
