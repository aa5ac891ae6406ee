"""Long calls with a checkpoint: interrupted anywhere and begun again they give the same bits, and do nothing twice."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest

from eegexplain import PerturbationCorrelator, SyncNetClassifier, fit_many
from eegexplain.datasets import make_oscillatory_eeg
from eegexplain.inspection import (
    compare_explanations,
    cross_validate_explanations,
    cross_validate_models,
    explain_groups,
    explain_models,
    permutation_test,
    stability,
)
from tests.inspection.differences import Difference, Weights

COUNTED = Path("unset")  # file with a line per fit
STOP = {"fit": -1, "how": None}


class Counted(Difference):
    """Notes each fit; the process may die in one of them. Its weights are of a start of its own, too."""

    def __init__(self, random_state=None):
        self.random_state = random_state

    def fit(self, X, y):
        done = len(COUNTED.read_text().split()) if COUNTED.exists() else 0
        if done == STOP["fit"]:
            STOP["how"]()
        with open(COUNTED, "a") as file:
            file.write(f"{joblib.hash([X, y, self.random_state])}\n")
        super().fit(X, y)
        self.weights_ = self.weights_ + 1e-3 * np.random.default_rng(self.random_state).standard_normal(X.shape[1])
        return self


class Interrupted(BaseException):
    """Not an error that anything would catch."""


def interrupt():
    raise Interrupted


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def data():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((48, 4, 3)), np.arange(48) % 2
    X[y == 1, 1] += 1.0
    return X, y, np.repeat(np.arange(4), 12)


def models(at):
    found = cross_validate_models(Counted(), *data()[:2], cv=3, n_seeds=2, random_state=5, checkpoint=at)
    return found.held_out.alone, [net.weights_ for fold in found.folds for net in fold.nets]


def networks(at):
    return [one.weights_ for one in fit_many(Counted(), *data()[:2], random_states=list(range(20)), checkpoint=at)]


def explanations(at):
    found = cross_validate_explanations(WEIGHTS, *data()[:2], cv=3, n_seeds=2, random_state=0, checkpoint=at)
    return numbers(found.dataset)


def retraining(at):
    settings = {"cv": 3, "kind": "retraining", "n_permutations": 29, "random_state": 1, "checkpoint": at}
    found = permutation_test(WEIGHTS, *data()[:2], **settings)
    return found.statistic.values, found.p_values.values, found.null_maxima, found.score_p


def halves(at):
    settings = {"n_folds": 2, "n_repeats": 2, "n_permutations": 5, "random_state": 1, "checkpoint": at}
    found = stability(WEIGHTS, *data()[:2], **settings)
    return found.agreement, found.null


def groups(at):
    X, y, subjects = data()
    return numbers(explain_groups(WEIGHTS, X, y, groups=subjects, cv=2, random_state=3, checkpoint=at).dataset)


def agreement(at):
    trained = cross_validate_models(Counted(), *data()[:2], cv=3, random_state=5, checkpoint=at)
    asked = {"of": Mapped(Counted()), "squared": Mapped(Counted(), power=2)}
    found = {name: explain_models(trained, one, random_state=0) for name, one in asked.items()}
    compared = compare_explanations(found, n_permutations=19, random_state=2, checkpoint=at)
    return compared.agreement[["spearman", "chance", "p_value"]].to_numpy(float)


class Mapped(Weights):
    """The weights, to a power, in a band."""

    def __init__(self, estimator=None, power=1):
        self.estimator = estimator
        self.power = power

    def fit(self, X, y, groups=None):
        self.ch_names = list("abcd")
        value = super().fit(X, y).explanation_["value"] ** self.power
        self.explanation_ = value.expand_dims(band=["all"], axis=-1).to_dataset(name="value")
        return self


def numbers(dataset):
    return {name: np.asarray(dataset[name].values) for name in dataset.data_vars}


WEIGHTS = Weights(Counted())
CALLS = {  # with the fits of the largest unit
    networks: 4, models: 2, explanations: 2, retraining: 8 * 3, halves: 2 * 2 * 2, groups: 2, agreement: 8 * 3,
}  # fmt: skip


def run(call, checkpoint, folder, stop=-1, how=interrupt):
    """Digest of what a call gives; notes of its fits are in a file of `folder`."""
    global COUNTED
    COUNTED = folder / "fits"
    STOP.update(fit=stop, how=how)
    return joblib.hash(call(checkpoint))


def fits(folder):
    return (folder / "fits").read_text().split()


SLOW = {agreement}
EVERY = [pytest.param(call, most, marks=[pytest.mark.slow] * (call in SLOW)) for call, most in CALLS.items()]


@pytest.mark.parametrize(("call", "largest"), EVERY)
def test_an_interrupted_call_begun_again_gives_the_same_and_does_nothing_twice(call, largest, tmp_path):
    (tmp_path / "whole").mkdir()
    expected = run(call, None, tmp_path / "whole")
    n_fits = len(fits(tmp_path / "whole"))
    for stop in (n_fits // 3, 2 * n_fits // 3):
        with pytest.raises(Interrupted):
            run(call, tmp_path / "kept", tmp_path, stop=stop)
    assert run(call, tmp_path / "kept", tmp_path) == expected
    done = fits(tmp_path)
    assert set(done) == set(fits(tmp_path / "whole"))
    assert n_fits <= len(done) <= n_fits + 2 * (largest - 1)  # of the unit that was interrupted, twice
    assert run(call, tmp_path / "kept", tmp_path) == expected and len(fits(tmp_path)) == len(done)


def start(call, folder, stop=-1):
    """A process of its own, which kills itself at a fit."""
    code = f"""
