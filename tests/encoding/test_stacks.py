"""Runs as lists and as arrays of trials: the same fits as one table with labels."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, cross_val_predict, cross_val_score

from eegexplain.encoding import DelayedModel, WeightFitter
from eegexplain.encoding._stacks import stack_runs

RNG = np.random.default_rng(0)
X, RUNS = RNG.normal(size=(160, 2)), np.repeat(np.arange(4), 40)
MODEL = DelayedModel(tmax=2.0)
Y = MODEL.predict(X, weights=RNG.normal(size=(6, 3)), groups=RUNS) + 0.1 * RNG.normal(size=(160, 3))
TRIALS, RESPONSES = X.reshape(4, 40, 2), Y.reshape(4, 40, 3)


@pytest.mark.parametrize(("x", "y"), [
    (TRIALS, RESPONSES), (list(TRIALS), list(RESPONSES)), (list(TRIALS), RESPONSES), (TRIALS.tolist(), list(RESPONSES)),
])  # fmt: skip
@pytest.mark.filterwarnings("ignore:The best penalty lies at the edge")
def test_runs_are_runs_in_any_form(x, y):
    table = WeightFitter(MODEL, [0.1, 1.0, 10.0], cv=2).fit(X, Y, RUNS)
    fit = WeightFitter(MODEL, [0.1, 1.0, 10.0], cv=2).fit(x, y)
    assert_allclose(fit.weights_, table.weights_, atol=1e-12)
    assert type(fit.predict(x)) is type(x)
    assert_allclose(fit.predict(x), table.predict(X, RUNS).reshape(4, 40, 3), atol=1e-12)
    assert_allclose(fit.score(x, y), table.score(X, Y, groups=RUNS))
    single = WeightFitter(MODEL).fit(x, [part[:, 0] for part in y])
    assert np.shape(single.predict(x)) == (4, 40)
    assert_allclose(WeightFitter(MODEL).fit(TRIALS, RESPONSES[..., 0]).weights_, single.weights_)


def test_runs_of_unequal_length_and_data_frames():
    cuts, names = [0, 30, 100, 160], ["p", "q", "r"]
    x = [pd.DataFrame(X[a:b], columns=["a", "b"]) for a, b in zip(cuts, cuts[1:], strict=False)]
    y = [pd.DataFrame(Y[a:b], columns=names) for a, b in zip(cuts, cuts[1:], strict=False)]
    fit = WeightFitter(MODEL).fit(x, y)
    labels = np.repeat([0, 1, 2], np.diff(cuts))
    assert_allclose(fit.weights_, WeightFitter(MODEL).fit(X, Y, labels).weights_, atol=1e-12)
    found = fit.predict(x)
    assert [list(part.columns) for part in found] == [names] * 3 and [len(part) for part in found] == [30, 70, 60]
    assert WeightFitter(MODEL).fit(X[None], Y[None]).predict(X[None]).shape == (1, 160, 3)  # one run


def test_trials_never_touch_in_cross_validation():
    """No warning, as nothing crosses: whole trials are held out, each with its own lags."""
    prediction = cross_val_predict(WeightFitter(MODEL), TRIALS, RESPONSES, cv=4)
    train, test = RUNS != 2, RUNS == 2
    expected = WeightFitter(MODEL).fit(X[train], Y[train], RUNS[train]).predict(X[test])
    assert_allclose(prediction[2], expected, atol=1e-10)
    assert cross_val_score(WeightFitter(MODEL), TRIALS, RESPONSES, cv=4).min() > 0.9
    search = GridSearchCV(WeightFitter(MODEL), {"model__tmax": [0.0, 2.0]}, cv=2).fit(list(TRIALS), list(RESPONSES))
    assert search.best_params_ == {"model__tmax": 2.0}


@pytest.mark.filterwarnings("ignore:The best penalty lies at the edge")
def test_splitters_split_runs():
    """Shuffled folds hold out whole runs; samples of one run are never on both sides."""
    alphas, runs = [0.1, 1.0, 10.0], np.arange(4)
    for cv in (KFold(4), KFold(2, shuffle=True, random_state=0), GroupKFold(2), [([0, 1, 2], [3]), ([3], [0, 1])]):
        pairs = (
            cv if isinstance(cv, list) else list(cv.split(runs, groups=runs if isinstance(cv, GroupKFold) else None))
        )
        kept = RUNS[MODEL.valid_samples(160, RUNS)]
        by_sample = [tuple(np.flatnonzero(np.isin(kept, part)) for part in pair) for pair in pairs]
        expected = WeightFitter(MODEL, alphas, cv=by_sample).fit(X, Y, RUNS)
        found = WeightFitter(MODEL, alphas, cv=cv).fit(TRIALS, RESPONSES)
        assert_allclose(found.alpha_scores_, expected.alpha_scores_, atol=1e-12)


@pytest.mark.parametrize(("y", "groups", "said"), [
    (RESPONSES, RUNS, "X holds runs already"),
    (RESPONSES[:3], None, "X holds 4 runs of 40 samples; y must hold as many"),
    (RESPONSES[:, :39], None, "each of its run's length"),
    (Y, None, "y must hold as many"),
    ([Y[:40], Y[40:80], Y[80:120], Y[:10]], None, "y must hold as many"),
])  # fmt: skip
def test_runs_that_do_not_fit(y, groups, said):
    with pytest.raises(ValueError, match=said):
        WeightFitter(MODEL).fit(TRIALS, y, groups)


def test_tables_stay_what_they_are():
    given = (X, Y, RUNS)
    assert all(one is other for one, other in zip(stack_runs(*given)[:3], given, strict=True))
    with pytest.raises(ValueError, match="masked"):
        stack_runs([np.ma.masked_less(X, 0)], [Y])
