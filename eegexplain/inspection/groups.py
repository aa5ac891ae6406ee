"""Group-level explanations: one network procedure for each subject, and what holds of them all."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from scipy import stats
from sklearn.base import clone
from sklearn.utils.validation import _check_method_params

from eegexplain._checkpoint import open_checkpoint
from eegexplain._containers import trials_to_study
from eegexplain._io import load_explanation, save_explanation
from eegexplain._units import Unit, run_units
from eegexplain._validation import random_seed
from eegexplain.inspection._group_files import compare_groups, name_files, read_group, stamp, tell_group
from eegexplain.inspection._group_trials import count_trials, divide_trials
from eegexplain.inspection._random_effects import summarize_groups
from eegexplain.inspection._symmetry import imbalance, refuse_asymmetric
from eegexplain.inspection.cross_validation import own_seed
from eegexplain.inspection.explanations import CrossValidatedExplanation, cross_validate_explanations, require_explainer
from eegexplain.inspection.models import check_trainable
from eegexplain.inspection.sign_flips import flip_significance
from eegexplain.inspection.significance import Significance


@dataclass(frozen=True, eq=False)
class GroupExplanation:
    """Mean map over groups, each explained by networks of its own, with errors that contain the groups.

    Parameters
    ----------
    dataset : xarray.Dataset
        ``value`` and ``standard_error`` over groups (t with ``attrs["degrees_of_freedom"]``); ``between_sd``, the
        standard deviation of the groups' true maps, and ``prediction_error`` of a new group's map;
        ``group_value`` (group, ...) and ``group_error``, each group's cross-validated map with its total error;
        ``test_score`` (group); ``n_trials`` (group, class), or (group) of numbers.
    explainer : explainer or None
        What was asked; None when loaded from a file.
    explanations : dict of str to CrossValidatedExplanation, or None
        Of each group, with its networks; None without ``return_estimator=True``.
    """

    dataset: Any
    explainer: Any = field(default=None, repr=False)
    explanations: Mapping[str, CrossValidatedExplanation] | None = field(default=None, repr=False)

    @property
    def explanation_(self) -> Any:
        """The dataset: displays and inspection read it as that of any explainer."""
        return self.dataset

    @property
    def estimators_(self) -> dict[str, list[tuple]]:
        """Fitted models of each group, one tuple per fold.

        Raises
        ------
        AttributeError
            When loaded from a file, and without ``return_estimator=True``.
        """
        if self.explanations is None:
            raise AttributeError("The networks were not kept: call explain_groups with return_estimator=True.")
        return {name: one.estimators_ for name, one in self.explanations.items()}

    def plot(
        self, *, output: Any = None, significance: Significance | None = None, n_cells: int = 12, **options: Any
    ) -> Any:
        """Draw the mean map, and its strongest cells with their intervals and the map of every group.

        Parameters
        ----------
        output : label, optional
            None is the last.
        significance : Significance, optional
            Whose cells are told from the others; None takes those whose interval leaves out zero, each for itself.
        n_cells : int, default=12
        **options : dict
            Of `CrossValidatedDisplay.from_explanation`.

        Returns
        -------
        CrossValidatedDisplay
        """
        from eegexplain.plotting import CrossValidatedDisplay

        mask = None if significance is None else significance.significant
        told = f"{self.dataset.sizes['group']} groups"
        display = CrossValidatedDisplay.from_explanation(self.dataset, output=output, mask=mask, note=told, **options)
        return display.plot(n_cells=n_cells)

    def significance(
        self,
        statistic: str = "max_t",
        *,
        alternative: str = "two-sided",
        n_permutations: int | None = None,
        alpha: float = 0.05,
        random_state: Any = None,
    ) -> Significance:
        """Test which cells of the mean map the signs of the groups' maps cannot explain.

        Parameters
        ----------
        statistic, alternative, n_permutations, alpha, random_state
            As in `eegexplain.inspection.group_significance`.

        Returns
        -------
        Significance
            Exact for two classes with as many trials in each group, else approximate.

        Raises
        ------
        ValueError
            For maps whose null is not symmetric about zero: unequal shares of the classes, two outputs that do not
            mirror each other, one sign alone; for an `alpha` that so few groups cannot reach.

        Notes
        -----
        To exchange the names of two classes of equal size changes nothing in noise, and turns the map of the difference
        of their outputs into its opposite: such maps are symmetric about zero, whatever network made them. Of three
        and more classes, and of numbers, this holds approximately: best where shares, or numbers, are symmetric.
        """
        refuse_asymmetric(self.dataset)
        asked: dict[str, Any] = {"statistic": statistic, "alternative": alternative, "n_permutations": n_permutations}
        exact = self.dataset.sizes.get("class") == 2 and bool((imbalance(self.dataset) == 0).all())
        maps = self.dataset["group_value"]
        return flip_significance(maps, alpha=alpha, random_state=random_state, exact=exact, **asked)

    def prediction_interval(self, level: float = 0.95) -> Any:
        """Limits of the map that the same procedure will find in a new group.

        Parameters
        ----------
        level : float, default=0.95
            Share of new groups whose value lies inside, of each cell.

        Returns
        -------
        xarray.Dataset
            ``low`` and ``high``: value and t times the ``prediction_error``, which contains the group's own error.

        Raises
        ------
        ValueError
            For a level that is no share.
        """
        if not 0 < level < 1:
            raise ValueError(f"level must lie between 0 and 1, got {level}.")
        quantile = stats.t.ppf((1 + level) / 2, self.dataset.attrs["degrees_of_freedom"])
        value, reach = self.dataset["value"], quantile * self.dataset["prediction_error"]
        return (value - reach).to_dataset(name="low").assign(high=value + reach)

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
    def load(cls, path: str | os.PathLike) -> "GroupExplanation":
        """Load what `save` wrote.

        Parameters
        ----------
        path : str or path-like

        Returns
        -------
        GroupExplanation
            Without models.

        Raises
        ------
        ValueError
            For a file that holds another explanation.
        """
        dataset = load_explanation(path)
        if "group_value" not in dataset:
            raise ValueError(f"{path} holds an explanation that is not of groups: use load_explanation.")
        return cls(dataset)


def explain_groups(
    explainer: Any,
    X: Any,
    y: Any = None,
    *,
    groups: Any = None,
    read: Callable[[Any], Any] | None = None,
    cv: Any = None,
    n_seeds: int = 1,
    scoring: Any = None,
    params: Mapping[str, Any] | None = None,
    n_jobs: int | None = None,
    checkpoint: str | os.PathLike | None = None,
    random_state: Any = None,
    verbose: int = 0,
    return_estimator: bool = False,
) -> GroupExplanation:
    """Cross-validate an explanation inside each group (subject), and summarize over groups.

    Networks of one group never see trials of another: maps of groups are independent, and what is said holds of further
    subjects. `cross_validate_explanations` with ``groups`` asks of networks trained over groups instead.

    Parameters
    ----------
    explainer : explainer
        Any analysis of this package, around an estimator that can be trained.
    X : array-like of shape (n_trials, n_channels, n_times) or (n_trials, n_times), a container, or list of files
        Trials, or what `datasets.read_trials` takes.
        With `read` one file for each group: never more of them are in memory than groups are worked on at a time.
    y : array-like of shape (n_trials,), or str, optional
        Classes, or numbers; each group needs trials of every class. None with `read`, or for those of a container.
    groups : array-like of shape (n_trials,), or str
        Subjects. Each counts once, however many trials it has. With `read` the names of the files' groups, by default
        those of the files without their ending.
    read : callable, optional
        Takes a file and gives ``(X, y)``, or something that has both, as `eegexplain.datasets.load_trials`; of a module
        or a partial of one, as it is called in worker processes.
    cv : int or splitter, optional
        Of the trials inside each group; None is 5 folds stratified by class, or fewer where a class has fewer trials.
    n_seeds : int, default=1
        Networks per fold.
    scoring : str, callable, list or dict, optional
        As in `cross_validate_explanations`.
    params : dict, optional
        Further arguments of the inner ``fit``; those with an entry per trial are split along.
    n_jobs : int, optional
        Groups worked on at a time, in processes; the result does not depend on it.
    checkpoint : str or path-like, optional
        Folder that keeps what is finished: the same call goes on from there after an interruption. It holds pickles, so
        resume only what you trust.
    random_state : int, RandomState or None
    verbose : int, default=0
        1 shows a progress bar.
    return_estimator : bool, default=False
        Whether to keep each group's explanation with its networks.

    Returns
    -------
    GroupExplanation

    Raises
    ------
    TypeError
        For a network without an analysis around it.
    ValueError
        For a frozen network, one group, a label that is constant within a group, a class with fewer trials in a group
        than folds (all naming the group), copies of a trial in two groups, maps that differ in shape, and a damaged
        checkpoint, or one of another call.

    Warns
    -----
    UserWarning
        For classes of unequal shares in a group, whose maps `GroupExplanation.significance` refuses, and for groups of
        very unequal size.

    Notes
    -----
    The mean is unweighted. ``between_sd`` is the standard deviation over groups without the groups' own errors
    [1]_. What a group's own map says is in ``group_value`` and ``group_error``.

    References
    ----------
    .. [1] L. V. Hedges, "A random effects model for effect sizes", Psychological Bulletin 93 (1983),
           doi:10.1037/0033-2909.93.2.388.

    Examples
    --------
    >>> from eegexplain import PerturbationCorrelator, SyncNetClassifier
    >>> from eegexplain.datasets import make_oscillatory_eeg
    >>> from eegexplain.inspection import explain_groups
    >>> channels = ["Fz", "C3", "C4", "Pz", "O1", "O2"]
    >>> eeg = make_oscillatory_eeg(240, channels, duration=1, snr=3, n_subjects=6, random_state=0)
    >>> net = SyncNetClassifier(training="closed", readout="log_power", num_filters=4, sfreq=eeg.sfreq)
    >>> correlator = PerturbationCorrelator(net, bands="eeg", noise="data", ch_names=eeg.ch_names)
    >>> found = explain_groups(correlator, eeg.X, eeg.y, groups=eeg.subject, cv=2, random_state=0)
    >>> dict(found.dataset["group_value"].sizes)
    {'group': 6, 'output': 2, 'channel': 6, 'band': 5}
    >>> bool(found.significance().significant.sel(output="1", channel="C3", band="beta"))
    True
    """
    require_explainer(explainer)
    settings: dict[str, Any] = {"cv": cv, "n_seeds": n_seeds, "scoring": scoring, "return_estimator": return_estimator}
    if read is None:
        explainer, (X, y, groups) = trials_to_study(explainer, X, y, groups)
    given = _arrays(explainer, X, y, groups, cv) if read is None else _files(X, y, groups, read)
    seed = random_seed(random_state)
    described = {"explainer": explainer, "params": params, **settings, **given.described, "seed": seed}
    kept = open_checkpoint(checkpoint, "groups", described, random_state)
    explain = partial(given.explain, explainer, params, settings)
    units = [
        Unit(explain, (name, source, own_seed(seed, code))) for code, (name, source) in enumerate(given.sources.items())
    ]
    done = run_units(units, n_jobs=n_jobs, checkpoint=kept, verbose=verbose, desc="groups")
    told = dict(zip(given.sources, done, strict=True))
    counts: dict[str, Any] = given.count(told)
    found: dict[str, Any] = {name: getattr(one, "found", one) for name, one in told.items()}
    dataset = summarize_groups({name: one.dataset for name, one in found.items()})
    return GroupExplanation(
        dataset.assign(counts).assign_attrs(seed=seed), explainer, found if return_estimator else None
    )


@dataclass(frozen=True, eq=False)
class _Given:
    """Where the trials of each group are, and how they are explained and counted."""

    sources: dict
    explain: Callable
    count: Callable
    described: dict


def _arrays(explainer, X, y, groups, cv):
    """Trials in memory, or in one file that is mapped to it."""
    if y is None or groups is None:
        raise ValueError("y and groups are needed beside X, one for each trial; or give files, and how to read them.")
    checked = check_trainable(explainer, X, y)
    divided = divide_trials(checked, groups, cv)
    sources = dict(zip(divided.names.tolist(), divided.parts, strict=True))
    described = {"X": checked.X, "y": checked.y, "groups": divided.codes}
    return _Given(sources, partial(_explain_group, checked), lambda _: count_trials(checked, divided), described)


def _files(files, y, groups, read):
    """One file for each group."""
    if y is not None:
        raise ValueError("y comes from the files: leave it out, and let `read` give (X, y).")
    sources = {name: (file, stamp(file)) for name, file in name_files(files, groups).items()}
    return _Given(sources, partial(_explain_file, read), compare_groups, {"read": read, "files": sources})


def _explain_file(read, explainer, params, settings, name, source, seed):
    """One group's cross-validation, read here."""
    try:
        checked = read_group(explainer, read, source[0], name, settings["cv"])
    except ValueError as error:
        raise ValueError(f"Group {name!r}: {error}") from error
    part = np.arange(len(checked.X))
    return tell_group(checked, _explain_group(checked, explainer, params, settings, name, part, seed))


def _explain_group(checked, explainer, params, settings, name, part, seed):
    """One group's cross-validation; what goes wrong is told with its name."""
    one = clone(explainer).set_params(estimator=checked.inner)
    params = None if params is None else _check_method_params(checked.X, params, indices=part)
    try:
        found = cross_validate_explanations(
            one, checked.X[part], checked.y[part], params=params, random_state=seed, **settings
        )
    except ValueError as error:
        raise ValueError(f"Group {name!r}: {error}") from error
    return found if settings["return_estimator"] else replace(found, models=None)
