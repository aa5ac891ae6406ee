"""How far a rule may be from the integral, seen in few numbers per node: moves of the map, and jumps of the gradient.

Two rules that agree have not converged where gradients jump (ReLU): with few jumps they agree by chance. What a jump
costs is known from the gap in which it lies, so that the gradients at neighboring nodes tell what to expect.
"""

import numpy as np
import torch

# Sums of cells that stand for a map: 32 are within an eighth of its size in the root mean square.
N_SUMS = 32
# Where jumps prevail, a map moves by half to once what is expected of them; below this share of it, it is smooth.
_SMOOTH = 0.3
# Of two rules the second is off by this share of the move, where nothing else is known.
_SHARE, _FIRST_SHARE = 0.45, 0.6
# At most so much above what is right on average (chosen on networks of two seeds, confirmed on others).
_MARGIN = 1.5


def signed(change):
    """Change of the input with random signs, of which `sketch` makes sums.

    Random signs keep the expected square of a sum, whatever the cells (Alon, Matias & Szegedy 1999, The space
    complexity of approximating the frequency moments, https://doi.org/10.1006/jcss.1997.1545).
    """
    generator = torch.Generator().manual_seed(0)
    signs = torch.randint(0, 2, change.shape[1:], generator=generator) * 2 - 1
    return change * signs.to(change.device, change.dtype)


def sketch(gradients, change):
    """Sums of the cells of maps over channels and neighboring samples, by random signs.

    Parameters
    ----------
    gradients : torch.Tensor of shape (n_points, n_targets, n_channels, n_times)
    change : torch.Tensor of shape (n_points, n_channels, n_times)
        As `signed` returns it.

    Returns
    -------
    torch.Tensor of shape (n_points, n_targets, N_SUMS)
    """
    cells = (gradients * change[:, None]).sum(2)
    return torch.nn.functional.pad(cells, (0, -cells.shape[2] % N_SUMS)).unflatten(2, (N_SUMS, -1)).sum(3)


def variances(sketches, positions):
    """Squared error of a rule whose map jumps somewhere between neighboring nodes, and is constant elsewhere.

    Each jump is off by its distance from the middle of the gap: a variance of a twelfth of the gap squared.

    Parameters
    ----------
    sketches : ndarray of shape (n_trials, n_nodes, n_targets, N_SUMS)
    positions : ndarray of shape (n_trials, n_nodes)
        Ascending.

    Returns
    -------
    ndarray of shape (n_trials, n_nodes - 1, n_targets)
        What each gap adds.
    """
    jumps = np.diff(sketches, axis=1) * np.diff(positions, axis=1)[:, :, None, None]
    return (jumps**2).sum(3) / 12


def margin(variances):
    """Say how far above its estimate an error may be: the less, the more gaps share in it.

    Of errors that n gaps share evenly, the size scatters by about one over the root of n; shared unevenly, they count
    as (sum of variances)^2 / (sum of their squares).

    Parameters
    ----------
    variances : ndarray of shape (n_trials, n_gaps, n_targets)

    Returns
    -------
    ndarray of shape (n_trials, n_targets)
    """
    return np.minimum(_MARGIN, 1 + _ratio(np.sqrt((variances**2).sum(1)), variances.sum(1)))


def missing_share(moved, before, jumps, jumps_before):
    """Estimate what share of the last move of a map is still missing, before any margin.

    Where gradients are smooth, errors of nested rules fall at least as fast as moves do. How smooth they are is seen in
    the move as a share of what jumps would have done, not in two moves alone.

    Parameters
    ----------
    moved, before : ndarray
        Size of the move at the last rule, and at the one before (infinity: unknown).
    jumps, jumps_before : ndarray
        Size of the error by `variances` of these rules.

    Returns
    -------
    ndarray
    """
    rough = np.minimum(_ratio(moved, _SMOOTH * jumps_before), 1.0)
    falling = np.maximum(np.minimum(_ratio(moved, before), _SHARE), _ratio(jumps, moved) * rough**2)
    return np.where(np.isinf(before), _FIRST_SHARE * rough**2, falling)


def _ratio(part, whole):
    """Quotients, 1 where the divisor is zero."""
    return np.divide(part, whole, out=np.ones(np.shape(part)), where=whole > 0)
