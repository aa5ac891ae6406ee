"""Variable projection: batched Levenberg-Marquardt on shape parameters, amplitudes eliminated exactly."""

from dataclasses import dataclass, field

import numpy as np

NOISE_MODELS = ("ssq", "gaussian")
FIRST_DAMPING, EASE, STIFFEN, LAST_DAMPING = 1e-3, 0.2, 5.0, 1e10
# A step may not shrink the response's power below this share of its first: a tuning curve much wider than the stimulus
# varies would trade an ever larger amplitude for an ever smaller variation until rounding is all that is left.
SMALLEST_POWER = 1e-6


@dataclass(frozen=True)
class Layout:
    """Which parameter is found how.

    Parameters
    ----------
    space : tuple of Parameter
        Parameters in table order.
    fixed, shared : frozenset of str
        Labels of those that stay, and of those that all targets share.
    linear_given : bool
        Whether free amplitudes and baselines are to be taken as they are, not solved for.
    """

    space: tuple
    fixed: frozenset = frozenset()
    shared: frozenset = frozenset()
    linear_given: bool = False
    shape: list = field(init=False)
    amplitude: int | None = field(init=False)
    baseline: int | None = field(init=False)

    def __post_init__(self):
        roles = [par.role for par in self.space]
        object.__setattr__(self, "shape", [i for i, role in enumerate(roles) if role == "shape"])
        for role in ("amplitude", "baseline"):
            object.__setattr__(self, role, roles.index(role) if role in roles else None)

    def is_free(self, i):
        """Whether parameter ``i`` has a value of its own in every target."""
        return i is not None and self.space[i].label not in self.fixed | self.shared

    @property
    def eliminates_amplitude(self):
        """Whether the amplitude follows from the rest."""
        return self.is_free(self.amplitude) and not self.linear_given

    @property
    def projects_baseline(self):
        """Whether the baseline belongs to the nuisance."""
        return self.is_free(self.baseline) and not self.linear_given

    def steps(self):
        """Columns of the moments that steps are taken along, their parameters, and which of them are shared.

        Returns
        -------
        columns, parameters : list of int
            Position among the moments' columns and in the table.
        shared : ndarray of bool
            Whether the parameter is shared.
        """
        n_shape = len(self.shape)
        linear = [] if self.eliminates_amplitude or self.amplitude is None else [(n_shape, self.amplitude)]
        if self.baseline is not None and not self.projects_baseline:
            linear.append((n_shape + 1, self.baseline))
        pairs = [(column, par) for column, par in [*enumerate(self.shape), *linear] if not self._is_fixed(par)]
        shared = np.array([self.space[par].label in self.shared for _, par in pairs], dtype=bool)
        return [column for column, _ in pairs], [par for _, par in pairs], shared

    def _is_fixed(self, i):
        return self.space[i].label in self.fixed


@dataclass
class State:
    """Residual sum of squares, power of the response, parameters and normal equations of some targets."""

    ssq: np.ndarray
    power: np.ndarray
    theta: np.ndarray
    hessian: np.ndarray
    gradient: np.ndarray

    def put(self, rows, other, keep):
        """Take over what another state has better."""
        for name, values in vars(self).items():
            values[rows[keep]] = getattr(other, name)[keep]

    def take(self, rows):
        """Select targets."""
        return State(**{name: values[rows] for name, values in vars(self).items()})


def evaluate(problem, layout, theta, targets):
    """Compute residual, best amplitude, and the (Kaufman) normal equations in transformed parameters.

    Parameters
    ----------
    problem : Problem
        Data and responses.
    layout : Layout
        What is found how.
    theta : ndarray of shape (n_targets, n_parameters)
        Parameters of these targets.
    targets : ndarray of int, shape (n_targets,)
        Which targets.

    Returns
    -------
    state : State
        With free amplitudes at their optimum.
    """
    gram = problem.moments(theta[:, layout.shape], targets)
    theta = theta.copy()
    coefficients = _solve_linear(gram, layout, theta, None if problem.offset is None else problem.offset[targets])
    ssq = np.einsum("vi,vij,vj->v", coefficients, gram, coefficients)
    columns, parameters, _ = layout.steps()
    scale = _column_scale(layout, theta, columns, parameters)
    inner = gram[:, columns]
    gradient = scale * np.einsum("vij,vj->vi", inner, coefficients)
    hessian = inner[:, :, columns]
    if layout.eliminates_amplitude:
        f = len(layout.shape)
        along = inner[:, :, f]
        hessian = hessian - along[:, :, None] * (along / _positive(gram[:, f, f])[:, None])[:, None, :]
    power = gram[:, len(layout.shape), len(layout.shape)]
    return State(np.maximum(ssq, 0.0), power, theta, hessian * scale[:, :, None] * scale[:, None, :], gradient)


