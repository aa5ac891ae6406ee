"""Work on a dask cluster: the results of this process, whatever happens to workers."""

import contextlib
import os
import signal
import threading
import time
from concurrent.futures import Future
from types import SimpleNamespace

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV

from eegexplain import FLEXAttributor, PerturbationCorrelator, SyncNetClassifier, fit_many
from eegexplain._checkpoint import Checkpoint
from eegexplain._cluster import AT_ONCE, MappedArray, Parcels, active_client, call_parcel, run_on_cluster
from eegexplain._units import Unit, run_units
from eegexplain.datasets import make_oscillatory_eeg
from eegexplain.information import InformationMapper, SynchronyMapper
from eegexplain.inspection import cross_validate_explanations, permutation_test
from tests.test_units import Slow, dies, jobs_inside, sleeps, told

PATIENCE = 180  # seconds: processes start slowly where other tests run


@contextlib.contextmanager
def nobody_else(path):
    """One at a time of all processes that test: two clusters are too many for two cores."""
    with open(path, "w") as file:
        if os.name == "posix":
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """Two worker processes of one thread each; those that tests kill are started again by their nannies."""
    distributed = pytest.importorskip("distributed", reason="pip install 'eegexplain[distributed]'")
    import dask

    settings = {"n_workers": 2, "threads_per_worker": 1, "processes": True}
    settings["dashboard_address"] = ":0"  # a port that is taken would be an error
    patient = dict.fromkeys(("distributed.comm.timeouts.connect", "distributed.comm.timeouts.tcp"), PATIENCE)
    patient["distributed.deploy.lost-worker-timeout"] = PATIENCE  # after 15 s their nannies would be closed, too
    patient["distributed.scheduler.allowed-failures"] = 1  # each worker that is killed has to load libraries again
    with (
        nobody_else(tmp_path_factory.getbasetemp().parent / "cluster.lock"),
        dask.config.set(patient),
        distributed.LocalCluster(**settings) as cluster,
        distributed.Client(cluster, timeout=PATIENCE) as found,
    ):
        yield found


@pytest.fixture
def dask(client):
    """The cluster as joblib's backend, with two workers again."""
    client.wait_for_workers(2, timeout=PATIENCE)
    with joblib.parallel_config(backend="dask"):
        yield client


@pytest.mark.cluster
def test_units_run_on_the_workers_and_their_own_loops_in_series(dask):
    assert active_client() is dask
    with pytest.warns(UserWarning) as caught:
        found = list(run_units([Unit(told, (number,)) for number in range(4)]))
    assert [number for number, _ in found] == [0, 1, 2, 3]
    assert [str(one.message) for one in caught] == [f"unit {number}" for number in range(4)]
    assert os.getpid() not in {process for _, process in found}
    assert list(run_units([Unit(jobs_inside, (0,))] * 3)) == [1, 1, 1]
    with pytest.warns(UserWarning):
        assert list(run_units([Unit(told, (1,))], n_jobs=1)) == [(1, os.getpid())]


@pytest.mark.cluster
def test_explanations_and_permutation_tests_are_those_of_series(dask):
    eeg = make_oscillatory_eeg(40, ["Fz", "C3", "C4", "Pz"], duration=0.5, snr=3, random_state=0)
    settings = {"training": "closed", "readout": "log_power", "num_filters": 3, "random_state": 0}
    net = SyncNetClassifier(**settings, sfreq=eeg.sfreq)
    correlator = PerturbationCorrelator(net, bands="eeg", noise="data", ch_names=eeg.ch_names)
    sampled = PerturbationCorrelator(net, bands="eeg", method="sampling", n_iterations=3, random_state=0)
    run = {"cv": 2, "random_state": 0}

    def asked(n_jobs):
        mean = cross_validate_explanations(correlator, eeg.X, eeg.y, n_jobs=n_jobs, **run).dataset
        asked = {"kind": "retraining", "n_permutations": 19, "n_jobs": n_jobs}
        null = permutation_test(correlator, eeg.X, eeg.y, **asked, **run)
        return mean["fold_value"].values, mean["standard_error"].values, null.null_maxima, null.score_p

    for one, other in zip(asked(1), asked(None), strict=True):
        np.testing.assert_array_equal(one, other)
    alone = sampled.set_params(n_jobs=1).fit(eeg.X, eeg.y).correlations_
    np.testing.assert_array_equal(alone, sampled.set_params(n_jobs=None).fit(eeg.X, eeg.y).correlations_)


