"""Gradients averaged over the straight path from baseline to input, for a batch of trials under a memory limit.

Integrated gradients (Sundararajan, Taly & Yan 2017, https://doi.org/10.48550/arXiv.1703.01365) of an output F are

    A = d * integral over a from 0 to 1 of grad F(b + a d),    d = x - b,

with baseline b and input x. Their sum is ``F(x) - F(b)``, which costs no gradient to know: on any piece of the path the
sum of what was integrated can be held against the change of the output, as an error estimate that is exact for the sum
(though not for the single cells, which two nested quadrature rules are compared for).
"""

from dataclasses import dataclass

import numpy as np
import torch

from eegexplain._torch import differentiate
from eegexplain.attribution import _nodes

MAX_NODES = 128
# Rounding of an output, in units of its machine epsilon: below this a change is noise.
_ROUNDING = 50.0


@dataclass(frozen=True, eq=False)
class PathGradients:
    """Averaged gradients of a block of trials, and how well they were integrated.

    Attributes
    ----------
    gradients : ndarray of shape (n_trials, n_targets, n_channels, n_times)
    change : ndarray of shape (n_trials, n_channels, n_times)
        Input minus baseline.
    output_change : ndarray of shape (n_trials, n_targets)
        Output at the input minus output at the baseline.
    n_steps : int ndarray of shape (n_trials,)
        Gradients evaluated.
    converged : bool ndarray of shape (n_trials,)
        Always true for a fixed number of steps, where nothing is checked.
    """

    gradients: np.ndarray
    change: np.ndarray
    output_change: np.ndarray
    n_steps: np.ndarray
    converged: np.ndarray

    @property
    def convergence_delta(self):
        """Sum of the attributions minus the change of the output, `(n_trials, n_targets)`."""
        return np.einsum("nkct,nct->nk", self.gradients, self.change) - self.output_change


@dataclass(frozen=True, eq=False)
class Paths:
    """Straight paths ``start + a * change`` and the outputs explained along them.

    Attributes
    ----------
    respond : callable
        Tensor `(batch, n_channels, n_times)` to tensor `(batch, n_outputs)`.
    start, change : torch.Tensor of shape (n_trials, n_channels, n_times)
    targets : torch.Tensor of shape (n_trials, n_targets)
        Indices of the outputs explained, per trial.
    rows : int
        Points evaluated in one pass.
    panels : int
        Panels whose sums are held at a time.
    closed : bool
        Whether the outputs of a trial sum to a constant, so that the last gradient follows from the others.
    first : int
        Number of the first trial, for messages.
    """

    respond: object
    start: torch.Tensor
    change: torch.Tensor
    targets: torch.Tensor
    rows: int = 64
    panels: int = 64
    closed: bool = False
    first: int = 0

    def points(self, trial, position):
        """Points on the paths of some trials."""
        position = torch.as_tensor(position, dtype=self.start.dtype, device=self.start.device)
        return torch.addcmul(self.start[trial], position[:, None, None], self.change[trial])

    def values(self, trial, position):
        """Outputs at points on the paths, float64 `(n_points, n_targets)`."""
        found = []
        with torch.no_grad():
            for first in range(0, len(trial), self.rows):
                part = slice(first, first + self.rows)
                outputs = self.respond(self.points(trial[part], position[part]))
                found.append(outputs.gather(1, self.targets[trial[part]]).double().cpu().numpy())
        return np.concatenate(found)

    def weighted(self, trial, nodes, weights):
        """Weighted sums of gradients over the nodes of panels.

        Parameters
        ----------
        trial : ndarray of shape (n_panels,)
        nodes : ndarray of shape (n_panels, n_nodes)
        weights : ndarray of shape (n_rules, n_panels, n_nodes)

        Returns
        -------
        torch.Tensor of shape (n_rules, n_panels, n_targets, n_channels, n_times)
        """
        n_panels, n_nodes = nodes.shape
        panel = np.repeat(np.arange(n_panels), n_nodes)
        owner, position = trial[panel], nodes.ravel()
        factors = torch.as_tensor(weights.reshape(len(weights), -1), dtype=self.start.dtype, device=self.start.device)
        sums = self.start.new_zeros((len(weights), n_panels, self.targets.shape[1], *self.start.shape[1:]))
        for first in range(0, len(panel), self.rows):
            part = slice(first, first + self.rows)
            _, gradients = differentiate(self.respond, self.points(owner[part], position[part]),
                                         self.targets[owner[part]], closed=self.closed)
            check_finite(gradients, self.first + owner[part], position[part])
            # a pass covers whole and broken panels: one matrix product adds each row to the sum of its own panel
            touched = slice(panel[part][0], panel[part][-1] + 1)
            inside = torch.as_tensor(np.arange(touched.start, touched.stop)[:, None] == panel[part])
            for rule, factor in zip(sums, factors[:, part], strict=True):
                mixing = inside.to(factor) * factor
                rule[touched].flatten(1).addmm_(mixing, gradients.flatten(1))
        return sums


