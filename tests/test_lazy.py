"""Nobody reads many trials at once that lie in a file, and a process holds no more of them when there are more."""

import pathlib
import subprocess
import sys

import numpy as np
import pytest
from sklearn.model_selection import KFold, cross_val_score

from eegexplain import PerturbationCorrelator
from eegexplain._lazy import LazyTrials, kept_lazy
from eegexplain.attribution import FLEXAttributor
from eegexplain.datasets import windows
from eegexplain.inspection import cross_validate_explanations
from eegexplain.models import fit_many
from tests.estimators import CASES, FEW_TRIALS, SFREQ, closed_classifier, fast_classifier

pytestmark = FEW_TRIALS
N_TRIALS, N_CHANNELS, N_TIMES = 530, 3, 32
AT_ONCE = 256  # less than half of the trials: a training part is told from a block
OTHERS = {
    "EnsembleClassifier": "what others wrote gets an array of all",
    "PerturbationCorrelator-sampling": "what others wrote gets an array of all",
    "OcclusionAttributor": "what others wrote gets an array of all",
    "InformationMapper": "blocks by bytes: 512 of such small trials",
    "InformationMapper-numbers": "blocks by bytes: 512 of such small trials",
}
QUICK = {"max_epochs": 1, "batch_size": 64}
TANGENT = {**QUICK, "training": "gradient", "readout": "log_power", "init": "tangent", "validation_fraction": 0.4}
GROUPS = np.arange(N_TRIALS) // 2 % 4


def given(kind, folder):
    """Trials of a file, or windows that lie in two recordings and overlap."""
    rng = np.random.default_rng(0)
    if kind == "mapped":
        X = np.memmap(folder / "x", np.float32, "w+", shape=(N_TRIALS, N_CHANNELS, N_TIMES))
        X[:] = rng.standard_normal(X.shape)
        return X
    halves = [rng.standard_normal((N_CHANNELS, 8 * N_TRIALS // 2 + 24)) for _ in range(2)]
    return windows(halves, N_TIMES / SFREQ, step=8 / SFREQ, sfreq=SFREQ).X


@pytest.fixture
def read(monkeypatch):
    """Numbers of trials that were read at once."""
    found, plain = [], LazyTrials._read

    def noted(self, rows):
        found.append(len(rows))
        return plain(self, rows)

    monkeypatch.setattr(LazyTrials, "_read", noted)
    monkeypatch.setattr("eegexplain._arrays._FINITE_BLOCK", 128 * N_CHANNELS * N_TIMES)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("case", [case for case in CASES if case.name not in OTHERS], ids=lambda case: case.name)
def test_estimators_read_trials_by_block(case, read):
    X, y = given("windows", None), np.arange(N_TRIALS) % 2
    fitted = case.make().fit(X, y + 0.01 * np.arange(N_TRIALS) if case.regression else y)
    for method in ("transform", "predict"):
        if hasattr(fitted, method):
            getattr(fitted, method)(X)
    assert 2 <= max(read) <= AT_ONCE


CALLS = {
    "tangent": lambda X, y: fast_classifier(**TANGENT).fit(X, y),
    "tuned": lambda X, y: closed_classifier(**QUICK, training="both", validation_fraction=0.4).fit(X, y),
    "aligned": lambda X, y: closed_classifier(align="group").fit(X, y, groups=GROUPS),
    "many networks": lambda X, y: fit_many(closed_classifier(), X, y, subsets=[np.arange(265), np.arange(265, 530)]),
    "mean as baseline": lambda X, y: FLEXAttributor(fast_classifier(**QUICK), baseline="mean", n_steps=2).fit(X, y),
    "data noise": lambda X, y: PerturbationCorrelator(closed_classifier(), noise="data").fit(X, y),
    "folds": lambda X, y: cross_validate_explanations(
        PerturbationCorrelator(closed_classifier()), X, y, cv=KFold(2), random_state=0
    ),
    "folds of scikit-learn": lambda X, y: cross_val_score(
        PerturbationCorrelator(closed_classifier()), kept_lazy(X), y, cv=KFold(2)
    ),
}


@pytest.mark.parametrize("kind", ["mapped", pytest.param("windows", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", CALLS)
def test_calls_read_trials_by_block(name, kind, read, tmp_path):
    CALLS[name](given(kind, tmp_path), np.arange(N_TRIALS) % 2)
    assert 2 <= max(read) <= AT_ONCE


FIT = """
import pathlib, sys, threading
import numpy as np
from sklearn.base import clone
from eegexplain import PerturbationCorrelator, SyncNetClassifier

def anonymous():
    return int(pathlib.Path("/proc/self/status").read_text().split("RssAnon:")[1].split()[0]) / 1024

X = np.load(sys.argv[1], mmap_mode="r")
y = np.arange(len(X)) % 2
settings = {"gradient": {"readout": "max", "max_epochs": 1, "batch_size": 64}, "closed": {}}[sys.argv[2]]
net = SyncNetClassifier(num_filters=2, random_state=0, training=sys.argv[2], sfreq=128.0, **settings)
explainer = PerturbationCorrelator(net, random_state=0)
clone(explainer).fit(np.array(X[:60]), y[:60])  # libraries that are loaded at the first call
base, seen, stop = anonymous(), [], threading.Event()

def watch():
    while not stop.wait(0.01):
        seen.append(anonymous() - base)

watcher = threading.Thread(target=watch)
watcher.start()
explainer.fit(X, y)
stop.set()
watcher.join()
print(max(seen))
"""


@pytest.mark.slow
@pytest.mark.skipif(not pathlib.Path("/proc/self/status").exists(), reason="anonymous memory is read from Linux")
@pytest.mark.parametrize("training", ["gradient", "closed"])
def test_anonymous_memory_does_not_grow_with_the_file(training, tmp_path):
    """Training and an explanation: three times the trials, 60 MB more in the file."""
    rises = []
    for n_trials in (1500, 4500):
        X = np.lib.format.open_memmap(tmp_path / f"{n_trials}.npy", "w+", np.float32, (n_trials, 20, 256))
        X[:] = np.random.default_rng(0).standard_normal(X.shape, dtype=np.float32)
        X.flush()
        command = [sys.executable, "-W", "ignore", "-c", FIT, str(tmp_path / f"{n_trials}.npy"), training]
        rises.append(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    assert rises[1] < rises[0] + 20
