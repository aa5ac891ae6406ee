"""Which cells of a mean over groups chance cannot explain: the signs of whole groups' maps are flipped."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from sklearn.utils import check_random_state

from eegexplain._validation import check_array_like, lookup, positive_int
from eegexplain.inspection._clusters import cell_adjacency, cluster_masses
from eegexplain.inspection._symmetry import mirrored, refuse_unsigned
from eegexplain.inspection.significance import BLOCK, SIDES, Significance, check_permutations, significance

MOST = 2**12  # arrangements of signs that are all taken; of more, so many are drawn
SMALLEST = 1e-12  # variance, as a share of the mean square, below which groups agree to rounding


@dataclass(frozen=True)
class FlipStatistic:
    """What is made of the means of flipped maps before the largest value of each is taken.

    Parameters
    ----------
    of : callable
        Takes means (n_flips, n_cells), mean squares (n_cells,), which no flip changes, and the number of groups;
        returns an array of the shape of the means.
    clustered : bool
        Whether cells are replaced by the mass of the cluster that they are in.
    """

    of: Callable[[NDArray, NDArray, int], NDArray]
    clustered: bool = False


def _mean(means, squares, n_groups):
    return means


def _t(means, squares, n_groups):
    """Mean over its standard error; the variance is the mean square, the same for all flips, less the squared mean."""
    variance = np.maximum(squares - means**2, SMALLEST * squares) * (n_groups / (n_groups - 1))
    return np.divide(means, np.sqrt(variance / n_groups), out=np.zeros_like(means), where=squares > 0)


STATISTICS = {
    "max_t": FlipStatistic(_t),
    "max_mean": FlipStatistic(_mean),
    "clusters": FlipStatistic(_t, clustered=True),
}


def group_significance(
    maps: ArrayLike,
    *,
    statistic: str = "max_t",
    alternative: str = "two-sided",
    n_permutations: int | None = None,
    alpha: float = 0.05,
    signed: bool = False,
    random_state: Any = None,
) -> Significance:
    """Test whether the mean over groups differs from zero, with a familywise error of `alpha`.

    Parameters
    ----------
    maps : array-like of shape (n_groups, ...)
        One map for each group (a subject, say), of networks that share no training data. A DataArray has the groups
        along ``group`` and names the cells; outputs along ``output`` have clusters of their own.
    statistic : {"max_t", "max_mean", "clusters"}, default="max_t"
        What is compared with the largest value over cells: "max_t", the mean over its standard error; "max_mean", the
        mean itself, which looks where maps are large; "clusters", sums of t over neighbors on the scalp (as MNE has
        them) and along frequency or time that are beyond t at .05.
    alternative : {"two-sided", "greater", "less"}, default="two-sided"
    n_permutations : int, optional
        Flips. None is all of them up to 12 groups, else 4095 random ones.
    alpha : float, default=0.05
    signed : bool, default=False
        Whether it is known that values may have either sign, although all of these have the same.
    random_state : int, RandomState or None

    Returns
    -------
    Significance

    Raises
    ------
    ValueError
        For maps without two signs, for an `alpha` that flips of so few groups cannot reach, and for NaN.

    Notes
    -----
    Where nothing is to be found, the map of a group is as likely as its opposite: each of the 2^n ways to give n groups
    signs is then as likely, and so is the rank of the true one among them [1]_. This holds for differences, and for
    maps of two-class networks trained on as many trials of either class; not for what cannot be negative
    (sensitivities, information in bits, accuracies), nor for networks that share trials, which agree on noise. Flipping
    all signs changes no two-sided statistic: of n groups there are 2^(n-1), and the smallest p value is 2^(1-n).

    References
    ----------
    .. [1] T. E. Nichols, A. P. Holmes, "Nonparametric permutation tests for functional neuroimaging", Human Brain
           Mapping 15 (2002), doi:10.1002/hbm.1058.
    .. [2] E. Maris, R. Oostenveld, "Nonparametric statistical testing of EEG- and MEG-data", Journal of Neuroscience
           Methods 164 (2007), doi:10.1016/j.jneumeth.2007.03.024.

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.inspection import group_significance
    >>> maps = np.random.default_rng(0).standard_normal((10, 4)) + [0, 2, 0, 0]
    >>> found = group_significance(maps)
    >>> found.significant.values, found.n_permutations
    (array([False,  True, False, False]), 511)
    """
    named = _named(maps)
    if not signed:
        refuse_unsigned(named.values)
    asked: dict[str, Any] = {"statistic": statistic, "alternative": alternative, "n_permutations": n_permutations}
    return flip_significance(named, alpha=alpha, random_state=random_state, **asked)


def flip_significance(
    maps: Any,
    *,
    statistic: str,
    alternative: str,
    n_permutations: int | None,
    alpha: float,
    random_state: Any,
    exact: bool = True,
) -> Significance:
    """Compare the mean over groups with means of flipped maps.

    Parameters
    ----------
    maps : xarray.DataArray
        Dims ``group`` and those of a map.
    statistic, alternative, n_permutations, alpha, random_state
        As in `group_significance`.
    exact : bool, default=True
        Whether noise is known to be symmetric about zero.

    Returns
    -------
    Significance

    Raises
    ------
    ValueError
        For an `alpha` that cannot be reached, and clusters of cells whose neighbors are unknown.
    """
    chosen, side = lookup(STATISTICS, statistic, "statistic"), lookup(SIDES, alternative, "alternative")
    maps = maps.transpose("group", *(("output",) if "output" in maps.dims else ()), ...)
    one, values = maps.isel(group=0, drop=True), maps.values.reshape(maps.sizes["group"], -1)
    n_groups = len(values)
    # of two outputs that mirror each other the larger is the two-sided one
    halved = side is SIDES["two-sided"] or mirrored(maps)
    n_arrangements = 2 ** (n_groups - halved)
    _check_arrangements(n_groups, halved, alpha)
    if n_permutations is None:
        n_permutations = n_arrangements - 1 if 2**n_groups <= MOST else MOST - 1
    check_permutations(n_permutations, alpha)
    every = positive_int("n_permutations", n_permutations) >= n_arrangements - 1
    neighbors = _Neighbors.of(one, side, n_groups) if chosen.clustered else None

    def statistics(signs):
        """Of each flip and cell."""
        found = chosen.of(signs @ values / n_groups, np.square(values).mean(axis=0), n_groups)
        return side(found) if neighbors is None else neighbors.masses(found)

    observed = statistics(np.ones((1, n_groups)))[0]
    at_once, rng = max(1, BLOCK // values.shape[1]), check_random_state(random_state)
    drawn = (rng.choice([-1.0, 1.0], (size, n_groups)) for size in _sizes(n_permutations, at_once))
    blocks = _all_signs(n_groups, n_arrangements, at_once) if every else drawn
    maxima = np.concatenate([statistics(signs).max(axis=1) for signs in blocks])
    settings = {"kind": "sign-flips", "exchanged": "groups", "exact": exact, "alpha": alpha}
    return significance(one.copy(data=observed.reshape(one.shape)), maxima, **settings)


@dataclass(frozen=True, eq=False)
class _Neighbors:
    """Cells of a map that touch, and the t beyond which they belong to a cluster."""

    shape: tuple
    adjacency: Any
    side: Callable
    threshold: float

    @classmethod
    def of(cls, one, side, n_groups):
        """Neighbors of the cells of one map, and the t of one group less than there are."""
        cells = tuple(dim for dim in one.dims if dim != "output")
        axis = cells.index("channel") if "channel" in cells and "channel" in one.coords else None
        if axis is None and any(dim == "channel" or dim.startswith("cell") for dim in cells):
            raise ValueError(
                "Clusters are of neighbors, which cells without names do not have: give a DataArray whose dims say "
                "what they are, with the names of the channels, or use statistic='max_t'."
            )
        names = [] if axis is None else one["channel"].values.astype(str).tolist()
        adjacency = cell_adjacency(names, tuple(one.sizes[dim] for dim in cells), axis)
        tail = 0.05 / 2 if side is SIDES["two-sided"] else 0.05
        shape = (-1, one.sizes.get("output", 1), adjacency.shape[0])
        return cls(shape, adjacency, side, float(stats.t.isf(tail, n_groups - 1)))

    def masses(self, t):
        """Of one side, clusters of that side alone."""
        sided = t if self.side is SIDES["two-sided"] else np.maximum(self.side(t), 0)
        return cluster_masses(sided.reshape(self.shape), self.adjacency, self.threshold).reshape(t.shape)


def _named(maps):
    """Maps as a DataArray with the dim group."""
    import xarray as xr

    if isinstance(maps, xr.DataArray):
        if "group" not in maps.dims:
            raise ValueError(f"maps must have a dim 'group', got {', '.join(map(str, maps.dims))}.")
        maps = maps.transpose("group", ...)
        values = check_array_like("maps", maps.values, dtype=float)
        named = maps.copy(data=values)
    else:
        values = check_array_like("maps", maps, dtype=float)
        named = xr.DataArray(values, dims=["group", *(f"cell_{axis}" for axis in range(values.ndim - 1))])
    if len(values) < 2:
        raise ValueError("maps holds one group: flips of its sign tell nothing. Give at least 5, better 10.")
    return named


def _check_arrangements(n_groups, halved, alpha):
    """Refuse levels that all flips together cannot reach."""
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie between 0 and 1, got {alpha}.")
    needed = int(np.ceil(np.log2(1 / alpha) - 1e-9)) + halved
    if n_groups < needed:
        raise ValueError(
            f"{n_groups} groups have {2 ** (n_groups - halved)} different flips: no p value can be as small as "
            f"alpha={alpha:g}, which needs {needed} groups."
        )


def _all_signs(n_groups, n_arrangements, at_once) -> Iterator[NDArray]:
    """Every arrangement of signs but the true one; of half of them those that keep the last."""
    for start in range(1, n_arrangements, at_once):
        numbers = np.arange(start, min(start + at_once, n_arrangements))
        yield 1.0 - 2.0 * (numbers[:, None] >> np.arange(n_groups) & 1)


def _sizes(total, at_once):
    return [min(at_once, total - start) for start in range(0, total, at_once)]
