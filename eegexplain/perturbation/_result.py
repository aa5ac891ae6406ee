"""From sums to labelled results."""

from dataclasses import dataclass, replace

import numpy as np

from eegexplain._meta import make_explanation
from eegexplain.perturbation._population import gradient_population, kept_score, sampled_population, with_slopes


@dataclass(frozen=True)
class PooledMap:
    """Map of pooled trials: rows are outputs, then units of layers; columns are cells (channel x bin or band)."""

    value: np.ndarray
    standard_error: np.ndarray
    mc_standard_error: np.ndarray
    noise_size: np.ndarray  # (n_cells,) SD of the noise
    change_size: np.ndarray  # (n_outputs,) root mean square change of the outputs
    kept: float
    n_iterations: int
    n_trials: int

    @classmethod
    def of(cls, moments, eps, kept, n_iterations):
        """From the moments of one way of measuring."""
        return cls(
            moments.correlation(eps),
            moments.trial_error(eps),
            moments.draw_error(eps),
            np.sqrt(moments.noise2 / moments.n),
            moments.change_size(),
            kept,
            n_iterations,
            round(moments.n / max(n_iterations, 1)),
        )

    def is_noise(self, n_rows):
        """Whether each of the first rows is as small as the correlations of independent noise and change.

        Each of these has a variance of one over the number of draws (of all trials).
        """
        value = self.value[:n_rows]
        n_cells = np.count_nonzero(value, axis=1)
        excess = self.n_iterations * self.n_trials * np.square(value).sum(axis=1) - n_cells
        return np.all(excess < 3 * np.sqrt(2 * n_cells) + (n_cells == 0))

    def with_rows(self, other, start):
        """These rows, followed by rows `start` and on of another map."""
        rows = {
            name: np.concatenate([getattr(self, name), getattr(other, name)[start:]])
            for name in ("value", "standard_error", "mc_standard_error")
        }
        return replace(self, n_iterations=other.n_iterations, **rows)


def pooled_map(task, blocks, *, gradient, own, n_iterations, tol=None, eps, n_jobs=None, verbose=0):
    """Measure some trials: outputs by gradient or draws, layers by draws.

    Parameters
    ----------
    task : Task
    blocks : list of Block
    gradient : bool
    own : bool
        Whether the size of the noise was measured on these very trials.
    n_iterations : int
    tol : float or None
    eps : float
        Relative rounding of the computations, below which a change counts as none.
    n_jobs, verbose : int

    Returns
    -------
    PooledMap
    """
    by_gradient = by_draws = None
    if gradient:
        measured = with_slopes(task, 0) if own else task
        moments, kept = gradient_population(measured, blocks, n_jobs=n_jobs, verbose=verbose)
        by_gradient = PooledMap.of(moments, eps, kept_score(kept), 0)
    if not gradient or task.effects.layers:
        measured = with_slopes(task, n_iterations) if own else task
        enough = None if tol is None else lambda moments: np.nanmax(moments.draw_error(eps)) < tol
        moments, kept, done = sampled_population(
            measured, blocks, n_iterations, enough=enough, n_jobs=n_jobs, verbose=verbose
        )
        by_draws = PooledMap.of(moments, eps, kept_score(kept), done)
    if by_gradient is None or by_draws is None:
        return by_gradient or by_draws
    return by_gradient.with_rows(by_draws, len(by_gradient.value))


def population_dataset(maps, cells, *, outputs, units, classes=None, **attrs):
    """Label pooled maps.

    Parameters
    ----------
    maps : list of PooledMap
        One, or one per class.
    cells : dict of str to coordinates
        Channels, and frequencies or bands.
    outputs : list of str
    units : dict of str to int
        Number of units per layer.
    classes : list of str, optional
        Names of the classes that were pooled separately.
    **attrs : dict
        Facts of the analysis.

    Returns
    -------
    xarray.Dataset
        ``value``, ``standard_error``, ``mc_standard_error``; per layer ``layer_<name>``, with ``_standard_error`` and
        ``_mc_standard_error``, over ``unit_<name>``; ``noise_size`` and ``change_size``.
    """
    lead = ("class",) if classes is not None else ()
    shape = tuple(len(coordinates) for coordinates in cells.values())
    coords = {"class": classes or [], "output": outputs, **cells}
    variables, start = {}, 0
    rows_of = [("value", "output", len(outputs)), *((f"layer_{k}", f"unit_{k}", n) for k, n in units.items())]
    for name, dim, n_rows in rows_of:
        coords.setdefault(dim, np.arange(n_rows))
        for field in ("value", "standard_error", "mc_standard_error"):
            rows = np.stack([getattr(m, field)[start : start + n_rows].reshape(n_rows, *shape) for m in maps])
            rows = rows if lead else rows[0]
            key = field if name == "value" else name if field == "value" else f"{name}_{field}"
            variables[key] = ((*lead, dim, *cells), rows)
        start += n_rows
    pooled = {
        field: np.sqrt(np.mean([np.square(getattr(m, field)) for m in maps], axis=0))
        for field in ("noise_size", "change_size")
    }
    variables["noise_size"] = (tuple(cells), pooled["noise_size"].reshape(shape))
    variables["change_size"] = ("output", pooled["change_size"][: len(outputs)])
    dims, value = variables.pop("value")
    return make_explanation(
        value,
        dims,
        coords,
        standard_error=variables.pop("standard_error")[1],
        variables=variables,
        perturbed_score=float(np.mean([m.kept for m in maps])),
        n_iterations=max(m.n_iterations for m in maps),
        **attrs,
    )
