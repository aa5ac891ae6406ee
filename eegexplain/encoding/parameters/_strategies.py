"""The ways to fit parameters: in closed form, by variable projection, by a torch optimiser."""

from dataclasses import replace
from typing import Any

import numpy as np

from eegexplain._validation import random_seed
from eegexplain.encoding.parameters._layout import Layout
from eegexplain.encoding.parameters._log import FitLog
from eegexplain.encoding.parameters._moments import Problem, orthonormal_basis, remove_nuisance
from eegexplain.encoding.parameters._problem import (
    Outcome,
    Recording,
    final_statistics,
    make_problem,
    no_statistics,
)
from eegexplain.encoding.parameters._projection import evaluate
from eegexplain.encoding.parameters._search import Start, search_start
from eegexplain.encoding.parameters._settings import FitSettings, Solution
from eegexplain.encoding.parameters._start import read_grid
from eegexplain.encoding.parameters._varpro import fit_independent, fit_together

# A step that gains less than this share of `r2_atol` ends a variable projection: its last steps converge fast.
FINAL_SHARE = 1e-4


def find_start(model, layout: Layout, recording: Recording, start: np.ndarray, grid, memory_limit: float):
    """Search shapes on the grid; linear parameters that are not free come from the data.

    Parameters
    ----------
    model : EncodingModel
        The model.
    layout : Layout
        What is found how.
    recording : Recording
        Stimulus and data.
    start : ndarray of shape (n_targets, n_parameters)
        Known values; NaN elsewhere.
    grid : dict or None
        Candidates by label; None: the model's own.
    memory_limit : float
        Bytes that one chunk of targets may take.

    Returns
    -------
    problem : Problem
        Data and responses.
    start : Start
        First and second start of every target.
    """
    problem = make_problem(model, layout, recording, memory_limit)
    start = start.copy()
    for i, value in ((layout.amplitude, 1.0), (layout.baseline, recording.data.mean(axis=0))):
        if i is not None and not layout.is_free(i):
            value = np.mean(value) if layout.space[i].label in layout.shared else value
            start[:, i] = np.where(np.isnan(start[:, i]), value, start[:, i])
    grid = read_grid(grid, model, layout, recording.stimulus, start)
    return problem, search_start(problem, layout, grid, start)


def solve_linear_part(
    model, layout: Layout, recording: Recording, problem: Problem, theta: np.ndarray, memory_limit: float
) -> np.ndarray:
    """Find the best free amplitudes and baselines of given shapes: least squares.

    Parameters
    ----------
    model, layout, recording, memory_limit
        As for ``find_start``.
    problem : Problem
        Data and responses.
    theta : ndarray of shape (n_targets, n_parameters)
        Shapes; free amplitudes and baselines are replaced.

    Returns
    -------
    theta : ndarray of shape (n_targets, n_parameters)
        All parameters.
    """
    theta = evaluate(problem, layout, theta, np.arange(len(theta))).theta
    return final_statistics(model, layout, recording, theta, memory_limit).theta


def solve(
    model, settings: FitSettings, layout: Layout, recording: Recording, known: np.ndarray, grid, log: FitLog
) -> Outcome:
    """Fit targets that vary: a closed form where there is one, else as ``settings`` say.

    Parameters
    ----------
    model : EncodingModel
        The model; linear ones have ``solve_linear``.
    settings : FitSettings
        How to fit.
    layout, recording, grid
        As for ``find_start``.
    known : ndarray of shape (n_targets, n_parameters)
        Initial and fixed values; NaN elsewhere.
    log : FitLog
        Takes note of each iteration.

    Returns
    -------
    outcome : Outcome
        What was found.
    """
    n_targets = recording.data.shape[1]
    if not n_targets:
        return Outcome(no_statistics(layout), np.zeros(0, dtype=int), np.zeros(0, dtype=bool))
    problem, start = find_start(model, layout, recording, known, grid, settings.memory_limit)
    open_shapes = any(par.role == "shape" and par.label not in layout.fixed for par in layout.space)
    if not open_shapes and not layout.shared and settings.noise_model.is_least_squares:
        theta = evaluate(problem, layout, start.theta, np.arange(n_targets)).theta
        solution = Solution(theta, np.zeros(n_targets, dtype=int), np.ones(n_targets, dtype=bool))
    elif settings.projects_variables:
        solution = solve_varpro(settings, layout, problem, start, log)
    else:
        theta = solve_linear_part(model, layout, recording, problem, start.theta, settings.memory_limit)
        solution = solve_gradient(model, settings, layout, recording, np.where(np.isnan(known), theta, known), log)
        layout = replace(layout, linear_given=True)
    statistics = final_statistics(model, layout, recording, solution.theta, settings.memory_limit)
    if not settings.noise_model.is_least_squares:  # the inverse normal equations are not the errors of another law
        statistics = statistics._replace(standard_errors=np.full_like(statistics.standard_errors, np.nan))
    return Outcome(statistics, solution.n_iter, solution.converged)


