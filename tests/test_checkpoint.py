"""Checkpoints: what is finished stays, whatever happens to processes and files."""

import json
import pickle
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from skorch import NeuralNetClassifier

from eegexplain import SyncNetClassifier
from eegexplain._checkpoint import Checkpoint, open_checkpoint
from eegexplain._digest import Digests
from eegexplain._units import Unit, run_units
from tests.estimators import fast_classifier, trials


@dataclass
class Squares:
    """A unit of work that notes each time it runs, and is interrupted at one of its numbers."""

    notes: Path
    stop: int | None = None

    def __call__(self, number, data):
        if number == self.stop:
            raise KeyboardInterrupt
        with open(self.notes, "a") as file:
            file.write(f"{number}\n")
        warnings.warn(f"unit {number}", UserWarning, stacklevel=1)
        return data[number] ** 2

    def __getstate__(self):
        return {"notes": str(self.notes)}  # where it stops is no part of what it does

    def __setstate__(self, state):
        self.notes = Path(state["notes"])


def units(notes, data, stop=None):
    return [Unit(Squares(notes, stop), (number, data)) for number in range(len(data))]


def run(folder, notes, data=(0.1, 0.2, 0.3, 0.4), stop=None, **described):
    checkpoint = open_checkpoint(folder, "squares", {"data": data, **described})
    return list(run_units(units(notes, data, stop), checkpoint=checkpoint))


def ran(notes):
    return [int(line) for line in notes.read_text().split()]


def files(folder):
    return sorted((folder / "squares").glob("*.unit"))


def test_a_call_goes_on_where_it_was_interrupted_and_warns_again(tmp_path):
    notes, folder = tmp_path / "notes", tmp_path / "kept"
    with pytest.warns(UserWarning), pytest.raises(KeyboardInterrupt):
        run(folder, notes, stop=2)
    assert ran(notes) == [0, 1] and len(files(folder)) == 2
    for _ in range(2):
        with pytest.warns(UserWarning) as caught:
            found = run(folder, notes)
        assert found == [value**2 for value in (0.1, 0.2, 0.3, 0.4)]
        assert [str(one.message) for one in caught] == [f"unit {number}" for number in range(4)]
    assert ran(notes) == [0, 1, 2, 3]


@pytest.mark.filterwarnings("ignore:unit")
def test_half_written_units_run_again_and_damaged_ones_are_refused(tmp_path):
    notes, folder = tmp_path / "notes", tmp_path / "kept"
    assert Checkpoint(tmp_path).keep("one", Squares(notes, 2)).stop is None  # as it will be read
    expected = run(folder, notes)
    first, second, *_ = files(folder)
    first.write_bytes(first.read_bytes()[:-1])
    second.write_bytes(second.read_bytes()[:10])
    (folder / "squares" / ".eegexplain-half.unit").write_bytes(b"half")
    assert run(folder, notes) == expected and len(ran(notes)) == 6
    content = bytearray(first.read_bytes())
    content[-1] ^= 1
    first.write_bytes(content)
    with pytest.raises(ValueError, match=f"{first.name} is damaged: delete this file"):
        run(folder, notes)
    first.write_bytes(b"x" * 200)
    with pytest.raises(ValueError, match=f"{first.name} is damaged"):
        run(folder, notes)
    first.unlink()
    assert run(folder, notes) == expected and len(ran(notes)) == 7


