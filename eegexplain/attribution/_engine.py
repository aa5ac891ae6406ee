"""One integral per block of trials, read in every basis, within one memory limit."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch

from eegexplain._parallel import trial_blocks
from eegexplain._torch import TorchNet, gradient_mode, sums_to_zero
from eegexplain._units import Unit, one_copy, run_units, runs_here
from eegexplain.attribution._baselines import Bank
from eegexplain.attribution._methods import Method, Request
from eegexplain.attribution._nodes import nested_rules
from eegexplain.attribution._path import Paths
from eegexplain.attribution._sketch import N_SUMS
from eegexplain.bases import Basis


@dataclass(frozen=True)
class Settings:
    """How trials are attributed.

    Attributes
    ----------
    method : Method
    response : str
        Resolved: not "auto".
    n_steps, tol : object
        As in `FLEXAttributor`.
    memory_limit : int
        Bytes for activations, gradients and sums.
    batch_size : int or None
        Points per pass, at most; None as in `TorchNet.rows`.
    relative : bool
        Whether each map is divided by the sum of its absolute values.
    n_jobs : int or None
        Blocks worked on at a time.
    verbose : int
    """

    method: Method
    response: str
    n_steps: int | str = "auto"
    tol: float = 0.01
    memory_limit: int = 2**28
    batch_size: int | None = None
    relative: bool = False
    n_jobs: int | None = None
    verbose: int = 0


@dataclass(frozen=True, eq=False)
class Checks:
    """How well the integrals of some trials came out.

    Attributes
    ----------
    convergence_delta : ndarray of shape (n_trials, n_targets)
        Sum of the attributions minus the change of the output, averaged over baselines.
    output_change : ndarray of shape (n_trials, n_targets)
    n_steps : ndarray of shape (n_trials,)
        Gradients evaluated, all baselines together.
    error : ndarray of shape (n_trials, n_targets)
        Estimated share of each map (of its absolute sum) that is wrong, averaged over baselines.
    converged : bool ndarray of shape (n_trials,)
        Whether these are below the bound.
    """

    convergence_delta: np.ndarray
    output_change: np.ndarray
    n_steps: np.ndarray
    error: np.ndarray
    converged: np.ndarray

    @classmethod
    def join(cls, parts):
        """Concatenate checks of blocks."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__dataclass_fields__))

    @classmethod
    def side_by_side(cls, groups):
        """Join the checks of the same trials for groups of targets."""
        delta, change, error = (np.concatenate([getattr(one, name) for one in groups], axis=1)
                                for name in ("convergence_delta", "output_change", "error"))
        return cls(delta, change, np.sum([one.n_steps for one in groups], axis=0), error,
                   np.all([one.converged for one in groups], axis=0))

    def summary(self):
        """Facts for the attributes of an explanation."""
        return {"n_trials": len(self.n_steps), "n_steps": float(np.mean(self.n_steps)),
                "n_unconverged": int(np.sum(~self.converged))}


@dataclass(frozen=True, eq=False)
class Block:
    """Attributions of some trials.

    Attributes
    ----------
    part : slice
        Which trials these are.
    maps : list of ndarray of shape (n_trials, n_targets, n_rows, n_cells)
        One per basis.
    checks : Checks
    moves : ndarray of shape (2, n_trials, n_targets)
        As in `PathGradients`, summed over baselines; 0 where nothing is estimated.
    coarse : list of ndarray
        `maps` by the first rule, where they are by the second; else empty.
    begun : list of list of Integral, optional
        Of every group of targets and draw of the baseline, to go on from.
    """

    part: slice
    maps: list[np.ndarray]
    checks: Checks
    moves: np.ndarray
    coarse: list[np.ndarray] = field(default_factory=list)
    begun: list | None = None


@dataclass(frozen=True, eq=False)
class Plan:
    """What is held at a time under the memory limit.

    Attributes
    ----------
    size : int
        Trials per block.
    groups : list of ndarray of int
        Columns of the targets that are worked on together.
    rows : int
        Points on paths in one pass of the network.
    kept : int
        Blocks whose integrals are held from one rule to the next.
    """

    size: int
    groups: list[np.ndarray]
    rows: int
    kept: int


