"""Work on a cluster: submitted through its client, data sent once, files by their names.

joblib's own loop waits forever for a task that kills every worker; the client raises. Arrays of many units are sent to
all workers once, so that one that dies takes none of them away; memory-mapped ones are never sent: workers open the
file, which must have the same name there.
"""

import io
import pickle
import queue
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import Any

import joblib
import numpy as np

from eegexplain._heap import kept_memory

LARGE = 2**20  # bytes from which an array is sent by itself
AT_ONCE = 256  # calls under way, so that thousands do not fill the scheduler
TRIES = 3  # times that data may be lost with all workers that held it


def active_client() -> Any:
    """The client of the dask cluster that joblib is to use, if any.

    Returns
    -------
    distributed.Client or None
    """
    backend, _ = joblib.parallel.get_active_backend()
    return backend.client if type(backend).__name__ == "DaskDistributedBackend" else None


def run_on_cluster(
    client: Any,
    function: Callable[..., Any],
    calls: Mapping[int, tuple],
    *,
    timeout: float | None,
    told: Callable[[list[int]], str],
) -> Iterator[Any]:
    """Run calls on the workers of a cluster.

    Parameters
    ----------
    client : distributed.Client
    function : callable
    calls : mapping of int to tuple
        Arguments by number.
    timeout : float or None
        Seconds without any call coming to its end.
    told : callable
        Gives the names of calls, for errors.

    Yields
    ------
    object
        What the calls return, as they come to their end; last that of calls which had to run again alone.

    Raises
    ------
    RuntimeError
        For a call whose workers died while no other ran, when all others have come to their end.
    TimeoutError
    """

    def run(places):
        return _round(client, function, {place: calls[place] for place in places}, timeout, told)

    # All that lay on a worker when it died is suspected, and innocent ones as often as the killer that they lay beside
    guilty = dict[int, str]()
    for suspect in (yield from run(calls)):
        guilty |= yield from run([suspect])
    if guilty:
        place, how = next(iter(guilty.items()))
        raise RuntimeError(f"{told([place])} {how}") from None


def _round(client, function, calls, timeout, told):
    """Yield what calls return; return those that lost their workers, and how."""
    from distributed import KilledWorker

    waiting, under_way = deque(calls), dict[int, tuple[Any, Parcels]]()
    suspects, losses = dict[int, str](), Counter[int]()
    parcels, ended = Parcels(client, timeout), queue.SimpleQueue[int]()
    try:
        while waiting or under_way:
            while waiting and len(under_way) < AT_ONCE:
                place = waiting.popleft()
                future = client.submit(call_parcel, function, *parcels.pack(calls[place]), pure=False)
                under_way[place] = future, parcels
                future.add_done_callback(lambda _, place=place: ended.put(place))
            try:
                place = ended.get(timeout=timeout)
            except queue.Empty:
                late = told(sorted(under_way))
                raise TimeoutError(f"{late} took longer than {timeout:g} s without any coming to its end.") from None
            future, sent = under_way.pop(place)
            try:
                found = future.result()
            except KilledWorker as error:
                suspects[place] = f"lost every worker that took it: {error}"
            except CancelledError:  # its data were on no worker any more
                losses[place] += 1
                parcels = Parcels(client, timeout) if sent is parcels else parcels  # others lost the same
                if losses[place] < TRIES:
                    waiting.append(place)
                else:
                    suspects[place] = f"lost its data {TRIES} times, with all workers."
            else:
                yield found
    finally:
        if under_way:
            client.cancel([future for future, _ in under_way.values()])
    return suspects


