"""Clusters of cells: neighbors on the scalp and along frequency or time that stand out together."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

THRESHOLD = 2.0  # deviations of the null beyond which a cell belongs to a cluster


def cell_adjacency(channels: list[str], shape: tuple[int, ...], channel_axis: int | None) -> Any:
    """Which cells of one output's map are neighbors.

    Parameters
    ----------
    channels : list of str
        Names in the 10-05 system.
    shape : tuple of int
        Of the map; along axes other than channels each cell has the next for a neighbor.
    channel_axis : int or None
        Which axis the channels are; None for maps without them.

    Returns
    -------
    scipy.sparse.csr_matrix of shape (n_cells, n_cells)
        Cells that differ along one axis alone, and there by one step.

    Raises
    ------
    ValueError
        For channels without a place.
    """
    total = sparse.csr_matrix((1, 1))
    for axis, size in enumerate(shape):
        own = _channel_adjacency(channels) if axis == channel_axis else _chain(size)
        # one step along this axis, or along those before
        total = sparse.kron(total, sparse.identity(size)) + sparse.kron(sparse.identity(total.shape[0]), own)
    return sparse.csr_matrix(total)


def cluster_masses(maps: NDArray, adjacency: Any, threshold: float = THRESHOLD) -> NDArray:
    """Give each cell the mass of the cluster it is in.

    Parameters
    ----------
    maps : ndarray of shape (n_maps, n_outputs, n_cells)
        In deviations of the null.
    adjacency : scipy.sparse.csr_matrix of shape (n_cells, n_cells)
    threshold : float, default=2

    Returns
    -------
    ndarray of the shape of `maps`
        Sums of absolute values over neighbors beyond the threshold of one sign; 0 for cells that are not.
    """
    flat = maps.reshape(-1, maps.shape[-1])
    sign = np.where(np.abs(flat) > threshold, np.sign(flat), 0)
    one, other = sparse.triu(adjacency).nonzero()
    joined = (sign[:, one] == sign[:, other]) & (sign[:, one] != 0)
    number, edge = np.nonzero(joined)
    # one graph of all maps, side by side: to find the components of each costs more than those of all
    places = number * flat.shape[1] + one[edge], number * flat.shape[1] + other[edge]
    graph = sparse.coo_matrix((np.ones(len(edge)), places), shape=(flat.size, flat.size))
    labels = connected_components(graph, directed=False)[1]
    masses = np.bincount(labels, weights=np.where(sign != 0, np.abs(flat), 0).ravel())[labels]
    return masses.reshape(maps.shape)


def _chain(size):
    return sparse.diags([np.ones(size - 1)] * 2, [-1, 1], shape=(size, size)) if size > 1 else sparse.csr_matrix((1, 1))


def _channel_adjacency(names):
    """MNE's: edges of a Delaunay triangulation of the flattened scalp."""
    import mne

    known = mne.channels.get_builtin_montages()
    montage = "colin27_1005" if "colin27_1005" in known else "standard_1005"  # its name from MNE 1.12 on
    info = mne.create_info(list(names), 100.0, "eeg", verbose=False)
    try:
        info.set_montage(montage, match_case=False, verbose=False)
        with warnings.catch_warnings(), mne.utils.use_log_level("ERROR"):
            warnings.simplefilter("ignore")
            adjacency, _ = mne.channels.find_ch_adjacency(info, "eeg")
    except (ValueError, RuntimeError) as error:
        raise ValueError(
            f"Neighbors of the channels {', '.join(map(str, names[:5]))}... are not known: clusters need at least 4 "
            "channels with names of the 10-05 system. Give ch_names, or use statistic='max'."
        ) from error
    adjacency = sparse.csr_matrix(adjacency, dtype=float)
    adjacency.setdiag(0)
    adjacency.eliminate_zeros()
    return adjacency
