"""Models of a report: by name, by a factory of the user's, trained or not."""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest

from eegexplain.datasets import make_oscillatory_eeg
from eegexplain.report import SECTIONS, Options, run_job
from eegexplain.report import _models as m
from eegexplain.report._trials import prepare_trials

CHANNELS = ["Fz", "C3", "C4", "Pz", "O1", "O2"]
MINE = """
import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from skorch import NeuralNetClassifier

from eegexplain import as_estimator


class Linear(torch.nn.Module):
    def __init__(self, size):
        super().__init__()
        self.out = torch.nn.Linear(size, 2)

    def forward(self, x):
        return self.out(x.flatten(1))


class LogPower(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return np.log(np.square(X).mean(-1))


def untrained():
    return make_pipeline(LogPower(), LogisticRegression())


def trained(n_channels, classes=(), n_times=None, unknown=1):
    rng = np.random.default_rng(0)
    return untrained().fit(rng.standard_normal((20, n_channels, n_times)), np.repeat(classes, 10))


def other_classes(n_channels, n_times):
    return trained(n_channels, ["a", "b"], n_times)


def other_channels(n_times):
    return trained(99, [0, 1], n_times)


def module(n_chans, n_times, n_outputs):
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(n_chans * n_times, n_outputs))


def other_module(n_times):
    return module(99, n_times, 2)


def three(n_channels, n_times):
    return module(n_channels, n_times, 3)


def said(n_channels, n_times):
    return as_estimator(module(n_channels, n_times, 2), classes=[1, 0])


def skorch_net(n_chans, n_times, classes):
    return NeuralNetClassifier(Linear, module__size=n_chans * n_times, criterion=torch.nn.CrossEntropyLoss, lr=1e-3,
                               max_epochs=2, train_split=None, verbose=0, classes=classes)


def trained_skorch(n_chans, n_times, classes):
    torch.manual_seed(0)
    return skorch_net(n_chans, n_times, classes).initialize()


def without_classes(n_chans, n_times):
    return skorch_net(n_chans, n_times, None).initialize()


def nonsense():
    return 3


def regressor():
    return LinearRegression()


def asks(subject):
    return None


Class = torch.nn.Flatten
number = 3
"""


@pytest.fixture(scope="module")
def eeg():
    return make_oscillatory_eeg(60, CHANNELS, duration=1.0, snr=4.0, random_state=0)


@pytest.fixture
def mine(tmp_path, monkeypatch):
    (tmp_path / "mine_of_tests.py").write_text(MINE)
    (tmp_path / "broken_of_tests.py").write_text("import no_such_library")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return prepared


def prepared(eeg):
    return prepare_trials(eeg, "eeg", None)


@pytest.mark.parametrize(
    ("name", "kind", "trained"),
    [
        ("syncnet", "SyncNetClassifier", False),
        ("eegnet", "EEGNetClassifier", False),
        ("csp", "LinearDiscriminantAnalysis", False),
        ("tangent-space", "LogisticRegression", False),
        ("mine_of_tests:untrained", "LogisticRegression", False),
        ("mine_of_tests:trained", "LogisticRegression", True),
        ("mine_of_tests:skorch_net", "Linear", False),
        ("mine_of_tests:trained_skorch", "Linear", True),
        ("mine_of_tests:module", "Sequential", True),
        ("mine_of_tests:said", "Sequential", True),
    ],
)
def test_models_by_name_and_by_factory(eeg, mine, name, kind, trained):
    data = mine(eeg)
    found = m.find_model(name, data)
    assert (found.name, found.kind, found.trained) == (name, kind, trained)
    assert ("trained before and explained as it is" in found.told) == trained
    assert ("trained here, anew" in found.told) != trained
    assert found.starts_by_chance == (name in ("eegnet", "mine_of_tests:skorch_net"))
    if trained and kind != "Linear":
        assert set(found.estimator.predict(data.X[:3])) <= {0, 1}
        assert list(found.estimator.classes_) == [0, 1]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("eegnett", "Did you mean 'eegnet'"),
        ("no_such_module:make", "there is no module 'no_such_module', neither installed nor in /"),
        ("broken_of_tests:make", "broken_of_tests needs no_such_library, which is not installed"),
        (":make", "must read package.module:factory"),
        ("mine_of_tests:make", "mine_of_tests has no function 'make'; it has .*untrained, trained"),
        ("mine_of_tests:number", "has no function 'number'"),
        ("mine_of_tests:nonsense", "returned int; expected is a classifier"),
        ("mine_of_tests:regressor", "returned LinearRegression; expected is a classifier"),
        ("mine_of_tests:asks", "asks for subject; given are sfreq, n_times"),
        ("mine_of_tests:Class", "class of a torch module, whose weights are random"),
        ("mine_of_tests:other_classes", r"trained on the classes \['a', 'b'\], but the data hold \[0, 1\]"),
        ("mine_of_tests:other_channels", "does not take these trials of 6 channels and .* samples: X has 6 features"),
        ("mine_of_tests:other_module", "does not take these trials of 6 channels"),
        ("mine_of_tests:without_classes", "does not know its classes: give it classes="),
        ("mine_of_tests:three", "The module has 3 outputs, but classes names 2"),
    ],
)
def test_what_is_no_model_of_these_trials_is_told(eeg, mine, name, message):
    with pytest.raises(ValueError, match=message):
        m.find_model(name, mine(eeg))


def test_a_trained_module_is_explained_as_it_is_and_the_report_says_so(eeg, mine):
    job = run_job(eeg, Options(model="mine_of_tests:module", n_folds=2, n_seeds=3))
    first, second = (fold.nets for fold in job.folds)
    assert len(first) == len(second) == 1 and first[0] is second[0] and job.has_gradients
    weights = first[0].module[1]
    flat = eeg.X.reshape(len(eeg.X), -1)
    logits = flat @ weights.weight.detach().numpy().astype(float).T + weights.bias.detach().numpy()
    np.testing.assert_array_equal(job.predicted.together, logits.argmax(1))
    assert any("trained before and explained as it is" in line for line in SECTIONS[0].find(job).lines)
    plt.close("all")


def test_reference_decoders_are_trained_on_each_fold(eeg):
    job = run_job(eeg, Options(model="csp", n_folds=2))
    assert [len(fold.nets) for fold in job.folds] == [1, 1] and not job.has_gradients
    decoder = m.find_model("csp", prepared(eeg)).estimator
    for fold in job.folds:
        expected = decoder.fit(eeg.X[fold.train], eeg.y[fold.train]).predict(eeg.X[fold.test])
        np.testing.assert_array_equal(job.predicted.together[fold.test], expected)


@pytest.mark.parametrize("name", ["skorch_net", "trained_skorch"])
def test_skorch_nets_are_trained_or_explained_as_they_are(eeg, mine, name):
    job = run_job(eeg, Options(model=f"mine_of_tests:{name}", n_folds=2, n_seeds=1))
    assert job.has_gradients and (job.folds[0].net is job.folds[1].net) == name.startswith("trained")
    assert len(job.predicted.together) == len(eeg.y)


def test_trained_decoders_without_gradients_have_maps_but_no_attribution(eeg, mine):
    messages = []
    job = run_job(eeg, Options(model="mine_of_tests:trained", n_folds=2), messages.append)
    assert not any("training" in message for message in messages)
    titles = [section.title for section in SECTIONS if section.needed(job)]
    assert "What the network uses" in titles and "What the evidence is made of" not in titles
