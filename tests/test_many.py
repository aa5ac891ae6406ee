"""Many networks trained together equal each trained alone."""

import pickle

import joblib
import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge

from eegexplain import _many, fit_many
from eegexplain.models.syncnet import _assembly
from tests.estimators import closed_classifier, closed_regressor, fast_classifier, fast_eegnet, trials


@pytest.fixture
def double():
    """Double precision."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def data(n_trials=40):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((n_trials, 3, 64)), np.arange(n_trials) % 2
    X[y == 1, 0] *= 1.5
    X[n_trials // 2 :] *= 5.0  # trials outside a subset must not be seen, not even in the unit or the mean spectrum
    return X, y, np.arange(n_trials) // 4


def state(network):
    """Everything learned."""
    return {**network.__getstate__()["net_"], "patterns": np.asarray(getattr(network, "patterns_", 0))}


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("make", [closed_classifier, fast_classifier, fast_eegnet])
def test_networks_equal_those_fitted_alone(make):
    X, y, groups = data()
    rng = np.random.default_rng(1)
    subsets = [np.arange(20), np.arange(0, 40, 2) // 4 * 4 + np.arange(20) % 4, np.arange(20), np.arange(20)]
    targets, seeds = [y, rng.permutation(y), rng.permutation(y), y], [0, 1, 2, 3]
    found = fit_many(make(), X, None, subsets=subsets, targets=targets, random_states=seeds, groups=groups)
    for network, subset, target, seed in zip(found, subsets, targets, seeds, strict=True):
        alone = make(random_state=seed).fit(X[subset], target[subset], groups=groups[subset])
        assert network.get_params() == alone.get_params()
        for name, value in state(alone).items():
            np.testing.assert_allclose(state(network)[name], value, rtol=1e-8, atol=1e-10, err_msg=name)
    assert any(np.abs(state(found[0])[name] - value).max() > 1e-3 for name, value in state(found[2]).items())


def test_the_part_without_labels_is_done_once_for_each_subset(monkeypatch):
    X, y, _ = data()
    made = []

    class Counted(_assembly.ClosedTraining):
        def __init__(self, trials, *settings):
            made.append(len(trials))
            super().__init__(trials, *settings)

    monkeypatch.setattr(_assembly, "ClosedTraining", Counted)
    fit_many(closed_classifier(), X, y, subsets=[np.arange(30), np.arange(20), np.arange(30)], random_states=[0, 1, 2])
    assert made == [30, 20]
    del made[:]
    ranges = [{"frequency_range": (2.0, 20.0)}, {"frequency_range": (2.0, 30.0)}, {"frequency_range": (2.0, 20.0)}]
    found = fit_many(closed_classifier(), X, y, params=ranges)
    assert made == [40, 40] and not np.allclose(found[0].predict_proba(X), found[1].predict_proba(X))


def test_results_hold_no_trials():
    X, y, _ = data(400)
    network = fit_many(closed_classifier(), X, y)[0]
    assert len(pickle.dumps(network)) < X.nbytes / 20 and "_shared" not in vars(network)


def test_jobs_do_not_matter():
    X, y, _ = data()
    targets = [np.roll(y, shift) for shift in (0, 1, 2)]
    one = fit_many(closed_classifier(), X, None, targets=targets)
    with joblib.parallel_config("threading"):
        two = fit_many(closed_classifier(), X, None, targets=targets, n_jobs=2)
    for first, second in zip(one, two, strict=True):
        np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))


@pytest.mark.parametrize(("make", "sizes"), [(closed_classifier, [8, 8, 4, 3]), (fast_classifier, [4] * 5 + [3])])
def test_the_networks_of_a_unit_have_their_trials_in_common_and_are_as_many_whatever_the_processes(
    monkeypatch, make, sizes
):
    X, y, _ = data()
    subsets, seen = [np.arange(40)] * 10 + [np.arange(30)] * 3 + [np.arange(40)] * 10, []
    monkeypatch.setattr(_many, "_train", lambda estimator, X, jobs, groups: seen.append(jobs) or jobs)
    for n_jobs in (1, 2):
        with joblib.parallel_config("threading"):
            fit_many(make(), X, y, subsets=subsets, n_jobs=n_jobs)
    assert [len(jobs) for jobs in seen[: len(sizes)]] == sizes and sorted(map(len, seen)) == sorted(sizes * 2)
    assert all(len({job.subset.tobytes() for job in jobs}) == 1 for jobs in seen)


def test_many_networks_share_more(monkeypatch):
    X, y, _ = data()
    seen = []
    monkeypatch.setattr(_many, "_train", lambda estimator, X, jobs, groups: seen.append(len(jobs)) or jobs)
    fit_many(closed_classifier(), X, y, random_states=list(range(640)))
    assert seen == [20] * 32
    seen.clear()
    fit_many(closed_classifier(), X, y, random_states=list(range(2000)))
    assert seen == [32] * 62 + [16]


def test_trials_are_looked_at_once_for_all_networks(monkeypatch):
    X, y, _ = data()
    seen = []
    monkeypatch.setattr("eegexplain._validation.level_range", lambda X: seen.append(len(X)) or (1.0, 2.0))
    found = fit_many(closed_classifier(), X, y, random_states=[0, 1, 2])
    assert seen == [40] and all(one.input_scale_ == (1.0, 2.0) for one in found)
    with pytest.raises(ValueError, match="NaN"):
        fit_many(closed_classifier(), np.where(X == X[1, 0, 0], np.nan, X), y, random_states=[0, 1])


def test_other_estimators_are_fitted_one_by_one():
    X, y = trials()
    X = X.reshape(len(X), -1)
    subsets = [np.arange(8), np.arange(4, 12)]
    found = fit_many(LogisticRegression(), X, y, subsets=subsets, params=[{"C": 0.1}], groups=y)
    for model, subset in zip(found, subsets, strict=True):
        np.testing.assert_allclose(model.coef_, LogisticRegression(C=0.1).fit(X[subset], y[subset]).coef_)
    model = fit_many(Ridge(), X, X[:, 0], targets=X[:, :2].T)[1]
    np.testing.assert_allclose(model.coef_, Ridge().fit(X, X[:, 1]).coef_)


def test_numbers_as_targets():
    X, y, _ = data()
    targets = X[:, :2, 0].T
    for network, target in zip(fit_many(closed_regressor(), X, None, targets=targets), targets, strict=True):
        np.testing.assert_allclose(network.predict(X), closed_regressor().fit(X, target).predict(X), rtol=1e-5)


@pytest.mark.parametrize(("given", "told"), [
    ({"subsets": [np.arange(8)] * 2, "random_states": [0, 1, 2]}, "2 subsets, 3 random_states"),
    ({"subsets": []}, "0 subsets"),
    ({"subsets": [np.arange(8), np.arange(0, 8, 2)]}, r"network 1 \(4 trials\) has no trial of class \[1\]"),
    ({"subsets": [np.arange(20, 50)]}, "names trial 49, but X has 40 trials"),
    ({"subsets": [np.arange(-2, 8)]}, "names trial -2"),
    ({"subsets": [np.ones(40, dtype=bool)]}, "np.flatnonzero"),
    ({"targets": [np.arange(3)]}, r"targets\[0\] has shape \(3,\), but X has 40 trials"),
    ({"y": None}, "y and targets are both None"),
])  # fmt: skip
def test_refusals(given, told):
    X, y, _ = data()
    with pytest.raises(ValueError, match=told):
        fit_many(closed_classifier(), X, **{"y": y, **given})
