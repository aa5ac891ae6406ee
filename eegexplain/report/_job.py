"""The main job without its pictures: folds, training, held-out predictions and maps."""

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from eegexplain._nets import is_network
from eegexplain._validation import check_groups, check_option, positive_int
from eegexplain.inspection.cross_validation import Fold, HeldOut, fold_numbers
from eegexplain.inspection.decoding import is_shared
from eegexplain.inspection.fold_maps import errors_over
from eegexplain.inspection.models import CrossValidatedModels, cross_validate_models
from eegexplain.report._analyses import (
    Evidence,
    Information,
    Maps,
    contrast_maps,
    evidence_maps,
    information_maps,
    perturbation_maps,
)
from eegexplain.report._models import Model, find_model, references
from eegexplain.report._polarity import Polarity
from eegexplain.report._trials import Trials, prepare_trials
from eegexplain.report._verdict import banner

N_SEEDS = 3  # networks per fold whose training knows chance


@dataclass(frozen=True)
class Options:
    """What the user chose.

    Parameters
    ----------
    model : str
        "syncnet", "eegnet", "csp", "tangent-space", or "package.module:factory": a function that returns a classifier,
        fitted or not, or a trained torch module. It is called with those of ``sfreq, n_channels, n_times, n_classes,
        ch_names, classes`` that it names. What is trained is explained as it is.
    bands : "eeg" or dict of str to (float, float)
        In Hz.
    noise : {"data", "independent"}
        Of the perturbation correlation.
    n_folds : int or None
        None is 5, or fewer with few groups.
    n_seeds : int or None
        Networks per fold; None is 3, or 1 of a kind whose training knows no chance.
    seed : int
        Of everything random.
    title : str
    group_by : str or None
        Column of the data with the groups that are never split between training and test parts.
    n_jobs : int or None
        Processes; nothing depends on it but the time.
    verbose : int
        1 shows progress bars.
    command : str
        What was typed, for the report.
    mne_report : bool
        Whether ``mne_report.html`` is written, too.
    checkpoint : str, path-like or None
        Folder that keeps networks and maps: the same job goes on from there after an interruption. It holds pickles, so
        resume only what you trust.
    """

    model: str = "syncnet"
    bands: str | dict = "eeg"
    noise: str = "data"
    n_folds: int | None = None
    n_seeds: int | None = None
    seed: int = 0
    title: str = "EEG explained"
    group_by: str | None = None
    n_jobs: int | None = None
    verbose: int = 0
    command: str = ""
    mne_report: bool = False
    checkpoint: str | os.PathLike | None = None


@dataclass(frozen=True, eq=False)
class Job:
    """Trials, networks and what is known about both: all that a section of the report reads.

    Maps are made when the first section asks for them.

    Parameters
    ----------
    data : Trials
    options : Options
    models : CrossValidatedModels
    model : Model
    """

    data: Trials
    options: Options
    models: CrossValidatedModels
    model: Model

    @property
    def folds(self) -> list[Fold]:
        """The networks with the trials that they were trained on and those they never saw."""
        return self.models.folds

    @property
    def predicted(self) -> HeldOut:
        """What the networks say about the trials that they never saw."""
        return self.models.held_out

    @property
    def decoding(self) -> Any:
        """`Decoding` of the networks."""
        return self.models.decoding

    @property
    def has_gradients(self) -> bool:
        """Whether the models are networks, whose evidence can be attributed."""
        return is_network(self.folds[0].net)

    @property
    def banner(self) -> str:
        """What the report must open with; empty where the networks are shown to decode the classes."""
        return banner(self.decoding)

    @property
    def shared_subjects(self) -> bool:
        """Whether trials of one of several subjects are in training and test parts alike."""
        subject = self.data.identities.get("subject")
        if subject is None or len(set(subject)) < 2:
            return False
        return is_shared(fold_numbers(self.folds, len(subject)), subject)

    @property
    def errors_over(self) -> str:
        """What the errors of maps are over: "trials", "groups", or "folds" where one holds out a single group."""
        return errors_over(self.folds, self.data.groups)

    @property
    def _settings(self):
        """Of everything that is asked about the networks."""
        options = self.options
        run = {"n_jobs": options.n_jobs, "checkpoint": options.checkpoint, "verbose": options.verbose}
        return {"random_state": options.seed, **run}

    @functools.cached_property
    def polarity(self) -> Polarity:
        """What flipped signs do to what is decoded."""
        return Polarity.of(self.folds, self.data.X, self.data.y, self.decoding.chance)

    @functools.cached_property
    def perturbation(self) -> Maps:
        """`Maps` of what the networks use."""
        return perturbation_maps(self.data, self.models, noise=self.options.noise, **self._settings)

    @functools.cached_property
    def information(self) -> Information:
        """`Information` of the networks, in bits."""
        return information_maps(self.data, self.models, **self._settings)

    @functools.cached_property
    def contrast(self) -> Maps:
        """`Maps` of how the classes differ in the data."""
        return contrast_maps(self.data)

    @functools.cached_property
    def evidence(self) -> Evidence:
        """`Evidence` of what the evidence for each class is made of."""
        return evidence_maps(self.data, self.models, **self._settings)


def run_job(data: Any, options: Options, notify: Callable[[str], Any] | None = None) -> Job:
    """Split, train and predict.

    Parameters
    ----------
    data : Bunch
        With ``X, y, sfreq, ch_names``, and columns of metadata.
    options : Options
    notify : callable or None
        Takes a sentence about the progress.

    Returns
    -------
    Job

    Raises
    ------
    ValueError
        For unknown options, models that are no classifiers of these trials, one class, and fewer groups or trials than
        folds.
    """
    check_option("noise", options.noise, ("data", "independent"))
    data = prepare_trials(data, options.bands, options.group_by)
    model = find_model(options.model, data)
    n_seeds = options.n_seeds
    if n_seeds is None or model.trained:
        n_seeds = N_SEEDS if model.starts_by_chance else 1
    n_seeds = positive_int("the number of seeds", n_seeds)
    if data.groups is not None:
        check_groups(data.groups, len(data.y))
    models = cross_validate_models(
        model.estimator,
        data.X,
        data.y,
        groups=data.groups,
        cv=options.n_folds,
        n_seeds=n_seeds,
        identities=data.identities,
        n_jobs=options.n_jobs,
        checkpoint=options.checkpoint,
        verbose=options.verbose,
        random_state=options.seed,
        references=references(data),
        trained=model.trained,
        notify=notify,
    )
    return Job(data, options, models, model)
