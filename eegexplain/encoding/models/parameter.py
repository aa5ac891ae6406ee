"""Declared parameters of encoding models: label, role, bounds, and the transform that keeps them inside."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

ROLES = ("shape", "amplitude", "baseline")


@dataclass(frozen=True)
class Parameter:
    """One parameter per target.

    Parameters
    ----------
    label : str
        Name, the column of parameter tables.
    role : {"shape", "amplitude", "baseline"}
        ``shape`` parameters are arguments of ``basis``; its result is multiplied by the ``amplitude``, and the
        ``baseline`` is added. A model without the latter two predicts its basis.
    lower, upper : float
        Open bounds.
    transform : {"identity", "log", "softplus", "sigmoid"}, default=None
        How fitters map the interval to the real line; None chooses by the bounds.

    Examples
    --------
    >>> from eegexplain.encoding import Parameter
    >>> Parameter("sd", lower=0.0).kind
    'log'
    """

    label: str
    role: str = "shape"
    lower: float = -np.inf
    upper: float = np.inf
    transform: str | None = None

    def __post_init__(self):
        if self.role not in ROLES:
            raise ValueError(f"Parameter {self.label!r} has role {self.role!r}; roles are {ROLES}.")
        if not self.lower < self.upper:
            raise ValueError(f"Parameter {self.label!r} needs lower < upper; got {self.lower} and {self.upper}.")
        if self.kind not in TRANSFORMS:
            raise ValueError(f"Parameter {self.label!r}: transform {self.kind!r} is not one of {sorted(TRANSFORMS)}.")
        if self.kind == "sigmoid" and not np.isfinite([self.lower, self.upper]).all():
            raise ValueError(f"Parameter {self.label!r}: the sigmoid transform needs two finite bounds.")
        if self.kind in ("log", "softplus") and not (np.isfinite(self.lower) and np.isinf(self.upper)):
            raise ValueError(f"Parameter {self.label!r}: the {self.kind} transform needs a lower bound only.")

    @property
    def kind(self) -> str:
        """Name of the transform in use."""
        if self.transform is not None:
            return self.transform
        if np.isfinite(self.lower) and np.isfinite(self.upper):
            return "sigmoid"
        if np.isfinite(self.upper):
            raise ValueError(f"Parameter {self.label!r} has an upper bound only: negate it, or give both bounds.")
        return "log" if np.isfinite(self.lower) else "identity"

    def constrain(self, u, xp=np):
        """Map from the real line into the bounds.

        Parameters
        ----------
        u : array
            Anything real.
        xp : module
            ``numpy`` or ``torch``.

        Returns
        -------
        value : array
            Inside the bounds.
        """
        return TRANSFORMS[self.kind].constrain(self, u, xp)

    def unconstrain(self, value):
        """Map from inside the bounds to the real line.

        Parameters
        ----------
        value : array-like
            Inside the bounds.

        Returns
        -------
        u : ndarray
            What ``constrain`` maps to it.
        """
        return TRANSFORMS[self.kind].unconstrain(self, np.asarray(value, dtype=float))

    def slope(self, value):
        """Derivative of ``constrain``, as a function of its result.

        Parameters
        ----------
        value : ndarray
            Inside the bounds.

        Returns
        -------
        slope : ndarray
            Derivative of the value by the number on the real line.
        """
        return TRANSFORMS[self.kind].slope(self, value)

    def holds(self, value):
        """Whether values lie strictly inside the bounds.

        Parameters
        ----------
        value : ndarray
            Any values.

        Returns
        -------
        inside : ndarray of bool
            False for NaN.
        """
        return (value > self.lower) & (value < self.upper)


@dataclass(frozen=True)
class Transform:
    """A map of the real line onto an interval, its inverse, and its slope at a value of the interval.

    Parameters
    ----------
    constrain : callable (parameter, u, xp) -> value
        From the real line into the bounds of a `Parameter`; ``xp`` is `numpy` or `torch`.
    unconstrain : callable (parameter, value) -> u
        Its inverse.
    slope : callable (parameter, value) -> slope
        Derivative of `constrain`, written as a function of its result.
    """

    constrain: Callable
    unconstrain: Callable
    slope: Callable


def _identity(par, u, xp=np):
    return u


def _unit_slope(par, value):
    return np.ones_like(value)


def _exp(par, u, xp):
    return par.lower + xp.exp(u)


def _log(par, value):
    return np.log(value - par.lower)


def _exp_slope(par, value):
    return value - par.lower


def _softplus(par, u, xp):
    return par.lower + xp.logaddexp(xp.zeros_like(u), u)


def _softplus_inverse(par, value):
    return value - par.lower + np.log(-np.expm1(-(value - par.lower)))


def _softplus_slope(par, value):
    return -np.expm1(-(value - par.lower))


def _sigmoid(par, u, xp):
    return par.lower + (par.upper - par.lower) / (1 + xp.exp(-u))


def _logit(par, value):
    return np.log(value - par.lower) - np.log(par.upper - value)


def _sigmoid_slope(par, value):
    return (value - par.lower) * (par.upper - value) / (par.upper - par.lower)


TRANSFORMS = {
    "identity": Transform(_identity, _identity, _unit_slope),
    "log": Transform(_exp, _log, _exp_slope),
    "softplus": Transform(_softplus, _softplus_inverse, _softplus_slope),
    "sigmoid": Transform(_sigmoid, _logit, _sigmoid_slope),
}
