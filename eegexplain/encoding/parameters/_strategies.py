"""The three ways to fit parameters: variable projection, a torch optimiser, and the closed form of linear models."""

import numpy as np

from eegexplain._validation import random_seed
from eegexplain.encoding._chunks import target_chunks
from eegexplain.encoding._tables import read_table
from eegexplain.encoding.parameters._moments import orthonormal_basis, remove_nuisance
from eegexplain.encoding.parameters._problem import Statistics, explained_share
from eegexplain.encoding.parameters._varpro import fit_independent, fit_together

# A step that gains less than this share of `r2_atol` ends a variable projection: its last steps converge fast.
FINAL_SHARE = 1e-4
GRADIENT_SETTINGS = ("learning_rate", "optimizer_params", "max_n_iterations", "min_n_iterations", "lag", "r2_atol")


def solve_varpro(fitter, layout, problem, theta, rivals, log):
    """Fit target by target or, with shared parameters, all together.

    Parameters
    ----------
    fitter : ParameterFitter
        Its settings.
    layout : Layout
        What is fixed and shared.
    problem : Problem
        Data and responses.
    theta : ndarray of shape (n_targets, n_parameters)
        Start.
    rivals : ndarray of shape (n_targets, n_parameters)
        A second start, or NaN, for each target; the better end counts. Not used with shared parameters.
    log : FitLog
        Takes note of each iteration.

    Returns
    -------
    theta, n_iter, converged
        Parameters; number of steps and convergence of each target.
    """
    for par in layout.space:
        if par.role != "shape" and par.kind != "identity":
            raise ValueError(f"{par.label!r} is bounded, which variable projection cannot hold: use solver='adam'.")
    settings = {
        "max_n_iterations": fitter.max_n_iterations,
        "atol": FINAL_SHARE * fitter.r2_atol * problem.total,
        "callback": lambda iteration, state: log.note(iteration, state.ssq, state.theta),
    }
    if layout.steps()[2].any():
        settings["noise_model"] = fitter.noise_model
        state, n_iter, converged = fit_together(problem, layout, theta, **settings)
    else:
        state, n_iter, converged = fit_independent(problem, layout, theta, **settings)
        tried = np.flatnonzero(np.isfinite(rivals[:, layout.shape]).all(axis=1)) if layout.shape else np.array([], int)
        settings |= {"atol": settings["atol"][tried], "callback": lambda iteration, state: None}
        other, *progress = fit_independent(problem.restrict(tried), layout, rivals[tried], **settings)
        better = other.ssq < state.ssq[tried]
        state.put(tried, other, better)
        n_iter[tried[better]], converged[tried[better]] = (each[better] for each in progress)
    return state.theta, n_iter, converged


def solve_gradient(fitter, layout, recording, theta, log):
    """Descend with a torch optimiser, in chunks of targets unless parameters are shared.

    Parameters
    ----------
    fitter, layout, theta, log
        As for ``solve_varpro``; all of ``theta`` is known.
    recording : Recording
        Stimulus and data.

    Returns
    -------
    theta, n_iter, converged
        As for ``solve_varpro``.
    """
    from eegexplain.encoding.parameters._descent import find_optimizer, fit_gradient

    nuisance = orthonormal_basis(recording.confounds)
    settings = {name: getattr(fitter, name) for name in GRADIENT_SETTINGS}
    settings["optimizer"] = find_optimizer(fitter.solver) if fitter.optimizer is None else fitter.optimizer
    settings |= {"noise_model": fitter.noise_model, "seed": random_seed(fitter.random_state)}
    theta, n_targets = theta.copy(), len(theta)
    n_iter, converged = np.zeros(n_targets, dtype=int), np.zeros(n_targets, dtype=bool)
    whole = bool(layout.shared) or fitter.store_intermediate_parameters or bool(fitter.log_dir)
    size = n_targets if whole else max(int(fitter.memory_limit / (80 * len(recording.data))), 1)
    for first in range(0, n_targets, size):
        some = slice(first, first + size)
        data = remove_nuisance(nuisance, recording.data[:, some])
        theta[some], n_iter[some], converged[some] = fit_gradient(
            fitter.model,
            layout,
            recording._replace(data=data),
            nuisance,
            theta[some],
            settings=settings,
            total=((data - data.mean(axis=0)) ** 2).sum(axis=0),
            callback=log.note,
        )
    return theta, n_iter, converged


def solve_linear(model, layout, recording, start, varies):
    """Least squares for the baseline, and for the weights unless the model has them.

    Parameters
    ----------
    model : LinearModelWithBaseline
        The model.
    layout : Layout
        What is fixed.
    recording : Recording
        Stimulus and data.
    start : ndarray of shape (n_targets, 1)
        Fixed baselines.
    varies : ndarray of bool, shape (n_all_targets,)
        Which of the model's targets these are.

    Returns
    -------
    statistics : Statistics
        Baselines and residuals.
    weights : ndarray of shape (n_columns, n_targets)
        Weights of smallest norm.
    """
    if layout.shared:
        raise ValueError("A linear model is fitted target by target in closed form: leave out shared_pars.")
    n_times, n_targets = recording.data.shape
    valid = model.valid_samples(n_times, recording.groups)
    design = model.design(recording.stimulus, recording.groups)[valid]
    unit = np.broadcast_to(model.measured_baseline(np.ones(1), n_times, recording.groups), (n_times, 1))[valid]
    data, confounds = recording.data[valid], recording.confounds[valid]
    recording = recording._replace(data=data, confounds=confounds)
    given = None if model.weights is None else _given_weights(model, design.shape[1], varies)
    columns = [confounds, *([] if layout.fixed else [unit]), *([] if given is not None else [design])]
    columns = np.hstack(columns)
    inverse = np.linalg.pinv(columns, rcond=np.finfo(float).eps * max(columns.shape))
    solution, ssq = np.empty((columns.shape[1], n_targets)), np.empty(n_targets)
    for chunk in target_chunks(n_targets, 3 * len(data)):
        rest = data[:, chunk]
        rest = rest - unit * start[chunk, 0] if layout.fixed else rest
        rest = rest if given is None else rest - design @ given[:, chunk]
        solution[:, chunk] = inverse @ rest
        ssq[chunk] = ((rest - columns @ solution[:, chunk]) ** 2).sum(axis=0)
    theta, errors, first = start, np.full((n_targets, 1), np.nan), confounds.shape[1]
    if not layout.fixed:
        theta = solution[first][:, None]
        variance = ssq / max(len(data) - np.linalg.matrix_rank(columns), 1)
        errors = np.sqrt(variance * (inverse[first] @ inverse[first]))[:, None]
        first += 1
    return Statistics(theta, errors, ssq, explained_share(ssq, recording)), solution[first:] if given is None else given


def _given_weights(model, n_columns, varies):
    """Weights that the model has, of targets that vary."""
    given = read_table(model.weights, "weights").values
    if given.shape != (n_columns, len(varies)):
        raise ValueError(f"The model's weights have shape {given.shape}, but {(n_columns, len(varies))} is needed.")
    return given[:, varies]
