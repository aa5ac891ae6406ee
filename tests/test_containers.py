"""Trials out of whatever holds them: numbers, labels, groups, names and rates; what is left out; what is lazy."""

import pickle

import mne
import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from skorch.helper import SliceDataset
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from eegexplain import as_estimator, inspection, models
from eegexplain.attribution import FLEXAttributor
from eegexplain.datasets import TrialSet, make_oscillatory_eeg, read_trials, windows
from eegexplain.encoding import unit_responses
from eegexplain.perturbation import PerturbationCorrelator
from tests.estimators import fast_classifier, fast_eegnet

N, C, T, SFREQ = 6, 4, 50, 100.0
rng = np.random.default_rng(0)
X = 1e-5 * rng.standard_normal((N, C, T))
NAMES = ["C3", "C4", "Pz", "STI"]
WORDS = np.array(["left", "right"] * 3)
SUBJECTS = np.repeat(["a", "b", "c"], 2)


def epochs(bads=(), metadata=True, preload=True, tmp_path=None, **types):
    kinds = {"C3": "eeg", "C4": "eeg", "Pz": "eeg", "STI": "stim"} | types
    info = mne.create_info(NAMES, SFREQ, [kinds[name] for name in NAMES])
    info["bads"] = list(bads)
    events = np.column_stack([100 * np.arange(N), np.zeros(N, int), np.arange(N) % 2 + 1])
    frame = pd.DataFrame({"subject": SUBJECTS, "rating": np.arange(N) / 2}) if metadata and preload else None
    made = mne.EpochsArray(X.copy(), info, events, event_id={"left": 1, "right": 2}, metadata=frame, verbose=False)
    if preload:
        return made
    made.save(tmp_path / "some-epo.fif", verbose=False)
    return mne.read_epochs(tmp_path / "some-epo.fif", preload=False, verbose=False)


class Items(Dataset):
    """Trials and targets one by one; counts what is read."""

    def __init__(self, labels=True):
        self.labels, self.read = labels, 0

    def __len__(self):
        return N

    def __getitem__(self, number):
        self.read += 1
        trial = X[number].astype(np.float32)
        return (trial, int(number % 2), number) if self.labels else trial


# ----------------------------------------------------------------------- MNE
def test_epochs_give_their_good_eeg_channels_in_volts():
    found = read_trials(epochs(bads=["C4"]))
    np.testing.assert_array_equal(found.X, X[:, [0, 2]])
    assert found.y.tolist() == WORDS.tolist() and found.groups is None
    assert (found.sfreq, found.ch_names, found.unit) == (SFREQ, ["C3", "Pz"], "V")
    assert found.notes == ("left out: C4 (bad), STI (stim)",)
    assert found.info["ch_names"] == found.ch_names and set(found.metadata) == {"event", "subject", "rating"}


def test_it_unpacks_into_what_scikit_learn_takes():
    trials, y, groups = read_trials(epochs(), groups="subject")
    assert isinstance(trials, np.ndarray) and y.tolist() == WORDS.tolist() and groups.tolist() == SUBJECTS.tolist()


def test_columns_by_name_or_as_given():
    found = read_trials(epochs(), y="rating", groups=np.arange(N))
    assert found.y.tolist() == [0, 0.5, 1, 1.5, 2, 2.5] and found.groups.tolist() == list(range(N))
    assert read_trials(epochs(), y=WORDS == "left").y.tolist() == [True, False] * 3


@pytest.mark.parametrize(("units", "factor"), [("uV", 1e6), ("mV", 1e3), ("V", 1), (None, 1)])
@pytest.mark.parametrize("preload", [True, False])
def test_units(units, factor, preload, tmp_path):
    found = read_trials(epochs(preload=preload, tmp_path=tmp_path), units=units)
    np.testing.assert_allclose(np.asarray(found.X), factor * X[:, :3], rtol=1e-6)
    assert found.unit == (units or "V")


