"""Usable information as a score: against a calibration by hand, in searches, of what knows nothing."""

import pickle

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from eegexplain.inspection import information_scorer
from eegexplain.perturbation import PerturbationCorrelator

RNG = np.random.default_rng(0)
Y = np.arange(120) % 2
X = RNG.normal(size=(120, 2, 8)) + 0.5 * Y[:, None, None]
FLAT = FunctionTransformer(lambda X: np.asarray(X).reshape(len(X), -1))


def by_hand(z, y):
    """Bits of calibrated logits: slope in [0, 1] and offset of the other four parts of five."""
    bits = []
    for train, test in StratifiedKFold(5, shuffle=True, random_state=0).split(z, y):

        def loss(fit, at=train):
            return np.logaddexp(0, -(2 * y[at] - 1) * (fit[0] * z[at] + fit[1])).mean()

        fit = minimize(loss, [0.5, 0.0], bounds=[(0, 1), (None, None)], options={"ftol": 1e-14, "gtol": 1e-10}).x
        share = y[train].mean()
        guess = -np.where(y[test] == 1, np.log(share), np.log(1 - share))
        found = np.logaddexp(0, -(2 * y[test] - 1) * (fit[0] * z[test] + fit[1]))
        bits += list((guess - found) / np.log(2))
    return np.mean(bits)


@pytest.mark.parametrize("model", [LogisticRegression(C=0.1), GaussianNB()], ids=["logits", "probabilities"])
def test_bits_by_hand(model):
    model = make_pipeline(FLAT, model).fit(X[:60], Y[:60])
    proba = model.predict_proba(X[60:])
    z = model.decision_function(X[60:]) if hasattr(model, "decision_function") else np.log(proba[:, 1] / proba[:, 0])
    found = information_scorer()(model, X[60:], Y[60:])
    assert found == pytest.approx(by_hand(z, Y[60:]), abs=1e-5) and found > 0.05
    assert information_scorer(unit="nat")(model, X[60:], Y[60:]) == pytest.approx(found * np.log(2))


def test_nothing_is_known_without_looking():
    blind = DummyClassifier().fit(X, Y)
    assert information_scorer()(blind, X, Y) == pytest.approx(0, abs=1e-12)


def test_searches_take_it_and_explainers_have_it():
    search = GridSearchCV(make_pipeline(FLAT, LogisticRegression()), {"logisticregression__C": [1e-9, 0.1]}, cv=3,
                          scoring=information_scorer())  # fmt: skip
    assert search.fit(X, Y).best_params_ == {"logisticregression__C": 0.1}
    decoder = make_pipeline(FLAT, LogisticRegression(C=0.1))
    around = PerturbationCorrelator(decoder, n_iterations=2, random_state=0).fit(X[:60], Y[:60])
    alone = information_scorer()(decoder.fit(X[:60], Y[:60]), X[60:], Y[60:])
    assert information_scorer()(around, X[60:], Y[60:]) == pytest.approx(alone)


def test_numbers_are_judged_by_a_gaussian():
    y = X[:, 0, 0] + 0.1 * RNG.normal(size=120)
    found = information_scorer(unit="nat")(make_pipeline(FLAT, Ridge()).fit(X[:60], y[:60]), X[60:], y[60:])
    assert 1.5 < found < 3.5  # log(1 / .1) = 2.3 nats


def test_it_is_written_as_its_call_and_refuses_what_it_cannot_judge():
    scorer = information_scorer(unit="nat")
    assert repr(scorer) == "information_scorer(unit='nat')" and pickle.loads(pickle.dumps(scorer)) == scorer
    model = make_pipeline(FLAT, LogisticRegression()).fit(X, Y)
    with pytest.raises(ValueError, match="at least 2 classes that occur in y"):
        scorer(model, X[::2], Y[::2])
    with pytest.raises(ValueError, match="unit"):
        information_scorer(unit="byte")
