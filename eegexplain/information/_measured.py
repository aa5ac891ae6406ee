"""All that one decoder's held-out trials say about cells, and its table."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eegexplain._judge import Judge
from eegexplain.information._cells import Cells
from eegexplain.information._game import MOST_PLAYERS, Game, sampled_shapley_values, shapley_values
from eegexplain.information._hybrids import Exchange, Parts, cross_all, stacks_of_parts
from eegexplain.information._judging import Lost, information, lost_information, total_of
from eegexplain.information._testing import Tested

ADDITIVE = 0.1  # share of interactions above which cells do not add up
OUTSIDE = "outside"  # the player that holds what no cell does


@dataclass(frozen=True, eq=False)
class Trials:
    """Held-out trials, who is crossed with whom, and who judges.

    Parameters
    ----------
    judge : Judge
    parts : Parts
    partners : ndarray of int of shape (n_trials, n_partners)
    whole : ndarray of shape (n_trials, n_outputs)
        Outputs of whole trials.
    testable : bool
        Whether there are enough of them for p values.
    """

    judge: Judge
    parts: Parts
    partners: NDArray
    whole: NDArray
    testable: bool


@dataclass(frozen=True, eq=False)
class Decomposed:
    """Information of cells, trial by trial.

    Parameters
    ----------
    kind : {"unique", "alone", "shapley"}
    values : ndarray of shape (n_cells, n_trials)
    sampling_errors : ndarray of shape (n_cells,)
        Of means over trials, by the choice of orders.
    """

    kind: str
    values: NDArray
    sampling_errors: NDArray


def lost_without(trials: Trials, cells: Cells, **run: Any) -> Lost:
    """What is lost without each cell.

    Parameters
    ----------
    trials : Trials
    cells : Cells
    **run : dict
        ``n_jobs, verbose`` of `run_units`.

    Returns
    -------
    Lost
    """
    return lost_information(trials.judge, trials.whole, _effects(trials, cells, alone=False, **run))


def _effects(trials, cells, *, alone, **run):
    exchanges = [Exchange([cell], alone) for cell in cells.cells]
    return cross_all(trials.parts, trials.partners, exchanges, stacks_of_parts(exchanges), **run)


def decompose(
    trials: Trials, cells: Cells, lost: Lost, kind: str, n_orders: int, rng: np.random.RandomState, **run: Any
) -> Decomposed:
    """What cells are worth.

    Parameters
    ----------
    trials : Trials
    cells : Cells
    lost : Lost
    kind : {"unique", "alone", "shapley"}
    n_orders : int
        Of players, where there are too many for all coalitions.
    rng : numpy.random.RandomState
    **run : dict
        ``n_jobs, verbose`` of `run_units`.

    Returns
    -------
    Decomposed
    """
    values = lost.values
    if kind == "alone":
        values = information(trials.judge, _effects(trials, cells, alone=True, **run).rows)
    elif kind == "shapley":
        game = Game(trials.judge, trials.parts, trials.partners, cells.cells, run)
        exact = game.n_players <= MOST_PLAYERS
        shares = shapley_values(game) if exact else sampled_shapley_values(game, n_orders, rng)
        return Decomposed(kind, shares.values, shares.sampling_errors)
    return Decomposed(kind, values, np.zeros(len(values)))


def tabulate(
    trials: Trials, cells: Cells, lost: Lost, decomposed: Decomposed, tested: Tested, outputs: list[str]
) -> Any:
    """Everything with names.

    Parameters
    ----------
    trials : Trials
    cells : Cells
    lost : Lost
    decomposed : Decomposed
        Of the cells, perhaps with what is outside of them.
    tested : Tested
    outputs : list of str

    Returns
    -------
    xarray.Dataset
    """
    import xarray as xr

    from eegexplain import __version__

    judge, dims, shape = trials.judge, tuple(cells.coords), cells.shape
    coords, tests = cells.coords, tested.p_values if trials.testable else np.full(len(tested.p_values), np.nan)
    variables = {
        "evidence_value": (("output", *dims), tested.evidence.T.reshape(len(outputs), *shape)),
        "evidence_standard_error": (("output", *dims), tested.errors.T.reshape(len(outputs), *shape)),
        "corrected_p": (dims, tests.reshape(shape)),
        "interaction": (dims, lost.effects.interaction.reshape(shape)),
    }
    if decomposed.kind != "unique":
        variables |= _with_error("unique_", dims, lost.values, judge, shape)
    if decomposed.kind == "alone":  # negative where cells say more together than each by itself
        variables |= _with_error("redundancy_", dims, decomposed.values - lost.values, judge, shape)
    inner = xr.Dataset(variables, {"output": outputs, **coords, **cells.beside})
    if decomposed.kind == "shapley":
        coords = {dims[0]: [*coords[dims[0]], OUTSIDE]}
        shape = (len(coords[dims[0]]),)
        inner = inner.reindex(coords)
    main = _with_error("", dims, decomposed.values, judge, shape)
    main["standard_error"] = dims, np.hypot(main["standard_error"][1], decomposed.sampling_errors.reshape(shape))
    total = total_of(judge, trials.whole)
    everything: dict[str, Any] = {
        **main,
        **inner.data_vars,
        "sampling_error": (dims, decomposed.sampling_errors.reshape(shape)),
        **total.variables,
    }
    facts = {
        "version": __version__,
        "method": "information",
        "decomposition": decomposed.kind,
        "label": f"information ({judge.unit}s)",
        **total.attrs,
    }
    return xr.Dataset(everything, {"output": outputs, **coords, **inner.coords}, facts)


def warn_of_interactions(dataset: Any) -> None:
    """Say when cells do not add up.

    Parameters
    ----------
    dataset : xarray.Dataset
    """
    largest = float(dataset["interaction"].max())
    if largest > ADDITIVE:
        warnings.warn(
            f"Trial and cell do not add up: {largest:.0%} of the variance of the outputs of hybrids is due to certain "
            "pairs of trials. What a cell says then depends on the rest of the trial, and its evidence is a mean.",
            stacklevel=5,
        )


def _with_error(prefix, dims, values, judge, shape):
    errors = np.array([judge.error(one) for one in values])
    return {
        f"{prefix}value": (dims, values.mean(axis=1).reshape(shape)),
        f"{prefix}standard_error": (dims, errors.reshape(shape)),
    }
