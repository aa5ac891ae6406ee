"""A classifier for the price of a mean, and its explanation: for tests that train hundreds."""

import numpy as np
import xarray as xr
from sklearn.base import BaseEstimator, ClassifierMixin


class Difference(ClassifierMixin, BaseEstimator):
    """Scores trials by the difference of class means: a network for the price of a mean."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        X = X.mean(axis=2)
        self.weights_ = X[y == self.classes_[1]].mean(0) - X[y == self.classes_[0]].mean(0)
        return self

    def decision_function(self, X):
        return X.mean(axis=2) @ self.weights_

    def predict(self, X):
        return self.classes_[(self.decision_function(X) > 0).astype(int)]


class Weights(BaseEstimator):
    """Explains it by its weights, times the size of what it is given."""

    def __init__(self, estimator=None, ch_names=None):
        self.estimator = estimator
        self.ch_names = ch_names

    def fit(self, X, y, groups=None):
        weights = self.estimator.estimator.weights_ * X.std()
        self.explanation_ = xr.Dataset({"value": (("output", "channel"), np.stack([-weights, weights]))})
        if self.ch_names is not None:
            self.explanation_ = self.explanation_.assign_coords(channel=self.ch_names)
        return self

    def explain_population(self, X, y=None):
        return self.explanation_

    def score(self, X, y):
        return self.estimator.score(X, y)
