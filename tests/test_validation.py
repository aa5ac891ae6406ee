"""The one door: what is refused, in which words, and what passes unchanged."""

import numpy as np
import pytest
import scipy.sparse
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from eegexplain import FLEXAttributor, _arrays
from eegexplain import _validation as v


class Probe(BaseEstimator):
    """The least estimator that can be validated."""


def rng_trials(shape=(6, 3, 8), dtype=np.float64):
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(6, 3, 8), (6, 8)])
def test_floats_pass_without_a_copy(shape, dtype):
    X = rng_trials(shape, dtype)
    probe = Probe()
    out = v.validate_trials(probe, X, reset=True)
    assert np.shares_memory(out, X) and out.dtype == dtype
    assert probe.trial_shape_ == shape[1:]
    assert v.as_trials(out).shape == (6, 3 if len(shape) == 3 else 1, 8)


@pytest.mark.parametrize("X", [np.arange(24).reshape(2, 3, 4), np.arange(24).reshape(2, 3, 4).astype(object),
                               np.arange(24).reshape(2, 3, 4).astype(np.float16)])
def test_numbers_are_converted(X):
    out = v.validate_trials(Probe(), X, reset=True)
    assert out.dtype == np.float64
    np.testing.assert_array_equal(out, np.arange(24).reshape(2, 3, 4))


@pytest.mark.parametrize(
    ("X", "error", "words"),
    [
        (rng_trials((2, 3, 4, 5)), ValueError, r"got 4 dimensions, shape \(2, 3, 4, 5\)"),
        (rng_trials() * 1j, ValueError, "Complex data not supported"),
        (scipy.sparse.eye(4).tocsr(), TypeError, "[Ss]parse"),
        (rng_trials((0, 3, 4)), ValueError, "0 sample"),
        (rng_trials((4, 3, 0)), ValueError, r"empty X of shape \(4, 3, 0\)"),
        (rng_trials((4, 0, 3)), ValueError, "0 feature|empty X"),
    ],
)
def test_what_is_refused(X, error, words):
    with pytest.raises(error, match=words):
        v.validate_trials(Probe(), X, reset=True)


