"""Chunks of targets: what fits of many targets hold at a time."""

import numpy as np

CHUNK_BYTES = 2**22


def target_chunks(n_targets, n_values, memory_limit=np.inf):
    """Cut targets into chunks that stay within the limit, and near the cache.

    Parameters
    ----------
    n_targets : int
        Number of targets.
    n_values : float
        Numbers to hold per target.
    memory_limit : float
        Bytes per chunk.

    Returns
    -------
    chunks : list of slice
        At least one target each.
    """
    size = max(int(min(memory_limit, CHUNK_BYTES) / (8 * max(n_values, 1))), 1)
    return [slice(start, min(start + size, n_targets)) for start in range(0, n_targets, size)]
