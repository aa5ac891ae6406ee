"""Pipelines of affine steps as one linear model."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, PolynomialFeatures, StandardScaler

from eegexplain.timecourse import TimeResolvedCoefficients

rng = np.random.default_rng(0)
Y = np.arange(45) % 3
X = rng.standard_normal((45, 5, 1)) + 2
X[:, 1] += Y[:, None]


@pytest.mark.parametrize(
    "steps", [(PCA(3, whiten=True),), (MinMaxScaler(), SelectKBest(k=2)), ("passthrough", PCA(2))]
)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_coefficients_of_a_pipeline_are_those_of_channels(steps, n_classes):
    y = np.minimum(Y, n_classes - 1)
    inner = make_pipeline(*steps, LogisticRegression(C=0.3, tol=1e-8))
    model = TimeResolvedCoefficients(inner).fit(X, y)
    z = StandardScaler().fit_transform(X[:, :, 0])
    one = inner.fit(z, y)
    # the decision moves by the coefficient where one channel moves by one
    moved = np.stack([one.decision_function(z + unit) - one.decision_function(z) for unit in np.eye(5)])
    assert_allclose(moved[:, 0].T, model.coef_[..., 0, 0, 0, :], atol=1e-8)
    decision = model.explain(X)["value"].values[..., 0]
    assert_allclose(decision.squeeze(), one.decision_function(z), atol=1e-8)


def test_searches_in_and_around_pipelines():
    searched = GridSearchCV(make_pipeline(PCA(3), Ridge()), {"ridge__alpha": [1e-8, 1e8]}, cv=3)
    nested = make_pipeline(PCA(3), GridSearchCV(Ridge(), {"alpha": [1e-8, 1e8]}, cv=3))
    number = X[:, 1].sum(axis=1)
    first, second = (TimeResolvedCoefficients(inner).fit(X, number).coef_ for inner in (searched, nested))
    assert_allclose(first, second, atol=1e-10)
    assert np.abs(first).max() > 0.01


def test_steps_that_are_not_affine_are_named():
    inner = make_pipeline(StandardScaler(), PolynomialFeatures(), Ridge())
    with pytest.raises(TypeError, match="Step 'polynomialfeatures' of the Pipeline"):
        TimeResolvedCoefficients(inner).fit(X, X[:, 0, 0])
