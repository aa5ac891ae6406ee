"""Who asks whether there is a network must not load what networks need."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from skorch import NeuralNetClassifier
from torch import nn

from eegexplain._nets import is_network, is_skorch_net

WITHOUT_NETWORK = """
import sys

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge

HEAVY = ("torch", "skorch", "captum", "mne", "matplotlib")
rng = np.random.default_rng(0)
X, y = rng.standard_normal((24, 2, 32)), np.arange(24) % 2


def encoding():
    from eegexplain import encoding
    stimulus, data = rng.uniform(-3, 3, (60, 1)), rng.standard_normal((60, 3))
    encoding.WeightFitter(encoding.DelayedModel(tmax=0.02, sfreq=100.0), alpha=[0.1, 1.0], cv=3).fit(stimulus, data)
    fitter = encoding.ParameterFitter(encoding.GaussianTuningModel()).fit(stimulus, data)
    encoding.StimulusDecoder(fitter).fit(stimulus, data).predict(data)


def sinusoid():
    from eegexplain.sinusoid import SinusoidFitter
    SinusoidFitter("passthrough", sfreq=32.0).fit(X, y).transform(X)


def timecourse():
    from eegexplain.timecourse import OrdinalLogisticRegression, TimeResolvedCoefficients
    TimeResolvedCoefficients(Ridge(), cv=3).fit(X, y).explain(X)
    TimeResolvedCoefficients(OrdinalLogisticRegression()).fit(X, y)


def reverse_correlation():
    from eegexplain import reverse_correlation as package
    package.cut_windows(X, np.zeros((1, 2), dtype=int), 5)
    package.template_match(X, package.reverse_correlation(X, X[:, :, :28], 5))


def perturbation():
    from eegexplain.perturbation import PerturbationCorrelator
    import eegexplain.information
    PerturbationCorrelator(LogisticRegression(), n_iterations=2, sfreq=32.0, random_state=0).fit(X[:, 0], y)


def datasets():
    from eegexplain import datasets as package
    package.make_oscillatory_eeg(12, random_state=0)


def bases():
    from eegexplain import bases as package
    package.as_basis("fourier")


def plotting():
    import eegexplain.plotting


print("import", *[name for name in HEAVY if name in sys.modules])
for step in (encoding, sinusoid, timecourse, reverse_correlation, bases, plotting, perturbation, datasets):
    step()
    print(step.__name__, *[name for name in HEAVY if name in sys.modules])
"""


def test_what_holds_no_network_loads_no_torch_and_no_pictures():
    ran = subprocess.run([sys.executable, "-c", WITHOUT_NETWORK], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    assert len(lines) == 9
    assert [line for line in lines if len(line.split()) > 1] == ["datasets mne"]  # positions of electrodes


@pytest.fixture(scope="module")
def net():
    sizes = {"module__in_features": 4, "module__out_features": 2}
    net = NeuralNetClassifier(nn.Linear, **sizes, max_epochs=1, train_split=None, verbose=0)
    return net.fit(np.ones((8, 4), dtype=np.float32), np.arange(8) % 2)


def test_a_network_is_known_where_it_hides(net):
    held = SimpleNamespace(net_=net)
    assert is_network(net) and is_network(FrozenEstimator(net)) and is_network(held)
    assert is_skorch_net(FrozenEstimator(net)) and not is_skorch_net(held)
    plain = LogisticRegression()
    assert not is_network(plain) and not is_skorch_net(plain)
