"""Gradient solvers for arbitrary models: any torch optimiser, with derivatives by autograd."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from eegexplain._module import seeded
from eegexplain._validation import suggest
from eegexplain.encoding.parameters._layout import Layout
from eegexplain.encoding.parameters._problem import Recording
from eegexplain.encoding.parameters._settings import FitSettings, Solution
from eegexplain.encoding.parameters.noise_models import sum_of_squares


def find_optimizer(name: str) -> type[torch.optim.Optimizer]:
    """Find a torch optimiser by name, whatever its case.

    Parameters
    ----------
    name : str
        For example ``"adam"``.

    Returns
    -------
    optimizer : type
        The class.

    Raises
    ------
    ValueError
        If torch has no such optimiser.
    """
    classes = {
        key.lower(): value
        for key, value in vars(torch.optim).items()
        if isinstance(value, type) and issubclass(value, torch.optim.Optimizer) and value is not torch.optim.Optimizer
    }
    if str(name).lower() not in classes:
        names = sorted(classes)
        raise ValueError(f"solver={name!r} is neither 'varpro' nor a torch optimiser: {names}.{suggest(name, names)}")
    return classes[str(name).lower()]


def scalar_writer(log_dir):
    """Open a TensorBoard log.

    Parameters
    ----------
    log_dir : str or path
        Its folder.

    Returns
    -------
    writer : SummaryWriter
        With ``add_scalar`` and ``close``.

    Raises
    ------
    ImportError
        If tensorboard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ImportError("log_dir needs tensorboard: pip install tensorboard, or log_dir=None.") from error
    return SummaryWriter(str(log_dir))


class _Unknowns:
    """Transformed parameters as leaves: one row per target, or a single value for all."""

    def __init__(self, layout, theta):
        self.layout, self.theta, self.leaves = layout, torch.as_tensor(theta), {}
        for i, par in enumerate(layout.space):
            if par.label not in layout.fixed:
                values = theta[:1, i] if par.label in layout.shared else theta[:, i]
                self.leaves[i] = torch.as_tensor(par.unconstrain(values)).clone().requires_grad_(True)

    def columns(self):
        """Return parameters of every target inside their bounds, differentiable."""
        columns = []
        for i, par in enumerate(self.layout.space):
            column = par.constrain(self.leaves[i], torch) if i in self.leaves else self.theta[:, i]
            columns.append(column.expand(len(self.theta)))
        return columns


@dataclass(frozen=True)
class Seen:
    """What one forward pass shows.

    Parameters
    ----------
    ssq : ndarray of shape (n_targets,)
        Residual sums of squares.
    cost : ndarray of shape (n_targets,)
        What the noise model makes of the residuals.
    theta : ndarray of shape (n_targets, n_parameters)
        Parameters.
    """

    ssq: np.ndarray
    cost: np.ndarray
    theta: np.ndarray


def fit_gradient(
    model,
    layout: Layout,
    recording: Recording,
    nuisance: np.ndarray,
    theta: np.ndarray,
    *,
    settings: FitSettings,
    seed: int,
    callback: Callable,
) -> Solution:
    """Descend the gradient of the objective over all targets given.

    Parameters
    ----------
    model : EncodingModel
        Its ``basis`` is called with ``xp=torch``.
    layout : Layout
        What is fixed and shared.
    recording : Recording
        Stimulus, data (nuisance removed) and runs.
    nuisance : ndarray of shape (n_times, n_nuisance)
        Orthonormal basis of the confounds.
    theta : ndarray of shape (n_targets, n_parameters)
        Start.
    settings : FitSettings
        Noise model, optimiser and when to stop.
    seed : int
        Of torch.
    callback : callable
        Called as ``callback(iteration, ssq, theta)``.

    Returns
    -------
    solution : Solution
        The best parameters met; a target has converged when its R2 changed by less than ``r2_atol`` within ``lag``
        steps.
    """
    make = find_optimizer(settings.solver) if settings.optimizer is None else settings.optimizer
    total = ((recording.data - recording.data.mean(axis=0)) ** 2).sum(axis=0)
    with seeded(seed):
        unknowns = _Unknowns(layout, theta)
        residual = _residual(model, layout, recording, nuisance)
        optimizer = make(
            list(unknowns.leaves.values()), lr=settings.learning_rate, **(settings.optimizer_params or {})
        )
        watch = _Convergence(theta, total, settings, together=bool(layout.shared))
        for iteration in range(settings.max_n_iterations):
            seen = _step(unknowns, residual, optimizer, settings.noise_model)
            callback(iteration, seen.ssq, seen.theta)
            if watch.update(iteration, seen):
                break
        with torch.no_grad():
            columns = unknowns.columns()
            watch.keep_best(_look(residual(columns), columns, settings.noise_model)[0])
    return Solution(watch.theta, watch.n_iter, watch.converged)