@pytest.mark.parametrize(("value", "kind"), [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")])
def test_non_finite_names_the_trial(value, kind, monkeypatch):
    monkeypatch.setattr(_arrays, "_FINITE_BLOCK", 50)  # several blocks, the bad trial not in the first
    X = rng_trials()
    X[4, 1, 2] = value
    with pytest.raises(ValueError, match=rf"{kind} \(first in trial 4, position \(1, 2\)\)"):
        v.validate_trials(Probe(), X, reset=True)


@pytest.mark.parametrize(("value", "dtype"), [(3e38, np.float32), (1e308, np.float64)])
def test_large_finite_values_are_not_called_infinite(value, dtype):
    X = np.full((2, 3, 4), value, dtype=dtype)
    assert v.validate_trials(Probe(), X, reset=True) is not None


def test_infinities_of_both_signs_are_refused_without_a_warning():
    X = rng_trials()
    X[2, 0, 0], X[2, 0, 1] = np.inf, -np.inf
    with pytest.raises(ValueError, match="infinity .first in trial 2"):
        v.validate_trials(Probe(), X, reset=True)


@pytest.mark.parametrize("shape", [(2, 4, 8), (2, 3, 9), (2, 8), (2, 24)])
def test_other_trials_than_in_fit_name_both_shapes(shape):
    probe = Probe()
    v.validate_trials(probe, rng_trials(), reset=True)
    with pytest.raises(ValueError) as caught:
        v.validate_trials(probe, rng_trials(shape), reset=False)
    assert str(shape[1:]) in str(caught.value) and "(3, 8)" in str(caught.value)


def test_three_dimensions_after_two_name_both_shapes():
    probe = Probe()
    v.validate_trials(probe, rng_trials((5, 8)), reset=True)
    with pytest.raises(ValueError, match=r"\(3, 8\).*\(8,\)"):
        v.validate_trials(probe, rng_trials((2, 3, 8)), reset=False)


def test_memmap_is_read_by_block_and_not_copied(tmp_path):
    X = rng_trials((40, 3, 8))
    X.tofile(tmp_path / "x")
    mapped = np.memmap(tmp_path / "x", dtype=np.float64, mode="r", shape=X.shape)
    out = v.validate_trials(Probe(), mapped, reset=True)
    assert np.shares_memory(out, mapped)
    np.testing.assert_array_equal(out, X)


def test_targets():
    X = rng_trials()
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        v.validate_trials(Probe(), X, np.zeros(5), reset=True)
    with pytest.raises(ValueError, match="target y is None"):
        v.validate_trials(Probe(), X, None, reset=True)
    with pytest.raises(ValueError, match="y contains NaN"):
        v.validate_trials(Probe(), X, np.full(6, np.nan), reset=True, kind="regressor")
    with pytest.raises(ValueError, match="Unknown label type"):
        v.validate_trials(Probe(), X, np.linspace(0, 1, 6), reset=True, kind="classifier")
    _, y = v.validate_trials(Probe(), X, np.arange(6), reset=True, kind="regressor")
    assert y.dtype == np.float64


@pytest.mark.parametrize("sfreq", [10**400, 0, -1.0, np.nan, np.inf, "128", True, None])
def test_bad_sfreq(sfreq):
    with pytest.raises(ValueError, match="above 0"):
        v.check_sfreq(sfreq)


def test_channel_names():
    assert v.check_ch_names(None, 2) == ["ch0", "ch1"]
    assert v.check_ch_names(np.array(["C3", "C4"]), 2) == ["C3", "C4"]
    with pytest.raises(ValueError, match="2 names, but the trials have 3"):
        v.check_ch_names(["C3", "C4"], 3)
    with pytest.raises(ValueError, match="C3 occur more than once"):
        v.check_ch_names(["C3", "C3"], 2)
    with pytest.raises(ValueError, match="single string"):
        v.check_ch_names("C3", 1)


def test_options_suggest_the_nearest():
    assert v.check_option("noise", "data", ("data", "independent")) == "data"
    with pytest.raises(ValueError, match="Did you mean 'independent'"):
        v.check_option("noise", "independant", ("data", "independent"))
    with pytest.raises(ValueError, match="noise=3 is not valid"):
        v.check_option("noise", 3, ("data", "independent"))


def test_bands():
    assert list(v.check_bands("eeg", 100.0)) == ["delta", "theta", "alpha", "beta", "gamma"]
    assert list(v.check_bands("eeg", 40.0)) == ["delta", "theta", "alpha", "beta"]
    assert v.check_bands({"mu": [8, 13]}, 100) == {"mu": (8.0, 13.0)}
    for bands, words in [
        ("egg", "Did you mean 'eeg'"),
        ({}, "dict of name"),
        ({"x": (13, 8)}, "fmin < fmax"),
        ({"x": 3}, "pair"),
        ({"x": (30, 60)}, "Nyquist"),
    ]:
        with pytest.raises(ValueError, match=words):
            v.check_bands(bands, 100.0)
    with pytest.raises(ValueError, match="no frequency bin"):
        v.check_bands({"x": (10.2, 10.4)}, 100.0, n_times=100)


def test_bands_at_the_highest_frequency():
    """A band may end at Nyquist, whose own bin lies outside (fmin <= f < fmax); none may begin there or go beyond."""
    assert v.check_bands({"top": (30, 50)}, 100.0) == {"top": (30.0, 50.0)}
    for limits in [(30, np.nextafter(50, 51)), (50, 60), (50, 50.1)]:
        with pytest.raises(ValueError, match="Nyquist"):
            v.check_bands({"top": limits}, 100.0)
    assert list(v.check_bands("eeg", 60.0)) == ["delta", "theta", "alpha", "beta"]  # gamma begins at Nyquist
    assert v.check_bands("eeg", 60.1)["gamma"] == (30.0, 45.0)
    assert v.check_bands("eeg", 60.0, n_times=60)["beta"] == (13.0, 30.0)
    with pytest.raises(ValueError, match="no frequency bin"):  # bins 0, 1, ..., 50 Hz: the last is the limit itself
        v.check_bands({"top": (49.5, 50)}, 100.0, n_times=100)
    assert v.check_bands({"top": (49, 50)}, 100.0, n_times=100) == {"top": (49.0, 50.0)}
    assert v.check_bands({"dc": (0, 1)}, 100.0, n_times=100) == {"dc": (0.0, 1.0)}
    with pytest.warns(UserWarning, match="delta .*, theta .* left out"):  # bins 10, 20, 30 ...
        assert list(v.check_bands("eeg", 100.0, n_times=10)) == ["alpha", "beta", "gamma"]
    with pytest.raises(ValueError, match="No band of the preset"):
        v.check_bands("eeg", 2.0)


def test_random_seed_leaves_the_global_generator():
    state = np.random.get_state()[1].copy()
    assert v.random_seed(3) == v.random_seed(3) != v.random_seed(4)
    assert v.random_seed(np.random.RandomState(3)) == v.random_seed(3)
    np.testing.assert_array_equal(np.random.get_state()[1], state)


def test_groups():
    np.testing.assert_array_equal(v.check_groups(["b", "a", "b"], 3), [1, 0, 1])
    np.testing.assert_array_equal(v.check_groups(None, 3), [0, 1, 2])
    with pytest.raises(ValueError, match="length 2, but there are 3"):
        v.check_groups([1, 2], 3)
    with pytest.raises(ValueError, match="groups contains NaN"):
        v.check_groups([1.0, np.nan, 2.0], 3)
    with pytest.raises(ValueError, match="masked"):
        v.check_groups(np.ma.masked_equal([1, 2, 3], 2), 3)


def hidden(shape=(6, 3, 8)):
    """Trials with one value hidden by a mask."""
    return np.ma.masked_array(np.ones(shape), mask=np.arange(np.prod(shape)).reshape(shape) == 5)


@pytest.mark.parametrize("X", [hidden(), list(hidden()), [list(trial) for trial in hidden()]])
def test_masks_are_not_lost(X):
    with pytest.raises(ValueError, match="mask"):
        v.validate_trials(Probe(), X, reset=True)
    with pytest.raises(ValueError, match="mask"):
        v.check_array_like("X", X)


def test_a_mask_that_hides_nothing_passes():
    X = np.ma.masked_array(rng_trials(), mask=False)
    np.testing.assert_array_equal(v.validate_trials(Probe(), X, reset=True), rng_trials())
    assert type(v.check_array_like("X", X)) is np.ndarray


def test_masked_targets_are_refused():
    y = np.ma.masked_equal(np.arange(6), 3)
    for kind in ("classifier", "regressor"):
        with pytest.raises(ValueError, match="y is a masked array that hides 1 of its 6"):
            v.validate_trials(Probe(), rng_trials(), y, reset=True, kind=kind)


@pytest.mark.parametrize("convert", [np.asarray, list])
def test_text_is_no_number(convert):
    X = convert(np.full((2, 4), "1.5"))
    with pytest.raises(TypeError, match="got text"):
        v.validate_trials(Probe(), X, reset=True)
    with pytest.raises(TypeError, match="got text"):
        v.check_array_like("X", X)


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (np.full((2, 3), np.nan), ValueError, r"x contains NaN \(first at \(0, 0\)\)"),
        ([[1.0, 2.0], [3.0, -np.inf]], ValueError, r"x contains infinity \(first at \(1, 1\)\)"),
        (np.ones((2, 3)) * 1j, ValueError, "complex"),
        (np.ones((2, 3), dtype=object), TypeError, "Python objects"),
        (np.ones((2, 3), dtype="M8[s]"), TypeError, "dates"),
        ([[1.0, 2.0], [3.0]], ValueError, "cannot be read as an array"),
        (None, TypeError, "Python objects"),
        (scipy.sparse.eye(3).tocsr(), TypeError, "Python objects"),
        (np.ones((0, 3)), ValueError, r"x is empty: its shape is \(0, 3\)"),
        (3.0, ValueError, "2 dimensions, got 0"),
        (np.ones(3), ValueError, r"2 dimensions, got 1 dimensions, shape \(3,\)"),
    ],
)
def test_arrays_of_functions(value, error, words):
    with pytest.raises(error, match=words):
        v.check_array_like("x", value, ndim=2)