@dataclass(frozen=True, eq=False)
class Stage:
    """How far a block is integrated: by the rule `level`, from what was `begun`; `keep` to go on later."""

    level: int | None = None
    begun: list | None = None
    keep: bool = False


@dataclass(frozen=True, eq=False)
class Engine:
    """Attribute blocks of trials.

    Attributes
    ----------
    net : TorchNet
    bank : Bank
        Baselines.
    positions : ndarray
        Random positions on the path, for methods that draw them.
    settings : Settings
    """

    net: TorchNet
    bank: Bank
    positions: np.ndarray
    settings: Settings

    def attribute(self, X: np.ndarray, targets: np.ndarray, bases: list[Basis]) -> Block:
        """Attribute all trials at once: the blocks of `blocks`, joined."""
        blocks = list(self.blocks(X, targets, bases))
        maps = [np.concatenate(kind) for kind in zip(*(block.maps for block in blocks), strict=True)]
        return Block(slice(0, len(X)), maps, Checks.join([block.checks for block in blocks]),
                     np.concatenate([block.moves for block in blocks], axis=1))

    def blocks(self, X: np.ndarray, targets: np.ndarray, bases: list[Basis]) -> Iterator[Block]:
        """Attribute trials block by block.

        Parameters
        ----------
        X : ndarray of shape (n_trials, n_channels, n_times)
        targets : int ndarray of shape (n_trials, n_targets)
        bases : list of Basis

        Yields
        ------
        Block
        """
        plan = self._plan(X, targets)
        parts = trial_blocks(len(X), plan.size)
        return self._run(X, targets, bases, plan, parts, [Stage()] * len(parts))

    def rounds(self, X: np.ndarray, targets: np.ndarray, basis: Basis) -> Iterator[Iterator[Block]]:
        """Attribute all trials by one rule after the other, until the caller stops.

        What was evaluated is held as far as the memory limit allows, and only in this process; elsewhere a round
        begins anew, with the same result.

        Parameters
        ----------
        X : ndarray of shape (n_trials, n_channels, n_times)
        targets : int ndarray of shape (n_trials, n_targets)
        basis : Basis

        Yields
        ------
        iterator of Block
            The blocks of one rule. A method without nested rules has one round.
        """
        if self.settings.n_steps != "auto" or not self.settings.method.nested:
            yield self.blocks(X, targets, [basis])
            return
        plan = self._plan(X, targets)
        parts = trial_blocks(len(X), plan.size)
        begun: dict[int, list | None] = {}
        here, last = runs_here(self.settings.n_jobs), len(nested_rules()) - 1
        with contextlib.nullcontext(X) if here else one_copy(X) as X:
            for level in range(1, last + 1):
                stages = [Stage(level, begun.get(number), here and number < plan.kept and level < last)
                          for number in range(len(parts))]
                yield self._noting(self._run(X, targets, [basis], plan, parts, stages), begun)

    @staticmethod
    def _noting(blocks, begun):
        for number, block in enumerate(blocks):
            begun[number] = block.begun
            yield replace(block, begun=None)

    def _run(self, X, targets, bases, plan, parts, stages):
        units = [Unit(_block, (self, X, part, targets[part], bases, plan, stage))
                 for part, stage in zip(parts, stages, strict=True)]
        return run_units(units, n_jobs=self.settings.n_jobs, verbose=self.settings.verbose, desc="attribution")

    def _plan(self, X, targets):
        """Share out the memory limit: half for the passes, a quarter for a block, a quarter for blocks that wait."""
        limit, n_targets = self.settings.memory_limit, targets.shape[1]
        x = self.net.tensor(X[:1])
        rules = nested_rules()
        # Held at a time, per trial and target: sums by every rule, two maps, sketches, averages in double precision.
        kept = (x[0].numel() * (len(rules) + 2) + len(rules.nodes) * N_SUMS) * x.element_size()
        held = kept + x[0].numel() * 24
        room = max(limit // 4, 1)
        groups = np.array_split(np.arange(n_targets), -(-n_targets // max(1, room // held)))
        width = len(groups[0])
        size, n_draws = int(np.clip(room // (held * width), 1, 64)), self._n_draws()
        return Plan(size=size, groups=groups, kept=room // (size * n_targets * n_draws * kept),
                    rows=int(np.clip(limit // 2 // self.net.row_bytes.held(width), 1,
                                     self.net.rows(self.settings.batch_size, width))))

    @property
    def _respond(self):
        return partial(self.net.respond, response=self.settings.response)

    def _n_draws(self):
        return max(len(self.bank), self.settings.method.n_draws)

    def _paths(self, X, part, targets, plan, number):
        """Paths of one block and some targets from one baseline."""
        n_outputs = self.net.n_outputs
        every = len(plan.groups) == 1 and targets.shape[1] == n_outputs and np.all(targets == np.arange(n_outputs))
        closed = every and n_outputs > 1 and sums_to_zero(self.settings.response)
        start = self.bank.draw(number % len(self.bank), X, part)
        return Paths(self._respond, self.net.tensor(start), self.net.tensor(X - start),
                     torch.as_tensor(targets, device=self.net.device), plan.rows, closed, part.start)

    def _attribute(self, X, part, targets, bases, plan, stage, begun):
        """Maps of one block and some targets, averaged over baselines; `begun` are its integrals so far."""
        method, n_draws = self.settings.method, self._n_draws()
        maps, coarse, integrals, checks = [], [], [], None
        moves = np.zeros((2, *targets.shape))
        for number in range(n_draws):
            earlier = begun[number] if begun else None
            paths = earlier.paths if earlier else self._paths(X.astype(float), part, targets, plan, number)
            found = method.function(paths, Request(
                self.settings.n_steps, self.settings.tol, self.positions[number % len(self.positions)],
                self.net.module, stage.level, earlier))
            _add(maps, [_read(basis, method, found.change, found.gradients) / n_draws for basis in bases])
            if found.coarse is not None:
                _add(coarse, [_read(basis, method, found.change, found.coarse) / n_draws for basis in bases])
            moves += 0 if found.moves is None else found.moves
            integrals.append(found.integral if stage.keep else None)
            checks = _tally(checks, found, method, n_draws, self.settings.tol)
        return Block(part, maps, checks, moves, coarse, integrals if stage.keep else None)

    def _scaled(self, values):
        if not self.settings.relative:
            return values
        total = np.abs(values).sum((-2, -1), keepdims=True)
        return np.divide(values, total, out=np.zeros_like(values), where=total > 0)


def _block(engine, X, part, targets, bases, plan, stage):
    """Maps of one block, all targets: the whole `X` is given, of which a worker reads its rows."""
    begun = stage.begun or [None] * len(plan.groups)
    with gradient_mode(engine.net.module):
        found = [engine._attribute(X[part], part, targets[:, group], bases, plan, stage, earlier)
                 for group, earlier in zip(plan.groups, begun, strict=True)]
    maps, coarse = ([engine._scaled(np.concatenate(kind, axis=1)) for kind in zip(*groups, strict=True)]
                    for groups in ([each.maps for each in found], [each.coarse for each in found]))
    return Block(part, maps, Checks.side_by_side([each.checks for each in found]),
                 np.concatenate([each.moves for each in found], axis=2), coarse,
                 [each.begun for each in found] if stage.keep else None)


def _read(basis, method, change, gradients):
    if method.signed:
        return basis.attribute(change[:, None], gradients)
    return basis.sensitivity(gradients)


def _add(sums, new):
    """Add arrays to those of earlier baselines."""
    sums[:] = [old + one for old, one in zip(sums, new, strict=True)] if sums else new


def _tally(checks, found, method, n_draws, tol):
    """Add the checks of one baseline to those so far."""
    delta = found.convergence_delta if method.signed else np.full(found.output_change.shape, np.nan)
    new = Checks(delta / n_draws, found.output_change / n_draws, found.n_steps, found.error / n_draws,
                 (found.error <= tol).all(1))
    if checks is None:
        return new
    return Checks(checks.convergence_delta + new.convergence_delta, checks.output_change + new.output_change,
                  checks.n_steps + new.n_steps, checks.error + new.error, checks.converged & new.converged)
