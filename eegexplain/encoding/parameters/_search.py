"""The search for a start: a grid of shapes against all targets."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from eegexplain.encoding._chunks import target_chunks
from eegexplain.encoding.parameters._layout import Layout
from eegexplain.encoding.parameters._moments import Problem

# A second candidate is tried, too, if it correlates with the best by less than this, and explains less only by this
# share of the data: then the finer optimum may be there.
RIVAL_LIKENESS, RIVAL_MARGIN = 0.8, 0.01


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
            if layout.eliminates_amplitude or layout.amplitude is None:
                gain = _explained(product, power, layout.amplitude is None)
            else:
                amplitude = np.nan_to_num(start[some, layout.amplitude], nan=1.0)
                gain = amplitude * (2 * product - amplitude * power)
            yield Gains(block, chunk, response, gain)


def _explained(product, power, unit_amplitude):
    """Sum of squares that a response explains at its best amplitude or at one."""
    # |y|^2 - |y - a f|^2 = a (2 f'y - a f'f), which is (f'y)^2 / f'f at the best a
    if unit_amplitude:
        return 2 * product - power
    return product**2 / np.where(power > 1e-12 * power.max(initial=0), power, np.inf)


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