@pytest.mark.cluster
@pytest.mark.filterwarnings("ignore:Trial and cell do not add up")
def test_long_calls_about_one_network_are_those_of_series(dask, tmp_path):
    eeg = make_oscillatory_eeg(160, ["Fz", "C3", "C4", "Pz"], duration=0.5, snr=3, random_state=0)
    np.save(tmp_path / "X.npy", eeg.X[30:])
    X, y = np.load(tmp_path / "X.npy", mmap_mode="r"), eeg.y[30:]
    net = SyncNetClassifier(training="closed", readout="log_power", num_filters=3, sfreq=eeg.sfreq, random_state=0)
    settings = {"estimator": FrozenEstimator(net.fit(eeg.X[:30], eeg.y[:30])), "ch_names": eeg.ch_names}
    made = {"flex": FLEXAttributor(basis="bands", **settings)}
    drawn = settings | {"random_state": 0, "n_permutations": 19}
    made["cells"] = InformationMapper(space="channels", decomposition="alone", **drawn)
    made["coalitions"] = InformationMapper(decomposition="shapley", **drawn)
    made["relations"] = SynchronyMapper(bands={"alpha": (8, 13)}, n_components=3, **drawn)
    for name, explainer in made.items():
        sent = []
        alone = clone(explainer).set_params(n_jobs=1).fit(X, y)
        spread = clone(explainer).set_params(n_jobs=None)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("eegexplain._units.run_on_cluster", noted(sent))
            spread.fit(X, y)
        assert sum(sent) >= 3, name  # units that went to the cluster
        for variable in ("value", "standard_error"):
            np.testing.assert_array_equal(spread.explanation_[variable], alone.explanation_[variable], err_msg=name)
        np.testing.assert_array_equal(spread.transform(X[:3]), alone.transform(X[:3]), err_msg=name)


def noted(sent):
    def run(client, function, calls, **settings):
        sent.append(len(calls))
        return run_on_cluster(client, function, calls, **settings)

    return run


@pytest.mark.cluster
def test_a_search_of_scikit_learn_finds_what_it_finds_in_series(dask):
    eeg = make_oscillatory_eeg(60, ["Fz", "C3", "C4", "Pz"], duration=1, snr=2, random_state=0)
    net = SyncNetClassifier(training="closed", readout="log_power", sfreq=eeg.sfreq, random_state=0)
    search = GridSearchCV(net, {"num_filters": [1, 2, 4]}, cv=3)
    with joblib.parallel_config(backend="sequential"):
        alone = clone(search).fit(eeg.X, eeg.y)
    before = sum(dask.run(time.process_time).values())
    spread = search.fit(eeg.X, eeg.y)
    assert sum(dask.run(time.process_time).values()) > before + 0.1
    for number in range(3):
        scores = f"split{number}_test_score"
        np.testing.assert_array_equal(spread.cv_results_[scores], alone.cv_results_[scores])
    assert spread.best_params_ == alone.best_params_ and len(set(alone.cv_results_["mean_test_score"])) > 1
    np.testing.assert_array_equal(spread.decision_function(eeg.X), alone.decision_function(eeg.X))


@pytest.mark.cluster
def test_units_that_take_too_long_are_named(dask):
    units = [Unit(sleeps, (0.0,)), Unit(sleeps, (6.0,))]
    with pytest.raises(TimeoutError, match=r"explaining (1, )?2 of 2 took longer than 3 s"):
        list(run_units(units, timeout=3, desc="explaining"))


