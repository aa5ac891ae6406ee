"""The double-gamma haemodynamic response."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln

from eegexplain._validation import check_array_like


def gamma_density(t: Any, shape: Any, scale: Any) -> Any:
    """Density of the gamma distribution, zero for ``t <= 0``.

    Parameters
    ----------
    t : array
        Where, in the unit of the scale.
    shape, scale : array
        Parameters of the distribution, above 0.

    Returns
    -------
    density : array
        Values that broadcast ``t`` against the parameters.
    """
    x = np.where(t > 0, t, 1.0) / scale  # one stands in, so that no logarithm is taken of zero
    return np.where(t > 0, np.exp((shape - 1) * np.log(x) - x - gammaln(shape)) / scale, 0.0)


def spm_hrf(
    t: ArrayLike,
    a1: ArrayLike = 6.0,
    d1: ArrayLike = 1.0,
    a2: ArrayLike = 16.0,
    d2: ArrayLike = 1.0,
    c: ArrayLike = 1 / 6,
    highres_dt: float = 0.1,
    *,
    legacy: bool = False,
) -> NDArray[np.float64]:
    """Double-gamma haemodynamic response.

    Parameters
    ----------
    t : array-like of shape (n_times,)
        Seconds after the event.
    a1, d1 : float or array-like of shape (n_hrfs,)
        Shape and scale (s) of the response.
    a2, d2 : float or array-like of shape (n_hrfs,)
        Shape and scale (s) of the undershoot.
    c : float or array-like of shape (n_hrfs,)
        Weight of the undershoot.
    highres_dt : float
        Step (s) of the grid that ``legacy`` interpolates from; not used otherwise.
    legacy : bool
        Reproduce braincoder's values: the response is computed on a grid of step ``highres_dt``, comes two steps late,
        is divided by its sum on that grid and interpolated to ``t``.

    Returns
    -------
    hrf : ndarray of shape (n_times,) or (n_times, n_hrfs)
        The response; a density per second, unless ``legacy``.

    Raises
    ------
    ValueError
        For shapes or scales that are not above 0, and what is not finite.

    References
    ----------
    Friston, K. J. et al. (1998). Event-related fMRI: characterizing differential responses. NeuroImage, 7(1), 30-40.
    https://doi.org/10.1006/nimg.1997.0306

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.encoding import spm_hrf
    >>> t = np.arange(0, 32, 0.5)
    >>> float(t[spm_hrf(t).argmax()])
    5.0
    """
    t = check_array_like("t", t, ndim="any", dtype=float).reshape(-1)
    given = {"a1": a1, "d1": d1, "a2": a2, "d2": d2, "c": c}
    pars = [check_array_like(name, par, ndim="any", dtype=float).reshape(-1) for name, par in given.items()]
    if not all((par > 0).all() for par in pars[:4]):
        raise ValueError("a1, d1, a2 and d2, shapes and scales of gamma densities, must be above 0.")
    hrf = _legacy_double_gamma(t, pars, highres_dt) if legacy else _double_gamma(t[:, None], *pars)
    return hrf[:, 0] if all(np.ndim(p) == 0 for p in (a1, d1, a2, d2, c)) else hrf


def _double_gamma(t, a1, d1, a2, d2, c):
    """Response minus weighted undershoot."""
    return gamma_density(t, a1, d1) - c * gamma_density(t, a2, d2)


def _legacy_double_gamma(t, pars, step):
    """Return the double gamma as braincoder samples it: fine grid, two steps late, unit sum there, interpolated."""
    fine = t.min() + step * np.arange(int(np.ceil(np.ptp(t) / step)) + 2)
    values = _double_gamma(fine[:, None] - 2 * step, *pars)
    inside = fine <= t.max() + 1e-9
    values = values / values[inside].sum(axis=0)
    return np.stack([np.interp(t, fine, column) for column in values.T], axis=1)
