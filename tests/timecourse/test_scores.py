"""Any scorer of scikit-learn, asked about the answers of one time."""

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import f1_score, log_loss, make_scorer, mean_absolute_error
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from eegexplain.timecourse import TimeResolvedCoefficients

rng = np.random.default_rng(0)
Y = np.arange(60) % 3
X = rng.standard_normal((60, 4, 3))
X[:, 1, 1] += Y
LABELS = np.array(["a", "b", "c"])[Y]
SPLITS = list(StratifiedKFold(3).split(X, Y))
LDA = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1)


@pytest.mark.parametrize(
    ("scoring", "naive"),
    [
        ("neg_log_loss", lambda model, X, y: -log_loss(y, model.predict_proba(X))),
        (make_scorer(f1_score, average="macro"), lambda model, X, y: f1_score(y, model.predict(X), average="macro")),
        (lambda model, X, y: float((model.predict(X) == y).sum()), lambda model, X, y: (model.predict(X) == y).sum()),
    ],
)
def test_scorers_see_labels_and_answers(scoring, naive):
    found = TimeResolvedCoefficients(LDA, cv=SPLITS, scoring=scoring, n_jobs=1).fit(X, LABELS)
    for fold, (train, test) in enumerate(SPLITS):
        for time in range(3):
            model = make_pipeline(StandardScaler(), LDA).fit(X[train, :, time], LABELS[train])
            assert found.scores_[0, fold, time] == pytest.approx(naive(model, X[test, :, time], LABELS[test]))
    assert np.isnan(found.chance_)


def test_numbers_and_probabilities_of_two_classes():
    y = X[:, 0, 0] + rng.standard_normal(60)
    found = TimeResolvedCoefficients(Ridge(), cv=3, scoring="neg_mean_absolute_error").fit(X, y)
    train, test = np.arange(20, 60), np.arange(20)
    model = make_pipeline(StandardScaler(), Ridge()).fit(X[train, :, 0], y[train])
    assert found.scores_[0, 0, 0] == pytest.approx(-mean_absolute_error(y[test], model.predict(X[test, :, 0])))
    two = TimeResolvedCoefficients(LogisticRegression(), cv=3, scoring="neg_brier_score").fit(X, LABELS == "a")
    assert (two.scores_ < 0).all() and (two.scores_ > -1).all()


def test_models_without_probabilities_say_so():
    with pytest.raises(AttributeError, match="predict_proba"):
        TimeResolvedCoefficients(LinearSVC(), cv=3, scoring="neg_log_loss").fit(X[:, :, :1], LABELS == "a")
    with pytest.raises(ValueError, match="by chance is not known"):
        scorer = "neg_log_loss"
        TimeResolvedCoefficients(cv=3, scoring=scorer, generalize=True).fit(X, Y).generalization_maps()