def _residual(model, layout, recording, nuisance):
    """Residuals of every target as a function of its parameters."""
    stimulus, data, basis = (torch.as_tensor(a) for a in (recording.stimulus, recording.data, nuisance))

    def residual(columns):
        """Data less prediction, nuisance removed, ``(n_times, n_targets)``."""
        shape = [columns[i] for i in layout.shape]
        prediction = model.response(stimulus, *shape, groups=recording.groups, xp=torch)
        if layout.amplitude is not None:
            prediction = prediction * columns[layout.amplitude]
        if layout.baseline is not None:
            prediction = prediction + columns[layout.baseline]
        if basis.shape[1]:
            prediction = prediction - basis @ (basis.T @ prediction)
        return data - prediction

    return residual


def _look(residual, columns, noise_model):
    """Return what these parameters give, and the objective to differentiate."""
    loss = noise_model.loss(residual, torch)
    ssq = loss if noise_model.is_least_squares else sum_of_squares(residual.detach())
    cost = noise_model.cost(loss, torch)
    values = torch.stack([column.detach() for column in columns], dim=1).numpy()
    return Seen(ssq.detach().numpy().copy(), cost.detach().numpy().copy(), values), cost.sum()


def _step(unknowns, residual, optimizer, noise_model):
    """One step; returns what was seen before it."""
    looks = []

    def closure():
        """Objective and gradient at the present parameters; LBFGS asks several times per step."""
        optimizer.zero_grad()
        columns = unknowns.columns()
        seen, objective = _look(residual(columns), columns, noise_model)
        objective.backward()
        looks.append(seen)
        return objective

    optimizer.step(closure)
    return looks[0]


class _Convergence:
    """Best parameters met, and when each target's R2 stopped improving; shared parameters converge together."""

    def __init__(self, theta, total, settings, together):
        n_targets = len(theta)
        self.theta, self.best = theta.copy(), np.full(n_targets, np.inf)
        self.total = np.where(total > 0, total, 1.0)
        self.settings, self.together = settings, together
        self.n_iter = np.full(n_targets, settings.max_n_iterations)
        self.converged = np.zeros(n_targets, dtype=bool)
        self.history = []

    def keep_best(self, seen):
        """Remember parameters that fit better than any before; all together where some are shared."""
        cost = np.full_like(seen.cost, seen.cost.sum()) if self.together else seen.cost
        better = cost < self.best
        self.best[better], self.theta[better] = cost[better], seen.theta[better]

    def update(self, iteration, seen):
        """Note an iteration; returns whether all targets have converged."""
        self.keep_best(seen)
        self.history.append(1 - seen.ssq / self.total)
        lag = self.settings.lag
        if len(self.history) <= lag or iteration < self.settings.min_n_iterations:
            return False
        change = self.history[-1] - self.history[-1 - lag]
        self.history[-1 - lag] = None
        still = np.full(len(seen.ssq), change.mean()) if self.together else change
        new = (np.abs(still) < self.settings.r2_atol) & ~self.converged
        self.converged |= new
        self.n_iter[new] = iteration + 1
        return bool(self.converged.all())
