"""Blocks, threads and progress: the same bits for any n_jobs, and nothing left changed."""

import sys
import threading
import types

import pytest
import threadpoolctl
import torch

from eegexplain import _parallel as p


def test_blocks_cover_all_trials_with_constant_borders():
    blocks = p.trial_blocks(150, 64)
    assert blocks == [slice(0, 64), slice(64, 128), slice(128, 150)]
    assert p.trial_blocks(0) == []


def test_threads_are_one_inside_and_restored():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with p.single_thread():
            assert torch.get_num_threads() == 1
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


def test_libraries_are_looked_for_again_only_after_imports(monkeypatch):
    looks = []
    monkeypatch.setattr(p.threadpoolctl, "ThreadpoolController", lambda look=threadpoolctl.ThreadpoolController: (
        looks.append(1) or look()))  # fmt: skip
    limit = p._BlasLimit()
    for n_threads in (2, 3):  # what was there is asked each time
        with threadpoolctl.threadpool_limits(n_threads, "blas"):
            with limit:
                assert blas_threads() == {1}
            assert blas_threads() == {n_threads}
    before = len(looks)
    with limit:
        assert len(looks) == before
    monkeypatch.setitem(sys.modules, "a_new_library", types.ModuleType("a_new_library"))
    with limit:
        assert len(looks) == before + 1


def test_progress_is_silent_unless_asked(capfd):
    assert list(p.progress([1, 2], 0, "quiet")) == [1, 2]
    assert capfd.readouterr() == ("", "")
    assert list(p.progress([1, 2], 1, "loud")) == [1, 2]
    out, err = capfd.readouterr()
    assert out == "" and "loud" in err
