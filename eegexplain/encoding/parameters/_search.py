"""The search for a start: a grid of shapes against all targets."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from eegexplain.encoding._chunks import target_chunks
from eegexplain.encoding.parameters._layout import Layout, read_grid
from eegexplain.encoding.parameters._problem import Problem, Recording, make_problem

# A second candidate is tried, too, if it correlates with the best by less than this, and explains less only by this
# share of the data: then the finer optimum may be there.
RIVAL_LIKENESS, RIVAL_MARGIN = 0.9, 0.02


@dataclass(frozen=True)
class Start:
    """Where fits start.

    Parameters
    ----------
    theta : ndarray of shape (n_targets, n_parameters)
        Parameters, shapes filled in.
    rivals : ndarray of shape (n_targets, n_parameters)
        The best candidate whose response is clearly another one, where it explains nearly as much; NaN elsewhere.
    """

    theta: np.ndarray
    rivals: np.ndarray


@dataclass(frozen=True)
class Gains:
    """How much of the data candidates explain.

    Parameters
    ----------
    block : slice
        Which candidates.
    chunk : slice
        Which targets.
    response : ndarray of shape (n_times, n_candidates)
        Responses of these candidates.
    gain : ndarray of shape (n_candidates, n_targets)
        By how much each lowers the sum of squares of each target.
    """

    block: slice
    chunk: slice
    response: np.ndarray
    gain: np.ndarray


def find_start(
    model, layout: Layout, recording: Recording, known: np.ndarray, grid: dict | None, memory_limit: float
) -> tuple[Problem, Start]:
    """Make the problem and search its shapes on the grid; linear parameters that are not free come from the data.

    Parameters
    ----------
    model : EncodingModel
        The model.
    layout : Layout
        What is found how.
    recording : Recording
        Stimulus and data.
    known : ndarray of shape (n_targets, n_parameters)
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
    problem, start = make_problem(model, layout, recording, memory_limit), known.copy()
    baseline = None if layout.projects_baseline else layout.baseline
    for i, value in ((layout.amplitude, 1.0), (baseline, recording.data.mean(axis=0))):
        if i is not None and not (i == layout.amplitude and layout.eliminates_amplitude):
            value = np.mean(value) if layout.space[i].label in layout.shared else value
            value = layout.space[i].constrain(value)
            start[:, i] = np.where(np.isnan(start[:, i]), value, start[:, i])
    grid = read_grid(grid, model, layout, recording.stimulus, start)
    return problem, search_start(problem, layout, grid, start)


def search_start(problem: Problem, layout: Layout, grid: dict, start: np.ndarray) -> Start:
    """Find the best candidate for every target: each comparison of all candidates and targets is a matrix product.

    Parameters
    ----------
    problem : Problem
        Data and responses.
    layout : Layout
        What is found how.
    grid : dict of str to ndarray
        Candidates of the shape parameters that ``start`` leaves open.
    start : ndarray of shape (n_targets, n_parameters)
        Known values; NaN elsewhere.

    Returns
    -------
    start : Start
        First and second start of every target.
    """
    start, rivals = start.copy(), np.full_like(start, np.nan)
    if not layout.shape:
        return Start(start, rivals)
    labels = [layout.space[i].label for i in layout.shape]
    known = start[:, layout.shape]
    rows, member = np.unique(np.nan_to_num(known, nan=np.inf), axis=0, return_inverse=True)
    for i, row in enumerate(rows):
        axes = [[value] if np.isfinite(value) else grid[label] for label, value in zip(labels, row, strict=True)]
        candidates = np.array(list(itertools.product(*axes)), dtype=float)
        targets = np.flatnonzero(member.reshape(-1) == i)
        shared = [j for j, label in enumerate(labels) if label in layout.shared]
        if len(candidates) > 1 and shared:
            candidates = _keep_best_shared(problem, layout, candidates, shared, targets, start)
        best, gain = _best_candidate(problem, layout, candidates, targets, start)
        rival, rival_gain = _best_candidate(problem, layout, candidates, targets, start, unlike=best)
        close = rival_gain >= gain - RIVAL_MARGIN * problem.total[targets]
        start[np.ix_(targets, layout.shape)] = candidates[best]
        rivals[targets[close]] = start[targets[close]]
        rivals[np.ix_(targets[close], layout.shape)] = candidates[rival[close]]
    return Start(start, rivals)


def _gains(problem, layout, candidates, targets, start) -> Iterator[Gains]:
    """Yield, by chunk of candidates and of targets, how much of the data each explains."""
    for block in _candidate_blocks(problem, len(candidates)):
        response, _ = problem.respond(*candidates[block].T, gradient=False)
        power = np.einsum("tg,tg->g", response, response)[:, None]
        n_values = 3 * len(response) + len(candidates[block])
        for chunk in target_chunks(len(targets), n_values, problem.memory_limit):
            some = targets[chunk]
            data = problem.data[:, some]
            if problem.constant is not None:
                data = data - problem.constant * np.nan_to_num(start[some, layout.baseline])
            product = response.T @ data
            yield Gains(block, chunk, response, _explained(product, power, layout, start[some]))


def _explained(product, power, layout, start):
    """Sum of squares that a response explains at its amplitude: the best within bounds, the given one, or one."""
    if layout.amplitude is None:
        amplitude = 1.0
    elif layout.eliminates_amplitude:
        amplitude = product / np.where(power > 1e-12 * power.max(initial=0), power, np.inf)
        amplitude = layout.space[layout.amplitude].constrain(amplitude)
    else:
        amplitude = np.nan_to_num(start[:, layout.amplitude], nan=1.0)
    return amplitude * (2 * product - amplitude * power)  # |y|^2 - |y - a f|^2


def _candidate_blocks(problem, n_candidates):
    """Cut candidates so that their responses fit the memory limit."""
    size = max(int(problem.memory_limit / (64 * max(len(problem.data), 1))), 1)
    return [slice(start, min(start + size, n_candidates)) for start in range(0, n_candidates, size)]


def _best_candidate(problem, layout, candidates, targets, start, unlike=None):
    """Find the candidate that explains most, and how much; if wanted, among those whose response is another one."""
    best, value = np.zeros(len(targets), dtype=int), np.full(len(targets), -np.inf)
    if len(candidates) == 1:
        return best, value
    for part in _gains(problem, layout, candidates, targets, start):
        chunk, gain = part.chunk, part.gain
        if unlike is not None:
            other, _ = problem.respond(*candidates[unlike[chunk]].T, gradient=False)
            scale = np.linalg.norm(part.response, axis=0)[:, None] * np.linalg.norm(other, axis=0)
            gain = np.where(part.response.T @ other < RIVAL_LIKENESS * scale, gain, -np.inf)
        top = gain.argmax(axis=0)
        top_gain = gain[top, np.arange(gain.shape[1])]
        better = top_gain > value[chunk]
        best[chunk] = np.where(better, top + part.block.start, best[chunk])
        value[chunk] = np.where(better, top_gain, value[chunk])
    return best, value


def _keep_best_shared(problem, layout, candidates, shared, targets, start):
    """Keep the candidates with the values of shared parameters that are best for all targets together."""
    values, member = np.unique(candidates[:, shared], axis=0, return_inverse=True)
    member = member.reshape(-1)
    best = np.full((len(values), len(targets)), -np.inf)
    for part in _gains(problem, layout, candidates, targets, start):
        for i in np.unique(member[part.block]):
            gain = part.gain[member[part.block] == i].max(axis=0)
            best[i, part.chunk] = np.maximum(best[i, part.chunk], gain)
    return candidates[member == best.sum(axis=1).argmax()]
