"""Any list of models as one: outputs averaged, and explained as one model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, RegressorMixin, is_classifier, is_regressor
from sklearn.utils import check_random_state, get_tags
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from eegexplain._containers import ScoresTrials, trials_alone, trials_to_fit
from eegexplain._inner import inner_input, inner_target
from eegexplain._nets import Together, check_finished, frozen, is_network, seen_scale
from eegexplain._outputs import ScikitOutputs
from eegexplain._scale import warn_of_scale
from eegexplain._settings import check_numbers
from eegexplain._torch import TorchNet
from eegexplain._validation import as_trials, spawn_seeds, validate_trials


class _Ensemble(MetaEstimatorMixin, BaseEstimator):
    """What classifier and regressor share."""

    _averaged = ""
    _reads_by_block = True

    def __init__(self, estimators: Sequence[Any], *, random_state: int | np.random.RandomState | None = None):
        self.estimators = estimators
        self.random_state = random_state

    def _read(self, X, y, groups):
        """Trials, labels and groups of whatever holds them; afterwards channels are picked by its names."""
        read = trials_to_fit(self, X, y, groups)
        self.ch_names_ = read.ch_names
        return read

    def _fit_members(self, X, y, groups):
        self._check_members()
        rng = check_random_state(self.random_state)
        self.estimators_ = [self._fit_member(number, one, X, y, groups, rng)
                            for number, one in enumerate(self._members())]  # fmt: skip

    def _members(self):
        """What is held, bare modules as fitted estimators."""
        return [frozen(one, numbers=self._averaged == "output") for one in self.estimators]

    def _check_members(self):
        kind = "classifier" if is_classifier(self) else "regressor"
        if not isinstance(self.estimators, (list, tuple)) or not self.estimators:
            raise ValueError(f"estimators must be a list of at least one {kind}, got {self.estimators!r}")
        for number, one in enumerate(self._members()):
            if not hasattr(one, "fit"):
                raise TypeError(
                    f"estimators[{number}] is a {type(one).__name__}: give an estimator or a trained torch module."
                )
            if not (is_classifier if kind == "classifier" else is_regressor)(one):
                raise TypeError(f"estimators[{number}] ({type(one).__name__}) is no {kind}: {type(self).__name__} "
                                f"takes {kind}s only.")  # fmt: skip

    def _fit_member(self, number, member, X, y, groups, rng):
        """A clone with a start of its own, fitted; a frozen one as it is, if it takes such trials."""
        if type(member).__name__ == "FrozenEstimator":
            check_is_fitted(member)
            shape = getattr(member, "trial_shape_", self.trial_shape_)
            if shape != self.trial_shape_:
                raise ValueError(
                    f"estimators[{number}] ({type(member.estimator).__name__}) was fitted on trials of shape {shape}, "
                    f"these have {self.trial_shape_}: members must take the same trials."
                )
            warn_of_scale(X, seen_scale(member), type(member.estimator).__name__)
            return member
        settings = {"groups": groups} if groups is not None and has_fit_parameter(member, "groups") else {}
        fitted = spawn_seeds(member, rng).fit(inner_input(X, member), inner_target(y, member), **settings)
        check_finished(fitted)
        return fitted

    def _models(self):
        return [
            TorchNet(one, self.trial_shape_) if is_network(one)
            else ScikitOutputs(one, self.trial_shape_, lambda X, one=one: inner_input(X, one))
            for one in self.estimators_
        ]  # fmt: skip

    def _mean(self, X):
        """Mean over members of centered logits, or of numbers, ``(n_trials, n_outputs)``."""
        check_is_fitted(self, "estimators_")
        trials = as_trials(validate_trials(self, trials_alone(self, X), reset=False))
        return np.mean([one.outputs(trials, self._averaged) for one in self._models()], axis=0)

    def _check_outputs(self, n_outputs):
        for number, one in enumerate(self._models()):
            if one.n_outputs != n_outputs:
                raise ValueError(
                    f"estimators[{number}] ({type(self.estimators[number]).__name__}) has {one.n_outputs} outputs, but "
                    f"the targets have {n_outputs}: members must have the same outputs."
                )

    def _together(self):
        """How networks are averaged, for analyses that take gradients."""
        check_is_fitted(self, "estimators_")
        return Together(self.estimators_, self._averaged)

    def _members_tags(self, kind):
        """Tags of the members that are estimators, one kind of them."""
        members = self._members() if isinstance(self.estimators, (list, tuple)) else ()
        return [getattr(get_tags(one), kind) for one in members if hasattr(one, "fit")]


class EnsembleClassifier(ScoresTrials, ClassifierMixin, _Ensemble):
    """Several classifiers as one, by the mean of their centered logits; every analysis explains it as one model.

    The members may differ in kind and settings: networks of this package, skorch nets, anything with probabilities or
    decision values. Where all are networks the ensemble has gradients: those of its logits are the means of its
    members' (centered ones), and so are maps that are linear in them (FLEX with ``response`` "logit" or
    "centered_logit" and one number of steps). Maps of probabilities are not: they are those of this ensemble.

    Parameters
    ----------
    estimators : list of classifiers
        Trained with the ensemble, each from a start of its own; those in a `~sklearn.frozen.FrozenEstimator` and bare
        torch modules are taken as they are.
    random_state : int, RandomState instance or None
        Every seed of every member that is trained is drawn from it.

    Attributes
    ----------
    estimators_ : list of fitted classifiers
    classes_ : ndarray of shape (n_classes,)

    See Also
    --------
    sklearn.ensemble.VotingClassifier : With ``voting="soft"`` the mean of *probabilities*, explained as such.

    Notes
    -----
    Networks that were trained on folds of the same trials have, together, seen all of them: an ensemble of them is for
    new trials. What their maps have in common, with an error, `cross_validate_explanations` gives.

    Layers keep the names of their network, ``members.0.conv_out``: analyses of layers are told which.

    Examples
    --------
    >>> from sklearn.frozen import FrozenEstimator
    >>> from eegexplain import FLEXAttributor, SyncNetClassifier
    >>> from eegexplain.datasets import make_oscillatory_eeg
    >>> from eegexplain.models import EnsembleClassifier
    >>> eeg = make_oscillatory_eeg(n_trials=40, random_state=0)
    >>> nets = [SyncNetClassifier(sfreq=eeg.sfreq, random_state=seed).fit(eeg.X, eeg.y) for seed in range(2)]
    >>> ensemble = EnsembleClassifier([FrozenEstimator(net) for net in nets])
    >>> flex = FLEXAttributor(ensemble, basis="bands", n_steps=4).fit(eeg.X, eeg.y)
    >>> flex.attributions_.shape
    (2, 19, 6)
    """

    _averaged = "centered_logit"

    def fit(self, X: Any, y: Any = None, *, groups: Any = None) -> EnsembleClassifier:
        """Train the members that are not frozen.

        Parameters
        ----------
        X : array-like of shape (n_trials, n_channels, n_times) or (n_trials, n_times)
        y : array-like of shape (n_trials,)
        groups : array-like of shape (n_trials,), optional
            For members whose ``fit`` takes them.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            For an empty list, and frozen members that were fitted on trials of another shape, on other classes, or on
            the same in another order.
        TypeError
            For members that are no classifiers.
        """
        check_numbers(self)
        X, y, groups = self._read(X, y, groups)
        X, y = validate_trials(self, X, y, reset=True, kind="classifier")
        if len(np.unique(y)) < 2 and any(type(one).__name__ != "FrozenEstimator" for one in self.estimators):
            raise ValueError(
                f"{type(self).__name__} needs at least 2 classes, but y holds one class: {np.unique(y).tolist()}."
            )
        self._fit_members(X, y, groups)
        named = {number: np.asarray(one.classes_) for number, one in enumerate(self.estimators_)
                 if hasattr(one, "classes_")}  # fmt: skip
        self.classes_ = next(iter(named.values()), np.unique(y))
        for number, classes in named.items():
            if not np.array_equal(classes, self.classes_):
                raise ValueError(
                    f"estimators[{number}] has the classes {classes.tolist()}, estimators[{next(iter(named))}] "
                    f"{self.classes_.tolist()}: members must name the same classes in the same order."
                )
        self._check_outputs(len(self.classes_))
        return self

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the mean of the members' logits.

        Parameters
        ----------
        X : array-like of shape (n_trials, n_channels, n_times) or (n_trials, n_times)

        Returns
        -------
        logits : ndarray of shape (n_trials, n_classes) or (n_trials,)
            Less their mean over classes; for two classes the logit of the second minus that of the first.
        """
        logits = self._mean(X)
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the probability of each class: the geometric mean of the members', scaled to sum to 1.

        Parameters
        ----------
        X : array-like of shape (n_trials, n_channels, n_times) or (n_trials, n_times)

        Returns
        -------
        probabilities : ndarray of shape (n_trials, n_classes)
        """
        return softmax(self._mean(X), axis=1)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the most probable class of each trial.

        Parameters
        ----------
        X : array-like of shape (n_trials, n_channels, n_times) or (n_trials, n_times)

        Returns
        -------
        labels : ndarray of shape (n_trials,)
        """
        logits = self._mean(X)
        return self.classes_[logits.argmax(1)]

    def __sklearn_tags__(self):
        """Take trials; fit as badly as the worst member."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.classifier_tags.poor_score = any(one and one.poor_score for one in self._members_tags("classifier_tags"))
        return tags


class EnsembleRegressor(ScoresTrials, RegressorMixin, _Ensemble):
    """Several regressors as one, by the mean of their predictions; see `EnsembleClassifier`.

    Parameters
    ----------
    estimators : list of regressors
        Trained with the ensemble, each from a start of its own; those in a `~sklearn.frozen.FrozenEstimator` and bare
        torch modules are taken as they are.
    random_state : int, RandomState instance or None
        Every seed of every member that is trained is drawn from it.

    Attributes
    ----------
    estimators_ : list of fitted regressors
    """

    _averaged = "output"

    def fit(self, X: Any, y: Any = None, *, groups: Any = None) -> EnsembleRegressor:
        """Train the members that are not frozen.

        Parameters
        ----------
        X : array-like of shape (n_trials, n_channels, n_times) or (n_trials, n_times)
        y : array-like of shape (n_trials,) or (n_trials, n_targets)
        groups : array-like of shape (n_trials,), optional
            For members whose ``fit`` takes them.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            For an empty list, and frozen members of other trials or another number of targets.
        TypeError
            For members that are no regressors.
        """
        check_numbers(self)
        X, y, groups = self._read(X, y, groups)
        X, y = validate_trials(self, X, y, reset=True, kind="regressor")
        self._fit_members(X, y, groups)
        self._check_outputs(1 if y.ndim == 1 else y.shape[1])
        self._flat = y.ndim == 1
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the mean of the members' predictions.

        Parameters
        ----------
        X : array-like of shape (n_trials, n_channels, n_times) or (n_trials, n_times)

        Returns
        -------
        predictions : ndarray of shape (n_trials,), or (n_trials, n_targets) for several targets
        """
        values = self._mean(X)
        return values[:, 0] if self._flat else values

    def __sklearn_tags__(self):
        """Take trials and several targets; fit as badly as the worst member."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = tags.target_tags.multi_output = True
        tags.regressor_tags.poor_score = any(one and one.poor_score for one in self._members_tags("regressor_tags"))
        return tags
