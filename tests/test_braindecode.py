"""braindecode's own networks, classifier and datasets in the analyses: a step of CI of its own, which installs it.

torchaudio, which braindecode imports for networks that none of these is, is replaced by an empty module.
"""

import importlib.machinery
import importlib.util
import pathlib
import re
import sys
import types
import warnings

import mne
import numpy as np
import pytest
import torch
from sklearn.frozen import FrozenEstimator

from eegexplain import as_estimator
from eegexplain.attribution import FLEXAttributor, OcclusionAttributor
from eegexplain.datasets import read_trials
from eegexplain.information import InformationMapper, SynchronyMapper
from eegexplain.inspection import cross_validate_explanations
from eegexplain.perturbation import PerturbationCorrelator
from eegexplain.reverse_correlation import EnvelopeCorrelator, GradCAMAttributor, ReverseCorrelator
from eegexplain.sinusoid import SinusoidFitter

pytestmark = [pytest.mark.braindecode, pytest.mark.filterwarnings("ignore")]
PAGE = pathlib.Path(__file__).resolve().parents[1] / "docs" / "how-to" / "what-you-hold.md"
SFREQ, NAMES, N_TIMES = 100.0, ["C3", "C4"], 200
N = 12


def without_torchaudio():
    """An empty torchaudio, where there is none: any name of it is an empty class."""
    if importlib.util.find_spec("torchaudio") is not None:
        return
    for name in ("torchaudio", "torchaudio.functional", "torchaudio.transforms"):
        module = sys.modules[name] = types.ModuleType(name)
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        module.__getattr__ = _empty
    sys.modules["torchaudio"].functional = sys.modules["torchaudio.functional"]
    sys.modules["torchaudio"].transforms = sys.modules["torchaudio.transforms"]