def test_what_is_allowed_passes():
    x = np.array([1.0, np.nan, np.inf])
    assert v.check_array_like("x", x, allow_nan=True, allow_inf=True) is x
    for allowed, words in (("allow_nan", "infinity"), ("allow_inf", "NaN")):
        with pytest.raises(ValueError, match=words):
            v.check_array_like("x", x, **{allowed: True})
    assert v.check_array_like("x", [], allow_empty=True).shape == (0,)
    with pytest.raises(ValueError, match="1 or 3 dimensions, got 2"):
        v.check_array_like("x", np.ones((2, 2)), ndim=(1, 3))
    with pytest.raises(ValueError, match=r"x must be \(n_trials, n_times\), got 1"):
        v.check_array_like("x", np.ones(2), ndim="n_trials, n_times")


@pytest.mark.parametrize(("given", "expected"), [("f4", "f4"), ("f8", "f8"), ("f2", "f8"), ("i4", "f8"), ("?", "f8")])
def test_precision_is_kept(given, expected):
    x = np.ones(3, dtype=given)
    assert v.check_array_like("x", x).dtype == expected
    assert np.shares_memory(v.check_array_like("x", x), x) == (given == expected)
    assert v.check_array_like("x", x, dtype=float).dtype == float


@pytest.mark.parametrize("largest", [1e200, 1e-200, -1e100])
def test_squares_that_no_number_holds(largest):
    x = np.array([0.0, largest])
    assert v.check_array_like("x", x) is x
    with pytest.raises(ValueError, match="multiply the data by 1e"):
        v.check_array_like("x", x, squared=True)