def check_finite(gradients, trial, position):
    """Raise a ValueError that says at which trial and node a gradient is not finite."""
    if torch.isfinite(gradients.sum()):
        return
    bad = np.flatnonzero(~torch.isfinite(gradients).flatten(1).all(1).cpu().numpy())
    if len(bad):
        raise ValueError(f"the gradient of trial {trial[bad[0]]} is not finite at {position[bad[0]]:.3g} of the path "
                         "from baseline to input; a baseline away from the singular point (\"surrogate\", \"mean\") "
                         "or a bounded network avoids it")


def integrate(paths: Paths, *, n_steps: int | str = "auto", tol: float = 0.01) -> PathGradients:
    """Average gradients over paths.

    Parameters
    ----------
    paths : Paths
    n_steps : int or "auto"
        Nodes of a Gauss-Legendre rule, or as many as it takes (at most 128).
    tol : float
        With "auto", a trial is done when refining changes its map by less than this share.

    Returns
    -------
    PathGradients
    """
    every = np.arange(len(paths.start))
    ends = paths.values(np.tile(every, 2), np.repeat([0.0, 1.0], len(every))).reshape(2, len(every), -1)
    if n_steps == "auto":
        return _refine(paths, ends, tol)
    nodes, weights = _nodes.gauss_legendre(n_steps)
    sums = paths.weighted(every, np.tile(nodes, (len(every), 1)), np.tile(weights, (1, len(every), 1)))
    return PathGradients(sums[0].double().cpu().numpy(), paths.change.double().cpu().numpy(), ends[1] - ends[0],
                         np.full(len(every), n_steps), np.ones(len(every), bool))


@dataclass(frozen=True, eq=False)
class _Panels:
    """Pieces of paths under evaluation: owner, ends, kind, share of the path, outputs at the ends."""

    trial: np.ndarray
    low: np.ndarray
    high: np.ndarray
    logarithmic: np.ndarray
    share: np.ndarray
    start: np.ndarray
    end: np.ndarray

    def __len__(self):
        return len(self.trial)

    def __getitem__(self, index):
        return _Panels(*(getattr(self, name)[index] for name in self.__dataclass_fields__))

    def pieces(self, paths, counts):
        """Cut every panel into so many equal pieces."""
        parts = []
        for number, count in enumerate(counts):
            edges = _nodes.cut(self.low[number], self.high[number], self.logarithmic[number], count)
            inner = paths.values(np.full(count - 1, self.trial[number]), edges[1:-1])
            values = np.concatenate([self.start[[number]], inner, self.end[[number]]])
            same = [np.full(count, value[number]) for value in (self.trial, self.logarithmic, self.share / count)]
            parts.append(_Panels(same[0], edges[:-1], edges[1:], *same[1:], values[:-1], values[1:]))
        return _join(parts)


def _join(parts):
    return _Panels(*(np.concatenate([getattr(part, name) for part in parts]) for name in _Panels.__dataclass_fields__))


def _whole(ends):
    """One linear panel per trial."""
    n_trials = ends.shape[1]
    return _Panels(np.arange(n_trials), np.zeros(n_trials), np.ones(n_trials), np.zeros(n_trials, bool),
                   np.ones(n_trials), ends[0], ends[1])


def _lay_out(paths, trials, ends, noise):
    """Several panels per trial, logarithmic ones where the output still changes close to the baseline.

    Behind a normalization or the logarithm of power, F may still move at a = 1e-6, where equal steps have no node.
    Outputs at powers of ten, which cost no gradient, tell how far down the panels must reach.
    """
    probed = paths.values(np.repeat(trials, len(_nodes.PROBES)), np.tile(_nodes.PROBES, len(trials)))
    moved = np.abs(probed.reshape(len(trials), len(_nodes.PROBES), -1) - ends[0][trials][:, None])
    moved = np.maximum(moved - noise[trials][:, None], 0)
    largest = np.maximum(moved.max(1), np.abs(ends[1] - ends[0])[trials])[:, None]
    remainders = np.divide(moved, largest, out=np.zeros_like(moved), where=largest > 0).max(2)
    parts = []
    for trial, remainder in zip(trials, remainders, strict=True):
        edges, logarithmic = _nodes.first_panels(remainder)
        count = len(logarithmic)
        values = np.concatenate([ends[0][[trial]], paths.values(np.full(count - 1, trial), edges[1:-1]),
                                 ends[1][[trial]]])
        parts.append(_Panels(np.full(count, trial), edges[:-1], edges[1:], logarithmic, np.full(count, 1 / count),
                             values[:-1], values[1:]))
    return _join(parts)


def _evaluate(paths, panels, rule):
    """Integrate panels by both rules.

    The map's error is taken as the rules' difference times the share of nodes that both have (see `NestedRule`), the
    sum's error is known: the change of the output between the panel's ends.
    """
    kept, errors, sizes = [], [], []
    for first in range(0, len(panels), paths.panels):
        part = panels[slice(first, first + paths.panels)]
        nodes, weights = _nodes.place(rule, part.low, part.high, part.logarithmic)
        fine, coarse = paths.weighted(part.trial, nodes, weights)
        change = paths.change[part.trial][:, None]
        total = torch.einsum("pkct,pct->pk", fine.double(), change[:, 0].double()).cpu().numpy()
        moved = coarse.sub_(fine).mul_(change).abs_().sum((-2, -1)).double().cpu().numpy()
        sizes.append((fine * change).abs_().sum((-2, -1)).double().cpu().numpy())
        errors.append(np.stack([rule.share * moved, np.abs(total - (part.end - part.start))]))
        kept.append(fine)
    return _Sums(torch.cat(kept), np.concatenate(errors, axis=1), np.concatenate(sizes))


