"""What tells one call from another: digests of data, parameters and networks, alike in every process."""

import pickle
import sys
from typing import Any

import numpy as np
from joblib.hashing import NumpyHasher

LARGE = 2**20  # bytes from which an array is read once for all units that have it in common


class Digests:
    """Gives the digest of anything that can be pickled, by its content.

    Large arrays, which many units have in common, are read once: they must not change meanwhile.
    """

    def __init__(self):
        self._read: dict[int, tuple[Any, str]] = {}

    def __call__(self, thing: Any) -> str:
        """Digest of an object.

        Parameters
        ----------
        thing : object

        Returns
        -------
        str
            40 hexadecimal digits.

        Raises
        ------
        ValueError
            For what cannot be pickled, as functions that no module holds, and for what holds itself.
        """
        try:
            return _Hasher(self).hash(thing)
        except (pickle.PicklingError, AttributeError, TypeError, RecursionError) as error:
            raise ValueError(
                f"What cannot be pickled cannot be resumed from a checkpoint ({str(error.args[0])[:200]}): use "
                "functions and classes that stand in a module."
            ) from error

    def of_array(self, array: np.ndarray) -> str:
        """Digest of an array, remembered.

        Parameters
        ----------
        array : ndarray

        Returns
        -------
        str
        """
        if id(array) not in self._read:
            self._read[id(array)] = array, _Hasher(self, top=array).hash(array)  # the reference keeps the id its own
        return self._read[id(array)][1]


class _Hasher(NumpyHasher):
    """Hashes what a pickle would hold, with arrays by content wherever they lie, in memory or in a file."""

    def __init__(self, digests, top=None):
        super().__init__("sha1", coerce_mmap=True)
        self._digests = digests
        self._top = top
        self.fast = True  # no memory of objects: that two are one tells which process they came from, not what they are

    def save(self, obj):
        """Hash an object, or what stands for it."""
        if isinstance(obj, np.ndarray) and obj.nbytes >= LARGE and obj is not self._top and not obj.dtype.hasobject:
            obj = ("array", self._digests.of_array(obj))
        torch = sys.modules.get("torch")  # without it there are no tensors
        if torch is not None and isinstance(obj, torch.Tensor):  # its own pickle holds addresses
            plain = obj.detach().cpu().contiguous()
            obj = ("tensor", str(obj.dtype), tuple(obj.shape), plain.reshape(-1).view(torch.uint8).numpy())
        super().save(obj)