def test_epochs_on_disk_stay_there(tmp_path):
    stored = epochs(preload=False, tmp_path=tmp_path)
    found = read_trials(stored)
    assert not stored.preload and not isinstance(found.X, np.ndarray) and found.X.shape == (N, 3, T)
    np.testing.assert_allclose(found.X[2:5], X[2:5, :3], rtol=1e-6)
    np.testing.assert_allclose(np.asarray(found.X[[4, 0]]), X[[4, 0], :3], rtol=1e-6)


def test_channels_are_picked_by_name_in_the_order_that_is_asked_for():
    found = read_trials(epochs(bads=["C3"]), channels=["Pz", "C3"])
    np.testing.assert_array_equal(found.X, X[:, [2, 0]])
    assert found.ch_names == ["Pz", "C3"]


def test_recordings_of_another_kind_give_their_one_type():
    found = read_trials(epochs(C3="seeg", C4="seeg", Pz="ecg"))
    assert found.ch_names == ["C3", "C4"] and "Pz (ecg)" in found.notes[0]


def test_positions_come_along():
    placed = epochs()
    for place, at in {0: [0.01, 0.02, 0.03], 1: [-0.01, 0.02, 0.03]}.items():
        placed.info["chs"][place]["loc"][:3] = at
    found = read_trials(placed)
    assert set(found.positions) == {"C3", "C4"}
    assert found.positions["C3"] == pytest.approx(placed.info["chs"][0]["loc"][:3])


# -------------------------------------------------------------- torch, skorch
def test_torch_datasets_are_read_when_asked():
    data = Items()
    found = read_trials(data, y=WORDS)
    assert data.read <= 1  # only its shape
    np.testing.assert_array_equal(found.X[1:3], X[1:3].astype(np.float32))
    assert found.X.dtype == np.float32 and found.y.tolist() == WORDS.tolist() and found.ch_names is None
    assert read_trials(data).y.tolist() == [0, 1] * 3
    assert read_trials(Items(labels=False)).y is None


def test_predictions_read_no_labels():
    data, without = Items(), Items(labels=False)
    fitted = fast_classifier(sfreq=None).fit(data)
    data.read = 0
    np.testing.assert_array_equal(fitted.predict(data), fitted.predict(without))
    assert data.read == without.read


def test_epochs_in_memory_are_a_view():
    held = epochs()
    assert np.shares_memory(read_trials(held).X, held.get_data(copy=False))
    for bad, left in {"C3": [1, 2], "C4": [0, 2], "Pz": [0, 1]}.items():
        np.testing.assert_array_equal(read_trials(epochs(bads=[bad])).X, X[:, left])


def test_tensor_datasets_and_skorch_slices():
    data = TensorDataset(torch.from_numpy(X), torch.arange(N) % 2)
    found = read_trials(data)
    np.testing.assert_array_equal(np.asarray(found.X), X)
    assert found.y.tolist() == [0, 1] * 3
    sliced = read_trials(SliceDataset(data, idx=0), y=WORDS)
    np.testing.assert_array_equal(np.asarray(sliced.X), X)


# -------------------------------------------------------------------- xarray
def test_named_axes_in_any_order():
    data = xr.DataArray(
        X.transpose(2, 0, 1),
        dims=("time", "epoch", "electrode"),
        coords={"time": np.arange(T) / SFREQ, "electrode": NAMES, "condition": ("epoch", WORDS),
                "subject": ("epoch", SUBJECTS)},
        attrs={"units": "V"},
    )  # fmt: skip
    found = read_trials(data, groups="subject", units="uV")
    np.testing.assert_allclose(found.X, 1e6 * X)
    assert (found.sfreq, found.ch_names, found.y.tolist()) == (SFREQ, NAMES, WORDS.tolist())
    assert found.groups.tolist() == SUBJECTS.tolist()
    np.testing.assert_array_equal(read_trials(data, channels=["Pz", "C3"]).X, X[:, [2, 0]])
    np.testing.assert_array_equal(read_trials(data.isel(electrode=1, drop=True)).X, X[:, [1]])