class Parcels:
    """Packs arguments, large arrays apart: each is sent to all workers once.

    Parameters
    ----------
    client : distributed.Client
    timeout : float, optional
        Seconds that workers may take to come back when all have died.
    """

    def __init__(self, client: Any, timeout: float | None = None):
        self._client = client
        self._timeout = timeout
        self._sent: dict[int, tuple[Any, Any]] = {}

    def pack(self, arguments: tuple) -> tuple[bytes, list]:
        """Pack the arguments of a call.

        Parameters
        ----------
        arguments : tuple

        Returns
        -------
        content : bytes
        arrays : list of distributed.Future
            That the content refers to by number.
        """
        content, arrays = _packed(arguments)
        return content, [self._send(array) for array in arrays]

    def _send(self, array):
        if id(array) not in self._sent:
            self._client.wait_for_workers(1, timeout=self._timeout)  # without one, data are refused after seconds
            future = self._client.scatter(array, broadcast=True)
            self._sent[id(array)] = array, future  # the reference keeps the id its own
        return self._sent[id(array)][1]


def _packed(arguments):
    """Bytes without large arrays, and these; of memory-mapped ones the files are named."""
    import cloudpickle  # of dask; what a script defines travels whole

    arrays = []

    class Packer(cloudpickle.Pickler):
        """Leaves large arrays out."""

        def persistent_id(self, obj):
            """What stands for a large array: its number, or its file."""
            if not isinstance(obj, np.ndarray) or obj.dtype.hasobject or obj.nbytes < LARGE:
                return None
            mapped = MappedArray.of(obj)
            if mapped is not None:
                return mapped
            known = [place for place, array in enumerate(arrays) if array is obj]
            if not known:
                arrays.append(obj)
            return known[0] if known else len(arrays) - 1

    file = io.BytesIO()
    Packer(file, protocol=5).dump(arguments)
    return file.getvalue(), arrays


class _Opener(pickle.Unpickler):
    """Puts arrays in again."""

    def __init__(self, file, arrays):
        super().__init__(file)
        self._arrays = arrays

    def persistent_load(self, pid):
        """The array that something stands for."""
        return pid.open() if isinstance(pid, MappedArray) else self._arrays[pid]


def call_parcel(function: Callable[..., Any], content: bytes, arrays: list) -> Any:
    """Open a parcel on a worker, and call a function with what it holds.

    Parameters
    ----------
    function : callable
    content : bytes
    arrays : list of ndarray

    Returns
    -------
    object
    """
    with kept_memory():
        return function(*_Opener(io.BytesIO(content), arrays).load())


@dataclass(frozen=True)
class MappedArray:
    """Where in a file an array lies: this is sent in its place.

    Parameters
    ----------
    path : str
    dtype : numpy.dtype
    shape, strides : tuple of int
    offset : int
        Bytes from the start of the file.
    """

    path: str
    dtype: np.dtype
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int

    @classmethod
    def of(cls, array: np.ndarray) -> "MappedArray | None":
        """Of an array that is a file's, or a part of one.

        Parameters
        ----------
        array : ndarray

        Returns
        -------
        MappedArray or None
            None for arrays in memory, those with changes that no file has (mode "c"), and reversed ones.
        """
        root: Any = array
        while isinstance(root, np.ndarray) and not (isinstance(root, np.memmap) and not _is_array(root.base)):
            root = root.base
        if root is None or root.filename is None or root.mode == "c" or min(array.strides, default=0) < 0:
            return None
        if root.mode != "r":
            root.flush()
        offset = root.offset + array.ctypes.data - root.ctypes.data
        return cls(str(root.filename), array.dtype, array.shape, array.strides, offset)

    def open(self) -> np.ndarray:
        """The array, read-only; nothing is read yet.

        Returns
        -------
        ndarray

        Raises
        ------
        FileNotFoundError
            Where this machine has no such file.
        """
        length = self.dtype.itemsize + sum((n - 1) * step for n, step in zip(self.shape, self.strides, strict=True))
        try:
            content = np.memmap(self.path, np.uint8, "r", self.offset, (length,))
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"A worker has no file {self.path}: memory-mapped trials are read where they are needed, so give a "
                "file that all workers have under this name, or np.array(X)."
            ) from error
        return np.ndarray(self.shape, self.dtype, buffer=content, strides=self.strides)


def _is_array(base):
    return isinstance(base, np.ndarray)
