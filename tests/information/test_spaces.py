"""Places on the head: what each kind of them takes, what fits no trials, and which cells overlap."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline

from eegexplain.bases import STFT, Time, spatial
from eegexplain.information import InformationMapper
from eegexplain.information._spaces import find_space, make_cells
from eegexplain.inspection import cross_validate_explanations
from tests.estimators import fast_classifier
from tests.information.test_mapper import mapper, trials

RNG = np.random.default_rng(0)
NAMES = list("abcde")
X = np.einsum("cd,ndt->nct", RNG.standard_normal((5, 5)), RNG.standard_normal((200, 5, 64)))
FLAT = X.transpose(1, 0, 2).reshape(5, -1)
C = FLAT @ FLAT.T / FLAT.shape[1]


def second_moment(X):
    return np.einsum("nct,ndt->cd", X, X) / len(X)


def projector(pair):
    return pair.patterns @ pair.filters.T


def cells(space, times="bands", **changes):
    settings = {"bands": {"a": (4, 9), "b": (9, 20)}, "windows": 3, "X": X, "sfreq": 64.0, "ch_names": NAMES}
    return make_cells(times, space, **{**settings, **changes})


def test_axes_are_places_then_parts():
    found = cells({"left": ["a", "b"], "right": [3, 4]})
    assert found.coords == {"region": ["left", "right"], "band": ["a", "b"]} and found.shape == (2, 2)
    assert [(cell.pair.name, cell.part.name) for cell in found.cells] == [
        ("left", "a"), ("left", "b"), ("right", "a"), ("right", "b")]  # fmt: skip
    assert cells(None).coords == {"band": ["a", "b"]} and cells(None).cells[0].pair is None
    assert list(cells("channels", "windows").coords) == ["channel", "window"]
    frames = cells(np.eye(5)[:2], STFT())
    assert list(frames.coords) == ["component", "coefficient"] and frames.beside["time"][0] == "coefficient"


@pytest.mark.parametrize("space", ["channels", "innovation"])
def test_to_take_twice_is_to_take_once_and_the_rest_is_uncorrelated(space):
    for pair in find_space(space, NAMES).pairs(C):
        P = projector(pair)
        np.testing.assert_allclose(P @ P, P, atol=1e-9)
        np.testing.assert_allclose(P @ C @ (np.eye(5) - P).T, 0, atol=1e-9 * np.abs(C).max())


def test_a_channel_is_taken_with_its_regression_on_all():
    """The naive formula, channel by channel."""
    for place, pair in enumerate(find_space("channels", NAMES).pairs(C)):
        slopes = [FLAT[place] @ one / (FLAT[place] @ FLAT[place]) for one in FLAT]
        np.testing.assert_allclose(pair.of(FLAT), np.outer(slopes, FLAT[place]), atol=1e-9)


def test_innovations_are_what_the_others_do_not_predict():
    own = find_space("innovation", NAMES).pairs(C)[2]
    np.testing.assert_allclose(own.patterns[:, 0] / own.patterns[2, 0], np.eye(5)[2], atol=1e-9)
    others = np.delete(np.arange(5), 2)
    predicted = np.linalg.lstsq(FLAT[others].T, FLAT[2], rcond=None)[0] @ FLAT[others]
    np.testing.assert_allclose(own.of(FLAT)[2], FLAT[2] - predicted, atol=1e-6)


def test_no_hybrid_leaves_the_space_that_trials_fill():
    average = X - X.mean(axis=1, keepdims=True)
    for space in ("channels", "innovation", {"all": NAMES}):
        for cell in cells(space, X=average).cells:
            taken = cell.of(average)
            np.testing.assert_allclose(taken.mean(axis=1), 0, atol=1e-9)
            np.testing.assert_allclose(cell.of(taken), taken, atol=1e-9)


def test_the_unit_of_a_channel_does_not_matter():
    """Volts beside microvolts."""
    unit = np.array([1, 1e-6, 1, 1e3, 1])[:, None]
    for space in ("channels", "innovation", {"two": ["b", "d"]}):
        for before, after in zip(cells(space).cells, cells(space, X=X * unit).cells, strict=True):
            np.testing.assert_allclose(after.of(X * unit) / unit, before.of(X), rtol=1e-6, atol=1e-6)


def test_a_group_is_the_projection_on_what_its_channels_show():
    (pair,) = find_space({"pair": ["b", "d"]}, NAMES).pairs(C)
    W = np.eye(5)[:, [1, 3]]
    np.testing.assert_allclose(projector(pair), C @ W @ np.linalg.inv(W.T @ C @ W) @ W.T, atol=1e-10)
    np.testing.assert_allclose(pair.of(X)[:, [1, 3]], X[:, [1, 3]], atol=1e-10)


def test_arrays_are_one_filter_per_row_and_blocks_are_spans():
    rows = RNG.standard_normal((2, 5))
    one, other = find_space(rows, NAMES).pairs(C)
    np.testing.assert_allclose(projector(one), np.outer(C @ rows[0], rows[0]) / (rows[0] @ C @ rows[0]), atol=1e-10)
    np.testing.assert_allclose(projector(other), np.outer(C @ rows[1], rows[1]) / (rows[1] @ C @ rows[1]), atol=1e-10)
    (block,) = find_space({"both": rows}, NAMES).pairs(C)
    (mixed,) = find_space({"both": [[2, 1], [1, -1]] @ rows}, NAMES).pairs(C)
    np.testing.assert_allclose(projector(block), projector(mixed), atol=1e-9)


def test_a_complex_filter_sees_through_two_real_ones_whatever_its_phase():
    row = RNG.standard_normal(5) + 1j * RNG.standard_normal(5)
    (pair,) = find_space(row[None], NAMES).pairs(C)
    W = np.stack([row.real, row.imag], axis=1)
    np.testing.assert_allclose(projector(pair), C @ W @ np.linalg.inv(W.T @ C @ W) @ W.T, atol=1e-9)
    (turned,) = find_space({"one": np.exp(0.7j) * row}, NAMES).pairs(C)
    np.testing.assert_allclose(projector(pair), projector(turned), atol=1e-9)
    (real,) = find_space(np.exp(0.7j) * row.real[None], NAMES).pairs(C)
    assert real.filters.shape == (5, 1)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (RNG.standard_normal((5, 2)), r"shape \(n_components, 5\), one per row, got \(5, 2\). Transpose it"),
        (np.ones((2, 3, 5)), r"one per row, got \(2, 3, 5\)"),
        ([[1.0, np.nan, 0, 0, 0]], "NaN"),
        ({"twice": np.ones((2, 5))}, "twice on 5 channels one is 0, or a sum of others"),
        ({"short": np.ones(4)}, r"space\['short'\] must hold filters"),
        ({}, "empty dict"),
        ({"left": []}, "list of channels"),
        ({"left": "ab"}, "list of channels"),
        ({"left": ["a", "f"]}, "channel 'f', which the trials have not"),
        ({"left": [0, 5]}, "They have 5"),
        ({"left": [0, 0]}, "a channel twice"),
        ({"left": ["a"], "filter": np.ones(5)}, "groups of channels .left. and filters"),
        ("channel", "Did you mean 'channels'"),
        ("patterns", "no decoder has neither"),
        ("sources", "No position for electrode 'a'"),
    ],
)
def test_what_fits_no_trials_is_refused(space, message):
    with pytest.raises(ValueError, match=message):
        find_space(space, NAMES).pairs(C)


def test_what_is_no_place_is_refused():
    with pytest.raises(TypeError, match="space must be None, one of 'channels'"):
        find_space(3, NAMES)
    with pytest.raises(TypeError, match="give it as cells="):
        find_space(Time(), NAMES)


def test_flat_channels_move_nothing_and_flat_filters_are_refused():
    flat = X.copy()
    flat[:, 2] = 0
    seen = second_moment(flat)
    for space in ("channels", "innovation", {"flat": ["c"], "more": ["c", "d"]}):
        for pair in find_space(space, NAMES).pairs(seen):
            assert np.isfinite(projector(pair)).all()
    for space in ("channels", "innovation"):
        assert not projector(find_space(space, NAMES).pairs(seen)[2]).any()
    with pytest.raises(ValueError, match="component0 see nothing in these data"):
        find_space(np.eye(5)[[2]], NAMES).pairs(seen)


def test_components_keep_the_patterns_of_their_decomposition():
    pca = PCA(3).fit(np.moveaxis(X, 1, 2).reshape(-1, 5))
    found = find_space(spatial(pca), NAMES)
    assert found.dim == "component" and found.values == ["PC0", "PC1", "PC2"]
    for row, pair in zip(pca.components_, found.pairs(C), strict=True):
        np.testing.assert_allclose(projector(pair), np.outer(row, row), atol=1e-12)
    with pytest.raises(ValueError, match="components in fourier"):
        find_space(spatial(pca, "fourier"), NAMES)
    with pytest.raises(ValueError, match="component0 sees its pattern as 0.5"):
        find_space(spatial((np.eye(5)[:1], np.eye(5)[:, :1] / 2)), NAMES)
    with pytest.raises(ValueError, match="5 channels"):
        find_space(spatial(pca), NAMES[:4])


def test_filters_of_a_network_see_through_their_amplitudes_and_phases():
    X, y = trials()
    net = fast_classifier(num_filters=3).fit(X, y)
    found = find_space("patterns", list("abcd"), FrozenEstimator(net))
    assert found.dim == "filter" and found.values == [0, 1, 2]
    for template, pair in zip(net.templates_.astype(float), found.pairs(second_moment(X)), strict=True):
        # f_c = a_c cos(omega tau + phi_c) g(tau): two mixtures of channels
        rest = template - pair.filters @ np.linalg.lstsq(pair.filters, template, rcond=None)[0]
        assert pair.filters.shape[1] <= 2 and np.abs(rest).max() < 1e-4 * np.abs(template).max()


def test_filters_of_common_spatial_patterns_are_those_that_it_uses():
    mne = pytest.importorskip("mne")
    X, y = trials()
    csp = mne.decoding.CSP(n_components=2).fit(X, y)
    found = find_space("patterns", list("abcd"), make_pipeline(csp))
    assert len(csp.filters_) == 4 and found.values == [0, 1]
    for row, pair in zip(csp.filters_, found.pairs(second_moment(X)), strict=False):
        np.testing.assert_allclose(pair.filters[:, 0], row)


def test_decoders_whose_filters_are_of_other_channels_are_refused():
    X, y = trials()
    net = fast_classifier(num_filters=1).fit(X, y)
    with pytest.raises(ValueError, match="but the trials have 5 channels: a step before it changes them"):
        find_space("patterns", NAMES, net)
    net.align = "group"
    with pytest.raises(ValueError, match="filters of aligned trials"):
        find_space("patterns", list("abcd"), net)
    with pytest.raises(ValueError, match="PowerReader has neither"):
        mapper(space="patterns").fit(X, y)


def test_components_that_share_nothing_have_shapley_values():
    X, y = trials()
    settings = {"bands": {"alpha": (8.0, 12.0)}, "decomposition": "shapley"}
    with pytest.raises(ValueError, match="ch0@alpha and ch1@alpha overlap"):
        mapper(space="channels", **settings).fit(X, y)
    components = spatial(np.eye(4)[:, [1, 2]], names=["one", "two"])
    found = mapper(space=components, **settings).fit(X, y)
    shares = dict(zip(found.explanation_["cell"].values, found.information_, strict=True))
    assert list(shares) == ["one@alpha", "two@alpha", "outside"]
    assert sum(shares.values()) == pytest.approx(found.total_, abs=1e-9)
    assert shares["one@alpha"] > 0.2 > 0.05 > abs(shares["two@alpha"])


def test_a_group_of_all_channels_is_the_whole_band():
    X, y = trials()
    bands = {"low": (2.0, 7.0), "alpha": (8.0, 12.0)}
    whole, group = (mapper(space=one, bands=bands).fit(X, y).information_ for one in (None, {"all": [0, 1, 2, 3]}))
    np.testing.assert_allclose(group[0], whole, atol=1e-9)


@pytest.mark.filterwarnings("ignore:Trial and cell do not add up", "ignore:The whole map is 0")
def test_maps_of_filters_are_of_one_network_only():
    X, y = trials()
    settings = {"sfreq": 64.0, "space": "patterns", "bands": {"alpha": (8.0, 12.0)}, "random_state": 0}
    explainer = InformationMapper(fast_classifier(num_filters=1, max_epochs=1), **settings)
    with pytest.raises(ValueError, match="A map over filters cannot be averaged over networks"):
        cross_validate_explanations(explainer, X, y, cv=2)


def test_networks_are_asked_for_their_filters_after_training():
    X, y = trials()
    settings = {"sfreq": 64.0, "space": "patterns", "bands": {"alpha": (8.0, 12.0)}, "random_state": 0}
    with pytest.warns(UserWarning, match="have trained the network"):
        found = InformationMapper(fast_classifier(num_filters=2), **settings).fit(X, y)
    assert found.explanation_["value"].dims == ("filter", "band") and found.information_.shape == (2, 1)
    assert list(found.get_feature_names_out())[:1] == ["alpha@filter0@0"]