# -------------------------------------------------------------------- arrays
def test_arrays_are_taken_as_they_are(tmp_path):
    mapped = np.lib.format.open_memmap(tmp_path / "X.npy", mode="w+", dtype=np.float32, shape=(N, C, T))
    found = read_trials(mapped, WORDS)
    assert np.shares_memory(found.X, mapped) and found.y.tolist() == WORDS.tolist() and found.sfreq is None
    assert read_trials(X.tolist()).X.shape == X.shape and read_trials(X).y is None
    again = TrialSet(X, WORDS)
    assert read_trials(again, groups=SUBJECTS).groups.tolist() == SUBJECTS.tolist()


# -------------------------------------------------------------------- errors
class Stream(IterableDataset):
    def __iter__(self):
        return iter(X)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: read_trials(epochs(), groups="subjects"), ValueError, "no column.*[Dd]id you mean 'subject'"),
        (lambda: read_trials(epochs(metadata=False), groups="subject"), ValueError, r"they have: event"),
        (lambda: read_trials(epochs(), y=[0, 1]), ValueError, r"shape \(2,\), but there are 6 trials"),
        (lambda: read_trials(epochs(), units="nV"), ValueError, "units='nV' is not known"),
        (lambda: read_trials(X, units="uV"), ValueError, "does not say what its numbers are in"),
        (lambda: read_trials(epochs(), channels=["C3", "Cz"]), ValueError, "lack the channels Cz"),
        (lambda: read_trials(X, channels=["C3"]), ValueError, "trials have no names"),
        (lambda: read_trials(Items(), channels=["C3"]), ValueError, "trials have no names"),
        (lambda: read_trials(epochs(bads=["C3", "C4", "Pz"])), ValueError, "All eeg channels are marked as bad"),
        (lambda: read_trials(epochs(C3="misc", C4="misc", Pz="misc")), ValueError, "No channel holds brain signals"),
        (lambda: read_trials(epochs(C3="mag", C4="grad", Pz="misc")), ValueError, "types mag, grad: pick those of one"),
        (lambda: read_trials(epochs().average()), TypeError, "EvokedArray holds no trials: cut them"),
        (lambda: read_trials(Stream()), TypeError, "is a stream"),
        (lambda: read_trials(TensorDataset(torch.zeros(3, 4))), ValueError, r"must be \(n_channels, n_times\)"),
        (lambda: read_trials(xr.DataArray(X)), ValueError, "must be trial, channel and time"),
        (lambda: read_trials(xr.Dataset({"a": ("x", [1])})), TypeError, "several arrays"),
        (lambda: read_trials([["a"]]), (TypeError, ValueError), "data"),
    ],
)  # fmt: skip
def test_errors_say_what_to_do(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_trials_of_different_lengths_are_told_when_they_are_read():
    class Ragged(Items):
        def __getitem__(self, number):
            return X[number][:, : T - number], 0

    with pytest.raises(ValueError, match=r"Trial 1 of the dataset has shape \(4, 49\), the first has \(4, 50\)"):
        np.asarray(read_trials(Ragged()).X)


def test_a_rate_that_is_none():
    times = np.arange(T) / SFREQ
    times[10] += 0.004
    data = xr.DataArray(X, dims=("trial", "channel", "time"), coords={"time": times})
    with pytest.raises(ValueError, match="not evenly spaced"):
        read_trials(data)
    assert read_trials(xr.DataArray(X, dims=("trial", "channel", "time"), attrs={"sfreq": 128})).sfreq == 128.0


# ---------------------------------------------------------------- explainers
def test_an_analysis_of_epochs_is_that_of_their_trials():
    data = epochs(bads=["C4"])
    net = fast_classifier(sfreq=None)
    found = PerturbationCorrelator(net).fit(data, groups="subject")
    plain = PerturbationCorrelator(net, sfreq=SFREQ, ch_names=["C3", "Pz"]).fit(X[:, [0, 2]], WORDS, groups=SUBJECTS)
    assert (found.sfreq_, found.ch_names_) == (SFREQ, ["C3", "Pz"])
    np.testing.assert_array_equal(found.explanation_["value"], plain.explanation_["value"])
    np.testing.assert_array_equal(found.explanation_["standard_error"], plain.explanation_["standard_error"])
    np.testing.assert_array_equal(found.transform(data), plain.transform(X[:, [0, 2]]))
    assert found.score(data, WORDS) == plain.score(X[:, [0, 2]], WORDS)


def test_after_fit_channels_are_picked_by_name():
    found = PerturbationCorrelator(fast_classifier()).fit(epochs(bads=["C4"]))
    other = epochs().reorder_channels(["Pz", "C4", "STI", "C3"])
    np.testing.assert_array_equal(found.explain(other)["value"], found.explain(epochs())["value"])
    with pytest.raises(ValueError, match="lack the channels Pz"):
        found.explain(epochs().drop_channels(["Pz"]))


def test_trials_that_were_read_are_a_container_too():
    found = PerturbationCorrelator(fast_classifier()).fit(read_trials(epochs(bads=["C4"]), units="uV"))
    assert (found.sfreq_, found.ch_names_) == (SFREQ, ["C3", "Pz"])
    every = read_trials(epochs(), units="uV")
    np.testing.assert_array_equal(found.transform(every), found.transform(1e6 * X[:, [0, 2]]))
    assert read_trials(every, channels=["Pz"]).info["ch_names"] == ["Pz"]
    with pytest.raises(ValueError, match="lack the channels C3"):
        found.transform(read_trials(every, channels=["C4", "Pz"]))
    with pytest.raises(ValueError, match="have no names"):
        read_trials(TrialSet(X), channels=["C3"])


def test_what_contradicts_the_container_is_an_error():
    with pytest.raises(ValueError, match="sfreq=128 Hz, but these trials were sampled at 100 Hz"):
        PerturbationCorrelator(fast_classifier(), sfreq=128.0).fit(epochs())
    with pytest.raises(ValueError, match="lack the channels Oz"):
        PerturbationCorrelator(fast_classifier(), ch_names=["C3", "Oz"]).fit(epochs())
    with pytest.raises(ValueError, match="requires y"):
        PerturbationCorrelator(fast_classifier()).fit(X)


def test_the_default_network_is_told_the_rate():
    with pytest.warns(UserWarning, match="closed form"):
        found = FLEXAttributor(n_steps=2, random_state=0).fit(epochs())
    assert found.estimator_.sfreq == SFREQ


@pytest.mark.parametrize("made", [fast_classifier, fast_eegnet])
def test_networks_train_on_epochs_as_on_their_trials(made):
    data = epochs(bads=["C4"])
    net = made(sfreq=None).fit(data, groups="subject")
    plain = made(sfreq=SFREQ, ch_names=["C3", "Pz"]).fit(X[:, [0, 2]], WORDS, groups=SUBJECTS)
    assert net.ch_names_ == ["C3", "Pz"]
    np.testing.assert_array_equal(net.predict_proba(data), plain.predict_proba(X[:, [0, 2]]))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(net)).predict_proba(data), net.predict_proba(data))
    assert net.score(data, WORDS) == plain.score(X[:, [0, 2]], WORDS)


