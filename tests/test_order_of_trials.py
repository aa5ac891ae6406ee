"""Population values and errors do not depend on the order of trials or the names of groups, in any explainer."""

import numpy as np
import pytest
import torch
from sklearn.frozen import FrozenEstimator

from tests.estimators import CASES, FEW_TRIALS, fast_gradient, fast_sampling, trials

pytestmark = FEW_TRIALS

N_TRIALS = 24
TRIAL_POSITIONS = ("window_index",)  # which trial a window was cut from: follows the permutation


def options(case):
    """Settings of this explainer whose errors come about in different ways."""
    if case.make is fast_gradient:
        noises = [{"noise": noise, "bands": bands} for noise in ("independent", "data") for bands in (None, "eeg")]
        return [*noises, {"scale_by": "mad"}, {"per_class": True}, {"per_class": True, "noise": "data"}]
    if case.make is fast_sampling:
        return [{}, {"noise": "data"}]
    return [{"per_class": True}] if "per_class" in case.make().get_params(deep=False) else [{}]


EXPLAINERS = [
    case
    for case in CASES
    if hasattr(case.make(), "explain_population") and not case.name.startswith("TimeResolved")  # holds no network
]
RUNS = [pytest.param(case, params, id=f"{case.name}-{params}") for case in EXPLAINERS for params in options(case)]


@pytest.fixture(params=[np.float64, np.float32], ids=["float64", "float32"])
def dtype(request):
    """Precision of trials and networks."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64 if request.param is np.float64 else torch.float32)
    yield request.param
    torch.set_default_dtype(before)


@pytest.fixture
def little_memory(monkeypatch):
    """What looks at some trials, or puts them together, when there are many, does so with a few."""
    monkeypatch.setattr("eegexplain.perturbation._influence._SLOPE_TRIALS", 7)
    monkeypatch.setattr("eegexplain.reverse_correlation._envelopes.MIN_CLUSTERS", 5)
    monkeypatch.setattr("eegexplain.reverse_correlation._envelopes.CELLS", 1)


def populations(case, params, dtype, groups, relabel):
    """Pairs of datasets before and after a permutation, by `fit` and of given trials; and the permutation."""
    X, y = trials(case.regression, n_trials=N_TRIALS)
    X = (X * np.exp(0.5 * np.random.default_rng(1).standard_normal((N_TRIALS, 1, 1)))).astype(dtype)
    network = FrozenEstimator(case.make().estimator.fit(X, y))
    first, second = (case.make().set_params(estimator=network, **params) for _ in range(2))
    order = np.random.default_rng(2).permutation(N_TRIALS)
    codes = (None, None) if groups is None else (groups, relabel[groups[order]])
    first.fit(X, y, groups=codes[0])
    by_fit = first.explanation_, second.fit(X[order], y[order], groups=codes[1]).explanation_
    given = first.explain_population(X, y, codes[0]), first.explain_population(X[order], y[order], codes[1])
    return (by_fit, given), order


@pytest.mark.filterwarnings("ignore:after 10 draws", "ignore:control_variate")
@pytest.mark.parametrize("n_groups", [None, 8], ids=["single", "groups"])
@pytest.mark.parametrize(("case", "params"), RUNS)
def test_order_and_names_do_not_matter(case, params, n_groups, dtype, little_memory):
    if case.make is fast_sampling and dtype is np.float32:
        pytest.skip("what is no network computes in double precision")
    groups = None if n_groups is None else np.arange(N_TRIALS) % n_groups
    relabel = np.array([f"s{k:02d}" for k in np.random.default_rng(3).permutation(N_TRIALS)])
    pairs, order = populations(case, params, dtype, groups, relabel)
    for first, second in pairs:
        assert first.attrs.get("degrees_of_freedom") == second.attrs.get("degrees_of_freedom")
        for name in first.data_vars:
            old, new = first[name].to_numpy(), second[name].to_numpy()
            if name in TRIAL_POSITIONS:
                new = np.stack([order[new[..., 0]], new[..., 1]], axis=-1)
            if "mc_standard_error" in first and np.any(first["mc_standard_error"]):
                assert_alike_but_for_draws(name, old, new, first["mc_standard_error"].to_numpy())
                continue
            scale = np.nanmax(np.abs(old), initial=0)
            if "trial" in first[name].dims:  # facts of single trials move along; a sum less its target is rounding
                old, scale = old[order], max(scale, np.abs(first["value"].to_numpy()).sum())
            tolerance = (1e-10 if dtype is np.float64 else 1e-5) * scale
            np.testing.assert_allclose(new, old, rtol=0, atol=tolerance, err_msg=name)


def assert_alike_but_for_draws(name, old, new, error):
    """Draws are keyed by block, so other trials get them: values within four errors, errors about as large."""
    if name == "value":
        assert np.all(np.abs(new - old) <= 4 * np.sqrt(2) * error)
    else:
        assert 0.8 < np.sqrt(np.mean(np.square(new))) / np.sqrt(np.mean(np.square(old))) < 1.25, name
