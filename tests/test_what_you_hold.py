"""Every container in every analysis: the table of the docs is made of what runs here."""

import functools
import pathlib
import re
import warnings

import mne
import numpy as np
import pytest
import torch
import xarray as xr
from sklearn.utils import Bunch
from skorch.helper import SliceDataset
from torch.utils.data import TensorDataset

from eegexplain.datasets import read_trials
from eegexplain.perturbation import PerturbationCorrelator
from tests.estimators import CASES, N_CHANNELS, N_TIMES, SFREQ, fast_classifier, ready, trials

PAGE = pathlib.Path(__file__).resolve().parents[1] / "docs" / "how-to" / "what-you-hold.md"
X, y = trials()
NAMES = [f"ch{number}" for number in range(N_CHANNELS)]


def epochs(folder):
    """Epochs with a stim channel and a bad one, in the order of other recordings."""
    info = mne.create_info([*NAMES[::-1], "bad", "STI"], SFREQ, ["eeg"] * 4 + ["stim"])
    info["bads"] = ["bad"]
    data = np.concatenate([X[:, ::-1], np.full((len(X), 2, N_TIMES), 7.0)], axis=1)
    codes = np.where(y == "left", 1, 2)
    events = np.column_stack([100 * np.arange(len(X)), np.zeros(len(X), int), codes])
    made = mne.EpochsArray(data, info, events, event_id={"left": 1, "right": 2}, verbose="error")
    return made.reorder_channels([*NAMES, "bad", "STI"])


def epochs_on_disk(folder):
    """Epochs that are read trial by trial."""
    epochs(folder).save(folder / "some-epo.fif", fmt="double", verbose="error", overwrite=True)
    return mne.read_epochs(folder / "some-epo.fif", preload=False, verbose="error")


def loaded(folder):
    """What `load_trials` and `windows` give."""
    return Bunch(X=X, y=y, sfreq=SFREQ, ch_names=NAMES)


def mapped(folder):
    """An array of a file."""
    np.save(folder / "X.npy", X)
    return np.load(folder / "X.npy", mmap_mode="r")


def named(folder):
    """A DataArray with its axes in another order."""
    coords = {"time": np.arange(N_TIMES) / SFREQ, "channel": NAMES, "condition": ("trial", y)}
    return xr.DataArray(X.transpose(2, 0, 1), dims=("time", "trial", "channel"), coords=coords)


def torch_dataset(folder):
    """A dataset of torch, whose targets are numbers: labels beside it."""
    return TensorDataset(torch.from_numpy(X), torch.arange(len(X)) % 2)


def skorch_slice(folder):
    """A SliceDataset of skorch."""
    return SliceDataset(torch_dataset(folder), idx=0)


CONTAINERS = {  # how it is made, whether labels come with it
    "Epochs": (epochs, True),
    "Epochs on disk": (epochs_on_disk, True),
    "`load_trials`, `windows`": (loaded, True),
    "DataArray": (named, True),
    "memory map": (mapped, False),
    "torch `Dataset`": (torch_dataset, False),
    "`SliceDataset`": (skorch_slice, False),
}
SHOWN = {
    "SyncNetClassifier-closed": "SyncNetClassifier",
    **{name: name for name in ("EEGNetClassifier", "EnsembleClassifier", "PerturbationCorrelator", "FLEXAttributor",
                               "OcclusionAttributor", "ReverseCorrelator", "GradCAMAttributor", "EnvelopeCorrelator",
                               "SinusoidFitter", "InformationMapper", "SynchronyMapper", "TimeResolvedCoefficients")},
}  # fmt: skip
MANY_NETWORKS = ("InformationMapper", "SynchronyMapper")
ANALYSES = [pytest.param(case, id=case.name, marks=[pytest.mark.slow] if case.name in MANY_NETWORKS else [])
            for case in CASES if case.name in SHOWN]  # fmt: skip


@functools.cache
def made(container, folder):
    return CONTAINERS[container][0](folder)


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("held")


def answer(fitted, data):
    """What an estimator says: its explanation, or probabilities."""
    found = getattr(fitted, "explanation_", None)
    return fitted.predict_proba(data) if found is None else found["value"].values


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", ANALYSES)
def test_every_container_in_every_analysis(case, folder):
    wanted = answer(ready(case), X)
    for container, (_, labeled) in CONTAINERS.items():
        data = made(container, folder)
        fitted = case.make().fit(data) if labeled else case.make().fit(data, y)
        # memory in another order rounds differently
        np.testing.assert_allclose(answer(fitted, data), wanted, rtol=1e-9, atol=1e-12, err_msg=container)
        assert fitted.ch_names_ == NAMES if hasattr(fitted, "ch_names_") and fitted.ch_names_ else True, container


def table():
    """The table as the docs have it."""
    lines = [f"| | {' | '.join(CONTAINERS)} |", f"|---|{'---|' * len(CONTAINERS)}"]
    for name in SHOWN.values():
        cells = ["yes" if labeled else "with `y`" for _, labeled in CONTAINERS.values()]
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def test_the_table_of_the_docs_is_what_runs():
    found = re.search(r"<!-- containers -->\n(.*?)\n<!-- end -->", PAGE.read_text(encoding="utf-8"), re.S)
    assert found and found.group(1) == table(), f"write this into {PAGE.name}:\n{table()}"
    assert set(SHOWN) == {one.id for one in ANALYSES}


def test_what_is_mapped_is_not_copied(folder):
    data = made("memory map", folder)
    assert np.shares_memory(read_trials(data).X, data)
    assert np.shares_memory(np.asarray(read_trials(read_trials(data, y)).X[2:5]), data)


# ------------------------------------------------------------------ mistakes
def test_a_network_without_weights():
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(N_CHANNELS * N_TIMES, 2, device="meta"))
    with pytest.raises(ValueError, match="no weights yet .*module.to_empty"):
        PerturbationCorrelator(module).fit(X, np.arange(len(X)) % 2)


def test_another_unit_than_that_of_fit():
    held = read_trials(made_epochs(), units="uV")
    for fitted in (
        fast_classifier(sfreq=None).fit(held),
        PerturbationCorrelator(fast_classifier(sfreq=None)).fit(held),
    ):
        with pytest.warns(UserWarning, match=r"e-06 times that of the trials that .* was fitted on"):
            fitted.predict(made_epochs())


def made_epochs():
    """Epochs of noise in volts."""
    info = mne.create_info(NAMES, SFREQ, "eeg")
    return mne.EpochsArray(1e-5 * X, info, events=np.c_[np.arange(12), np.zeros(12), np.arange(12) % 2].astype(int),
                           verbose="error")  # fmt: skip


def test_labels_that_a_module_does_not_know():
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(N_CHANNELS * N_TIMES, 2))
    with pytest.raises(ValueError, match=r"\['left', 'right'\].*as_estimator\(module, classes=\["):
        PerturbationCorrelator(module).fit(X, y)


def test_times_and_channels_that_may_be_swapped_are_asked_about():
    from eegexplain.models import SyncNetClassifier

    long = np.random.default_rng(0).standard_normal((8, 100, 3))
    net = SyncNetClassifier(filter_width=3, max_epochs=1, training="gradient", validation_fraction=0.0, random_state=0)
    with pytest.warns(UserWarning, match=r"100 channels of 3 samples.*X.transpose\(0, 2, 1\)"):
        net.fit(long, np.arange(8) % 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net.set_params(ch_names=[f"E{k}" for k in range(100)]).fit(long, np.arange(8) % 2)  # who names them knows