def test_frequencies_of_a_network_trained_on_epochs_are_in_hertz():
    net = fast_classifier(sfreq=None).fit(epochs())
    plain = fast_classifier(sfreq=SFREQ).fit(X[:, :3], WORDS)
    np.testing.assert_array_equal(net.filter_table_["peak_frequency"], plain.filter_table_["peak_frequency"])


# --------------------------------------------------------------------- doors
def many(order=NAMES[:3]):
    """Twelve trials of each of two subjects, with a difference in C4."""
    n = 24
    y = np.arange(n) % 2
    trials = 1e-5 * np.random.default_rng(1).standard_normal((n, 3, T))
    trials[y == 1, 1] *= 2
    info = mne.create_info(NAMES[:3], SFREQ, "eeg")
    events = np.column_stack([100 * np.arange(n), np.zeros(n, int), y + 1])
    frame = pd.DataFrame({"subject": np.repeat(["a", "b"], 12)})
    made = mne.EpochsArray(trials, info, events, event_id={"left": 1, "right": 2}, metadata=frame, verbose=False)
    return made.reorder_channels(list(order)) if list(order) != NAMES[:3] else made


def log_power():
    return make_pipeline(FunctionTransformer(_log_power), LogisticRegression())


def _log_power(trials):
    return np.log(np.var(trials, axis=-1))


