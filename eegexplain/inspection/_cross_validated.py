"""What a cross-validated explanation holds, and what can be asked of it."""

import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from eegexplain._answers import Answers
from eegexplain._io import load_explanation, save_explanation
from eegexplain._total import TotalInformation, total_information
from eegexplain.inspection._errors import beyond_zero, familywise_limit
from eegexplain.inspection._kinds import claim
from eegexplain.inspection._symmetry import mirrored
from eegexplain.inspection.confusion import Confusion, confusion_table
from eegexplain.inspection.decoding import Decoding, assess_decoding
from eegexplain.inspection.halves import Stability, models_stability
from eegexplain.inspection.models import CrossValidatedModels
from eegexplain.inspection.significance import Significance

N_TOLD = 4  # cells that a summary names


@dataclass(frozen=True, eq=False)
class CrossValidatedExplanation(Answers):
    """The mean map of a cross-validation with its errors, and what it was made of.

    Parameters
    ----------
    dataset : xarray.Dataset
        ``value``, the mean map, with its total ``standard_error`` (t with ``attrs["degrees_of_freedom"]``), and what
        `eegexplain.inspection.fold_maps.average_folds` describes; ``test_score`` (fold, seed); per trial
        ``fold_of_trial`` (-1: held out never, or more than once), ``label``, ``prediction`` and ``group``, and
        ``trial_value`` on request.
    explainer : explainer or None
        What was asked; None when loaded from a file.
    models : CrossValidatedModels or None
        The trials, folds and, where they were asked for, networks; None when loaded from a file.
    """

    dataset: Any
    explainer: Any = field(default=None, repr=False)
    models: CrossValidatedModels | None = field(default=None, repr=False)

    def __str__(self):
        """What is estimated and how well, decoding first, then the cells beyond zero."""
        data, total = self.dataset[["value", "standard_error"]], self.total_
        folds, seeds = (self.dataset["fold_value"].sizes[dim] for dim in ("fold", "seed"))
        degrees, mask = self.dataset.attrs["degrees_of_freedom"], self.beyond_zero
        if mirrored(data["value"]):
            data, mask = data.isel(output=[1]), mask.isel(output=[1])
        verdict, one_sided = self._verdict(".3f"), total is not None
        decoded, where = f"{verdict}. " if verdict else "", "beyond"
        if total is not None:
            decoded, where = f"{total.beside(verdict)} ", "above"
        one, first = (familywise_limit(n_cells, degrees, one_sided=one_sided) for n_cells in (1, mask.size))
        strongest = np.argsort(-np.where(mask, np.abs(data["value"]), 0), axis=None, kind="stable")[: int(mask.sum())]
        cells = [dict(zip(mask.dims, place, strict=True)) for place in np.argwhere(np.ones(mask.shape))[strongest]]
        told = [_tell(data, index) for index in cells[:N_TOLD]] + ["..."] * (len(cells) > N_TOLD)
        return (
            f"Mean map of {folds * seeds} networks ({folds} folds), of trials that they never saw. {decoded}"
            f"{len(cells)} of {mask.size} cells {where} zero, 5 % familywise{': ' if told else ''}{', '.join(told)}. "
            f"Errors are those of the whole procedure, with other trials and other networks; t with {degrees} degrees "
            f"of freedom needs {one:.1f} errors for one cell, {first:.1f} for the first of so many."
        )

    def _verdict(self, digits):
        """How well held-out trials are decoded, as a clause; empty for numbers."""
        found = self.decoding_
        if found is None:
            return ""
        accuracy = f"{found.balanced_accuracy:{digits}} (p = {found.p_value:.2g})"
        return f"{found.verdict.capitalize()}: balanced accuracy {accuracy}"

    @property
    def explanation_(self) -> Any:
        """The dataset: displays and inspection read it as that of any explainer."""
        return self.dataset

    @property
    def estimators_(self) -> list[tuple]:
        """Fitted models, one tuple per fold.

        Raises
        ------
        AttributeError
            When loaded from a file, and without ``return_estimator=True``.
        """
        if self.models is None or not self.models.folds[0].nets:
            raise AttributeError("The networks were not kept: cross-validate with return_estimator=True.")
        return [fold.nets for fold in self.models.folds]

    @property
    def decoding_(self) -> Decoding | None:
        """How well held-out trials were decoded; None for regressors."""
        return self.models.decoding if self.models is not None else _decoding_of(self.dataset)

    def confusion(self, *, n_permutations: int = 999, random_state: Any = None) -> Confusion:
        """Count which classes of held-out trials are taken for which.

        Parameters
        ----------
        n_permutations : int
        random_state : int, RandomState or None
            None takes the seed of the cross-validation.

        Returns
        -------
        Confusion

        Raises
        ------
        ValueError
            For regressors, and where several targets have been explained.
        """
        told = _labels_of(self.dataset)
        if told is None:
            raise ValueError("Numbers are not confused: a confusion table is of classes.")
        seed = self.dataset.attrs["seed"] if random_state is None else random_state
        return confusion_table(**told, n_permutations=n_permutations, random_state=seed)

    @property
    def total_(self) -> TotalInformation | None:
        """How much the whole output holds, over folds, in information maps: the gate that their cells come after."""
        return total_information(self.dataset) if "total_value" in self.dataset else None

    @property
    def beyond_zero(self) -> Any:
        """Mask of the cells whose value is beyond zero, 5 % familywise over the map.

        By Holm's procedure on value over total error, t distributed; cells below a twentieth of the largest value do
        not count. That a map differs from zero does not show that the network decodes: see `decoding_`. In information
        maps the cells that are above zero, and none where the total is not shown to be, see `total_`.
        """
        value, error, total = self.dataset["value"], self.dataset["standard_error"], self.total_
        if total is not None:
            degrees = self.dataset.attrs["degrees_of_freedom"]
            return value.copy(data=total.shown & beyond_zero(value, error, degrees, one_sided=True))
        if mirrored(value):  # one map, told twice
            one = beyond_zero(value.isel(output=1), error.isel(output=1), self.dataset.attrs["degrees_of_freedom"])
            found = np.stack([one, one], axis=value.dims.index("output"))
        else:
            found = beyond_zero(value, error, self.dataset.attrs["degrees_of_freedom"])
        return value.copy(data=found)

    def plot(
        self,
        *,
        output: Any = None,
        significance: Significance | None = None,
        n_cells: int = 12,
        positions: Any = None,
        **options: Any,
    ) -> Any:
        """Draw the mean map, and its strongest cells with their intervals and the map of every fold.

        Parameters
        ----------
        output : label, optional
            None is the last; information maps have none.
        significance : Significance, optional
            Whose cells are told from the others; None takes `beyond_zero`.
        n_cells : int, default=12
            Of other maps than those of information.
        positions : optional
            Of the electrodes, as `plotting.channel_positions` takes them, for maps of information and phase relations;
            None looks their names up.
        **options : dict
            Of ``from_explanation`` of the display.

        Returns
        -------
        CrossValidatedDisplay, or SynchronyDisplay of phase relations, or InformationDisplay of other information maps
        """
        from eegexplain.plotting import CrossValidatedDisplay, InformationDisplay, SynchronyDisplay

        if "relations_value" in self.dataset:  # it tells pairs, and both gates, by the errors over folds
            return SynchronyDisplay.from_explanation(self.dataset, **options).plot(positions=positions)
        mask, total = self.beyond_zero if significance is None else significance.significant, self.total_
        verdict = self._verdict(".2f")
        if total is not None:
            # evidence is for each output, information about all of them
            mask = mask.any("output") if "output" in mask.dims else mask
            shown = InformationDisplay.from_explanation(self.dataset, mask=mask, **options)
            return shown.plot(title=total.beside(verdict), positions=positions)
        told = verdict[:1].lower() + verdict[1:]
        display = CrossValidatedDisplay.from_explanation(self.dataset, output=output, mask=mask, note=told, **options)
        return display.plot(n_cells=n_cells)

    def significance(
        self,
        kind: str = "contrast",
        *,
        n_permutations: int | None = None,
        alpha: float = 0.05,
        random_state: Any = None,
        n_jobs: int | None = None,
        checkpoint: str | os.PathLike | None = None,
        verbose: int = 0,
        **claimed: Any,
    ) -> Significance:
        """Test which cells permuted labels cannot explain.

        Parameters
        ----------
        kind, n_permutations, alpha, random_state, n_jobs, checkpoint, verbose
            As in `eegexplain.inspection.permutation_test`; the contrast needs ``return_trials=True``.
        **claimed : dict
            ``statistic`` and ``alternative``, which is "greater" in information maps.

        Returns
        -------
        Significance
        """
        if self.total_ is not None:
            claimed = {"alternative": "greater"} | claimed
        asked = claim(kind, n_permutations=n_permutations, **claimed)
        run: dict[str, Any] = {"n_jobs": n_jobs, "checkpoint": checkpoint, "verbose": verbose}
        return asked.test(self, alpha=alpha, random_state=random_state, **run)

    def stability(self, **settings: Any) -> Stability:
        """Compare maps of disjoint halves of the trials.

        Parameters
        ----------
        **settings : dict
            As in `eegexplain.inspection.stability`, from ``n_folds`` on; the number of seeds is that of the networks.

        Returns
        -------
        Stability

        Raises
        ------
        ValueError
            When loaded from a file.
        """
        if self.models is None:
            raise ValueError("A map from a file has no trials to divide: cross-validate them again.")
        return models_stability(self.models, self.explainer, **settings)

    def save(self, path: str | os.PathLike) -> None:
        """Save the dataset, without models.

        Parameters
        ----------
        path : str or path-like
            Ending in ``.nc`` or ``.npz``.

        Raises
        ------
        ValueError
            For another ending.
        OSError
            When the folder cannot be written.
        """
        save_explanation(self.dataset, path)

    @classmethod
    def load(cls, path: str | os.PathLike) -> "CrossValidatedExplanation":
        """Load what `save` wrote.

        Parameters
        ----------
        path : str or path-like

        Returns
        -------
        CrossValidatedExplanation
            Without models.

        Raises
        ------
        ValueError
            For a file that is no cross-validated explanation.
        """
        dataset = load_explanation(path)
        if "fold_value" not in dataset:
            raise ValueError(f"{path} holds an explanation that is not cross-validated: use load_explanation.")
        return cls(dataset)


def _tell(data, index):
    """A cell with its value and error."""
    cell = data.isel(index)
    names = " ".join(str(cell[dim].item()) if dim in cell.coords else f"{dim} {place}" for dim, place in index.items())
    return f"{names} {cell['value'].item():+.3g} ± {cell['standard_error'].item():.2g}"


def _decoding_of(dataset):
    """Judged again from what a file keeps."""
    told = _labels_of(dataset)
    if told is None:
        return None
    scores = {"scores": dataset["score"].values} if "score" in dataset else {}
    return assess_decoding(**told, **scores, random_state=dataset.attrs["seed"])


def _labels_of(dataset):
    """Classes, predictions, folds and groups of all trials; None of numbers."""
    if "label" not in dataset or np.asarray(dataset["label"]).dtype.kind == "f":
        return None
    folds = dataset["fold_of_trial"].values
    groups = dataset["group"].values if "group" in dataset else None
    found = {"folds": folds if (folds >= 0).all() else None, "groups": groups}
    return {"y": dataset["label"].values, "predicted": dataset["prediction"].values, **found}
