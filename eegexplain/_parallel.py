"""One thread, blocks of constant size, progress: what makes the same bits for any ``n_jobs``."""

import contextlib
import signal
import sys
import threading

import threadpoolctl
from tqdm.auto import tqdm

# Trials per block are a constant, so that block borders (and with them sums and noise) never depend on n_jobs.
BLOCK_SIZE = 64


class _BlasLimit:
    """Counts who asked for one BLAS thread: the first sets it, the last restores what was there (threads overlap)."""

    def __init__(self):
        self._lock = threading.Lock()
        self._depth = 0
        self._limit = None
        self._libraries = None
        self._n_modules = -1

    def __enter__(self):
        with self._lock:
            if self._depth == 0:
                if len(sys.modules) != self._n_modules:  # reading the map of loaded libraries takes milliseconds,
                    self._n_modules = len(sys.modules)  # as long as a small network: again where an import may add one
                    self._libraries = threadpoolctl.ThreadpoolController()
                self._limit = self._libraries.limit(limits=1)
            self._depth += 1

    def __exit__(self, *exception):
        with self._lock:
            self._depth -= 1
            if self._depth == 0:
                self._limit.restore_original_limits()


_BLAS = _BlasLimit()


@contextlib.contextmanager
def single_thread():
    """Run torch and BLAS on one thread and restore the counts: matrix products round alike here and in workers."""
    torch = sys.modules.get("torch") if "torch.nn" in sys.modules else None  # not for those who have none of it
    before = None if torch is None else torch.get_num_threads()  # torch counts per calling thread, BLAS per process
    try:
        if torch is not None:
            torch.set_num_threads(1)
        with _BLAS:
            yield
    finally:
        if torch is not None:
            torch.set_num_threads(before)


@contextlib.contextmanager
def keep_interrupts():
    """Raise again, at the end, what a signal raised inside and something there swallowed: skorch ends a fit by Ctrl-C.

    Signals reach the main thread only; elsewhere this does nothing.
    """
    raised = []
    main = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)} if main else {}
    before = {number: handler for number, handler in before.items() if callable(handler)}

    def note(number, frame):
        """Run the earlier handler and remember what it raised."""
        try:
            before[number](number, frame)
        except BaseException as error:
            raised.append(error)
            raise

    try:
        for number in before:
            signal.signal(number, note)
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is note:
                signal.signal(number, handler)
    if raised:
        raise raised[0]


def trial_blocks(n_trials, size=None):
    """Return slices that cover ``range(n_trials)`` in blocks of `size`, of 64 by default."""
    size = BLOCK_SIZE if size is None else size
    return [slice(start, min(start + size, n_trials)) for start in range(0, n_trials, size)]


def progress(iterable, verbose, desc, total=None):
    """Return `iterable`, with one progress bar on stderr when `verbose` is at least 1."""
    return tqdm(iterable, desc=desc, total=total, leave=False) if verbose else iterable
