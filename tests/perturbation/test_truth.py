"""Recovery of planted truth: signs under volume conduction, and what is not there."""

import numpy as np
import pytest
import torch
from scipy.linalg import eigh
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from eegexplain.datasets import Dipole, Source, make_oscillatory_eeg
from eegexplain.models import SyncNetClassifier
from eegexplain.perturbation import PerturbationCorrelator

from .nets import SpatialFilters, frozen

BAND = (20.0, 24.0)


@pytest.fixture(scope="module")
def eeg():
    """One tangential source, stronger in class 1, among the background."""
    source = Source("beta", frequency=22.0, dipole=Dipole("C3", orientation="tangential"), stronger_in=1)
    other = Source("alpha", frequency=10.0, dipole=Dipole("Oz", orientation="tangential"), stronger_in=0)
    return make_oscillatory_eeg(240, sources=(other, source), random_state=0)


def spatial_pattern_net(eeg):
    """The two best common spatial patterns of the band, and a logistic regression of their log power."""
    bins = np.flatnonzero((eeg.frequencies >= BAND[0]) & (eeg.frequencies < BAND[1]))
    spectrum = np.fft.rfft(eeg.X)[..., bins]
    first, second = (
        np.einsum("ncf,ndf->cd", part, part.conj()).real / len(part)
        for part in (spectrum[eeg.y == 0], spectrum[eeg.y == 1])
    )
    filters = eigh(second, first + second)[1][:, [0, -1]].T
    power = np.log((np.abs(np.einsum("kc,ncf->nkf", filters, spectrum)) ** 2).sum(axis=-1))
    weights = LogisticRegression().fit(power, eeg.y).coef_[0]
    return frozen(SpatialFilters(filters, torch.as_tensor(bins), weights))


def signs(eeg, net, noise):
    """Share of informative channels in the band whose map has the sign of the class effect."""
    correlator = PerturbationCorrelator(net, noise=noise, bands={"beta": BAND}, sfreq=eeg.sfreq, random_state=0)
    found = correlator.fit(eeg.X, eeg.y).correlations_[1, :, 0]
    inside = (eeg.frequencies >= BAND[0]) & (eeg.frequencies < BAND[1])
    channels = ((eeg.truth.role == "informative") & inside).any(axis=1)
    effect = eeg.truth.effect[1][:, inside].mean(axis=1)
    return np.mean(np.sign(found[channels]) == np.sign(effect[channels])), channels.sum()


def test_data_noise_has_the_sign_of_the_class_effect_where_spatial_filters_do_not(eeg):
    net = spatial_pattern_net(eeg)
    right, n_channels = signs(eeg, net, "data")
    assert n_channels >= 8
    assert right == 1
    alone, _ = signs(eeg, net, "independent")
    assert alone < 0.8  # a good filter cancels the background with weights of either sign


@pytest.mark.slow
def test_syncnet_has_the_right_signs_with_either_noise(eeg):
    """By gradients: independent noise shows filters, and those of the closed form take channels from one another."""
    settings = {"readout": "max", "training": "gradient", "max_epochs": 60}
    net = SyncNetClassifier(**settings, sfreq=eeg.sfreq, random_state=0).fit(eeg.X, eeg.y)
    for noise in ("data", "independent"):
        right, _ = signs(eeg, FrozenEstimator(net), noise)
        assert right == 1
