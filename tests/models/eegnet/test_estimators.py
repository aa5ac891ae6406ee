"""EEGNet decodes EEG whose truth is known, keeps its limits in training, and means the same at other rates."""

import numpy as np
import pytest

from eegexplain.datasets import make_oscillatory_eeg
from eegexplain.models import EEGNetClassifier
from tests.estimators import fast_eegnet, fast_eegnet_regressor, trials


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0])
def test_it_decodes_simulated_rhythms(seed):
    eeg = make_oscillatory_eeg(500, random_state=seed)
    net = EEGNetClassifier(sfreq=eeg.sfreq, max_epochs=40, random_state=seed).fit(eeg.X[:300], eeg.y[:300])
    assert net.score(eeg.X[300:], eeg.y[300:]) > 0.7  # 200 trials: .62 is the 99.9 % limit of chance


def test_it_learns_a_strong_rhythm_in_seconds():
    rng = np.random.default_rng(0)
    y = np.arange(80) % 2
    X = rng.standard_normal((80, 2, 64))
    X[:, 1] += 2 * y[:, None] * np.sin(2 * np.pi * 10 * np.arange(64) / 64 + rng.uniform(0, 6, (80, 1)))
    net = fast_eegnet(max_epochs=20, lr=0.01).fit(X[:60], y[:60])
    assert net.score(X[60:], y[60:]) > 0.8


def test_norms_stay_within_their_limits_during_training():
    X, y = trials()
    module = fast_eegnet(lr=0.5, max_epochs=3).fit(X, y).net_.module_
    spatial, dense = module.spatial.weight.flatten(1).norm(dim=1), module.final_layer.weight.norm(dim=1)
    assert float(spatial.detach().max()) == pytest.approx(1.0, rel=1e-5)  # so large a step reaches the limit
    assert float(dense.detach().max()) == pytest.approx(0.25, rel=1e-5)


def test_lengths_in_seconds_follow_the_rate():
    X, y = trials()
    for sfreq, kernel, pool in ((64, 32, 2), (128, 64, 4), (None, 64, 4)):
        module = fast_eegnet(sfreq=sfreq, kernel_length=0.5, pool_size=1 / 32, max_epochs=1).fit(X, y).net_.module_
        assert (module.kernel_length, module.pool_size) == (kernel, pool)


def test_predictions_are_in_the_unit_of_the_target():
    X, y = trials(regression=True)
    one, other = fast_eegnet_regressor().fit(X, y), fast_eegnet_regressor().fit(X, 1000 * y + 5)
    np.testing.assert_allclose(other.predict(X), 1000 * one.predict(X) + 5, rtol=1e-4)


@pytest.mark.parametrize(
    ("params", "words"),
    [({"F1": 0}, "F1"), ({"D": 1.5}, "D"), ({"F2": 0}, "F2"), ({"kernel_length": 0}, "kernel_length"),
     ({"drop_prob": 1.0}, "drop_prob"), ({"activation": "Tahn"}, "Did you mean 'Tanh'")],
)  # fmt: skip
def test_bad_settings(params, words):
    X, y = trials()
    with pytest.raises(ValueError, match=words):
        fast_eegnet(**params).fit(X, y)