def _empty(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return type(name, (), {})


@pytest.fixture(scope="session")
def braindecode():
    """The package, with its parts imported."""
    if importlib.util.find_spec("braindecode") is None:
        pytest.skip("braindecode is not installed: .ci/run has the command")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        without_torchaudio()
        import braindecode
        import braindecode.datasets
        import braindecode.models
        import braindecode.preprocessing
    return braindecode


def raw(seed, sfreq=SFREQ, names=NAMES):
    """A recording of four trials of each class, with an EOG channel."""
    info = mne.create_info([*names, "EOG"], sfreq, ["eeg"] * len(names) + ["eog"])
    data = 1e-5 * np.random.default_rng(seed).standard_normal((len(info["ch_names"]), int(26 * sfreq)))
    made = mne.io.RawArray(data, info, verbose="error")
    return made.set_annotations(mne.Annotations(np.arange(1.0, 25.0, 3.0), 2.0, ["left", "right"] * 4))


def dataset(braindecode, **changed):
    """Windows of three recordings, the last changed."""
    recordings = [raw(0), raw(1), raw(2, **changed)]
    parts = [braindecode.datasets.RawDataset(one, description={"subject": f"s{number}", "session": 1})
             for number, one in enumerate(recordings)]  # fmt: skip
    sets = braindecode.datasets.BaseConcatDataset(parts)
    cut = braindecode.preprocessing.create_windows_from_events
    return cut(sets, preload=False, mapping={"left": 0, "right": 1}, drop_last_window=True)


@pytest.fixture(scope="session")
def windows(braindecode):
    return dataset(braindecode)


# ------------------------------------------------------------------- datasets
def test_windows_are_trials(windows):
    found = read_trials(windows, groups="subject")
    assert found.X.shape == (24, 2, N_TIMES) and not isinstance(found.X, np.ndarray)
    assert found.y.tolist() == [0, 1] * 12 and found.groups.tolist() == np.repeat(["s0", "s1", "s2"], 8).tolist()
    assert (found.sfreq, found.ch_names, found.unit) == (SFREQ, NAMES, None)
    assert found.notes == ("left out: EOG (eog)",) and {"target", "subject", "session"} <= set(found.metadata)
    for number in (0, 9, 23):
        np.testing.assert_allclose(found.X[number], windows[number][0][:2])
    np.testing.assert_allclose(found.X[9], raw(1).get_data()[:2, 400:600], rtol=1e-5)
    one = read_trials(windows.datasets[1])
    np.testing.assert_array_equal(np.asarray(one.X), found.X[8:16])


def test_continuous_recordings_and_mixed_ones_are_refused(braindecode):
    with pytest.raises(TypeError, match="continuous recording: cut windows with create_windows_from_events"):
        read_trials(braindecode.datasets.BaseConcatDataset([braindecode.datasets.RawDataset(raw(0))]))
    with pytest.raises(ValueError, match="sampled at 100 and 200 Hz: resample"):
        read_trials(dataset(braindecode, sfreq=200.0))
    with pytest.raises(ValueError, match=r"differ in channels \(C4, Cz\)"):
        read_trials(dataset(braindecode, names=["C3", "Cz"]))


def test_a_cross_validation_of_windows(windows):
    from tests.test_containers import explainer

    settings = {"cv": 3, "random_state": 0}
    found = cross_validate_explanations(explainer(), windows, groups="subject", **settings)
    trials, y, groups = read_trials(windows, groups="subject")
    known = explainer(sfreq=SFREQ, ch_names=NAMES)
    plain = cross_validate_explanations(known, np.asarray(trials), y, groups=groups, **settings)
    np.testing.assert_array_equal(found.dataset["value"], plain.dataset["value"])


# ------------------------------------------------------------------- networks
def network(braindecode, name):
    """A network of two channels and two seconds, with weights that no training has made alike."""
    told = [{"ch_name": one, "kind": "eeg"} for one in NAMES]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        sizes = {"n_chans": 2, "n_outputs": 2, "n_times": N_TIMES, "sfreq": SFREQ, "chs_info": told}
        return getattr(braindecode.models, name)(**sizes, **SMALL.get(name, {})).eval()


def classifier(braindecode, name):
    """braindecode's own EEGClassifier, fitted."""
    training = {"train_split": None, "verbose": 0, "max_epochs": 1, "batch_size": 8}
    fitted = braindecode.EEGClassifier(network(braindecode, name), classes=[0, 1], **training)
    return FrozenEstimator(fitted.fit(X.astype(np.float32), y))


rng = np.random.default_rng(0)
X, y = rng.standard_normal((N, 2, N_TIMES)), np.arange(N) % 2
LAYERS = {"EEGNet": "conv_temporal", "ShallowFBCSPNet": "conv_time_spat", "Deep4Net": "conv_time_spat",
          "EEGConformer": None, "ATCNet": "conv_block.conv1"}  # fmt: skip
SMALL = {"Deep4Net": {"n_filters_time": 4, "n_filters_spat": 4, "n_filters_2": 4, "n_filters_3": 4, "n_filters_4": 4}}
FEW = {"n_permutations": 19, "random_state": 0}
ANALYSES = {
    "PerturbationCorrelator": lambda net, layer: PerturbationCorrelator(net, random_state=0),
    "FLEXAttributor": lambda net, layer: FLEXAttributor(net, n_steps=2, random_state=0),
    "OcclusionAttributor": lambda net, layer: OcclusionAttributor(net, basis="bands", random_state=0),
    "ReverseCorrelator": lambda net, layer: ReverseCorrelator(net, layer=layer),
    "GradCAMAttributor": lambda net, layer: GradCAMAttributor(net, layer=layer),
    "EnvelopeCorrelator": lambda net, layer: EnvelopeCorrelator(net, layer=layer, random_state=0),
    "InformationMapper": lambda net, layer: InformationMapper(net, space="channels", **FEW),
    "SynchronyMapper": lambda net, layer: SynchronyMapper(net, **FEW),
    "SinusoidFitter": lambda net, layer: SinusoidFitter(net),
}
NOT_POSSIBLE = {  # (network or None for all, analysis) -> what the error says
    (None, "SinusoidFitter"): "templates",
}


def reason(name, analysis):
    return NOT_POSSIBLE.get((name, analysis), NOT_POSSIBLE.get((None, analysis)))


@pytest.mark.parametrize("analysis", ANALYSES)
@pytest.mark.parametrize("name", LAYERS)
def test_every_network_in_every_analysis(braindecode, name, analysis):
    asked = ANALYSES[analysis](network(braindecode, name), LAYERS[name])
    if reason(name, analysis):
        with pytest.raises((TypeError, ValueError), match=reason(name, analysis)):
            asked.fit(X, y)
        return
    found = asked.fit(X, y)
    assert np.isfinite(found.explanation_["value"]).all()
    assert found.sfreq_ == SFREQ  # the network knows it


def test_a_fitted_classifier_is_explained_as_its_network(braindecode, windows):
    held = classifier(braindecode, "EEGNet")
    for make in (ANALYSES["PerturbationCorrelator"], ANALYSES["FLEXAttributor"]):
        found, plain = (make(one, None).fit(X, y) for one in (held, held.estimator.module_))
        np.testing.assert_allclose(found.explanation_["value"], plain.explanation_["value"], rtol=1e-5, atol=1e-9)
    fitted = PerturbationCorrelator(held, random_state=0).fit(windows, groups="subject")
    assert fitted.ch_names_ == NAMES and fitted.sfreq_ == SFREQ and 0 <= fitted.score(windows) <= 1


def test_channels_come_in_the_order_that_the_network_was_told(braindecode):
    net = network(braindecode, "ShallowFBCSPNet")
    events = np.column_stack([300 * np.arange(N), np.zeros(N, int), y])
    info = mne.create_info(NAMES, SFREQ, "eeg")
    held = mne.EpochsArray(X, info, events, event_id={"0": 0, "1": 1}, verbose="error")
    turned = held.copy().reorder_channels(NAMES[::-1])
    found, plain = (as_estimator(net).predict_proba(one) for one in (turned, held))
    np.testing.assert_array_equal(found, plain)
    np.testing.assert_array_equal(plain, as_estimator(net).predict_proba(X))


def table():
    """The table as the docs have it."""
    lines = [f"| | {' | '.join(f'`{name}`' for name in LAYERS)} |", f"|---|{'---|' * len(LAYERS)}"]
    for analysis in ANALYSES:
        cells = [f"no: it has no {reason(name, analysis)}" if reason(name, analysis) else "yes" for name in LAYERS]
        lines.append(f"| `{analysis}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def test_the_table_of_the_docs_is_what_runs():
    found = re.search(r"<!-- networks -->\n(.*?)\n<!-- end -->", PAGE.read_text(encoding="utf-8"), re.S)
    assert found and found.group(1) == table(), f"write this into {PAGE.name}:\n{table()}"
