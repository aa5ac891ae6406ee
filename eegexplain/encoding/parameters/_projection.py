"""The variable projection functional of many targets and its normal equations; amplitudes are eliminated exactly.

A response is linear in its amplitude, so for given shapes ``u`` the best amplitude is known: with data ``y``, response
``f(u)`` and nuisance removed from both, ``a(u) = f'y / f'f``, cut off at its bounds. What is left to minimise is a
function of the shapes:

    |r(u)|^2,  r(u) = y - a(u) f(u) = (I - f f' / f'f) y  between the bounds of a,

the variable projection functional of Golub and Pereyra (1973). It has fewer unknowns, needs no start for the amplitude,
and converges faster than the joint problem. The derivative of the projection has two terms; Kaufman (1975) keeps the
first, ``J = -a (I - f f' / f'f) df/du``. The other lies along ``f``, to which ``r`` is orthogonal: the gradient ``J'r``
stays exact, and only the curvature changes, by terms of the size of the residual. Where a bound holds the amplitude it
is a constant, and ``J = -a df/du``.

All that steps need are inner products of ``[df/du, f, 1, y]``, a few numbers per target: the length of the recording
drops out, and thousands of targets are stepped at once.

References
----------
Golub, G. H., & Pereyra, V. (1973). The differentiation of pseudo-inverses and nonlinear least squares problems whose
variables separate. SIAM Journal on Numerical Analysis, 10(2), 413-432. https://doi.org/10.1137/0710036

Kaufman, L. (1975). A variable projection method for solving separable nonlinear least squares problems. BIT, 15, 49-57.
https://doi.org/10.1007/BF01932995
"""

from dataclasses import dataclass

import numpy as np

from eegexplain.encoding.parameters._layout import Layout
from eegexplain.encoding.parameters._problem import Problem


@dataclass
class State:
    """Where some targets are, and the normal equations of the next step.

    Parameters
    ----------
    ssq : ndarray of shape (n_targets,)
        Residual sums of squares ``r'r``.
    power : ndarray of shape (n_targets,)
        Sums of squares of the response, ``f'f``.
    theta : ndarray of shape (n_targets, n_parameters)
        Parameters.
    hessian : ndarray of shape (n_targets, n_steps, n_steps)
        ``J'J``, J by transformed parameters: half the curvature of the sum of squares (Gauss-Newton).
    gradient : ndarray of shape (n_targets, n_steps)
        ``-J'r``: half the descent of the sum of squares.
    """

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


def evaluate(problem: Problem, layout: Layout, theta: np.ndarray, targets: np.ndarray) -> State:
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
    theta, f, steps = theta.copy(), len(layout.shape), layout.steps()
    coefficients = np.zeros(gram.shape[:2])  # of [derivatives, response, constant, data] in the residual
    coefficients[:, -1] = 1.0
    along_response, power = gram[:, f, -1], gram[:, f, f]
    if layout.baseline is not None and not layout.projects_baseline:
        coefficients[:, f + 1] = problem.offset[targets] - theta[:, layout.baseline]
        along_response = along_response + coefficients[:, f + 1] * gram[:, f, f + 1]
    if layout.eliminates_amplitude:
        best = along_response / np.where(power > 0, power, np.inf)
        theta[:, layout.amplitude] = layout.space[layout.amplitude].constrain(best)
    amplitude = np.ones(len(theta)) if layout.amplitude is None else theta[:, layout.amplitude]
    coefficients[:, f] = -amplitude
    scale = _column_scale(layout, theta, amplitude, steps)
    inner = gram[:, steps.columns]
    # The residual is a combination of the columns, so its products with them are one of the moments.
    gradient = scale * np.einsum("vij,vj->vi", inner, coefficients)
    hessian = inner[:, :, steps.columns]
    if layout.eliminates_amplitude:  # Kaufman's (I - f f' / f'f) between derivatives: D'D - (D'f)(f'D) / f'f
        along, follows = inner[:, :, f], np.where((amplitude == best) & (power > 0), power, np.inf)
        hessian = hessian - along[:, :, None] * (along / follows[:, None])[:, None, :]
    ssq = np.maximum(np.einsum("vi,vij,vj->v", coefficients, gram, coefficients), 0.0)
    return State(ssq, power, theta, hessian * scale[:, :, None] * scale[:, None, :], gradient)


def _column_scale(layout, theta, amplitude, steps):
    """Turn columns of the moments into the Jacobian by transformed parameters."""
    scale = np.ones((len(theta), len(steps.columns)))
    for i, (column, parameter) in enumerate(zip(steps.columns, steps.parameters, strict=True)):
        slope = layout.space[parameter].slope(theta[:, parameter])
        scale[:, i] = slope * amplitude if column < len(layout.shape) else slope
    return scale
