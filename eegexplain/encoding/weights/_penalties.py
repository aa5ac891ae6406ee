"""What a penalty is on: the weights themselves, or how much they change from lag to lag."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Penalty:
    """A penalty.

    Parameters
    ----------
    name, formula : str
        What it is called, and what it adds to the squared residuals.
    matrix : callable or None
        ``matrix(n_lags)`` makes the form P in ``alpha w'Pw`` over the lags of a feature; None is the identity.
    """

    name: str
    formula: str
    matrix: Callable | None


def path_laplacian(n_lags):
    """Squared differences of neighbours as a form: ``w'Pw = sum_l (w_l+1 - w_l)^2``.

    Parameters
    ----------
    n_lags : int
        Number of lags.

    Returns
    -------
    form : ndarray of shape (n_lags, n_lags)
    """
    steps = np.diff(np.eye(n_lags), axis=0)
    return steps.T @ steps


PENALTIES = {
    "ridge": Penalty("ridge", "alpha sum_l w_l^2", None),
    "laplacian": Penalty("laplacian", "alpha sum_l (w_l+1 - w_l)^2", path_laplacian),
}
