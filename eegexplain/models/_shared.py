"""What networks that train on the same trials need not compute again."""

import pickle

import numpy as np


class Shared:
    """Keeps results of functions of trials and settings, the last one of each function and settings.

    Trials are the same where they are the same memory, which is held meanwhile: networks that make trials of their own
    (say, aligned ones) share nothing, and are right.
    """

    def __init__(self):
        self._found = {}

    def __call__(self, function, trials, *settings):
        """``function(trials, *settings)``, computed once."""
        key = function.__qualname__, pickle.dumps(settings)
        seen, result = self._found.get(key, (None, None))
        if seen is None or not _same(seen, trials):
            result = function(trials, *settings)
            self._found[key] = trials, result
        return result


def _same(first, second):
    arrays = isinstance(first, np.ndarray) and isinstance(second, np.ndarray)
    return first is second or (arrays and first.__array_interface__ == second.__array_interface__)