@pytest.mark.parametrize("largest", [0.0, 1e-15, 1e15])
def test_squares_of_any_unit_pass(largest):
    x = np.array([0.0, largest])
    assert v.check_array_like("x", x, squared=True) is x


def test_single_numbers_where_they_are_expected():
    assert v.check_array_like("x", 3, ndim="any") == 3.0
    assert v.check_array_like("x", [3], ndim="any", dtype="same").dtype.kind == "i"
    with pytest.raises(ValueError, match="x contains NaN"):
        v.check_array_like("x", np.nan, ndim="any")


def test_masks():
    mask = np.array([True, False])
    assert v.check_mask("m", mask) is mask
    np.testing.assert_array_equal(v.check_mask("m", [1.0, 0.0]), mask)
    for wrong in ([1.0, np.nan], [2, 0], True, np.ma.masked_array(mask, mask=[True, False]), np.zeros(0, bool)):
        with pytest.raises(ValueError, match="^m "):
            v.check_mask("m", wrong)


def test_indices():
    assert v.check_indices("i", [3.0, -1.0]).tolist() == [3, -1]
    for wrong in ([0.5], [np.nan], 3):
        with pytest.raises(ValueError, match="^i "):
            v.check_indices("i", wrong)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, True, np.True_, "1", None, 1j, [1.0], 3.0, 0.0])
def test_numbers(value):
    with pytest.raises(ValueError, match="n must be a finite number above 0 and at most 2"):
        v.check_number("n", value, above=0, most=2)


def test_good_numbers():
    assert v.check_number("n", np.float32(0.5), above=0, most=2) == 0.5
    assert v.check_number("n", 2, least=2, most=2) == 2.0


def seeds_of(estimator):
    return [estimator.get_params()[name] for name in v.seeded_parameters(estimator)]


def nested(random_state):
    """Seeds at three depths, in a pipeline inside a search inside an explainer."""
    steps = make_pipeline(PCA(random_state=random_state), SGDClassifier(random_state=random_state))
    return FLEXAttributor(GridSearchCV(steps, {"pca__n_components": [1]}), random_state=random_state)


@pytest.mark.parametrize("random_state", [None, 3, np.random.RandomState(3)])
def test_every_nested_seed_of_every_refit_is_its_own(random_state):
    rng = np.random.RandomState(0)
    refits = [v.spawn_seeds(nested(random_state), rng) for _ in range(5)]
    seeds = np.array([seeds_of(refit) for refit in refits])
    assert seeds.shape == (5, 3) and seeds.dtype.kind == "i"
    assert len(np.unique(seeds)) == seeds.size
    again = np.random.RandomState(0)
    np.testing.assert_array_equal([seeds_of(v.spawn_seeds(nested(random_state), again)) for _ in range(5)], seeds)


def test_spawning_leaves_the_estimator_and_frozen_parts_alone():
    frozen = FrozenEstimator(SGDClassifier(random_state=3))
    flex = FLEXAttributor(frozen, random_state=3)
    spawned = v.spawn_seeds(flex, 0)
    assert flex.random_state == 3 != spawned.random_state
    assert spawned.estimator is frozen and frozen.estimator.random_state == 3
    assert v.spawn_seeds(Probe(), 0).get_params() == {}


@pytest.mark.parametrize("mixed", [["a", 1] * 3, [None, "a"] * 3, [(1, 2), "a"] * 3])
def test_labels_of_several_types_are_named(mixed):
    labels = np.empty(6, dtype=object)
    labels[:] = mixed
    X = np.ones((6, 2, 4))
    with pytest.raises(TypeError, match=f"y mixes labels of several types .*{type(mixed[0]).__name__}"):
        v.validate_trials(Probe(), X, labels, reset=True, kind="classifier")
    with pytest.raises(TypeError, match="groups mixes labels of several types"):
        v.check_groups(labels, 6)