@dataclass(frozen=True, eq=False)
class _Sums:
    """Integrals over panels.

    `fine` (a tensor `(n_panels, n_targets, n_channels, n_times)`) are those of the fine rule; `errors`
    `(2, n_panels, n_targets)` how far the map and its sum are off; `sizes` `(n_panels, n_targets)` absolute sums of
    the maps.
    """

    fine: torch.Tensor
    errors: np.ndarray
    sizes: np.ndarray


@dataclass(frozen=True, eq=False)
class _Settled:
    """What is settled so far, per trial; the arrays are added to in place.

    `total` are averaged gradients, `used` the gradients evaluated, `missed` squared errors over what is allowed.
    """

    total: np.ndarray
    used: np.ndarray
    missed: np.ndarray

    def keep(self, panels, sums, excess, number):
        """Take a panel as it is."""
        trial = panels.trial[number]
        self.total[trial] += sums.fine[number].double().cpu().numpy()
        self.missed[trial] += excess[0, number] ** 2 * panels.share[number]


def _excess(panels, errors, limits):
    """Errors over what is allowed: those of panels are independent, so their squares add up in proportion to share."""
    allowed = limits[:, panels.trial] * np.sqrt(panels.share)[:, None]
    ratio = np.divide(errors, allowed, out=np.where(errors > 0, np.inf, 0.0), where=allowed > 0)
    return ratio.max(2)


def _refine(paths, ends, tol):
    """Refine every trial until its map stands still: first the whole path, then panels that are cut up."""
    whole = _whole(ends)
    noise = _ROUNDING * torch.finfo(paths.start.dtype).eps * np.abs(ends).max(0)
    sums = _evaluate(paths, whole, _nodes.WHOLE)
    step = np.abs(ends[1] - ends[0])
    size = np.maximum(sums.sizes, step)  # cells may cancel: a map is never judged by its sum alone
    limits = np.stack([tol * size, 0.8 * tol * step + noise])
    excess = _excess(whole, sums.errors, limits)
    settled = _Settled(sums.fine.double().cpu().numpy(), np.full(len(step), len(_nodes.WHOLE.nodes)), excess[0] ** 2)
    open_ = np.flatnonzero(excess.max(0) > 1)
    if len(open_):
        settled.total[open_], settled.missed[open_] = 0, 0  # their panels are integrated anew
        panels = _lay_out(paths, open_, ends, noise)
        while len(panels):
            panels = _round(paths, panels, limits, settled)
    change = paths.change.double().cpu().numpy()
    delta = np.einsum("nkct,nct->nk", settled.total, change) - (ends[1] - ends[0])
    converged = (settled.missed <= 1) & (np.abs(delta) <= tol * size + noise).all(1)
    return PathGradients(settled.total, change, ends[1] - ends[0], settled.used, converged)


def _round(paths, panels, limits, settled):
    """Evaluate panels, keep those that are good enough, and cut the others up."""
    sums = _evaluate(paths, panels, _nodes.PIECE)
    per_panel = len(_nodes.PIECE.nodes)
    np.add.at(settled.used, panels.trial, per_panel)
    excess = _excess(panels, sums.errors, limits)
    square = np.zeros((2, len(settled.used)))
    for kind in range(2):
        np.add.at(square[kind], panels.trial, excess[kind] ** 2 * panels.share)
    square[0] += settled.missed
    # a trial whose panels are good enough together is done, even if one of them alone is not
    done = (square <= 1).all(0)[panels.trial]
    counts = _cuts(panels.trial, np.where(done, 0.0, excess.max(0)), (MAX_NODES - settled.used) // per_panel)
    split = counts > 0
    for number in np.flatnonzero(~split):
        settled.keep(panels, sums, excess, number)
    return panels[split].pieces(paths, counts[split]) if split.any() else panels[split]


def _cuts(trial, excess, room):
    """Into how many pieces each panel is cut, 0 for those that are kept; `room` is the number of pieces per trial.

    Where gradients jump, m pieces lower the excess of each by ``m ** 1.5``; smooth panels need two.
    """
    counts = np.where(excess > 1, np.clip(np.ceil(excess ** (2 / 3)), 2, 16), 0).astype(int)
    for owner in np.unique(trial[counts > 0]):
        left, asked = room[owner], counts[trial == owner].sum()
        for number in sorted(np.flatnonzero((trial == owner) & (counts > 0)), key=lambda n: -excess[n]):
            fair = counts[number] if asked <= room[owner] else max(2, counts[number] * room[owner] // asked)
            counts[number] = fair if fair <= left else 0
            left -= counts[number]
    return counts
