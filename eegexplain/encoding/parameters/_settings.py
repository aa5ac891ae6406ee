"""What a fitter hands to its solvers, and what they hand back."""

from dataclasses import dataclass

import numpy as np

from eegexplain.encoding.parameters.noise_models import NoiseModel


@dataclass(frozen=True)
class FitSettings:
    """How to fit: the settings of ``ParameterFitter`` under their names, read and found.

    Parameters
    ----------
    noise_model : NoiseModel
        What is minimised.
    solver : str
        ``"varpro"`` or the name of a torch optimiser.
    optimizer : type or None
        A torch optimiser class instead of the one that ``solver`` names.
    optimizer_params : dict or None
        Its further arguments.
    learning_rate, r2_atol, memory_limit : float
        See ``ParameterFitter``.
    max_n_iterations, min_n_iterations, lag, verbose : int
        See ``ParameterFitter``.
    store_intermediate_parameters : bool
        Whether the parameters of each iteration are kept.
    log_dir : str, path, None or False
        Folder for TensorBoard scalars.
    random_state : int, RandomState or None
        Seed of torch.
    """

    noise_model: NoiseModel
    solver: str = "varpro"
    optimizer: type | None = None
    optimizer_params: dict | None = None
    learning_rate: float = 0.01
    r2_atol: float = 1e-6
    memory_limit: float = 2**28
    max_n_iterations: int = 1000
    min_n_iterations: int = 100
    lag: int = 100
    verbose: int = 0
    store_intermediate_parameters: bool = False
    log_dir: object = None
    random_state: object = None

    @property
    def projects_variables(self):
        """Whether variable projection fits, not a torch optimiser."""
        return self.solver == "varpro" and self.optimizer is None

    @property
    def keeps_notes(self):
        """Whether every iteration of all targets is noted."""
        return self.store_intermediate_parameters or bool(self.log_dir)


@dataclass(frozen=True)
class Solution:
    """Parameters that a solver found.

    Parameters
    ----------
    theta : ndarray of shape (n_targets, n_parameters)
        Parameters.
    n_iter : ndarray of int, shape (n_targets,)
        Steps taken.
    converged : ndarray of bool, shape (n_targets,)
        Whether they sufficed.
    """

    theta: np.ndarray
    n_iter: np.ndarray
    converged: np.ndarray
