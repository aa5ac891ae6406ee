"""Gradients averaged over the straight path from baseline to input, for a batch of trials under a memory limit.

Integrated gradients (Sundararajan, Taly & Yan 2017, https://doi.org/10.48550/arXiv.1703.01365) of an output F are

    A = d * integral over a from 0 to 1 of grad F(b + a d),    d = x - b,

with baseline b and input x. Their sum is ``F(x) - F(b)``, which costs no gradient to know: the error of the sum is
exact. That of the single cells is at least as large, and estimated from how far nested rules move them.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch

from eegexplain._torch import differentiate
from eegexplain.attribution import _nodes
from eegexplain.attribution._sketch import N_SUMS, margin, missing_share, signed, sketch, variances

# Rounding of an output, in units of its machine epsilon: below this a change is noise.
_ROUNDING = 50.0
# The last rule at best halves the errors that jumps leave: a trial that is further from `tol` is not worth it.
_HOPELESS = 3.0


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
    error : ndarray of shape (n_trials, n_targets)
        Estimated share of each map (of its absolute sum) that is wrong; 0 where nothing is estimated.
    moves : ndarray of shape (2, n_trials, n_targets), optional
        How far the last rule moved each map (sum of absolute values over cells), and how much of that is estimated to
        be missing still.
    coarse : ndarray, optional
        `gradients` by the first rule, where they are by the second.
    integral : Integral, optional
        To go on from.
    """

    gradients: np.ndarray
    change: np.ndarray
    output_change: np.ndarray
    n_steps: np.ndarray
    error: np.ndarray
    moves: np.ndarray | None = None
    coarse: np.ndarray | None = None
    integral: "Integral | None" = None

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

    def ends(self):
        """Outputs at baseline and input, `(2, n_trials, n_targets)`."""
        n_trials = len(self.start)
        return self.values(np.tile(np.arange(n_trials), 2), np.repeat([0.0, 1.0], n_trials)).reshape(2, n_trials, -1)

    def add(self, trial, nodes, weights, sums, change=None):
        """Add weighted gradients at nodes on the paths of some trials to the sums of these trials.

        Parameters
        ----------
        trial : int ndarray of shape (n_some,)
        nodes : ndarray of shape (n_some, n_nodes)
        weights : ndarray of shape (n_some, n_rules, n_nodes)
        sums : torch.Tensor of shape (n_trials, n_rules, n_targets, n_channels, n_times)
            Changed in place.
        change : torch.Tensor of shape (n_trials, n_channels, n_times), optional
            As `signed` returns it, where sketches are wanted.

        Returns
        -------
        list of torch.Tensor
            Sketches of the maps at all nodes, ``(n_points, n_targets, N_SUMS)`` of a pass.
        """
        n_nodes, seen = nodes.shape[1], []
        owner, position = np.repeat(trial, n_nodes), nodes.ravel()
        factors = torch.as_tensor(weights, dtype=sums.dtype, device=sums.device)
        for first in range(0, len(owner), self.rows):
            part = slice(first, min(first + self.rows, len(owner)))
            _, gradients = differentiate(self.respond, self.points(owner[part], position[part]),
                                         self.targets[owner[part]], closed=self.closed)
            check_finite(gradients, self.first + owner[part], position[part])
            for number in range(first // n_nodes, (part.stop - 1) // n_nodes + 1):  # a pass may begin inside a trial
                begin, end = max(first, number * n_nodes), min(part.stop, (number + 1) * n_nodes)
                factor = factors[number, :, begin - number * n_nodes:end - number * n_nodes]
                sums[trial[number]].flatten(1).addmm_(factor, gradients[begin - first:end - first].flatten(1))
            if change is not None:
                seen.append(sketch(gradients, change[owner[part]]))
        return seen

    def zeros(self, n_rules):
        """Sums before any gradient, `(n_trials, n_rules, n_targets, n_channels, n_times)`."""
        n_trials, n_targets = self.targets.shape
        return self.start.new_zeros((n_trials, n_rules, n_targets, *self.start.shape[1:]))


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
        Nodes of a Gauss-Legendre rule, or as many as it takes (5, 11, 23, 47 or 95).
    tol : float
        With "auto", a trial is done when less than this share of its map is wrong, as far as can be told.

    Returns
    -------
    PathGradients
    """
    if n_steps == "auto":
        found = Integral.begin(paths)
        while len(open_ := found.open(tol)):
            found.refine(open_)
        return found.read()
    nodes, weights = _nodes.gauss_legendre(n_steps)
    return apply(paths, nodes, weights)


def apply(paths, nodes, weights):
    """Sum gradients at the same nodes of every path, with the same weights."""
    n_trials, ends, sums = len(paths.start), paths.ends(), paths.zeros(1)
    paths.add(np.arange(n_trials), np.tile(nodes, (n_trials, 1)), np.tile(weights, (n_trials, 1, 1)), sums)
    return PathGradients(sums[:, 0].double().cpu().numpy(), paths.change.double().cpu().numpy(), ends[1] - ends[0],
                         np.full(n_trials, len(nodes)), np.zeros(ends.shape[1:]))


def _size(maps):
    return maps.abs_().sum((-2, -1)).double().cpu().numpy()


@dataclass(frozen=True, eq=False)
class Integral:
    """Gradients of some trials, summed by all nested rules as far as their nodes were evaluated.

    Attributes
    ----------
    paths : Paths
    ends : ndarray of shape (2, n_trials, n_targets)
        Outputs at baseline and input.
    nodes : ndarray of shape (n_trials, n_nodes)
        Of the last rule, on the stretched paths.
    weights : ndarray of shape (n_trials, n_rules, n_nodes)
    sums : torch.Tensor of shape (n_trials, n_rules, n_targets, n_channels, n_times)
    sketches : ndarray of shape (n_trials, n_nodes, n_targets, N_SUMS)
        Of the maps at the nodes that were evaluated.
    level : int ndarray of shape (n_trials,)
        The last rule whose nodes were evaluated, per trial.
    moves : ndarray of shape (2, n_trials, n_targets)
        As in `PathGradients`.
    missing : ndarray of shape (n_trials, n_targets)
        What the sum of the map lacks of the change of the output beyond rounding.
    error : ndarray of shape (n_trials, n_targets)
        As in `PathGradients`.
    """

    paths: Paths
    ends: np.ndarray
    nodes: np.ndarray
    weights: np.ndarray
    sums: torch.Tensor
    sketches: np.ndarray
    level: np.ndarray
    moves: np.ndarray
    missing: np.ndarray
    error: np.ndarray

    @classmethod
    def begin(cls, paths):
        """Find the stretch of every path, and evaluate the nodes of the first two rules."""
        ends, rules = paths.ends(), _nodes.nested_rules()
        n_trials, n_targets = ends.shape[1:]
        missing, error = np.full((2, n_trials, n_targets), np.inf)
        found = cls(paths, ends, *rules.place(find_stretch(paths, ends)), paths.zeros(len(rules)),
                    np.zeros((n_trials, len(rules.nodes), n_targets, N_SUMS), dtype=str(paths.start.dtype)[6:]),
                    np.zeros(n_trials, int), np.zeros((2, n_trials, n_targets)), missing, error)
        found.refine(np.arange(n_trials))
        return found

    def refine(self, trials):
        """Evaluate the nodes of the next rule for some trials, all of the same level."""
        level = self.level[trials[0]] + 1
        self._evaluate(trials, 0 if level == 1 else level, level)  # the first two rules come together
        self.level[trials] = level
        change = self.paths.change[trials][:, None]
        maps = self.sums[trials, level] * change
        step, noise = (self.ends[1] - self.ends[0])[trials], rounding(self.paths, self.ends)[trials]
        delta = maps.double().sum((-2, -1)).cpu().numpy() - step
        moved = _size(self.sums[trials, level - 1] * change - maps)
        size = np.maximum(_size(maps), np.abs(step))  # cells may cancel: a map is never judged by its sum alone
        missing = np.maximum(np.abs(delta) - noise, 0.0)
        self.moves[:, trials] = moved, moved * self._missing_share(trials, level)
        wrong = np.maximum(self.moves[1, trials], missing)
        self.error[trials] = np.divide(wrong, size, out=np.zeros_like(wrong), where=size > 0)
        self.missing[trials] = missing

    def _evaluate(self, trials, lowest, level):
        new = _nodes.nested_rules().brought(lowest, level)
        seen = self.paths.add(trials, self.nodes[trials][:, new], self.weights[trials][:, lowest:, new],
                              self.sums[:, lowest:], signed(self.paths.change))
        self.sketches[trials[:, None], new] = torch.cat(seen).unflatten(0, (len(trials), len(new))).cpu().numpy()

    def _missing_share(self, trials, level):
        """What share of the last move is still missing, `(n_some, n_targets)`."""
        rules, sketches = _nodes.nested_rules(), self.sketches[trials].astype(float)
        moved, jumps = [], []
        for rule in (level - 1, level):
            inside = rules.brought(0, rule)
            jumps.append(variances(sketches[:, inside], self.nodes[trials][:, inside]))
            weights = self.weights[trials, rule] - (self.weights[trials, rule - 1] if rule else 0)
            moved.append(np.linalg.norm(np.einsum("nj,njkb->nkb", weights, sketches), axis=2))
        before = np.full_like(moved[0], np.inf) if level == 1 else moved[0]  # the first rule has nothing to move from
        sizes = [np.sqrt(found.sum(1)) for found in reversed(jumps)]
        return margin(jumps[1]) * missing_share(moved[1], before, *sizes)

    def open(self, tol):
        """Trials to refine further: those of the lowest level whose map, or its sum, is not right to `tol`."""
        step = np.abs(self.ends[1] - self.ends[0])
        done = ((self.error <= tol) & (self.missing <= tol * step)).all(1)
        last = self.sums.shape[1] - 1
        hopeless = (self.level == last - 1) & (self.error > _HOPELESS * tol).any(1)
        wanted = ~done & ~hopeless & (self.level < last)
        return np.flatnonzero(wanted & (self.level == self.level[wanted].min(initial=last)))

    def read(self, goes_on=False):
        """Return `PathGradients` by the rule that each trial reached; if it `goes_on`, with what that needs."""
        every, rules = np.arange(len(self.level)), _nodes.nested_rules()
        n_steps = np.array([rules.count(level) for level in self.level])
        found = PathGradients(self._averages(every, self.level), self.paths.change.double().cpu().numpy(),
                              self.ends[1] - self.ends[0], n_steps, self.error.copy())
        if not goes_on:
            return found
        first = np.all(self.level == 1)  # what later rules go on from was read before
        coarse = self._averages(every, self.level - 1) if first else None
        return replace(found, integral=self, moves=self.moves.copy(), coarse=coarse)

    def _averages(self, trials, level):
        return self.sums[trials, level].double().cpu().numpy()


def rounding(paths, ends):
    """What changes of outputs by rounding alone, `(n_trials, n_targets)`."""
    return _ROUNDING * torch.finfo(paths.start.dtype).eps * np.abs(ends).max(0)


def find_stretch(paths, ends):
    """Look at the outputs closer and closer to the baseline, as far as they still change there."""
    moved = np.zeros((1 + len(_nodes.PROBES), *ends.shape[1:]))
    moved[0], noise = np.abs(ends[1] - ends[0]), rounding(paths, ends)
    open_ = np.arange(ends.shape[1])
    for number, position in enumerate(_nodes.PROBES, 1):
        values = paths.values(open_, np.full(len(open_), position))
        moved[number, open_] = np.maximum(np.abs(values - ends[0, open_]) - noise[open_], 0.0)
        open_ = open_[_nodes.share(moved[:, open_])[max(0, number - 1):number + 1].max(0) > _nodes.BELOW]
        if not len(open_):
            break
    return _nodes.stretch(moved)
