"""Gradient solvers for arbitrary models: any torch optimiser, with derivatives by autograd."""

import numpy as np
import torch

from eegexplain._module import seeded
from eegexplain._validation import suggest


def find_optimizer(name):
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


def fit_gradient(model, layout, recording, nuisance, theta, *, settings, total, callback):
    """Descend the gradient of the loss over all targets given.

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
    settings : dict
        ``optimizer, learning_rate, optimizer_params, max_n_iterations, min_n_iterations, lag, r2_atol, noise_model,
        seed``.
    total : ndarray of shape (n_targets,)
        Sum of squares that residuals are compared with.
    callback : callable
        Called as ``callback(iteration, ssq, theta)``.

    Returns
    -------
    theta : ndarray of shape (n_targets, n_parameters)
        Best parameters met.
    n_iter : ndarray of int
        Steps until each target's R2 changed by less than ``r2_atol`` within ``lag`` steps.
    converged : ndarray of bool
        Whether it did.
    """
    with seeded(settings["seed"]):
        unknowns = _Unknowns(layout, theta)
        residual_ssq = _residual(model, layout, recording, nuisance)
        optimizer = settings["optimizer"](
            list(unknowns.leaves.values()), lr=settings["learning_rate"], **(settings["optimizer_params"] or {})
        )
        watch = _Convergence(theta, total, settings, together=bool(layout.shared))
        for iteration in range(settings["max_n_iterations"]):
            ssq, values = _step(unknowns, residual_ssq, optimizer, settings["noise_model"])
            callback(iteration, ssq, values)
            if watch.update(iteration, ssq, values):
                break
        with torch.no_grad():
            columns = unknowns.columns()
            watch.keep_best(residual_ssq(columns).numpy(), torch.stack(columns, dim=1).numpy())
    return watch.theta, watch.n_iter, watch.converged


def _residual(model, layout, recording, nuisance):
    """Sum of squared residuals of every target as a function of its parameters."""
    stimulus, data, basis = (torch.as_tensor(a) for a in (recording.stimulus, recording.data, nuisance))

    def residual_ssq(columns):
        shape = [columns[i] for i in layout.shape]
        prediction = model.response(stimulus, *shape, groups=recording.groups, xp=torch)
        if layout.amplitude is not None:
            prediction = prediction * columns[layout.amplitude]
        if layout.baseline is not None:
            prediction = prediction + columns[layout.baseline]
        if basis.shape[1]:
            prediction = prediction - basis @ (basis.T @ prediction)
        return ((data - prediction) ** 2).sum(0)

    return residual_ssq


def _step(unknowns, residual_ssq, optimizer, noise_model):
    """One step; returns sums of squares and parameters before it."""
    seen = []

    def closure():
        optimizer.zero_grad()
        columns = unknowns.columns()
        ssq = residual_ssq(columns)
        loss = torch.log(ssq.clamp_min(1e-300)).sum() if noise_model == "gaussian" else ssq.sum()
        loss.backward()
        seen.append((ssq.detach().numpy().copy(), torch.stack([c.detach() for c in columns], dim=1).numpy()))
        return loss

    optimizer.step(closure)
    return seen[0]


class _Convergence:
    """Best parameters met, and when each target's R2 stopped improving; shared parameters converge together."""

    def __init__(self, theta, total, settings, together):
        n_targets = len(theta)
        self.theta, self.best = theta.copy(), np.full(n_targets, np.inf)
        self.total = np.where(total > 0, total, 1.0)
        self.settings, self.together = settings, together
        self.n_iter = np.full(n_targets, settings["max_n_iterations"])
        self.converged = np.zeros(n_targets, dtype=bool)
        self.history = []

    def keep_best(self, ssq, theta):
        """Remember parameters that fit better than any before; all together where some are shared."""
        cost = np.log(np.maximum(ssq, 1e-300)) if self.settings["noise_model"] == "gaussian" else ssq
        cost = np.full_like(cost, cost.sum()) if self.together else cost
        better = cost < self.best
        self.best[better], self.theta[better] = cost[better], theta[better]

    def update(self, iteration, ssq, theta):
        """Note an iteration; returns whether all targets have converged."""
        self.keep_best(ssq, theta)
        self.history.append(1 - ssq / self.total)
        lag = self.settings["lag"]
        if len(self.history) <= lag or iteration < self.settings["min_n_iterations"]:
            return False
        change = self.history[-1] - self.history[-1 - lag]
        self.history[-1 - lag] = None
        still = np.full(len(ssq), change.mean()) if self.together else change
        new = (np.abs(still) < self.settings["r2_atol"]) & ~self.converged
        self.converged |= new
        self.n_iter[new] = iteration + 1
        return bool(self.converged.all())