@pytest.mark.cluster
def test_memory_mapped_trials_are_read_where_they_are_needed(dask, tmp_path):
    X = np.random.default_rng(0).standard_normal((100, 8, 256))
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    before = held(dask)
    found = list(run_units([Unit(total, (mapped[20:], rows)) for rows in (np.arange(3), np.arange(5, 9))]))
    assert [one for one, _ in found] == [X[20:23].sum(), X[25:29].sum()]
    assert all(is_file for _, is_file in found)
    assert mapped[20:].nbytes > 2**20
    assert all(key.startswith("call_parcel") for key in held(dask) - before)  # no array was sent
    (tmp_path / "X.npy").rename(tmp_path / "moved.npy")
    with pytest.raises(FileNotFoundError, match="A worker has no file .*X.npy: memory-mapped trials are read"):
        list(run_units([Unit(total, (mapped, np.arange(3)))] * 2))


def held(client):
    return {str(key) for keys in client.has_what().values() for key in keys}


def total(X, rows):
    root = X
    while not isinstance(root, np.memmap) and root is not None:
        root = root.base
    return X[rows].sum(), root is not None


@pytest.mark.cluster
def test_a_worker_killed_in_a_fit_costs_nothing(dask, tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((40, 5)), np.arange(40) % 2
    X_large = np.tile(X, (1, 700))  # more than a MiB: sent once, to both workers
    subsets = [rng.permutation(40)[:30] for _ in range(6)]
    killed = []

    def kill():
        while not killed:
            for name in os.listdir(tmp_path):
                killed.append(int(name.split("-")[0]))
                return os.kill(killed[0], signal.SIGKILL)
            time.sleep(0.01)

    killer = threading.Thread(target=kill)
    killer.start()
    found = fit_many(Slow(tmp_path), X_large, y, subsets=subsets)
    killer.join()
    assert X_large.nbytes > 2**20 and killed != [os.getpid()] and len(os.listdir(tmp_path)) > 6
    alone = fit_many(Slow(tmp_path), X_large, y, subsets=subsets, n_jobs=1)
    for one, other in zip(found, alone, strict=True):
        np.testing.assert_array_equal(one.coef_, other.coef_)


@pytest.mark.cluster
def test_a_unit_that_kills_every_worker_is_named(dask, tmp_path):
    units, kept = [Unit(dies, (None, number)) for number in range(4)], Checkpoint(tmp_path)
    with pytest.raises(RuntimeError, match="training 2 of 4 lost every worker"):
        list(run_units(units, checkpoint=kept, desc="training"))
    done = [kept.holds(kept.key(unit)) for unit in units]
    assert done == [True, False, True, True]  # though they lay on the same workers


def test_arrays_of_files_are_named_and_opened_again(tmp_path):
    X = np.arange(240.0).reshape(6, 5, 8)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    parts = [mapped, mapped[2:], mapped[1:5:2, :, 3:], np.asarray(mapped)[3], mapped.transpose(2, 0, 1)]
    for part in parts:
        where = MappedArray.of(part)
        assert where.path == str(tmp_path / "X.npy")
        np.testing.assert_array_equal(where.open(), part)
    changed = np.load(tmp_path / "X.npy", mmap_mode="c")
    changed[0] = 0
    assert MappedArray.of(changed) is None and MappedArray.of(X) is None and MappedArray.of(mapped[::-1]) is None
    written = np.load(tmp_path / "X.npy", mmap_mode="r+")
    written[0] = 7
    np.testing.assert_array_equal(MappedArray.of(written).open()[0], written[0])


class Forgetful:
    """A client whose workers are gone, with their data, the first times."""

    def __init__(self, times):
        self.left = times
        self.scattered, self.there = [], False

    def wait_for_workers(self, n_workers, timeout):
        self.there = True

    def scatter(self, array, broadcast):
        assert broadcast  # to all workers: one that dies takes nothing away
        assert self.there  # after all have died, some time passes
        self.scattered.append(array)
        return array

    def submit(self, function, *arguments, pure):
        future = Future()
        if self.left > 0:
            self.left, self.there = self.left - 1, False
            future.cancel()
            future.set_running_or_notify_cancel()
        else:
            future.set_result(function(*arguments))
        return future

    def cancel(self, futures):
        pass


def test_data_that_were_lost_with_all_workers_are_sent_again(monkeypatch):
    pytest.importorskip("distributed", reason="pip install 'eegexplain[distributed]'")
    X = np.random.default_rng(0).standard_normal((100, 8, 256))
    units = [Unit(total, (X, np.arange(3))), Unit(total, (X, np.arange(4, 9)))]
    client = Forgetful(times=2)
    monkeypatch.setattr("eegexplain._units.active_client", lambda: client)
    assert [one for one, _ in run_units(units)] == [X[:3].sum(), X[4:9].sum()]
    assert len(client.scattered) == 2 and all(one is X for one in client.scattered)
    client = Forgetful(times=99)
    with pytest.raises(RuntimeError, match="explaining [12] of 2 lost its data 3 times"):
        list(run_units(units, desc="explaining"))


class Suspicious:
    """A client that takes every call for the killer of its workers at first, and some calls always."""

    def __init__(self, *killers):
        self.log, self.killers = [], killers

    def submit(self, function, *arguments, pure):
        from distributed import KilledWorker

        known = [one for one in self.log if one != "ended"]
        call, log = arguments[1], self.log
        log.append(call)

        class Noted(Future):
            def result(self, timeout=None):
                log.append("ended")
                return super().result(timeout)

        future = Noted()
        if call not in known or known.index(call) in self.killers:
            future.set_exception(KilledWorker("call", SimpleNamespace(address="tcp://worker"), 1))
        else:
            future.set_result(function(*arguments))
        return future


def test_what_lay_beside_a_killer_runs_again_alone(monkeypatch):
    pytest.importorskip("distributed", reason="pip install 'eegexplain[distributed]'")
    units = [Unit(abs, (-number,)) for number in range(4)]
    client = Suspicious()
    monkeypatch.setattr("eegexplain._units.active_client", lambda: client)
    assert list(run_units(units)) == [0, 1, 2, 3]
    calls = client.log[:4]
    assert client.log[4:] == ["ended"] * 4 + [one for call in calls for one in (call, "ended")]
    client = Suspicious(2)
    found = run_units(units, desc="training")
    assert [next(found), next(found)] == [0, 1]
    with pytest.raises(RuntimeError, match="training 3 of 4 lost every worker that took it: Attempted to run"):
        next(found)
    assert len(client.log) == 2 * (4 + 4)  # twice, not for ever, and the last one although the third was the killer


class Deaf:
    """A client that never answers, and copies what it is given."""

    def __init__(self):
        self.submitted, self.canceled = [], []

    def wait_for_workers(self, n_workers, timeout):
        pass

    def scatter(self, array, broadcast):
        return array.copy()

    def submit(self, function, *arguments, pure):
        self.submitted.append(Future())
        return self.submitted[-1]

    def cancel(self, futures):
        self.canceled += futures


def test_some_calls_are_under_way_and_those_given_up_are_canceled(monkeypatch):
    pytest.importorskip("distributed", reason="pip install 'eegexplain[distributed]'")
    client = Deaf()
    monkeypatch.setattr("eegexplain._units.active_client", lambda: client)
    with pytest.raises(TimeoutError, match="unit 1, 2, 3"):
        list(run_units([Unit(abs, (number,)) for number in range(AT_ONCE + 44)], timeout=0.01))
    assert len(client.submitted) == AT_ONCE and client.canceled == client.submitted


def test_arrays_are_told_apart_though_others_had_their_place_in_memory():
    pytest.importorskip("cloudpickle", reason="pip install 'eegexplain[distributed]'")
    parcels = Parcels(Deaf())
    for number in range(5):
        _, sent = parcels.pack((np.full(2**18, float(number)),))
        assert sent[0][0] == number


def test_memory_is_kept_while_a_call_runs(monkeypatch):
    pytest.importorskip("cloudpickle", reason="pip install 'eegexplain[distributed]'")
    seen = []

    @contextlib.contextmanager
    def kept():
        seen.append("in")
        yield
        seen.append("out")

    monkeypatch.setattr("eegexplain._cluster.kept_memory", kept)
    content, sent = Parcels(Deaf()).pack(("call",))
    call_parcel(seen.append, content, sent)
    assert seen == ["in", "call", "out"]
