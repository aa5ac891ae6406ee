"""Shares of the total: Shapley values of cells, exactly for few, over random orders for many."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eegexplain._judge import Judge
from eegexplain._units import STACK
from eegexplain.information._cells import Cell
from eegexplain.information._hybrids import Exchange, Parts, cross_all
from eegexplain.information._judging import information

MOST_PLAYERS = 10  # of whom all coalitions are judged


@dataclass(eq=False)
class Game:
    """Information of coalitions: what is not in a coalition comes from another trial.

    Parameters
    ----------
    judge : Judge
    parts : Parts
    partners : ndarray of int of shape (n_trials, n_partners)
        All that is not in a coalition comes from the same partner.
    cells : list of Cell
        That do not overlap. The player after the last is what none of them holds.
    run : dict
        ``n_jobs, verbose`` of `run_units`.
    """

    judge: Judge
    parts: Parts
    partners: NDArray
    cells: list[Cell]
    run: dict[str, Any] = field(default_factory=dict)
    values: dict = field(default_factory=dict, repr=False)

    @property
    def n_players(self) -> int:
        """Cells, and what none of them holds."""
        return len(self.cells) + 1

    def play(self, coalitions: Iterable[frozenset]) -> None:
        """Judge coalitions, all calibrated on the same trials; of none the value is 0.

        Parameters
        ----------
        coalitions : iterable of frozenset of int
            ``values`` has them afterwards.
        """
        everyone: frozenset = frozenset(range(self.n_players))
        nobody: frozenset = frozenset()
        new = sorted({*coalitions} - {*self.values, everyone, nobody}, key=sorted)
        self.values[nobody] = np.zeros(len(self.partners))
        self.values[everyone] = information(self.judge, self.parts.whole())
        if new:
            exchanges = [self._exchange(everyone, members) for members in new]
            stacks = [list(range(len(new)))[start : start + STACK] for start in range(0, len(new), STACK)]
            rows = cross_all(self.parts, self.partners, exchanges, stacks, **self.run).rows
            self.values |= dict(zip(new, information(self.judge, rows), strict=True))

    def _exchange(self, everyone, members):
        outside = len(self.cells) in members
        moved = [self.cells[one] for one in sorted(everyone - members if outside else members) if one < len(self.cells)]
        return Exchange(moved, alone=not outside)


@dataclass(frozen=True, eq=False)
class Shares:
    """Shapley values.

    Parameters
    ----------
    values : ndarray of shape (n_players, n_trials)
        Their sum is the information of whole trials.
    sampling_errors : ndarray of shape (n_players,)
        Standard errors of the means over trials that the choice of orders makes; 0 where all coalitions were judged.
    """

    values: NDArray
    sampling_errors: NDArray


def shapley_values(game: Game) -> Shares:
    """Mean gain of each player over all coalitions of the others, weighted by their size [1]_.

    Parameters
    ----------
    game : Game

    Returns
    -------
    Shares

    References
    ----------
    .. [1] L. S. Shapley, "A value for n-person games", Contributions to the Theory of Games 2 (1953),
           doi:10.1515/9781400881970-018.
    """
    n_players = game.n_players
    game.play(frozenset(members) for size in range(n_players) for members in combinations(range(n_players), size))
    found = np.zeros((n_players, len(game.partners)))
    for player in range(n_players):
        others = [one for one in range(n_players) if one != player]
        for size in range(n_players):
            weight = 1 / (n_players * comb(n_players - 1, size))
            for members in combinations(others, size):
                found[player] += weight * (game.values[frozenset((*members, player))] - game.values[frozenset(members)])
    return Shares(found, np.zeros(n_players))


def sampled_shapley_values(game: Game, n_orders: int, rng: np.random.RandomState) -> Shares:
    """Mean gain of each player when it joins in random orders, each of which is gone through both ways [1]_.

    Parameters
    ----------
    game : Game
    n_orders : int
        Even.
    rng : numpy.random.RandomState

    Returns
    -------
    Shares

    References
    ----------
    .. [1] R. Mitchell, J. Cooper, E. Frank, G. Holmes, "Sampling permutations for Shapley value estimation", Journal
           of Machine Learning Research 23 (2022), doi:10.48550/arXiv.2104.12199.
    """
    orders = [rng.permutation(game.n_players).tolist() for _ in range(n_orders // 2)]
    ways = [(order, order[::-1]) for order in orders]
    game.play(frozenset(way[:place]) for pair in ways for way in pair for place in range(1, game.n_players))
    gains = np.zeros((len(ways), game.n_players, len(game.partners)))
    for gained, pair in zip(gains, ways, strict=True):
        for way in pair:
            for place, player in enumerate(way):
                with_it, without = (game.values[frozenset(way[:last])] for last in (place + 1, place))
                gained[player] += (with_it - without) / 2
    errors = gains.mean(axis=2).std(axis=0, ddof=1) / np.sqrt(len(gains))
    return Shares(gains.mean(axis=0), errors)
