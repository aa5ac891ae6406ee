"""The battery for trials (n_trials, n_channels, n_times): scikit-learn never feeds 3-D data, so we do."""

import pickle

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from eegexplain.datasets import windows
from tests.estimators import CASES, FEW_TRIALS, SFREQ, ready, trials

pytestmark = FEW_TRIALS


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request):
    """Each estimator of the list, unless it says why this test does not apply to it."""
    name = request.node.originalname
    if name in request.param.skip:
        pytest.skip(request.param.skip[name])
    return request.param


def fitted(case, X=None, y=None, **params):
    given, target = trials(case.regression)
    X, y = given if X is None else X, target if y is None else y
    return case.make().set_params(**params).fit(X, y)


def answer(estimator, X):
    """What the estimator says per trial: evidence where there is some, predictions otherwise."""
    for method in ("transform", "predict_proba", "predict"):
        if hasattr(estimator, method):
            return np.asarray(getattr(estimator, method)(X), dtype=float)
    raise AssertionError("nothing to compare")


def inner_module(estimator):
    inner = getattr(estimator, "estimator_", estimator)
    inner = getattr(inner, "estimator", inner)
    return inner.net_.module_ if hasattr(inner, "net_") else None


@pytest.mark.filterwarnings("ignore:The whole map is 0")  # relations of one channel
def test_one_channel_in_two_or_three_dimensions(case):
    X, y = trials(case.regression)
    flat, deep = fitted(case, X[:, 0], y), fitted(case, X[:, :1], y)
    np.testing.assert_allclose(answer(flat, X[:, 0]), answer(deep, X[:, :1]), rtol=1e-5, atol=1e-6)


def test_subset_and_order_of_trials(case):
    X, _ = trials(case.regression)
    estimator = ready(case)
    whole = answer(estimator, X)
    order = np.array([7, 2, 11, 0])
    scale = np.abs(whole).max() + 1e-30
    np.testing.assert_allclose(answer(estimator, X[order]), whole[order], rtol=1e-4, atol=1e-5 * scale)
    np.testing.assert_allclose(answer(estimator, X[:1]), whole[:1], rtol=1e-4, atol=1e-5 * scale)


@pytest.mark.parametrize("shape", [(4, 2, 32), (4, 3, 31), (4, 32), (4, 96), (4, 3, 32, 1)])
def test_other_shapes_name_both(case, shape):
    with pytest.raises(ValueError) as caught:
        answer(ready(case), np.zeros(shape))
    words = str(caught.value)
    assert (str(shape[1:]) in words and "(3, 32)" in words) or str(shape) in words


def test_refit_and_clone_equal_the_first_fit(case):
    X, y = trials(case.regression)
    state, torch_state = np.random.get_state()[1].copy(), torch.get_rng_state()
    threads = torch.get_num_threads()
    estimator = fitted(case)
    first = answer(estimator, X)
    np.testing.assert_array_equal(answer(estimator.fit(X, y), X), first)
    np.testing.assert_array_equal(answer(clone(estimator).fit(X, y), X), first)
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert torch.get_num_threads() == threads


def test_global_generators_do_not_matter(case):
    X, _ = trials(case.regression)
    first = answer(ready(case), X)
    keep, torch_keep = np.random.get_state(), torch.get_rng_state()
    np.random.seed(99)
    torch.manual_seed(99)
    try:
        np.testing.assert_array_equal(answer(fitted(case), X), first)
    finally:
        np.random.set_state(keep)
        torch.set_rng_state(torch_keep)


def test_pickle_and_joblib(case, tmp_path):
    X, _ = trials(case.regression)
    estimator = ready(case)
    joblib.dump(estimator, tmp_path / "it.joblib")
    for back in (pickle.loads(pickle.dumps(estimator)), joblib.load(tmp_path / "it.joblib")):
        np.testing.assert_array_equal(answer(back, X), answer(estimator, X))
        if hasattr(estimator, "explanation_"):
            assert back.explanation_.identical(estimator.explanation_)


