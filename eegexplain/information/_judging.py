"""From outputs of hybrids to information: what is lost without a cell, what is known by it alone."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from eegexplain._judge import Judge
from eegexplain.information._cells import Cell
from eegexplain.information._hybrids import Parts, exchange
from eegexplain.information._partners import Effects

NOTHING = 1e-5  # of the spread of the outputs: what moves them less is rounding
MOST_PLAYERS = 10


@dataclass(frozen=True, eq=False)
class CellFound:
    """What one cell is worth.

    Parameters
    ----------
    information : float
    standard_error : float
        Given the network, over trials or groups.
    effects : Effects
        Columns are the evidence of each trial for each output; all 0 where the cell moves nothing but rounding.
    """

    information: float
    standard_error: float
    effects: Effects


def unique_information(judge: Judge, whole: NDArray, effects: Effects) -> CellFound:
    """What is lost without a cell: the loss of trials with it averaged out, less that of whole trials.

    Parameters
    ----------
    judge : Judge
    whole : ndarray of shape (n_trials, n_outputs)
        Outputs of whole trials.
    effects : Effects

    Returns
    -------
    CellFound
    """
    if _moves_nothing(effects.columns, whole):
        return CellFound(0.0, 0.0, Effects(whole, np.zeros_like(effects.columns), 0.0))
    before, after = judge.calibrated(judged_scores(judge, whole)), judge.calibrated(judged_scores(judge, effects.rows))
    lost = after.losses - before.losses
    return CellFound(float(lost.mean()), judge.error(lost), effects)


def information_alone(judge: Judge, effects: Effects) -> tuple[float, float]:
    """What is known by a cell alone: guessing's loss less that of trials with everything else averaged out.

    Parameters
    ----------
    judge : Judge
    effects : Effects

    Returns
    -------
    value, standard_error : float
    """
    values = judge.baseline - judge.calibrated(judged_scores(judge, effects.rows)).losses
    return float(values.mean()), judge.error(values)


def shapley(values: dict[frozenset, NDArray], n_players: int) -> NDArray:
    """Shapley values of every trial.

    Parameters
    ----------
    values : dict of frozenset of int to ndarray of shape (n_trials,)
        Of every coalition.
    n_players : int

    Returns
    -------
    ndarray of shape (n_players, n_trials)
        Their sum is the value of all players less that of none.
    """
    found = np.zeros((n_players, len(values[frozenset()])))
    for player in range(n_players):
        others = [one for one in range(n_players) if one != player]
        for size in range(n_players):
            weight = 1 / (n_players * comb(n_players - 1, size))
            for members in combinations(others, size):
                gained = values[frozenset((*members, player))] - values[frozenset(members)]
                found[player] += weight * gained
    return found


def coalition_values(
    judge: Judge,
    ask: Callable[[NDArray], NDArray],
    parts: Parts,
    partners: NDArray,
    players: list[Cell],
    whole: NDArray,
) -> dict[frozenset, NDArray]:
    """Information of each trial in every coalition of cells; the player after the last is what no cell holds.

    Parameters
    ----------
    judge : Judge
    ask : callable
    parts : Parts
    partners : ndarray of int of shape (n_trials, n_partners)
        All that is not in a coalition comes from the same partner.
    players : list of Cell
        That do not overlap.
    whole : ndarray of shape (n_trials, n_outputs)

    Returns
    -------
    dict of frozenset of int to ndarray of shape (n_trials,)
    """
    n_players = len(players) + 1
    everyone = frozenset(range(n_players))
    known = {frozenset(): np.zeros(len(whole))}
    known[everyone] = judge.baseline - judge.calibrated(judged_scores(judge, whole)).losses
    for size in range(1, n_players):
        for members in map(frozenset, combinations(range(n_players), size)):
            outside = len(players) in members
            cells = [players[one] for one in sorted((everyone - members) if outside else members) if one < len(players)]
            effects = exchange(ask, parts, partners, cells, alone=not outside)
            known[members] = judge.baseline - judge.calibrated(judged_scores(judge, effects.rows)).losses
    return known


def judged_scores(judge: Judge, outputs: NDArray) -> NDArray:
    """One column per class, or a number.

    Parameters
    ----------
    judge : Judge
    outputs : ndarray of shape (n_trials, n_outputs)

    Returns
    -------
    ndarray of shape (n_trials, n_outputs) or (n_trials,)
    """
    return outputs if judge.targets.dtype.kind in "iu" else outputs[:, 0]


def _moves_nothing(columns, whole):
    return np.nanmax(np.abs(columns), initial=0.0) <= NOTHING * whole.std()