from pathlib import Path
from tests.inspection import test_resume as own
print(own.run(own.{call.__name__}, Path({str(folder)!r}) / "kept", Path({str(folder)!r}), {stop}, own.kill))
"""
    root = Path(__file__).resolve().parents[2]
    return subprocess.Popen([sys.executable, "-c", code], cwd=root, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("call", [retraining, explanations])
def test_a_process_killed_at_once_leaves_what_the_next_one_needs(call, tmp_path):
    (tmp_path / "whole").mkdir()
    expected = run(call, None, tmp_path / "whole")
    killed = start(call, tmp_path, stop=4)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL and len(fits(tmp_path)) == 4
    resumed = start(call, tmp_path)
    assert resumed.communicate()[0].strip() == expected
    n_fits = len(fits(tmp_path / "whole"))
    assert n_fits <= len(fits(tmp_path)) <= n_fits + CALLS[call] - 1


@pytest.mark.slow
def test_two_processes_on_one_checkpoint_give_the_same(tmp_path):
    (tmp_path / "whole").mkdir()
    expected = run(retraining, None, tmp_path / "whole")
    both = [start(retraining, tmp_path) for _ in range(2)]
    assert [one.communicate()[0].strip() for one in both] == [expected] * 2
    assert run(retraining, tmp_path / "kept", tmp_path) == expected


@pytest.mark.slow
def test_a_call_begun_in_processes_goes_on_in_series(tmp_path):
    """Networks of the package in processes: begun with one number of them, gone on with another."""
    eeg = make_oscillatory_eeg(60, ["Fz", "C3", "C4", "Pz"], duration=1, snr=3, random_state=0)
    net = SyncNetClassifier(sfreq=eeg.sfreq, max_epochs=3)
    correlator = PerturbationCorrelator(net, bands="eeg", ch_names=eeg.ch_names)

    def cross_validated(n_jobs, checkpoint):
        settings = {"cv": 3, "n_seeds": 2, "random_state": 0, "n_jobs": n_jobs, "checkpoint": checkpoint}
        return numbers(cross_validate_explanations(correlator, eeg.X, eeg.y, **settings).dataset)

    expected, kept = cross_validated(1, None), tmp_path / "kept"
    assert joblib.hash(cross_validated(2, kept)) == joblib.hash(expected)
    units = sorted(kept.rglob("*.unit"))
    assert len(units) == 6
    for path in units[::2]:
        path.unlink()
    written = {path: path.stat().st_mtime_ns for path in units[1::2]}
    assert joblib.hash(cross_validated(1, kept)) == joblib.hash(expected)
    assert sorted(kept.rglob("*.unit")) == units  # the names of units do not depend on where networks were trained
    assert all(path.stat().st_mtime_ns == when for path, when in written.items())