def test_skops(case, tmp_path):
    """Stored without pickle; what has to be trusted are the package's own classes and functions."""
    skops_io = pytest.importorskip("skops.io")
    X, _ = trials(case.regression)
    estimator = ready(case)
    skops_io.dump(estimator, tmp_path / "it.skops")
    unknown = skops_io.get_untrusted_types(file=tmp_path / "it.skops")
    assert all(name.startswith(("eegexplain.", "tests.estimators.")) for name in unknown)
    back = skops_io.load(tmp_path / "it.skops", trusted=unknown)
    np.testing.assert_array_equal(answer(back, X), answer(estimator, X))
    if hasattr(estimator, "explanation_"):
        assert back.explanation_.equals(estimator.explanation_)
        assert back.explanation_.attrs == estimator.explanation_.attrs


@pytest.mark.parametrize("layout", ["float32", "fortran", "readonly", "memmap", "windows"])
def test_memory_layouts(case, layout, tmp_path):
    X, y = trials(case.regression)
    expected, given = answer(ready(case), X), X.copy()
    if layout == "float32":
        given = X.astype(np.float32)
    elif layout == "fortran":
        given = np.asfortranarray(given)
    elif layout == "readonly":
        given.flags.writeable = False
    elif layout == "memmap":
        given.tofile(tmp_path / "x")
        given = np.memmap(tmp_path / "x", dtype=float, mode="r", shape=X.shape)
    else:  # two recordings, from which windows are cut
        halves = [half.transpose(1, 0, 2).reshape(X.shape[1], -1) for half in np.split(given, 2)]
        given = windows(halves, X.shape[2] / SFREQ, sfreq=SFREQ).X
    before = np.array(given)
    got = answer(fitted(case, given, y), X)
    np.testing.assert_array_equal(given, before)
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-4 * (np.abs(expected).max() + 1e-30))


def test_permuted_channels_permute_the_map(case):
    """Only with a network whose channels start alike does training not care about their order."""
    if not case.map_attributes:
        pytest.skip("no map with a channel axis")
    X, y = trials(case.regression)
    order = np.array([2, 0, 1])
    estimator = fitted(case)
    inner = estimator.estimator_
    swapped = permuted_network(inner, order)
    other = clone(estimator).set_params(estimator=FrozenEstimator(swapped)).fit(X[:, order], y)
    same = clone(estimator).set_params(estimator=FrozenEstimator(inner)).fit(X, y)
    for name, axis in case.map_attributes:
        expected = np.take(getattr(same, name), order, axis)
        np.testing.assert_allclose(
            getattr(other, name), expected, rtol=1e-3, atol=1e-4 * np.nanmax(np.abs(expected)), err_msg=name
        )


def permuted_network(facade, order):
    """The same SyncNet for channels in another order."""
    twin = pickle.loads(pickle.dumps(facade))
    module = twin.net_.module_
    with torch.no_grad():
        for name in ("amplitude", "phi_ini"):
            parameter = getattr(module, name)
            parameter.copy_(parameter[:, :, order].clone())
    return twin


@pytest.mark.parametrize(("parameter", "value"), [("n_jobs", 2), ("batch_size", 5)])
def test_jobs_and_batches_do_not_matter(case, parameter, value):
    estimator = case.make()
    if parameter not in estimator.get_params() or not hasattr(estimator, "estimator"):
        pytest.skip(f"no {parameter}, or one of training")
    X, _ = trials(case.regression)
    one, other = ready(case), fitted(case, **{parameter: value})
    expected = one.explanation_["value"].values
    if parameter == "n_jobs":
        np.testing.assert_array_equal(other.explanation_["value"].values, expected)
        np.testing.assert_array_equal(answer(other, X), answer(one, X))
    else:
        tolerance = 1e-4 * np.nanmax(np.abs(expected))
        np.testing.assert_allclose(other.explanation_["value"].values, expected, rtol=1e-3, atol=tolerance)


