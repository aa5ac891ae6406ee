"""Levenberg-Marquardt steps on the functional of `_projection`, of all targets at once; bounds hold at every step.

A step solves ``(J'J + damping diag(J'J)) step = -J'r`` among the parameters that no bound stops. Every target has a
damping of its own, changed by Nielsen's smooth rule (1999) from the share of the promised gain that a step kept.

References
----------
Marquardt, D. W. (1963). An algorithm for least-squares estimation of nonlinear parameters. Journal of the Society for
Industrial and Applied Mathematics, 11(2), 431-441. https://doi.org/10.1137/0111030

Nielsen, H. B. (1999). Damping parameter in Marquardt's method. Report IMM-REP-1999-05, Technical University of Denmark.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from eegexplain.encoding.parameters._layout import Layout
from eegexplain.encoding.parameters._problem import Problem
from eegexplain.encoding.parameters._projection import State, evaluate
from eegexplain.encoding.parameters._search import Start

# Damping of the first step; by what it is multiplied at least and at most; where a target is given up as converged.
FIRST_DAMPING, EASE, STIFFEN, LAST_DAMPING = 1e-3, 0.2, 5.0, 1e10
# A step may not shrink the response's power below this share of its first: a tuning curve much wider than the stimulus
# varies would trade an ever larger amplitude for an ever smaller variation until rounding is all that is left.
SMALLEST_POWER = 1e-6
# Logarithms are taken of at least this: a target without residuals must not outweigh all others by infinity.
SMALLEST_SSQ = 1e-300


@dataclass(frozen=True)
class Cost:
    """What is added over targets that share parameters, as a function of their sums of squares.

    Parameters
    ----------
    name : str
        What users call it.
    of : callable
        ``of(ssq)`` -> what is added.
    weight : callable
        ``weight(ssq)`` -> its derivative: how much a target's residuals count.
    """

    name: str
    of: Callable
    weight: Callable


COSTS = {
    # Minus the log-likelihood of Gaussian noise whose variance, one per target, is at its best value ssq / n.
    "gaussian": Cost("gaussian", lambda ssq: np.log(ssq + SMALLEST_SSQ), lambda ssq: 1 / (ssq + SMALLEST_SSQ)),
    "ssq": Cost("ssq", lambda ssq: ssq, np.ones_like),
}


@dataclass(frozen=True)
class Solution:
    """Where a fit ended.

    Parameters
    ----------
    theta : ndarray of shape (n_targets, n_parameters)
        Parameters.
    ssq : ndarray of shape (n_targets,)
        Residual sums of squares.
    n_iter : ndarray of int, shape (n_targets,)
        Steps taken.
    converged : ndarray of bool, shape (n_targets,)
        Whether they sufficed.
    """

    theta: np.ndarray
    ssq: np.ndarray
    n_iter: np.ndarray
    converged: np.ndarray


def _damped(hessian, damping):
    """Levenberg-Marquardt matrix, solvable also where a parameter does not matter."""
    # Marquardt's scaling by the diagonal makes steps independent of the parameters' units; the floor keeps directions
    # without any curvature (the width of a tuning curve that no stimulus reaches) from a division by zero.
    diagonal = np.einsum("vii->vi", hessian)
    floor = 1e-12 * diagonal.max(axis=1, keepdims=True, initial=0.0) + 1e-200
    damped = hessian.copy()
    np.einsum("vii->vi", damped)[:] += np.broadcast_to(damping, len(hessian))[:, None] * np.maximum(diagonal, floor)
    np.einsum("vii->vi", damped)[:] += floor
    return damped


def _hold(matrix, held):
    """Replace rows and columns of parameters that stay by those of the identity."""
    matrix = np.where(held[:, :, None] | held[:, None, :], 0.0, matrix)
    np.einsum("vii->vi", matrix)[:] += held
    return matrix


def local_step(state: State, damping: np.ndarray, room: np.ndarray) -> np.ndarray:
    """Step of each target on its own; parameters that meet a bound stop there, and the others are solved again.

    Parameters
    ----------
    state : State
        Normal equations.
    damping : ndarray of shape (n_targets,)
        Levenberg-Marquardt damping.
    room : ndarray of shape (2, n_targets, n_steps)
        Way down to the lower bounds and up to the upper ones.

    Returns
    -------
    step : ndarray of shape (n_targets, n_steps)
        Step in transformed parameters, within the room.
    """
    matrix, step = _damped(state.hessian, damping), np.zeros_like(state.gradient)
    held, open_targets = _blocked(state.gradient, room), np.arange(len(step))
    while open_targets.size:
        some, stop = matrix[open_targets], held[open_targets]
        there = np.where(stop, step[open_targets], 0.0)
        right = np.where(stop, there, state.gradient[open_targets] - np.einsum("vij,vj->vi", some, there))
        solved = np.linalg.solve(_hold(some, stop), right[:, :, None])[:, :, 0]
        step[open_targets] = np.clip(solved, *room[:, open_targets])
        met = (solved != step[open_targets]) & ~stop
        held[open_targets] |= met
        open_targets = open_targets[met.any(axis=1)]
    return step


def _blocked(gradient, room):
    """Whether a parameter is at a bound and would leave."""
    return ((room[0] >= 0) & (gradient < 0)) | ((room[1] <= 0) & (gradient > 0))


def shared_step(
    state: State, damping: float, shared: np.ndarray, weights: np.ndarray, room: np.ndarray
) -> np.ndarray:
    """Step of all targets together: local parameters are eliminated, block by block.

    With blocks A_v (local), C_v (shared by local) and B_v (shared) of each target's matrix, the joint one is an arrow:
    targets meet in the shared parameters only. Its Schur complement ``sum_v B_v - C_v A_v^-1 C_v'`` gives their step;
    local steps follow target by target. So the work grows with the number of targets, not with its cube.

    Parameters
    ----------
    state : State
        Normal equations.
    damping : float
        Levenberg-Marquardt damping.
    shared : ndarray of bool, shape (n_steps,)
        Which parameters all targets share.
    weights : ndarray of shape (n_targets,)
        Weight of each target's residuals.
    room : ndarray of shape (2, n_targets, n_steps)
        Way to the bounds.

    Returns
    -------
    step : ndarray of shape (n_targets, n_steps)
        Step in transformed parameters, within the room; equal in all targets for shared ones.
    """
    gradient = state.gradient * weights[:, None]
    pull = np.where(shared, gradient.sum(axis=0), gradient)  # shared parameters are pulled by all targets together
    held = _blocked(pull, room)
    hessian = _hold(_damped(state.hessian * weights[:, None, None], damping), held)
    gradient = np.where(held, 0.0, gradient)
    local = ~shared
    corner = hessian[:, shared][:, :, local]
    right = np.concatenate([corner.transpose(0, 2, 1), gradient[:, local, None]], axis=2)
    solved = np.linalg.solve(hessian[:, local][:, :, local], right)
    schur = (hessian[:, shared][:, :, shared] - corner @ solved[:, :, :-1]).sum(axis=0)
    reduced = (gradient[:, shared] - (corner @ solved[:, :, -1:])[:, :, 0]).sum(axis=0)
    step = np.empty_like(gradient)
    step[:, shared] = np.linalg.solve(schur, reduced)
    step[:, local] = solved[:, :, -1] - solved[:, :, :-1] @ step[0, shared]
    return np.clip(step, *room)


def _room(layout, theta):
    """Way from parameters to their bounds on the scale of steps, ``(2, n_targets, n_steps)``."""
    room = np.empty((2, len(theta), len(layout.steps().parameters)))
    for i, parameter in enumerate(layout.steps().parameters):
        par = layout.space[parameter]
        room[:, :, i] = par.unconstrain([par.lower, par.upper])[:, None] - par.unconstrain(theta[:, parameter])
    return room


def _move(layout, theta, step):
    """Parameters after a step on their scales, within their bounds."""
    moved = theta.copy()
    for i, parameter in enumerate(layout.steps().parameters):
        par = layout.space[parameter]
        moved[:, parameter] = par.constrain(par.unconstrain(theta[:, parameter]) + step[:, i])
    return moved


def _is_sound(state, stepped, least_power):
    """Whether parameters are finite and the response still varies."""
    return np.isfinite(state.theta[:, stepped]).all(axis=1) & (state.power >= least_power)


def _expected_gain(state, step):
    """Decrease of the sum of squares that the linearised model promises."""
    return 2 * np.einsum("vi,vi->v", step, state.gradient) - np.einsum("vi,vij,vj->v", step, state.hessian, step)


def _change_of_damping(better, gain, expected):
    """Ease after steps that kept their promise, smoothly (Nielsen's rule), and stiffen after steps that failed."""
    quality = 2 * gain / np.maximum(expected, np.finfo(float).tiny) - 1
    return np.where(better, np.clip(1 - quality**3, EASE, STIFFEN), STIFFEN)


def minimize(
    problem: Problem, layout: Layout, start: Start, *, cost: Cost, max_n_iterations: int, atol: float
) -> Solution:
    """Fit target by target or, with shared parameters, all together.

    Parameters
    ----------
    problem : Problem
        Data and responses.
    layout : Layout
        What is found how.
    start : Start
        Where to start. With a second start the better end counts; not used with shared parameters.
    cost : Cost
        What is added over targets with shared parameters.
    max_n_iterations : int
        Largest number of steps.
    atol : float
        A target has converged when a step lowers its R2 by less.

    Returns
    -------
    solution : Solution
        Parameters, steps and convergence.
    """
    steps, everybody = layout.steps(), np.arange(len(start.theta))
    if not steps.parameters:
        state = evaluate(problem, layout, start.theta, everybody)
        return Solution(state.theta, state.ssq, np.zeros_like(everybody), np.ones(len(everybody), dtype=bool))
    least = atol * problem.total
    if steps.shared.any():
        return fit_together(problem, layout, start.theta, cost, max_n_iterations, least)
    fit = fit_independent(problem, layout, start.theta, max_n_iterations, least)
    tried = np.flatnonzero(np.isfinite(start.rivals[:, layout.shape]).all(axis=1))
    other = fit_independent(problem.restrict(tried), layout, start.rivals[tried], max_n_iterations, least[tried])
    better = other.ssq < fit.ssq[tried]
    for name, values in vars(fit).items():
        values[tried[better]] = getattr(other, name)[better]
    return fit


@np.errstate(all="ignore")
def fit_independent(problem, layout, theta, max_n_iterations, atol) -> Solution:
    """Fit every target on its own; converged targets are dropped from the work.

    Parameters
    ----------
    problem, layout, max_n_iterations
        As for ``minimize``.
    theta : ndarray of shape (n_targets, n_parameters)
        Start.
    atol : ndarray of shape (n_targets,)
        A target has converged when a step lowers its sum of squares by less than this, or promises no more.

    Returns
    -------
    solution : Solution
        Each target's own end.
    """
    n_targets, stepped = len(theta), layout.steps().parameters
    state = evaluate(problem, layout, theta, np.arange(n_targets))
    damping, least = np.full(n_targets, FIRST_DAMPING), SMALLEST_POWER * state.power
    n_iter, converged = np.zeros(n_targets, dtype=int), np.zeros(n_targets, dtype=bool)
    active = np.arange(n_targets)
    for _ in range(max_n_iterations):
        before = state.take(active)
        step = local_step(before, damping[active], _room(layout, before.theta))
        trial = evaluate(problem, layout, _move(layout, before.theta, step), active)
        gain, expected = before.ssq - trial.ssq, _expected_gain(before, step)
        better = (gain >= 0) & _is_sound(trial, stepped, least[active])
        state.put(active, trial, better)
        damping[active] *= _change_of_damping(better, gain, expected)
        n_iter[active] += 1
        done = (better & (gain <= atol[active])) | (expected <= atol[active]) | (damping[active] > LAST_DAMPING)
        converged[active[done]] = True
        active = active[~done]
        if not active.size:
            break
    return Solution(state.theta, state.ssq, n_iter, converged)


@np.errstate(all="ignore")
def fit_together(problem, layout, theta, cost, max_n_iterations, atol) -> Solution:
    """Fit all targets with shared parameters.

    A cost that is a function of the sums of squares has the gradient ``cost'(ssq) d(ssq)/du``: least squares with one
    weight per target, taken anew at every step.

    Parameters
    ----------
    problem, layout, theta, cost, max_n_iterations
        As for ``minimize``.
    atol : ndarray of shape (n_targets,)
        Scale of convergence: a step must lower the sum of squares by less than its sum.

    Returns
    -------
    solution : Solution
        The end, equal for all targets.
    """
    targets, steps = np.arange(len(theta)), layout.steps()
    state = evaluate(problem, layout, theta, targets)
    damping, n_iter, converged, least = FIRST_DAMPING, 0, False, SMALLEST_POWER * state.power
    while n_iter < max_n_iterations and not converged:
        n_iter += 1
        weights = cost.weight(state.ssq)
        step = shared_step(state, damping, steps.shared, weights, _room(layout, state.theta))
        expected = np.sum(weights * _expected_gain(state, step))
        trial = evaluate(problem, layout, _move(layout, state.theta, step), targets)
        gain, tolerance = np.sum(cost.of(state.ssq) - cost.of(trial.ssq)), np.sum(atol * weights)
        better = gain >= 0 and _is_sound(trial, steps.parameters, least).all()
        state = trial if better else state
        damping *= float(_change_of_damping(better, gain, expected))
        converged = bool((better and gain <= tolerance) or damping > LAST_DAMPING)
    return Solution(state.theta, state.ssq, np.full(len(theta), n_iter), np.full(len(theta), converged))
