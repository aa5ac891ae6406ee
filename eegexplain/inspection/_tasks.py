"""Many networks at once: tasks in processes whose warnings reach the caller."""

import os
import warnings
from functools import partial

from eegexplain._parallel import map_blocks


def run_tasks(function, tasks, n_jobs=None, *, verbose=0, desc=""):
    """Run a function over tasks; what workers warn of is raised again here, under the caller's filters.

    Parameters
    ----------
    function : callable
        Takes one task.
    tasks : list
    n_jobs : int or None
    verbose : int, default=0
        1 shows a progress bar called `desc`.
    desc : str

    Yields
    ------
    object
        Results in the order of the tasks.
    """
    recorded = partial(_recorded, function, os.getpid())
    for result, caught in map_blocks(recorded, tasks, n_jobs=n_jobs, verbose=verbose, desc=desc):
        for warning in caught:
            warnings.warn_explicit(*warning)
        yield result


def _recorded(function, caller, task):
    """Result, and what was warned of in another process than the caller's, whose filters are not known there."""
    if os.getpid() == caller:
        return function(task), []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for kind in (DeprecationWarning, PendingDeprecationWarning):
            warnings.simplefilter("ignore", kind)
        result = function(task)
    return result, [(str(one.message), one.category, one.filename, one.lineno) for one in caught]