def test_the_network_is_left_as_found(case):
    X, y = trials(case.regression)
    estimator = fitted(case)
    module = inner_module(estimator)
    if module is None:
        pytest.skip("no torch network inside")
    module.train()
    weights = {name: value.clone() for name, value in module.state_dict().items()}
    grads = [None if p.grad is None else p.grad.clone() for p in module.parameters()]  # of the last training step
    answer(estimator, X)
    if hasattr(estimator, "explain_population"):
        estimator.explain_population(X, y)
    assert all(child.training for child in module.modules())
    assert not any(child._forward_hooks or child._backward_hooks for child in module.modules())
    for parameter, grad in zip(module.parameters(), grads, strict=True):
        assert parameter.requires_grad
        assert parameter.grad is grad or torch.equal(parameter.grad, grad)
    for name, value in module.state_dict().items():
        assert torch.equal(value, weights[name]), name


def test_names_match_columns(case):
    estimator = ready(case)
    if not hasattr(estimator, "transform"):
        pytest.skip("no transformer")
    X, _ = trials(case.regression)
    names = list(estimator.get_feature_names_out())
    assert len(set(names)) == len(names) == estimator.transform(X).shape[1]


def test_a_frozen_inner_estimator_stays_the_same_object(case):
    estimator = ready(case)
    if not hasattr(estimator, "estimator_"):
        pytest.skip("no inner estimator")
    X, y = trials(case.regression)
    inner = estimator.estimator_
    again = case.make().set_params(estimator=FrozenEstimator(inner)).fit(X, y)
    assert again.estimator_.estimator is inner
    np.testing.assert_array_equal(answer(again, X), answer(estimator, X))


def test_grid_search_through_a_pipeline(case):
    X, y = trials(case.regression)
    name = type(case.make()).__name__.lower()
    prefix = f"{name}__estimator__" if "estimator" in case.make().get_params(deep=False) else f"{name}__"
    search = GridSearchCV(
        make_pipeline(FunctionTransformer(), case.make()),
        {f"{prefix}{case.searched}": [0.01]},
        cv=2,
        error_score="raise",
    )
    assert np.isfinite(search.fit(X, y).best_score_)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_non_finite_trials_are_refused(case, value):
    X, y = trials(case.regression)
    X[3, 1, 4] = value
    with pytest.raises(ValueError, match="trial 3"):
        case.make().fit(X, y)
    with pytest.raises(ValueError, match="trial 3"):
        answer(ready(case), X)


@pytest.mark.filterwarnings("ignore:The whole map is 0")  # of a regression on one trial
def test_empty_one_trial_and_one_class(case):
    X, y = trials(case.regression)
    with pytest.raises(ValueError, match="0 sample"):
        case.make().fit(X[:0], y[:0])
    with pytest.raises(ValueError, match="inconsistent|length"):
        case.make().fit(X, y[:-1])
    if case.regression and case.name.split("-")[0] in ("InformationMapper", "SynchronyMapper"):  # nobody calibrates
        with pytest.raises(ValueError, match="n_samples = 1"):
            case.make().fit(X[:1], y[:1])
        return
    if case.regression:
        assert np.isfinite(answer(case.make().fit(X[:1], y[:1]), X)).all()
        return
    with pytest.raises(ValueError, match="one class"):
        case.make().fit(X[:1], y[:1])
    with pytest.raises(ValueError, match="one class"):
        case.make().fit(X, np.repeat("left", len(X)))


@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")  # the battery's own logistic regression, unscaled
@pytest.mark.filterwarnings("ignore:1 of 12 trials have next to no power")
def test_constant_channels_and_trials_give_finite_results(case):
    X, y = trials(case.regression)
    X[:, 1] = 5.0
    X[2] = 0.0
    estimator = case.make().fit(X, y)
    assert np.isfinite(answer(estimator, X)).all()
    if hasattr(estimator, "explanation_"):
        assert np.isfinite(estimator.explanation_["value"].values).all()


def test_explanations_say_what_their_values_are(case):
    estimator, (X, _) = ready(case), trials(case.regression)
    if not hasattr(estimator, "explanation_"):
        pytest.skip("no explanation")
    for explanation in (estimator.explanation_, estimator.explain(X)):
        assert explanation.attrs["label"] and explanation.attrs["label"] not in ("gradient", "sampling")