def solve_varpro(settings: FitSettings, layout: Layout, problem: Problem, start: Start, log: FitLog) -> Solution:
    """Fit target by target or, with shared parameters, all together.

    Parameters
    ----------
    settings : FitSettings
        How to fit.
    layout : Layout
        What is fixed and shared.
    problem : Problem
        Data and responses.
    start : Start
        Where to start. With a second start the better end counts; not used with shared parameters.
    log : FitLog
        Takes note of each iteration.

    Returns
    -------
    solution : Solution
        Parameters, steps and convergence.

    Raises
    ------
    ValueError
        For bounded amplitudes or baselines, and noise models that need more than sums of squares.
    """
    if not settings.noise_model.is_least_squares:
        raise ValueError(
            f"noise_model={settings.noise_model.name!r} needs more of the residuals than their sums of squares, which "
            "are all that variable projection sees: use a torch optimiser, for example solver='adam'."
        )
    for par in layout.space:
        if par.role != "shape" and par.kind != "identity":
            raise ValueError(f"{par.label!r} is bounded, which variable projection cannot hold: use solver='adam'.")
    options: dict[str, Any] = {
        "max_n_iterations": settings.max_n_iterations,
        "atol": FINAL_SHARE * settings.r2_atol * problem.total,
        "callback": lambda iteration, state: log.note(iteration, state.ssq, state.theta),
    }
    if layout.steps().shared.any():
        fit = fit_together(problem, layout, start.theta, noise_model=settings.noise_model, **options)
        return Solution(fit.state.theta, fit.n_iter, fit.converged)
    fit = fit_independent(problem, layout, start.theta, **options)
    has_rival = np.isfinite(start.rivals[:, layout.shape]).all(axis=1) & bool(layout.shape)
    tried = np.flatnonzero(has_rival)
    options |= {"atol": options["atol"][tried], "callback": lambda iteration, state: None}
    other = fit_independent(problem.restrict(tried), layout, start.rivals[tried], **options)
    better = other.state.ssq < fit.state.ssq[tried]
    fit.state.put(tried, other.state, better)
    fit.n_iter[tried[better]], fit.converged[tried[better]] = other.n_iter[better], other.converged[better]
    return Solution(fit.state.theta, fit.n_iter, fit.converged)


def solve_gradient(
    model, settings: FitSettings, layout: Layout, recording: Recording, theta: np.ndarray, log: FitLog
) -> Solution:
    """Descend with a torch optimiser, in chunks of targets unless parameters are shared.

    Parameters
    ----------
    model : EncodingModel
        The model.
    settings, layout, log
        As for ``solve_varpro``.
    recording : Recording
        Stimulus and data.
    theta : ndarray of shape (n_targets, n_parameters)
        Start, all known.

    Returns
    -------
    solution : Solution
        Parameters, steps and convergence.
    """
    from eegexplain.encoding.parameters._descent import fit_gradient

    nuisance, seed = orthonormal_basis(recording.confounds), random_seed(settings.random_state)
    n_targets, whole = len(theta), bool(layout.shared) or settings.keeps_notes
    solution = Solution(theta.copy(), np.zeros(n_targets, dtype=int), np.zeros(n_targets, dtype=bool))
    size = n_targets if whole else max(int(settings.memory_limit / (80 * len(recording.data))), 1)
    for first in range(0, n_targets, size):
        some = slice(first, first + size)
        part = recording._replace(data=remove_nuisance(nuisance, recording.data[:, some]))
        found = fit_gradient(
            model, layout, part, nuisance, theta[some], settings=settings, seed=seed, callback=log.note
        )
        solution.theta[some], solution.n_iter[some], solution.converged[some] = vars(found).values()
    return solution
