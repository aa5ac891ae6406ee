"""The space that the channels of a data set fill."""

import numpy as np
from numpy.typing import NDArray

RANK_TOLERANCE = 1e-8  # relative eigenvalue of the channels' correlations below which a dimension is empty


def column_space(second_moment: NDArray) -> tuple[NDArray, int]:
    """Find the space that channels fill.

    Channels are compared in units of their own size, so that mixed units do not cost dimensions.

    Parameters
    ----------
    second_moment : ndarray of shape (n_channels, n_channels)
        Sums of products, over trials and moments.

    Returns
    -------
    projector : ndarray of shape (n_channels, n_channels)
        Onto that space.
    rank : int
        Its dimension.
    """
    size = np.sqrt(np.diag(second_moment))
    used = size > 0
    if not used.any():
        return np.zeros_like(second_moment), 0
    scaled = second_moment[np.ix_(used, used)] / np.outer(size[used], size[used])
    values, vectors = np.linalg.eigh(scaled)
    filled = values > RANK_TOLERANCE * values[-1]
    directions = np.zeros((len(size), int(filled.sum())))
    directions[used] = size[used, None] * vectors[:, filled]
    basis = np.linalg.qr(directions)[0]
    return basis @ basis.T, basis.shape[1]
