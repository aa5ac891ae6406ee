"""One integral per block of trials, read in every basis, within one memory limit."""

import contextlib
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from eegexplain._module import inference
from eegexplain._parallel import progress, trial_blocks
from eegexplain.attribution._methods import METHODS, Request
from eegexplain.attribution._path import Paths, bytes_per_row


@dataclass
class Checks:
    """How well the integrals of some trials came out.

    Attributes
    ----------
    convergence_delta : ndarray of shape (n_trials, n_targets)
        Sum of the attributions minus the change of the output, averaged over baselines.
    output_change : ndarray of shape (n_trials, n_targets)
    n_steps : ndarray of shape (n_trials,)
        Gradients evaluated, all baselines together.
    converged : bool ndarray of shape (n_trials,)
    """

    convergence_delta: np.ndarray
    output_change: np.ndarray
    n_steps: np.ndarray
    converged: np.ndarray

    @classmethod
    def join(cls, parts):
        """Concatenate checks of blocks."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__dataclass_fields__))

    def summary(self):
        """Facts for the attributes of an explanation."""
        return {"n_trials": len(self.n_steps), "n_steps": float(np.mean(self.n_steps)),
                "n_unconverged": int(np.sum(~self.converged))}


@dataclass
class Engine:
    """What it takes to attribute blocks of trials.

    Attributes
    ----------
    net : eegexplain._torch.TorchNet
    response : str
    bank : eegexplain.attribution._baselines.Bank
    positions : ndarray
        Random positions on the path, for methods that draw them.
    method : str
    n_steps, tol : object
        As in `FLEXAttributor`.
    memory_limit : int
        Bytes for activations, gradients and sums.
    batch_size : int
        Largest number of points in one pass.
    relative : bool
        Whether each map is divided by the sum of its absolute values.
    verbose : int
    """

    net: object
    response: str
    bank: object
    positions: np.ndarray
    method: str
    n_steps: object
    tol: float
    memory_limit: int
    batch_size: int
    relative: bool = False
    verbose: int = 0

    def blocks(self, X, targets, bases):
        """Attribute trials block by block.

        Parameters
        ----------
        X : ndarray of shape (n_trials, n_channels, n_times)
        targets : int ndarray of shape (n_trials, n_targets)
        bases : list of Basis

        Yields
        ------
        part : slice
        maps : list of ndarray of shape (n_block, n_targets, n_rows, n_cells)
            One per basis.
        checks : Checks
        """
        size, groups, rows, panels = self._plan(X, targets)
        for part in progress(trial_blocks(len(X), size), self.verbose, "attribution"):
            with self._mode():  # not across the yield: what happens between blocks is the caller's
                found = [self._block(X[part], part, targets[part][:, group], bases, (rows, panels, len(groups) == 1))
                         for group in groups]
            maps = [np.concatenate(kind, axis=1) for kind in zip(*(maps for maps, _ in found), strict=True)]
            yield part, [self._scaled(values) for values in maps], _side_by_side([checks for _, checks in found])

    @contextlib.contextmanager
    def _mode(self):
        """Evaluation mode; cuDNN off for recurrent networks, whose gradients it refuses outside training."""
        recurrent = any(isinstance(child, nn.RNNBase) for child in self.net.module.modules())
        with inference(self.net.module), torch.backends.cudnn.flags(enabled=not recurrent):
            yield

    def _plan(self, X, targets):
        """Trials per block, groups of targets, points per pass and panels at a time under the memory limit."""
        x, target = self.net.tensor(X[:1]), torch.as_tensor(targets[:1], device=self.net.device)
        with self._mode():
            row = bytes_per_row(self._respond, x, target)
        rows = int(np.clip(self.memory_limit // 2 // row, 1, self.batch_size))
        # Held at a time, per trial and target: sums of up to 17 panels, and averages in double precision.
        held = x[0].numel() * (17 * x.element_size() + 24)
        room = max(self.memory_limit // 4, 1)
        n_groups = min(targets.shape[1], max(1, -(-held * targets.shape[1] // room)))
        groups = np.array_split(np.arange(targets.shape[1]), n_groups)
        size = int(np.clip(room // (held * len(groups[0])), 1, 64))
        panels = int(np.clip(room // (x[0].numel() * len(groups[0]) * 4 * x.element_size()), 1, 64))
        return size, groups, rows, panels

    def _respond(self, x):
        return self.net.respond(x, self.response)

    def _block(self, X, part, targets, bases, plan):
        """Maps of one block and some targets, averaged over baselines."""
        rows, panels, all_targets = plan
        method = METHODS[self.method]
        closed = (self.response == "centered_logit" and all_targets and targets.shape[1] == self.net.n_outputs > 1
                  and np.all(targets == np.arange(self.net.n_outputs)))
        X = X.astype(float)
        n_draws = max(len(self.bank), method.n_draws)
        maps, checks = None, None
        for number in range(n_draws):
            start = self.bank.draw(number % len(self.bank), X, part)
            paths = Paths(self._respond, self.net.tensor(start), self.net.tensor(X - start),
                          torch.as_tensor(targets, device=self.net.device), rows, panels, closed, part.start)
            request = Request(self.n_steps, self.tol, self.positions[number % len(self.positions)], self.net.module)
            found = method.function(paths, request)
            read = [_read(basis, method, found) / n_draws for basis in bases]
            maps = read if maps is None else [old + new for old, new in zip(maps, read, strict=True)]
            checks = _tally(checks, found, method, n_draws)
        return maps, checks

    def _scaled(self, values):
        if not self.relative:
            return values
        total = np.abs(values).sum((-2, -1), keepdims=True)
        return np.divide(values, total, out=np.zeros_like(values), where=total > 0)


def _read(basis, method, found):
    if method.signed:
        return basis.attribute(found.change[:, None], found.gradients)
    return basis.sensitivity(found.gradients)


def _tally(checks, found, method, n_draws):
    """Add the checks of one baseline to those so far."""
    delta = found.convergence_delta if method.signed else np.full(found.output_change.shape, np.nan)
    new = Checks(delta / n_draws, found.output_change / n_draws, found.n_steps, found.converged)
    if checks is None:
        return new
    return Checks(checks.convergence_delta + new.convergence_delta, checks.output_change + new.output_change,
                  checks.n_steps + new.n_steps, checks.converged & new.converged)


def _side_by_side(groups):
    """Join checks of groups of targets."""
    return Checks(np.concatenate([one.convergence_delta for one in groups], axis=1),
                  np.concatenate([one.output_change for one in groups], axis=1),
                  np.sum([one.n_steps for one in groups], axis=0), np.all([one.converged for one in groups], axis=0))
