"""Units of work: the same results wherever they run, and a lost process costs no result."""

import os
import signal
import threading
import time
import warnings

import joblib
import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from eegexplain import fit_many
from eegexplain._units import Unit, one_copy, run_units


def product(seed):
    rng = np.random.default_rng(seed)
    a = torch.from_numpy(rng.standard_normal((200, 300)).astype(np.float32))
    return (a.T @ a).numpy(), torch.get_num_threads()


def told(number):
    time.sleep(0.1 * (number == 0))  # ends last
    warnings.warn(f"unit {number}", UserWarning, stacklevel=1)
    return number, os.getpid()


def jobs_inside(seed):
    return joblib.effective_n_jobs(4)


def dies(path, number, shared=None):
    """Kill the process once, or each time where there is no path to remember it at."""
    if number == 1 and (path is None or not path.exists()):
        if path is not None:
            path.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.05)
    return number


def sleeps(seconds):
    time.sleep(seconds)


@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
def test_results_do_not_depend_on_processes_or_backend(backend):
    units = [Unit(product, (seed,)) for seed in range(4)]
    serial = list(run_units(units))
    with joblib.parallel_config(backend=backend):
        parallel = list(run_units(units, n_jobs=2))
        assert list(run_units([Unit(jobs_inside, (0,))] * 3, n_jobs=2)) == [1, 1, 1]
    assert len(serial) == 4 and {threads for _, threads in serial + parallel} == {1}
    for (one, _), (other, _) in zip(serial, parallel, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_results_and_warnings_come_in_the_order_of_the_units(n_jobs):
    with pytest.warns(UserWarning) as caught:
        found = list(run_units([Unit(told, (number,)) for number in range(4)], n_jobs=n_jobs))
    assert [number for number, _ in found] == [0, 1, 2, 3]
    assert [str(one.message) for one in caught] == [f"unit {number}" for number in range(4)]
    assert ({process for _, process in found} == {os.getpid()}) == (n_jobs == 1)


def test_units_have_one_thread_here_too():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert [threads for _, threads in run_units([Unit(product, (0,))], n_jobs=1)] == [1]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def outdated(number):
    warnings.warn("use something else", DeprecationWarning, stacklevel=1)
    return number


def test_what_libraries_tell_their_users_in_workers_is_not_for_ours():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert list(run_units([Unit(outdated, (number,)) for number in range(2)], n_jobs=2)) == [0, 1]
    assert not [one for one in caught if "something else" in str(one.message)]


def test_one_bar_on_stderr(capfd):
    assert list(run_units([Unit(jobs_inside, (0,))], n_jobs=1, verbose=1, desc="loud"))
    out, err = capfd.readouterr()
    assert out == "" and "loud" in err


class Warning_(LogisticRegression):
    """Warns of its fit."""

    def fit(self, X, y):
        warnings.warn(f"C={self.C}", UserWarning, stacklevel=1)
        return super().fit(X, y)


def test_what_networks_warn_of_reaches_the_caller_of_fit_many():
    X, y = np.random.default_rng(0).standard_normal((20, 3)), np.arange(20) % 2
    subsets = [np.arange(20), np.arange(10)]
    with pytest.warns(UserWarning) as caught:
        fit_many(Warning_(), X, y, subsets=subsets, params=[{"C": 1.0}, {"C": 2.0}], n_jobs=2)
    assert [str(one.message) for one in caught] == ["C=1.0", "C=2.0"]


@pytest.mark.slow
def test_a_killed_worker_costs_no_result(tmp_path):
    units = [Unit(dies, (tmp_path / "died", number)) for number in range(6)]
    assert list(run_units(units, n_jobs=2)) == list(range(6))
    assert (tmp_path / "died").exists()


@pytest.mark.slow
def test_a_unit_that_kills_every_worker_is_named():
    found = run_units([Unit(dies, (None, number)) for number in range(4)], n_jobs=2, desc="training")
    with pytest.raises(RuntimeError, match=r"training 2 of 4 lost its process 3 times"):
        list(found)


@pytest.mark.slow
def test_units_that_take_too_long_are_named():
    list(run_units([Unit(sleeps, (0.5,)), Unit(sleeps, (0.5,))], n_jobs=2))  # processes take seconds to start
    units = [Unit(sleeps, (0.0,)), Unit(sleeps, (60.0,))]
    with pytest.raises(TimeoutError, match="explaining 2 of 2 took longer than 8 s"):
        list(run_units(units, n_jobs=2, timeout=8, desc="explaining"))


class Slow(LogisticRegression):
    """Tells where it is fitted, and takes its time."""

    def __init__(self, folder=None, C=1.0):
        self.folder = folder
        super().__init__(C=C)

    def fit(self, X, y):
        (self.folder / f"{os.getpid()}-{time.time_ns()}").touch()
        time.sleep(0.5)
        return super().fit(X, y)


@pytest.mark.slow
def test_networks_are_those_of_series_though_a_worker_is_killed_from_outside(tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((40, 5)), np.arange(40) % 2
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
    found = fit_many(Slow(tmp_path), X, y, subsets=subsets, n_jobs=2)
    killer.join()
    assert killed != [os.getpid()] and len(os.listdir(tmp_path)) > 6  # the fit that was lost was begun again
    for one, subset in zip(found, subsets, strict=True):
        np.testing.assert_array_equal(one.coef_, LogisticRegression().fit(X[subset], y[subset]).coef_)


def filename(array):
    return str(array.filename)


def test_an_array_is_written_once_for_several_rounds():
    """Processes open the file that is lent; small arrays, maps and those for threads are lent as they are."""
    large = np.arange(200_000.0)
    with one_copy(large) as lent:
        np.testing.assert_array_equal(lent, large)
        found = {name for _ in range(2) for name in run_units([Unit(filename, (lent,))] * 2, n_jobs=2)}
        assert found == {str(lent.filename)}
        with one_copy(lent) as again:
            assert again is lent
    assert not os.path.exists(lent.filename)
    with one_copy(large[:100]) as lent:
        assert type(lent) is np.ndarray
    with joblib.parallel_config("threading"), one_copy(large) as lent:
        assert lent is large