def _solve_linear(gram, layout, theta, offset):
    """Coefficients of ``[derivatives, response, constant, data]`` that give the residual; sets free amplitudes."""
    f, n_targets = len(layout.shape), len(gram)
    coefficients = np.zeros(gram.shape[:2])
    coefficients[:, -1] = 1.0
    along_response = gram[:, f, -1]
    if layout.baseline is not None and not layout.projects_baseline:
        baseline = theta[:, layout.baseline] - offset
        coefficients[:, f + 1] = -baseline
        along_response = along_response - baseline * gram[:, f, f + 1]
    amplitude = np.ones(n_targets) if layout.amplitude is None else theta[:, layout.amplitude]
    if layout.eliminates_amplitude:
        amplitude = along_response / _positive(gram[:, f, f])
        theta[:, layout.amplitude] = amplitude
    coefficients[:, f] = -amplitude
    return coefficients


def _column_scale(layout, theta, columns, parameters):
    """Turn columns of the moments into the Jacobian by transformed parameters."""
    amplitude = np.ones(len(theta)) if layout.amplitude is None else theta[:, layout.amplitude]
    scale = np.ones((len(theta), len(columns)))
    for i, (column, parameter) in enumerate(zip(columns, parameters, strict=True)):
        slope = layout.space[parameter].slope(theta[:, parameter])
        scale[:, i] = slope * amplitude if column < len(layout.shape) else slope
    return scale


def _positive(values):
    """Keep denominators off zero."""
    return np.where(values > 0, values, np.inf)


def _damped(hessian, damping):
    """Levenberg-Marquardt matrix, solvable also where a parameter does not matter."""
    diagonal = np.einsum("vii->vi", hessian)
    floor = 1e-12 * diagonal.max(axis=1, keepdims=True, initial=0.0) + 1e-200
    damped = hessian.copy()
    np.einsum("vii->vi", damped)[:] += np.broadcast_to(damping, len(hessian))[:, None] * np.maximum(diagonal, floor)
    np.einsum("vii->vi", damped)[:] += floor
    return damped


def local_step(state, damping):
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


def shared_step(state, damping, shared, weights):
    """Step of all targets together: local parameters are eliminated, block by block.

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


def move(layout, theta, step):
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
    for i, parameter in enumerate(layout.steps()[1]):
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
def fit_independent(problem, layout, theta, *, max_n_iterations, atol, callback):
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
    state : State
        At the end.
    n_iter : ndarray of int, shape (n_targets,)
        Steps taken.
    converged : ndarray of bool, shape (n_targets,)
        Whether they sufficed.
    """
    n_targets, stepped = len(theta), layout.steps()[1]
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
    return state, n_iter, converged


@np.errstate(all="ignore")
def fit_together(problem, layout, theta, *, noise_model, max_n_iterations, atol, callback):
    """Fit all targets with shared parameters.

    Parameters
    ----------
    problem, layout, theta, max_n_iterations, callback
        As for ``fit_independent``.
    noise_model : {"ssq", "gaussian"}
        Least squares over all targets, or the Gaussian likelihood with a variance per target, profiled out: the
        logarithms of the targets' sums of squares are added.
    atol : ndarray of shape (n_targets,)
        Scale of convergence: a step must lower the sum of squares by less than its sum.

    Returns
    -------
    state, n_iter, converged
        As for ``fit_independent``, the latter two equal for all targets.
    """
    targets, (_, stepped, shared) = np.arange(len(theta)), layout.steps()
    floor = np.finfo(float).tiny
    state = evaluate(problem, layout, theta, targets)
    damping, n_iter, converged, least = FIRST_DAMPING, 0, False, SMALLEST_POWER * state.power
    for iteration in range(max_n_iterations):
        ssq = np.maximum(state.ssq, floor)
        weights = 1 / ssq if noise_model == "gaussian" else np.ones_like(ssq)
        step = shared_step(state, damping, shared, weights)
        expected = np.sum(weights * _expected_gain(state, step))
        trial = evaluate(problem, layout, move(layout, state.theta, step), targets)
        if noise_model == "gaussian":
            gain, tolerance = np.sum(np.log(ssq) - np.log(np.maximum(trial.ssq, floor))), np.sum(atol * weights)
        else:
            gain, tolerance = np.sum(state.ssq - trial.ssq), np.sum(atol)
        better = gain >= 0 and _is_sound(trial, stepped, least).all()
        state = trial if better else state
        damping *= float(_change_of_damping(better, gain, expected))
        n_iter = iteration + 1
        callback(iteration, state)
        converged = bool((better and gain <= tolerance) or damping > LAST_DAMPING)
        if converged:
            break
    return state, np.full(len(theta), n_iter), np.full(len(theta), converged)
