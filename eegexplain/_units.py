"""One way to do long work: units that run here, in processes or on a cluster, with the same results."""

import contextlib
import os
import platform
import tempfile
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import TimeoutError as PoolTimeout
from typing import Any

import joblib
import numpy as np
from joblib.externals.loky.process_executor import TerminatedWorkerError

from eegexplain._checkpoint import Checkpoint
from eegexplain._cluster import active_client, run_on_cluster
from eegexplain._parallel import progress, single_thread

STACK = 8  # networks (or labelings) of one unit: a constant, so that no result depends on the number of processes
_LARGE = 10**6  # bytes from which joblib gives its processes a file
TRIES = 3  # times that a unit may lose its process


@dataclass(frozen=True, eq=False)
class Unit:
    """A piece of work: a function of arguments which say all that its result depends on, seeds too.

    Parameters
    ----------
    function : callable
        Picklable: of a module, or a partial of one.
    arguments : tuple
    """

    function: Callable[..., Any]
    arguments: tuple


@dataclass(frozen=True, eq=False)
class Done:
    """What a unit returned, and what it warned of in another process, whose filters are not the caller's.

    Parameters
    ----------
    result : object
    warnings : list of tuple
        Arguments of `warnings.warn_explicit`.
    """

    result: Any
    warnings: list[tuple] = field(default_factory=list)


def run_units(
    units: Sequence[Unit],
    *,
    n_jobs: int | None = None,
    checkpoint: Checkpoint | None = None,
    timeout: float | None = None,
    verbose: int = 0,
    desc: str = "",
) -> Iterator[Any]:
    """Run units of work, wherever the active joblib backend says.

    Parameters
    ----------
    units : sequence of Unit
    n_jobs : int, optional
        joblib's; None is 1 unless a ``joblib.parallel_config`` context says otherwise, and every worker of a cluster.
        1 stays in this process.
    checkpoint : Checkpoint, optional
        Keeps what is finished; units that it holds do not run.
    timeout : float, optional
        Seconds without any unit coming to its end, after which those under way are given up.
    verbose : int, default=0
        1 shows one progress bar.
    desc : str
        What is done; label of the bar, and name of the units in errors.

    Yields
    ------
    object
        Results in the order of the units. What workers warned of is raised again, under the filters of the caller.

    Raises
    ------
    RuntimeError
        For a unit whose process died three times, naming it.
    TimeoutError
        Naming the units that were under way.
    """
    keys = [] if checkpoint is None else [checkpoint.key(unit) for unit in units]
    held = {place for place, key in enumerate(keys) if checkpoint is not None and checkpoint.holds(key)}
    missing = [place for place in range(len(units)) if place not in held]
    done, early = _Runner(units, n_jobs, timeout, desc, kept=checkpoint is not None).run(missing), {}
    for place in progress(range(len(units)), verbose, desc, total=len(units)):
        while place not in held and place not in early:
            finished, found = next(done)
            early[finished] = found if checkpoint is None else checkpoint.keep(keys[finished], found)
        found = checkpoint.load(keys[place]) if place in held else early.pop(place)
        for warning in found.warnings:
            warnings.warn_explicit(*warning)
        yield found.result
    for _ in done:  # lets the pool end in good order
        pass


def runs_here(n_jobs: int | None) -> bool:
    """Tell whether units run in this process, one after the other.

    Parameters
    ----------
    n_jobs : int, optional
        As in `run_units`.

    Returns
    -------
    bool
    """
    return n_jobs == 1 or (active_client() is None and joblib.effective_n_jobs(n_jobs) == 1)


@contextlib.contextmanager
def one_copy(array: np.ndarray) -> Iterator[np.ndarray]:
    """Lend an array to several calls of `run_units`: joblib's processes find it in one file, written once.

    Else every call writes a file of its own for them.

    Parameters
    ----------
    array : array
        What is small, not in memory, or goes elsewhere than to joblib's own processes is lent as it is.

    Yields
    ------
    array
    """
    backend, _ = joblib.parallel.get_active_backend()
    own = isinstance(backend, joblib.parallel.BACKENDS["loky"])
    if type(array) is not np.ndarray or array.nbytes < _LARGE or not own:
        yield array
        return
    with tempfile.TemporaryDirectory(prefix="eegexplain-", ignore_cleanup_errors=True) as folder:
        path = os.path.join(folder, "array.npy")
        np.save(path, array)
        yield np.load(path, mmap_mode="r")


