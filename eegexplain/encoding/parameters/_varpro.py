"""Variable projection: batched Levenberg-Marquardt steps on the functional of `_projection`.

A step solves ``(J'J + damping diag(J'J)) step = -J'r``: Gauss-Newton where the linearised model holds, short steps down
the gradient where it does not. Every target has a damping of its own, changed by Nielsen's smooth rule (1999) from the
share of the promised gain that a step kept.

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
from eegexplain.encoding.parameters._moments import Problem
from eegexplain.encoding.parameters._projection import State, evaluate
from eegexplain.encoding.parameters.noise_models import NoiseModel

# Damping of the first step; by what it is multiplied at least and at most; where a target is given up as converged.
FIRST_DAMPING, EASE, STIFFEN, LAST_DAMPING = 1e-3, 0.2, 5.0, 1e10
# A step may not shrink the response's power below this share of its first: a tuning curve much wider than the stimulus
# varies would trade an ever larger amplitude for an ever smaller variation until rounding is all that is left.
SMALLEST_POWER = 1e-6


@dataclass(frozen=True)
class VarproFit:
    """Where a variable projection ended.

    Parameters
    ----------
    state : State
        At the end.
    n_iter : ndarray of int, shape (n_targets,)
        Steps taken.
    converged : ndarray of bool, shape (n_targets,)
        Whether they sufficed.
    """

    state: State
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


def local_step(state: State, damping: np.ndarray) -> np.ndarray:
    """Step of each target on its own.

    Parameters
    ----------
    state : State
        Normal equations.
    damping : ndarray of shape (n_targets,)
        Levenberg-Marquardt damping.

    Returns
    -------
    step : ndarray of shape (n_targets, n_steps)
        Step in transformed parameters.
    """
    return np.linalg.solve(_damped(state.hessian, damping), state.gradient[:, :, None])[:, :, 0]


def shared_step(state: State, damping: float, shared: np.ndarray, weights: np.ndarray) -> np.ndarray:
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

    Returns
    -------
    step : ndarray of shape (n_targets, n_steps)
        Step in transformed parameters; equal in all targets for shared ones.
    """
    hessian = _damped(state.hessian * weights[:, None, None], damping)
    gradient = state.gradient * weights[:, None]
    local = ~shared
    corner = hessian[:, shared][:, :, local]
    right = np.concatenate([corner.transpose(0, 2, 1), gradient[:, local, None]], axis=2)
    solved = np.linalg.solve(hessian[:, local][:, :, local], right)
    schur = (hessian[:, shared][:, :, shared] - corner @ solved[:, :, :-1]).sum(axis=0)
    reduced = (gradient[:, shared] - (corner @ solved[:, :, -1:])[:, :, 0]).sum(axis=0)
    step = np.empty_like(gradient)
    step[:, shared] = np.linalg.solve(schur, reduced)
    step[:, local] = solved[:, :, -1] - solved[:, :, :-1] @ step[0, shared]
    return step


def move(layout: Layout, theta: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Parameters after a step in transformed parameters.

    Parameters
    ----------
    layout : Layout
        What is found how.
    theta : ndarray of shape (n_targets, n_parameters)
        Parameters.
    step : ndarray of shape (n_targets, n_steps)
        Step.

    Returns
    -------
    moved : ndarray of shape (n_targets, n_parameters)
        Inside their bounds.
    """
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


@np.errstate(all="ignore")
def fit_independent(
    problem: Problem, layout: Layout, theta: np.ndarray, *, max_n_iterations: int, atol: np.ndarray, callback: Callable
) -> VarproFit:
    """Fit every target on its own; converged targets are dropped from the work.

    Parameters
    ----------
    problem : Problem
        Data and responses.
    layout : Layout
        What is found how.
    theta : ndarray of shape (n_targets, n_parameters)
        Start.
    max_n_iterations : int
        Largest number of steps.
    atol : ndarray of shape (n_targets,)
        A target has converged when a step lowers its sum of squares by less than this.
    callback : callable
        Called as ``callback(iteration, state)`` after each step.

    Returns
    -------
    fit : VarproFit
        Each target's own end.
    """
    n_targets, stepped = len(theta), layout.steps().parameters
    state = evaluate(problem, layout, theta, np.arange(n_targets))
    damping, least = np.full(n_targets, FIRST_DAMPING), SMALLEST_POWER * state.power
    n_iter, converged = np.zeros(n_targets, dtype=int), np.zeros(n_targets, dtype=bool)
    active = np.arange(n_targets)
    for iteration in range(max_n_iterations):
        before = state.take(active)
        step = local_step(before, damping[active])
        trial = evaluate(problem, layout, move(layout, before.theta, step), active)
        gain = before.ssq - trial.ssq
        better = (gain >= 0) & _is_sound(trial, stepped, least[active])
        state.put(active, trial, better)
        damping[active] *= _change_of_damping(better, gain, _expected_gain(before, step))
        n_iter[active] += 1
        done = (better & (gain <= atol[active])) | (damping[active] > LAST_DAMPING)
        converged[active[done]] = True
        active = active[~done]
        callback(iteration, state)
        if not active.size:
            break
    return VarproFit(state, n_iter, converged)


@np.errstate(all="ignore")
def fit_together(
    problem: Problem,
    layout: Layout,
    theta: np.ndarray,
    *,
    noise_model: NoiseModel,
    max_n_iterations: int,
    atol: np.ndarray,
    callback: Callable,
) -> VarproFit:
    """Fit all targets with shared parameters.

    A cost that is a function of the sums of squares has the gradient ``cost'(ssq) d(ssq)/du``: least squares with one
    weight per target, taken anew at every step.

    Parameters
    ----------
    problem, layout, theta, max_n_iterations, callback
        As for ``fit_independent``.
    noise_model : NoiseModel
        A function of sums of squares; its costs are added.
    atol : ndarray of shape (n_targets,)
        Scale of convergence: a step must lower the sum of squares by less than its sum.

    Returns
    -------
    fit : VarproFit
        The end, equal for all targets.
    """
    targets, steps = np.arange(len(theta)), layout.steps()
    state = evaluate(problem, layout, theta, targets)
    damping, n_iter, converged, least = FIRST_DAMPING, 0, False, SMALLEST_POWER * state.power
    for iteration in range(max_n_iterations):
        weights = noise_model.weight(state.ssq)
        step = shared_step(state, damping, steps.shared, weights)
        expected = np.sum(weights * _expected_gain(state, step))
        trial = evaluate(problem, layout, move(layout, state.theta, step), targets)
        gain, tolerance = np.sum(noise_model.cost(state.ssq) - noise_model.cost(trial.ssq)), np.sum(atol * weights)
        better = gain >= 0 and _is_sound(trial, steps.parameters, least).all()
        state = trial if better else state
        damping *= float(_change_of_damping(better, gain, expected))
        n_iter = iteration + 1
        callback(iteration, state)
        converged = bool((better and gain <= tolerance) or damping > LAST_DAMPING)
        if converged:
            break
    return VarproFit(state, np.full(len(theta), n_iter), np.full(len(theta), converged))