def explainer(**known):
    return PerturbationCorrelator(log_power(), method="sampling", n_iterations=4, bands="eeg", random_state=0, **known)


FOLDS = {"cv": 2, "random_state": 0}
NO_FILTERS = pd.DataFrame({"peak_frequency": [1.0], "bandwidth": [0.1]})


def _cross_validate_models(known, *data, **more):
    return inspection.cross_validate_models(explainer(**known), *data, **FOLDS, **more).held_out.scores


def _cross_validate_explanations(known, *data, **more):
    return inspection.cross_validate_explanations(explainer(**known), *data, **FOLDS, **more).dataset["value"]


def _explain_groups(known, *data, **more):
    return inspection.explain_groups(explainer(**known), *data, **FOLDS, **more).dataset["value"]


def _stability(known, *data, groups):
    settings = {"n_folds": 2, "n_repeats": 1, "n_permutations": 0, "random_state": 0}
    return inspection.stability(explainer(**known), *data, **settings).agreement["cosine"]


def _permutation_test(known, *data, **more):
    return inspection.permutation_test(explainer(**known), *data, n_permutations=19, **FOLDS, **more).statistic


def _label_randomization(known, *data, **more):
    settings = {"n_permutations": 1, "random_state": 0, **more}
    return inspection.label_randomization(explainer(**known), *data, **settings).similarity


def _model_randomization(known, *data, groups):
    found = FLEXAttributor(fast_classifier(sfreq=None), n_steps=2, **known).fit(*data)
    return inspection.model_randomization(found, *data, random_state=0).similarity


def _power_contrast(known, *data, **more):
    return inspection.power_contrast(*data, **known, **more)["value"]


def _uncovered_bands(known, *data, **more):
    return [one.channel for one in inspection.uncovered_bands(NO_FILTERS, *data, **known, **more)]


def _artifact_audit(known, *data, groups):
    contrast = inspection.power_contrast(*data, bands="eeg", **known)
    rate = {name: value for name, value in known.items() if name == "sfreq"}
    return [share.data_share for share in inspection.artifact_audit(contrast, *data, **rate).shares]


def _fit_many(known, *data, groups):
    return models.fit_many(log_power(), *data)[0].predict_proba(read_trials(data[0]).X)


def _ensemble(known, *data, **more):
    ensemble = models.EnsembleClassifier([log_power(), log_power()], random_state=0)
    return ensemble.fit(*data, **more).predict_proba(data[0])


def _unit_responses(known, *data, groups):
    return unit_responses(fast_classifier(**{"sfreq": None} | known).fit(*data), data[0]).data


PROCEDURES = [
    _cross_validate_models, _cross_validate_explanations, _explain_groups, _stability, _permutation_test,
    _label_randomization, _model_randomization, _power_contrast, _uncovered_bands, _artifact_audit, _fit_many,
    _ensemble, _unit_responses,
]  # fmt: skip


@pytest.mark.filterwarnings("ignore")  # few trials
@pytest.mark.parametrize("procedure", PROCEDURES)
def test_a_door_takes_a_container_as_its_trials(procedure):
    held = many()
    trials, y, groups = read_trials(held, groups="subject")
    found = procedure({}, held, groups="subject")
    wanted = procedure({"sfreq": SFREQ, "ch_names": NAMES[:3]}, trials, y, groups=groups)
    np.testing.assert_array_equal(found, wanted)
    if hasattr(found, "coords") and "channel" in found.coords:
        assert found["channel"].values.tolist() == NAMES[:3]


@pytest.mark.parametrize("procedure", PROCEDURES[:6] + PROCEDURES[7:11])  # others ask a fitted model
def test_an_array_without_labels_stays_an_error(procedure):
    trials, _, groups = read_trials(many(), groups="subject")
    with pytest.raises((ValueError, TypeError), match=r"\by\b"):
        procedure({"sfreq": SFREQ, "ch_names": NAMES[:3]}, trials, groups=groups)