@dataclass(frozen=True, eq=False)
class _Runner:
    """Units, and how they are to be run."""

    units: Sequence[Unit]
    n_jobs: int | None
    timeout: float | None
    desc: str
    kept: bool

    def run(self, places: Sequence[int]) -> Iterator[tuple[int, Done]]:
        """Yield places with what was found there, as it comes."""
        if not places:
            return iter(())
        if runs_here(self.n_jobs):
            return self._here(places)
        client = active_client()
        if client is not None:
            calls = {place: (_process(), place, self.units[place]) for place in places}
            return run_on_cluster(client, call_unit, calls, timeout=self.timeout, told=self._told)
        return self._in_pool(places)

    def _here(self, places):
        for place in places:
            with single_thread(), _stay():
                found = _recorded(self.units[place]) if self.kept else _plain(self.units[place])
            yield place, found

    def _in_pool(self, places):
        """In joblib's workers; those that were under way when one died run alone, so that its killer is known."""
        tries, rounds = Counter(), deque([list(places)])
        while rounds:
            left, sent = dict.fromkeys(rounds.popleft()), []
            try:
                for place, found in self._parallel(left, sent):
                    del left[place]
                    yield place, found
            except TerminatedWorkerError as error:
                suspects = [place for place in sent if place in left]
                tries.update(suspects)
                for place in suspects:
                    if tries[place] == TRIES:
                        raise RuntimeError(f"{self._told([place])} {self._LOST}") from error
                others = [place for place in left if place not in suspects]
                rounds.extendleft(reversed([[place] for place in suspects] + [others] * bool(others)))
            except (TimeoutError, PoolTimeout) as error:
                raise self._late([place for place in sent if place in left]) from error

    _LOST = f"lost its process {TRIES} times: was there too little memory for it?"

    def _parallel(self, places, sent):
        """Results as they come, where the backend can tell; notes what it takes from the list."""
        backend, _ = joblib.parallel.get_active_backend()
        lazy = getattr(backend, "supports_return_generator", False)  # multiprocessing does not: all results at once
        parallel = joblib.Parallel(
            self.n_jobs, return_as="generator_unordered" if lazy else "list", timeout=self.timeout
        )
        origin = _process()

        def calls():
            for place in list(places):
                sent.append(place)
                yield joblib.delayed(call_unit)(origin, place, self.units[place])

        return parallel(calls())

    def _late(self, places):
        return TimeoutError(f"{self._told(places)} took longer than {self.timeout:g} s without any coming to its end.")

    def _told(self, places):
        """Units by name."""
        return f"{self.desc or 'unit'} {', '.join(str(place + 1) for place in places)} of {len(self.units)}"


def _stay():
    """What runs here keeps its own loops here: under dask those of one process go to the cluster, too."""
    return contextlib.nullcontext() if active_client() is None else joblib.parallel_config("sequential")


def _process():
    """What tells this process from those of other machines, too."""
    return platform.node(), os.getpid()


def call_unit(origin: tuple, place: int, unit: Unit) -> tuple[int, Done]:
    """Run a unit in a worker: one thread, no workers of its own, warnings kept.

    Parameters
    ----------
    origin : tuple
        The process of the caller: where it is this one, in a thread, warnings pass the caller's filters by themselves,
        as to record them would change the filters of all threads.
    place : int
    unit : Unit

    Returns
    -------
    place : int
    done : Done
    """
    with single_thread(), joblib.parallel_config("sequential"):
        return place, _plain(unit) if origin == _process() else _recorded(unit)


def _plain(unit):
    return Done(unit.function(*unit.arguments))


def _recorded(unit):
    """Every warning is kept: which of them are shown is for the filters of the caller."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for kind in (DeprecationWarning, PendingDeprecationWarning):
            warnings.simplefilter("ignore", kind)
        result = unit.function(*unit.arguments)
    return Done(result, [(str(one.message), one.category, one.filename, one.lineno) for one in caught])