@pytest.mark.filterwarnings("ignore:unit")
def test_the_checkpoint_of_another_call_is_refused_by_what_differs(tmp_path):
    notes, folder = tmp_path / "notes", tmp_path / "kept"
    given = {"X": np.zeros((4, 2)), "n_seeds": 2, "estimator": LogisticRegression(C=1.0)}
    run(folder, notes, **given)
    run(folder, notes, **given)
    for changed, words in [
        ({"n_seeds": 3}, r"of another call: n_seeds was 2, is 3\. Give the same"),
        ({"X": np.ones((4, 2))}, r"X was float64 \(4, 2\) \w+, is float64 \(4, 2\) \w+\."),
        ({"estimator": LogisticRegression(C=2.0)}, r"call: estimator__C was 1.0, is 2.0\."),
        ({"groups": None}, "groups was not given, is None"),
    ]:
        with pytest.raises(ValueError, match=words):
            run(folder, notes, **given | changed)
    manifest = folder / "squares" / "manifest.json"
    before = json.loads(manifest.read_text())
    libraries = {"numpy", "scipy", "scikit-learn", "torch", "skorch"}
    assert set(before["versions"]) == libraries | {"eegexplain", "python"}
    before["versions"]["numpy"] = "1.0"
    manifest.write_text(json.dumps(before))
    with pytest.raises(ValueError, match=rf"numpy was 1\.0, is {np.__version__}"):
        run(folder, notes, **given)
    for damaged in ("{", "{}", "[]"):
        manifest.write_text(damaged)
        with pytest.raises(ValueError, match=r"manifest\.json is damaged"):
            run(folder, notes, **given)
    manifest.unlink()
    with pytest.raises(ValueError, match=r"its manifest\.json is gone"):
        run(folder, notes, **given)
    for state in (None, np.random.mtrand._rand):
        with pytest.raises(ValueError, match="one random_state"):
            open_checkpoint(folder, "other", {}, state)
    around = Checkpoint(folder)
    assert open_checkpoint(around, "other", {}, None) is around


@pytest.mark.filterwarnings("ignore:unit")
def test_what_is_cleared_is_ours(tmp_path):
    run(tmp_path / "kept", tmp_path / "notes")
    own = tmp_path / "kept" / "mine.txt"
    own.touch()
    Checkpoint(tmp_path / "kept").clear()
    assert list((tmp_path / "kept").rglob("*")) == [own]
    own.unlink()
    run(tmp_path / "kept", tmp_path / "notes")
    Checkpoint(tmp_path / "kept").clear()
    assert not (tmp_path / "kept").exists()


def again(thing):
    return pickle.loads(pickle.dumps(thing))


def skorch_net():
    X, y = trials()
    layers = {"module__0": torch.nn.Flatten(), "module__1": torch.nn.Linear(X[0].size, 2)}
    settings = {"criterion": torch.nn.CrossEntropyLoss, "max_epochs": 1, "verbose": 0}
    net = NeuralNetClassifier(torch.nn.Sequential, **layers, **settings)
    return net.fit(X.astype(np.float32), (y == y[0]).astype(np.int64))


@pytest.mark.parametrize("make", [
    lambda: np.arange(6.0).reshape(2, 3), lambda: {"b": {1, 2}, "a": "x" * 3}, lambda: torch.arange(4.0),
    lambda: fast_classifier().fit(*trials()), lambda: FrozenEstimator(fast_classifier().fit(*trials())),
    lambda: np.random.RandomState(3), lambda: skorch_net,
])  # fmt: skip
def test_digests_are_of_content(make):
    one, digests = make(), Digests()
    assert digests(one) == digests(one) == Digests()(again(one)) == Digests()(again(again(one)))
    assert make is skorch_net or Digests()(make()) == digests(one)  # skorch notes how long an epoch took
    assert digests([one, one]) == Digests()([again(one), one])


def test_digests_tell_what_differs(tmp_path):
    large = np.random.default_rng(0).standard_normal((2**9, 2**9))
    changed = large.copy()
    changed[-1, -1] += 1e-12
    np.save(tmp_path / "large.npy", large)
    digests = Digests()
    assert digests((1, large)) == digests((1, np.load(tmp_path / "large.npy", mmap_mode="r")))
    different = [large, changed, large.astype(np.float32), large.reshape(-1), large[1:], torch.tensor(large)]
    different += [fast_classifier(), fast_classifier(lr=0.1), SyncNetClassifier(), fast_classifier().fit(*trials())]
    assert len({digests((1, one)) for one in different}) == len(different)
    asked = [Unit(abs, (1,)), Unit(abs, (2,)), Unit(float, (1,))]
    assert len({Checkpoint(tmp_path).key(unit) for unit in asked}) == 3
    with pytest.raises(ValueError, match=r"be resumed from a checkpoint \(Can.t pickle .{0,200}\): use func"):
        digests(lambda x: x)
