"""Blocks, threads and progress: the same bits for any n_jobs, and nothing left changed."""

import threading

import numpy as np
import pytest
import threadpoolctl
import torch

from eegexplain import _parallel as p


def threads_inside(block):
    return torch.get_num_threads()


def product(block):
    rng = np.random.default_rng(block.start)
    a = torch.from_numpy(rng.standard_normal((200, 300)).astype(np.float32))
    return (a.T @ a).numpy()


def test_blocks_cover_all_trials_with_constant_borders():
    blocks = p.trial_blocks(150, 64)
    assert blocks == [slice(0, 64), slice(64, 128), slice(128, 150)]
    assert p.trial_blocks(0) == []


@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
def test_n_jobs_is_bit_neutral(backend):
    import joblib

    blocks = p.trial_blocks(8, 2)
    serial = list(p.map_blocks(product, blocks))
    with joblib.parallel_config(backend=backend):
        parallel = list(p.map_blocks(product, blocks, n_jobs=2))
    assert len(serial) == 4
    for one, other in zip(serial, parallel, strict=True):
        np.testing.assert_array_equal(one, other)


def test_threads_are_one_inside_and_restored():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert list(p.map_blocks(threads_inside, [0, 1])) == [1, 1]
        assert torch.get_num_threads() == 2
        with pytest.raises(ZeroDivisionError), p.single_thread():
            1 / 0  # noqa: B018
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def blas_threads():
    return {pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"}


def test_overlapping_threads_restore_what_was_there():
    entered, leave = threading.Event(), threading.Event()

    def other():
        with p.single_thread():
            entered.set()
            leave.wait(5)

    with threadpoolctl.threadpool_limits(2, "blas"):
        worker = threading.Thread(target=other)
        worker.start()
        assert entered.wait(5)
        with p.single_thread():
            pass
        leave.set()
        worker.join()
        assert blas_threads() == {2}


def test_progress_is_silent_unless_asked(capfd):
    assert list(p.progress([1, 2], 0, "quiet")) == [1, 2]
    assert capfd.readouterr() == ("", "")
    assert list(p.map_blocks(threads_inside, [0, 1], verbose=1, desc="loud")) == [1, 1]
    out, err = capfd.readouterr()
    assert out == "" and "loud" in err