def test_what_a_procedure_is_told_is_not_kept_by_the_explainer_that_was_given():
    asked = explainer()
    found = inspection.cross_validate_explanations(asked, many(), **FOLDS)
    assert asked.sfreq is None and asked.ch_names is None and found.explainer.sfreq == SFREQ
    with pytest.raises(ValueError, match="sfreq=128 Hz, but these trials were sampled at 100 Hz"):
        inspection.cross_validate_explanations(explainer(sfreq=128.0), many(), **FOLDS)


def test_a_trained_network_gets_its_channels_by_name():
    net = fast_classifier(sfreq=None).fit(many())
    given, turned = many(), many(["Pz", "C3", "C4"])
    for model in (FrozenEstimator(net), models.EnsembleClassifier([FrozenEstimator(net)])):
        plain, found = (PerturbationCorrelator(model, random_state=0).fit(one) for one in (given, turned))
        assert np.any(plain.correlations_) and found.ch_names_ == NAMES[:3]
        np.testing.assert_array_equal(found.correlations_, plain.correlations_)
    with pytest.raises(ValueError, match="the trained model takes C3, C4, Pz"):
        PerturbationCorrelator(FrozenEstimator(net), ch_names=["C4", "C3", "Pz"]).fit(*tuple(read_trials(given))[:2])
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * T, 2))
    module.chs_info = [{"ch_name": name} for name in NAMES[:3]]
    held = as_estimator(module, classes=["left", "right"])
    np.testing.assert_array_equal(held.predict_proba(turned), held.predict_proba(given))
    assert held.score(turned) == held.score(given)
    assert PerturbationCorrelator(held).fit(read_trials(turned, units="uV")).ch_names_ == NAMES[:3]


def test_trials_of_nameless_channels_are_taken_as_they_come():
    found = PerturbationCorrelator(fast_classifier(sfreq=None), random_state=0).fit(*tuple(read_trials(many()))[:2])
    np.testing.assert_array_equal(found.transform(many()), found.transform(read_trials(many()).X))


def test_fitted_estimators_take_labels_from_the_container():
    held = many()
    trials, y, groups = read_trials(held, groups="subject")
    found = PerturbationCorrelator(fast_classifier(sfreq=None), random_state=0).fit(held)
    assert found.score(held) == found.score(trials, y) == found.estimator_.score(held)
    asked, wanted = (found.explain_population(*given) for given in ((held, None, "subject"), (trials, y, groups)))
    np.testing.assert_array_equal(asked["standard_error"], wanted["standard_error"])
    flex = FLEXAttributor(FrozenEstimator(found.estimator_), target="true", n_steps=2).fit(held)
    np.testing.assert_array_equal(flex.explain(held)["value"], flex.explain(trials, y)["value"])
    with pytest.raises(ValueError, match="sampled at 50 Hz, those of fit at 100 Hz"):
        found.transform(many().resample(50.0, verbose=False))


def test_what_the_package_loads_is_a_container():
    eeg = make_oscillatory_eeg(8, ["C3", "C4"], duration=0.5, n_subjects=2, random_state=0)
    found = read_trials(eeg, groups="subject", channels=["C4"])
    np.testing.assert_array_equal(found.X, eeg.X[:, [1]])
    assert (found.sfreq, found.ch_names, found.y.tolist()) == (eeg.sfreq, ["C4"], eeg.y.tolist())
    assert found.groups.tolist() == eeg.subject.tolist() and set(found.metadata) == {"y", "subject"}
    recording = np.random.default_rng(0).standard_normal((2, 1000))
    lazy = read_trials(windows(recording, 1.0, sfreq=100.0, y="rest"), channels=["ch1"])
    assert not isinstance(lazy.X, np.ndarray) and lazy.X.shape == (10, 1, 100)
    np.testing.assert_array_equal(lazy.X[3], recording[1:, 300:400])
