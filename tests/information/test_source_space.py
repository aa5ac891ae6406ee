"""Source spaces: beamformers against their formula, MNE's forward solutions, and planted sources that are found."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.frozen import FrozenEstimator

from eegexplain.datasets import Dipole, make_oscillatory_eeg
from eegexplain.information import InformationMapper, SourceSpace

NAMES = ["Fp1", "Fp2", "F3", "F4", "C3", "Cz", "C4", "P3", "P4", "O1", "O2"]
RNG = np.random.default_rng(0)
MIX = RNG.standard_normal((11, 11))
C = MIX @ MIX.T


def test_a_grid_has_places_in_the_outer_brain_with_the_fields_of_their_dipoles():
    places = SourceSpace.spherical(NAMES, spacing=0.3, directions="radial")
    depth = np.linalg.norm(places.positions, axis=1)
    assert depth.min() >= 0.4 and depth.max() <= 0.8 and places.leadfield.shape == (11, len(depth), 1)
    nearest = np.sort(np.linalg.norm(places.positions[:, None] - places.positions, axis=2), axis=1)[:, 1]
    np.testing.assert_allclose(nearest, 0.3, atol=1e-9)
    for place in (0, len(depth) // 2):
        dipole = Dipole(tuple(places.positions[place]), "radial")
        np.testing.assert_allclose(places.leadfield[:, place, 0], dipole.topography(NAMES), rtol=1e-9)
    free = SourceSpace.spherical(NAMES, spacing=0.3)
    np.testing.assert_array_equal(free.names, places.names)
    sideways = Dipole(tuple(free.positions[3]), (0.0, 1.0, 0.0))
    np.testing.assert_allclose(free.leadfield[:, 3, 1], sideways.topography(NAMES), rtol=1e-9)


def test_beamformers_are_those_of_van_veen():
    """Unit gain, least power, and the topography of the place where nothing is regularized."""
    places = SourceSpace.spherical(NAMES, spacing=0.4, directions="radial", regularization=0)
    for pair, field in zip(places.beamformers(NAMES, C), places.leadfield[..., 0].T, strict=True):
        inverse = np.linalg.inv(C)
        weights = inverse @ field / (field @ inverse @ field)
        P = pair.patterns @ pair.filters.T
        np.testing.assert_allclose(P, np.outer(field, weights), atol=1e-8 * np.abs(P).max())
        other = weights + 0.1 * np.linalg.svd(field[None])[2][1]
        assert other @ field == pytest.approx(1) and other @ C @ other > weights @ C @ weights


def test_free_directions_are_a_block():
    places = SourceSpace.spherical(NAMES, spacing=0.4, regularization=0.1)
    inverse = np.linalg.inv(C + 0.1 * np.trace(C) / 11 * np.eye(11))
    for place, pair in enumerate(places.beamformers(NAMES, C)):
        W = inverse @ places.leadfield[:, place]
        expected = C @ W @ np.linalg.inv(W.T @ C @ W) @ W.T
        np.testing.assert_allclose(pair.patterns @ pair.filters.T, expected, atol=1e-8 * np.abs(expected).max())


def test_lead_fields_lose_the_reference_that_trials_have_lost():
    places, average = SourceSpace.spherical(NAMES, spacing=0.4, directions="radial"), np.eye(11) - 1 / 11
    pairs = places.beamformers(NAMES, average @ C @ average)
    referenced = SourceSpace(average @ places.leadfield[..., 0], places.positions)
    others = referenced.beamformers(NAMES, average @ C @ average)
    for one, other in zip(pairs, others, strict=True):
        P = one.patterns @ one.filters.T
        np.testing.assert_allclose(P, other.patterns @ other.filters.T, atol=1e-8 * np.abs(P).max())
        np.testing.assert_allclose(P.sum(axis=0), 0, atol=1e-9 * np.abs(P).max())
        np.testing.assert_allclose(P @ P, P, atol=1e-8 * np.abs(P).max())


def test_channels_are_found_by_name():
    places = SourceSpace.spherical(NAMES, spacing=0.4)
    np.testing.assert_array_equal(places.for_channels(["o2", "F3"]), places.leadfield[[10, 2]])
    with pytest.raises(ValueError, match="knows no channel 'Pz'.*Did you mean"):
        places.for_channels(["Pz"])
    with pytest.raises(ValueError, match="of 2 channels, the trials have 3"):
        SourceSpace(np.ones((2, 1)), np.zeros((1, 3))).for_channels(list("abc"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"leadfield": np.ones((2, 3)), "positions": np.zeros((2, 3))}, "leadfield is .n_channels, n_sources."),
        ({"leadfield": np.ones(3), "positions": np.zeros((3, 3))}, "leadfield is"),
        ({"leadfield": np.eye(3)[:2], "positions": np.zeros((3, 3))}, "No channel sees place 2"),
        ({"names": ["a", "a"]}, "names must be 2 different ones"),
        ({"ch_names": ["a"]}, "1 names, but the trials have 2"),
        ({"regularization": -1.0}, "at least 0"),
    ],
)
def test_what_is_no_source_space_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        SourceSpace(**{"leadfield": np.ones((2, 2)), "positions": np.zeros((2, 3)), **settings})


def test_grids_without_places_and_what_is_no_forward_solution_are_refused():
    with pytest.raises(ValueError, match="lower spacing"):
        SourceSpace.spherical(NAMES, spacing=0.9)
    with pytest.raises(ValueError, match="Did you mean 'radial'"):
        SourceSpace.spherical(NAMES, directions="radials")
    with pytest.raises(TypeError, match="forward solution of MNE-Python"):
        SourceSpace.from_forward({"sol": 3})


@pytest.fixture(scope="module")
def forward():
    """Of a sphere, free orientations, a volume."""
    mne = pytest.importorskip("mne")
    places = RNG.standard_normal((11, 3)) * [1, 1, 0.5] + [0, 0, 1]
    places *= 0.09 / np.linalg.norm(places, axis=1, keepdims=True)
    montage = mne.channels.make_dig_montage(dict(zip(NAMES, places + [0, 0, 0.04], strict=True)), coord_frame="head")
    info = mne.create_info(NAMES, 100.0, "eeg").set_montage(montage)
    sphere = mne.make_sphere_model((0, 0, 0.0401), 0.09, verbose=False)
    places = mne.setup_volume_source_space(pos=40.0, sphere=(0, 0.01, 0.05, 0.06), exclude=10.0, verbose=False)
    return mne.make_forward_solution(info, None, places, sphere, meg=False, eeg=True, verbose=False)


def test_forward_solutions_of_mne_have_their_places_and_gains(forward):
    import mne

    free = SourceSpace.from_forward(forward)
    n_places = forward["nsource"]
    assert free.leadfield.shape == (11, n_places, 3) and free.ch_names == NAMES
    np.testing.assert_array_equal(free.positions, forward["source_rr"])
    np.testing.assert_array_equal(free.leadfield[:, 2, 1], forward["sol"]["data"][:, 3 * 2 + 1])
    assert free.names[0] == f"0:{forward['src'][0]['vertno'][0]}"
    forward["src"][0]["nn"][:] = [0, 0, 1]
    fixed = mne.convert_forward_solution(forward, force_fixed=True, surf_ori=False, verbose=False)
    one = SourceSpace.from_forward(fixed)
    assert one.leadfield.shape == (11, n_places, 1)
    np.testing.assert_allclose(one.leadfield[..., 0], free.leadfield[..., 2], rtol=1e-6)


@pytest.mark.filterwarnings("ignore:Trial and cell do not add up")
def test_source_spaces_survive_cloning_and_their_positions_reach_the_map():
    from tests.information.test_mapper import PowerReader, trials

    X, y = trials()
    places = SourceSpace.spherical(["F3", "F4", "P3", "P4"], spacing=0.5)
    mapper = InformationMapper(PowerReader(), space=places, bands={"alpha": (8.0, 12.0)}, sfreq=64.0, random_state=0)
    with pytest.warns(UserWarning, match="have trained"):
        found = clone(mapper).set_params(ch_names=["F3", "F4", "P3", "P4"]).fit(X, y)
    assert found.explanation_["value"].dims == ("source", "band")
    np.testing.assert_array_equal(found.explanation_["z"], places.positions[:, 2])
    with pytest.raises(ValueError, match="knows no channel 'ch0'"):
        mapper.fit(X, y)


class Reader(ClassifierMixin, BaseEstimator):
    """Log power of a band at two electrodes, beside the sources rather than over them, weighed against each other."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def decision_function(self, X):
        power = np.log(np.abs(np.fft.rfft(X)) ** 2 + 1e-9)
        back, left = power[:, -2:, 8:13].mean(axis=(1, 2)), power[:, [4, 7], 20:25].mean(axis=(1, 2))
        return 2 * (left - back)

    def predict(self, X):
        return self.classes_[(self.decision_function(X) > 0).astype(int)]


@pytest.mark.filterwarnings("ignore:Trial and cell do not add up")
def test_planted_sources_are_found_within_a_step_of_the_grid():
    """Not where the electrodes are that the decoder reads, but where their rhythms come from."""
    eeg = make_oscillatory_eeg(80, NAMES, 64.0, 1.0, snr=2.0, reference="average", random_state=0)
    places = SourceSpace.spherical(NAMES, spacing=0.3, directions="radial")  # as the planted currents flow
    settings = {"bands": {"alpha": (8, 13), "beta": (20, 25)}, "n_partners": 3, "sfreq": 64.0, "ch_names": NAMES}
    mapper = InformationMapper(FrozenEstimator(Reader().fit(eeg.X, eeg.y)), space=places, random_state=0, **settings)
    value = mapper.fit(eeg.X, eeg.y).explanation_["value"]
    for band, electrode in (("alpha", "Oz"), ("beta", "C3")):
        away = np.linalg.norm(places.positions - Dipole(electrode).location(), axis=1)
        assert away[value.sel(band=band).values.argmax()] <= 0.3
