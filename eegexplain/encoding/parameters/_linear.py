"""The closed form of linear models."""

import numpy as np

from eegexplain.encoding._chunks import target_chunks
from eegexplain.encoding._tables import read_table
from eegexplain.encoding.parameters._errors import Statistics, explained_share
from eegexplain.encoding.parameters._layout import Layout
from eegexplain.encoding.parameters._problem import Recording


def solve_linear(
    model, layout: Layout, recording: Recording, start: np.ndarray, varies: np.ndarray
) -> tuple[Statistics, np.ndarray]:
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
        Of smallest norm, or the given ones.

    Raises
    ------
    ValueError
        For shared parameters, and weights of another shape.
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
    columns = np.hstack([confounds, *([] if layout.fixed else [unit]), *([] if given is not None else [design])])
    inverse = np.linalg.pinv(columns, rcond=np.finfo(float).eps * max(columns.shape))
    solution, ssq = np.empty((columns.shape[1], n_targets)), np.empty(n_targets)
    for chunk in target_chunks(n_targets, 3 * len(data)):
        rest = data[:, chunk]
        rest = rest - unit * start[chunk, 0] if layout.fixed else rest
        rest = rest if given is None else rest - design @ given[:, chunk]
        solution[:, chunk] = inverse @ rest
        ssq[chunk] = ((rest - columns @ solution[:, chunk]) ** 2).sum(axis=0)
    theta, covariances, first = start, np.full((n_targets, 1, 1), np.nan), confounds.shape[1]
    if not layout.fixed:
        theta = solution[first][:, None]
        variance = ssq / max(len(data) - np.linalg.matrix_rank(columns), 1)
        covariances = (variance * (inverse[first] @ inverse[first]))[:, None, None]
        first += 1
    statistics = Statistics(theta, covariances, ssq, explained_share(ssq, recording))
    return statistics, solution[first:] if given is None else given


def _given_weights(model, n_columns, varies):
    """Weights that the model has, of targets that vary."""
    given = read_table(model.weights, "weights").values
    if given.shape != (n_columns, len(varies)):
        raise ValueError(f"The model's weights have shape {given.shape}, but {(n_columns, len(varies))} is needed.")
    return given[:, varies]
