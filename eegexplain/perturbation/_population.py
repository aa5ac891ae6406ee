"""Population maps, block by block: an estimate per part by one of the methods, added up."""

from dataclasses import dataclass, replace

import numpy as np

from eegexplain._units import Unit, run_units
from eegexplain.perturbation._gradient import GradientMethod
from eegexplain.perturbation._influence import gathered, size_slopes
from eegexplain.perturbation._kept import KeptHits, KeptVariance
from eegexplain.perturbation._noise import CHECK
from eegexplain.perturbation._sampling import SamplingMethod
from eegexplain.perturbation._spectra import Spectra
from eegexplain.perturbation._sums import Additive, ClusterTotals, CorrelationSums

_ROUND = 16  # draws between two looks at the error, where there is a tolerance


@dataclass(frozen=True)
class PopulationSums(Additive):
    """All that is added up over blocks of trials."""

    sums: CorrelationSums
    kept: KeptHits | KeptVariance


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
    def of(cls, found, eps, n_iterations=0):
        """From the sums of one way of measuring; `eps` is the relative rounding below which a change counts as none."""
        sums = found.sums
        return cls(
            sums.correlation(eps),
            sums.trial_error(eps),
            sums.draw_error(eps),
            np.sqrt(sums.noise2 / sums.n),
            sums.change_size(),
            found.kept.share(),
            n_iterations,
            round(sums.n / max(n_iterations, 1)),
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


def gradient_map(model, noise, trials, blocks, *, own, n_jobs=None, verbose=0):
    """Map of the outputs in closed form.

    Parameters
    ----------
    model : OutputChanges
        Of a network.
    noise : Noise
        Of a kind with a slope.
    trials : Trials
    blocks : list of Block
    own : bool
        Whether the size of the noise was measured on these very trials.
    n_jobs, verbose : int

    Returns
    -------
    PooledMap
    """
    slopes, known = size_slopes(model, noise, trials, 0) if own else (None, None)
    method, run = GradientMethod(model, noise), {"n_jobs": n_jobs, "verbose": verbose}
    found = population_sums(method, trials, blocks, slopes, known=known, desc="gradients", **run)
    return PooledMap.of(found, _rounding(model, trials))


def sampled_map(model, noise, trials, blocks, *, own, control, n_iterations, tol=None, n_jobs=None, verbose=0):
    """Map of outputs and layers from draws.

    Parameters
    ----------
    model : OutputChanges
    noise : Noise
    trials : Trials
    blocks : list of Block
    own : bool
        Whether the size of the noise was measured on these very trials.
    control : bool
        Whether draws only measure what gradients leave.
    n_iterations : int
        Draws per trial, at most.
    tol : float or None
        Largest error over draws at which to stop; looked at after every few draws.
    n_jobs, verbose : int

    Returns
    -------
    PooledMap
    """
    slopes = size_slopes(model, noise, trials, n_iterations)[0] if own else None
    first = np.asarray(trials.X[np.flatnonzero(trials.pooled)[: trials.part_size]])
    method, eps = SamplingMethod(model, noise, n_iterations, control).centered(first), _rounding(model, trials)
    at_once = n_iterations if tol is None else _ROUND
    total, done = None, 0
    while done < n_iterations:
        n_draws = min(at_once, n_iterations - done)
        method = replace(method, n_draws=n_draws, round=done // at_once)
        desc = f"draws {done}-{done + n_draws}"
        found = population_sums(method, trials, blocks, slopes, desc=desc, n_jobs=n_jobs, verbose=verbose)
        total, done = found if total is None else total + found, done + n_draws
        if tol is not None and np.nanmax(total.sums.draw_error(eps)) < tol:
            break
    return PooledMap.of(total, eps, done)


def _rounding(model, trials):
    """Relative rounding of the computations."""
    return max(model.eps, float(np.finfo(trials.X.dtype).eps))


def population_sums(method, trials, blocks, slopes=None, *, known=None, desc="", n_jobs=None, verbose=0):
    """Add up the estimates of a method over blocks.

    Parameters
    ----------
    method : GradientMethod or SamplingMethod
    trials : Trials
    blocks : list of Block
    slopes : SpreadSlopes or CrossSlopes, optional
        How the map follows the size of the noise, where that was measured on these trials.
    known : KnownGradients, optional
        Of some trials, which are not asked again.
    desc : str
    n_jobs, verbose : int

    Returns
    -------
    PopulationSums
    """
    total, clusters = None, None
    mine = [None if known is None else known.at(block.trials) for block in blocks]  # each block takes its own along
    mine = [None if found is None else replace(found, positions=block.trials[found.positions])
            for found, block in zip(mine, blocks, strict=True)]  # fmt: skip
    units = [Unit(_block, (method, trials, slopes, block, own)) for block, own in zip(blocks, mine, strict=True)]
    for found in run_units(units, n_jobs=n_jobs, verbose=verbose, desc=desc):
        clusters = found.clusters if clusters is None else clusters + found.clusters
        if found.population is not None:
            total = found.population if total is None else total + found.population
    return replace(total, sums=replace(total.sums, clusters=clusters, n_rounds=1))


@dataclass(frozen=True)
class _BlockSums:
    """Of one block; one without trials of the map has no population, but its trials share in the size of the noise."""

    population: PopulationSums | None
    clusters: object  # InfluenceSums


def _block(method, trials, slopes, block, known):
    clusters, total = ClusterTotals(block.n_clusters), None
    parts = trials.parts(block, everyone=slopes is not None, known=known)
    for some in gathered(parts, 1 if slopes is None else slopes.at_once):
        if slopes is not None:
            spectra = Spectra.join([part.spectra for part in some])
            influence = method.influence(slopes.influence(spectra).scaled(trials.share))
            clusters.add(np.concatenate([part.clusters for part in some]), influence)
        for part in some:
            if not part.pooled.any():
                continue
            part = part.of_pooled()
            estimate = method.estimate(part)
            clusters.add(part.clusters, estimate.totals)
            found = PopulationSums(estimate.sums, _kept(method, trials, part, estimate.outputs))
            total = found if total is None else total + found
    return _BlockSums(total, clusters.influence_sums())


def _kept(method, trials, part, outputs):
    """What the trials keep under one draw."""
    perturbed, _ = method.noise.perturb(part.spectra, 1, method.noise.rng(CHECK, *part.key))
    return trials.kept.of(outputs, method.model.outputs(perturbed) - outputs, part.truth)
