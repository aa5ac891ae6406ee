"""Prediction by a network that sees aligned trials: each method takes the groups of the trials."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from eegexplain._containers import trials_to_ask
from eegexplain._validation import as_trials, check_group_names, validate_trials
from eegexplain.models._alignment import GroupAlignment, align_training, refuse_trait


class AlignedFacade:
    """What ``align="group"`` adds to a facade: maps of the groups before the network, references for new groups.

    ``alignment_`` is a `GroupAlignment`, or None where trials reach the network as they are.
    """

    alignment_: GroupAlignment | None

    def set_reference(self, X: ArrayLike, groups: ArrayLike) -> Self:
        """Learn the maps of new groups from their trials, without labels, for predictions with ``align="group"``.

        The map of a group stays as it is until it is set again: predictions do not depend on what else is predicted.

        Parameters
        ----------
        X : array-like of shape (n_trials, n_channels, n_times) or (n_trials, n_times)
            Unlabelled trials of the groups, at least 10 of each.
        groups : array-like of shape (n_trials,)
            Of each trial, named as in ``fit``.

        Returns
        -------
        self : object

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            For groups of fewer than 10 trials or without power, and after a ``fit`` without alignment.
        """
        alignment, trials, names = self._to_align(X, groups)
        self.alignment_ = alignment.extended(as_trials(trials), names)
        return self

    def align_trials(self, X: ArrayLike, groups: ArrayLike) -> NDArray[Any]:
        """Return trials as the network sees them, for analyses of `without_alignment`.

        Parameters
        ----------
        X : array-like of shape (n_trials, n_channels, n_times) or (n_trials, n_times)
            Trials.
        groups : array-like of shape (n_trials,)
            Of each trial: groups of ``fit`` or of `set_reference`.

        Returns
        -------
        aligned : ndarray of the shape of `X`
            In the unit of `X` in ``fit``.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            For a group without a reference, and after a ``fit`` without alignment.
        """
        alignment, trials, names = self._to_align(X, groups)
        aligned = alignment.apply(as_trials(trials), names)
        return aligned if aligned.shape == trials.shape else aligned.reshape(trials.shape)

    def without_alignment(self) -> Self:
        """Return the same fitted network for trials that are aligned already; it shares weights with this one.

        Returns
        -------
        estimator : object
            What every analysis takes, in a ``FrozenEstimator``, with trials of `align_trials`.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        """
        check_is_fitted(self, "net_")
        other = object.__new__(type(self))
        vars(other).update(vars(self), align=None, alignment_=None)
        return other

    def predict(self, X: ArrayLike, *, groups: ArrayLike | None = None) -> NDArray[Any]:
        """Return the most probable class of each trial, or predictions in the unit of `y`.

        Parameters
        ----------
        X : array-like of shape (n_trials, n_channels, n_times) or (n_trials, n_times)
            Trials in the unit and of the sizes of ``fit``.
        groups : array-like of shape (n_trials,), optional
            With ``align="group"``: of each trial; otherwise they play no part.

        Returns
        -------
        predictions : ndarray of shape (n_trials,), or (n_trials, n_targets) for several targets

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            For trials of another shape; with alignment for missing groups and groups without a reference.
        """
        return self._ask("predict", X, groups)

    def score(
        self, X: ArrayLike, y: Any = None, sample_weight: ArrayLike | None = None, *, groups: ArrayLike | None = None
    ) -> float:
        """Return the accuracy, or of a regressor R2.

        Parameters
        ----------
        X : array-like of shape (n_trials, n_channels, n_times) or (n_trials, n_times)
            Trials.
        y : array-like of shape (n_trials,) or (n_trials, n_targets)
            Targets.
        sample_weight : array-like of shape (n_trials,), optional
            Weights of the trials.
        groups : array-like of shape (n_trials,), optional
            As in `predict`.

        Returns
        -------
        score : float

        Raises
        ------
        NotFittedError, ValueError
            As `predict`.
        """
        return self._ask("score", X, groups, y, sample_weight)

    def _ask(self, method, X, groups, *more):
        """Call the network's method on trials as it takes them."""
        if getattr(self, "alignment_", None) is None:
            return getattr(super(), method)(X, *more)
        X, y, groups = trials_to_ask(self, X, *more[:1], groups=groups)
        more = (y, *more[1:]) if more else ()
        return getattr(self.without_alignment(), method)(self.align_trials(X, groups), *more)

    def _align_training(self, X, target, groups):
        """Set the references of the groups of training; return aligned trials."""
        self.alignment_ = None
        if self.align != "group":
            return X
        if groups is None:
            raise ValueError("align='group' needs the group (subject, recording) of each trial: fit(X, y, groups=...).")
        names = check_group_names(groups, len(X))
        refuse_trait(np.asarray(target), names)
        self.alignment_, aligned = self._once(align_training, as_trials(X), names)
        return aligned if aligned.shape == X.shape else aligned.reshape(X.shape)

    def _to_align(self, X, groups):
        """Check what alignment needs; the alignment, trials and groups."""
        check_is_fitted(self, "net_")
        alignment, name = getattr(self, "alignment_", None), type(self).__name__
        if alignment is None:
            raise ValueError(f"This {name} was fitted without alignment: fit it with align='group' and groups.")
        if groups is None:
            raise ValueError(
                f"This {name} was fitted with align='group': give the groups of the trials, predict(X, groups=...); "
                "within scikit-learn's metadata routing set_predict_request(groups=True)."
            )
        X, _, groups = trials_to_ask(self, X, groups=groups)
        trials = validate_trials(self, X, reset=False)
        return alignment, trials, check_group_names(groups, len(trials))


class AlignedClassifier(AlignedFacade):
    """The same for classifiers."""

    def predict_proba(self, X: ArrayLike, *, groups: ArrayLike | None = None) -> NDArray[np.float64]:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_trials, n_channels, n_times) or (n_trials, n_times)
            Trials in the unit and of the sizes of ``fit``.
        groups : array-like of shape (n_trials,), optional
            As in `predict`.

        Returns
        -------
        probabilities : ndarray of shape (n_trials, n_classes)
            Columns in the order of ``classes_``.

        Raises
        ------
        NotFittedError, ValueError
            As `predict`.
        """
        return self._ask("predict_proba", X, groups)

    def decision_function(self, X: ArrayLike, *, groups: ArrayLike | None = None) -> NDArray[np.float64]:
        """Return logits.

        Parameters
        ----------
        X : array-like of shape (n_trials, n_channels, n_times) or (n_trials, n_times)
            Trials in the unit and of the sizes of ``fit``.
        groups : array-like of shape (n_trials,), optional
            As in `predict`.

        Returns
        -------
        logits : ndarray of shape (n_trials, n_classes) or (n_trials,)
            For two classes the logit of the second minus that of the first.

        Raises
        ------
        NotFittedError, ValueError
            As `predict`.
        """
        return self._ask("decision_function", X, groups)
