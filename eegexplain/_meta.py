"""What all analyses share: the inner estimator, its delegation, tags and routing."""

import copy
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, TransformerMixin, clone, is_classifier
from sklearn.utils import get_tags
from sklearn.utils._metadata_requests import _routing_enabled
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, get_routing_for_object, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted, has_fit_parameter

from eegexplain import _explanation as e
from eegexplain._answers import Answers
from eegexplain._containers import trials_alone, trials_to_ask, trials_to_fit
from eegexplain._explanation import flat_names, make_explanation, origin, population_error, with_degrees_of_freedom
from eegexplain._inner import (
    check_known,
    default_estimator,
    flat_prediction,
    inner_has,
    inner_input,
    inner_sfreq,
    inner_target,
    is_continuous,
    numbered_classes,
)
from eegexplain._nets import check_finished, frozen, is_network, is_skorch_net, seen_scale
from eegexplain._outputs import ScikitOutputs
from eegexplain._parallel import keep_interrupts
from eegexplain._scale import warn_of_scale
from eegexplain._settings import check_numbers
from eegexplain._validation import as_trials, check_ch_names, check_groups, check_sfreq, validate_trials

__all__ = ["Explainer", "default_estimator", "flat_names", "make_explanation", "population_error"]


class Explainer(Answers, MetaEstimatorMixin, TransformerMixin, BaseEstimator):
    """Base of all analyses: fits the inner estimator, stores ``explanation_``, delegates prediction.

    A subclass defines ``__init__`` (with ``estimator``, ``sfreq`` and ``ch_names`` among its parameters) and

    - ``_numbers``: optional; what its numeric parameters may be (see `eegexplain._settings`);
    - ``_prepare(X, y)``: optional; check parameters and compute what depends on the shape only, before any training;
    - ``_explain_population(X, y, groups)`` -> `xarray.Dataset` for ``X`` of shape ``(n, n_channels, n_times)``;
    - ``_explain_training(X, y, groups)``: optional; the same for the trials of `fit`, where something that the analysis
      measured on these very trials (a unit of noise) adds to its errors;
    - ``_store(dataset)``: optional; set plain arrays from the population explanation of the training trials;
    - ``_trial_coords()`` -> dict of dim to coordinates, the axes of one trial's evidence, in order;
    - ``_explain_trials(X)`` -> array ``(n_trials, *lengths of these coordinates)``;
    - ``_trial_label``: what that evidence is, where it is not what the population explanation holds.

    It asks the fitted model through one of two doors: ``_outputs()`` answers for any model, ``_network()`` has
    gradients and layers too and refuses what is no torch network.

    The attribute ``label`` of an explanation says what its values are (``method`` says how they were found).
    """

    _trial_label: str | None = None
    _reads_by_block = True  # trials that a file holds stay there; see `_inner.inner_input`

    # ----------------------------------------------------------------- fit
    def fit(self, X: Any, y: Any = None, *, groups: Any = None, **fit_params: Any):
        """Fit the inner estimator and explain it on these trials.

        Parameters
        ----------
        X : array-like of shape (n_trials, n_channels, n_times) or (n_trials, n_times), or a container
            Trials, or what `datasets.read_trials` takes: MNE epochs, datasets of braindecode and torch, DataArrays.
        y : array-like of shape (n_trials,), or str, optional
            Targets. Of a container None takes its own, and a name one of its columns.
        groups : array-like of shape (n_trials,), or str, optional
            Subjects, sessions or recordings: errors are clustered by them, and they are passed to an inner
            estimator whose ``fit`` takes them. Of a container the name of a column.
        **fit_params : dict
            For the inner estimator's ``fit``.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            For parameters out of range, trials and targets that hold NaN or do not fit each other, and classes that a
            frozen inner estimator does not know.
        TypeError
            For text, sparse trials, and an inner estimator that has not what the analysis asks for.
        """
        check_numbers(self)
        X, y, groups = read = trials_to_fit(self, X, y, groups)
        given = frozen(self.estimator, y is not None and is_continuous(y))
        kind = None if given is None else get_tags(given).estimator_type  # not that of the last fit
        if self.estimator is None and y is not None:
            kind = "regressor" if is_continuous(y) else "classifier"
        X, y = validate_trials(self, X, y, reset=True, kind=kind)
        codes = None if groups is None else check_groups(groups, len(X))
        self.n_targets_ = y.shape[1] if y.ndim == 2 else 1
        self._set_axes(X, read)
        self._prepare(as_trials(X), y)
        self._fit_inner(X, y, codes, fit_params)
        dataset = with_degrees_of_freedom(self._explain_training(as_trials(X), y, codes), len(X), codes)
        e.warn_of_zeros(dataset)
        self._store(dataset)
        self.explanation_ = dataset.assign_attrs(origin(self, X, y))
        return self

    def _set_axes(self, X, read=None):
        self._told_sfreq = getattr(read, "sfreq", None) if self.sfreq is None else self.sfreq
        told = (self._told_sfreq, inner_sfreq(frozen(self.estimator)), 1.0)
        self.sfreq_ = check_sfreq(next(sfreq for sfreq in told if sfreq is not None))
        names = getattr(read, "ch_names", None) if self.ch_names is None else self.ch_names
        self._read_info = getattr(read, "info_text", None)  # for `to_mne`
        self.ch_names_ = check_ch_names(names, as_trials(X[:1]).shape[1])

    def _prepare(self, X, y):
        """Check parameters before any training."""

    def _explain_training(self, X, y, groups):
        """Explain the trials of `fit`: `fit` says so, since trials cannot be recognized by looking at them."""
        return self._explain_population(X, y, groups)

    def _store(self, dataset):
        """Set plain arrays from the population explanation."""

    def _fit_inner(self, X, y, groups, fit_params):
        inner = frozen(self.estimator, is_continuous(y))
        if inner is None:
            inner = default_estimator(y, sfreq=self._told_sfreq, random_state=getattr(self, "random_state", None))
        routed = _routing_enabled() and self.estimator is not None
        if groups is not None:
            asked = get_routing_for_object(inner).consumes("fit", {"groups"}) if routed else False
            if asked or (not routed and has_fit_parameter(inner, "groups")):
                fit_params = {**fit_params, "groups": groups}
        if routed:
            fit_params = process_routing(self, "fit", **fit_params).estimator.fit
        for name in ("estimator_", "classes_"):  # tags and outputs are those of this fit, not of the last
            vars(self).pop(name, None)
        with keep_interrupts():
            fitted = clone(inner).fit(self._inner_input(X, inner), inner_target(y, inner), **fit_params)
        if fitted is inner or type(inner).__name__ == "FrozenEstimator":
            warn_of_scale(X, seen_scale(fitted), type(getattr(fitted, "estimator", fitted)).__name__)
        else:
            check_finished(fitted)
        self.estimator_ = fitted
        if is_network(fitted) and not hasattr(fitted, "classes_"):
            self._network()  # a bare module inside a FrozenEstimator learns how many classes it has
        if hasattr(self.estimator_, "classes_"):
            self.classes_ = self.estimator_.classes_
            self._check_labels(y)
        elif is_skorch_net(fitted) and is_classifier(fitted):  # a skorch net that was never told its classes
            self.classes_ = numbered_classes(self._network().n_outputs, y)

    def _check_labels(self, y):
        """Refuse classes that the inner estimator does not know; skorch's own ``classes_`` may rename codes."""
        if hasattr(self, "classes_") and not is_skorch_net(self.estimator_):
            check_known(self.estimator_, self.classes_, y)

    def _inner_input(self, X, inner=None):
        """Trials as the inner estimator takes them, fitted or about to be."""
        return inner_input(X, self.estimator_ if inner is None else inner)

    @property
    def output_names_(self):
        """Names of the explained outputs: classes, or ``output`` (``output0, ...`` for several targets)."""
        check_is_fitted(self, "estimator_")
        if hasattr(self, "classes_"):
            return [str(name) for name in self.classes_]
        return ["output"] if self.n_targets_ == 1 else [f"output{k}" for k in range(self.n_targets_)]

    def _outputs(self):
        """Return the fitted model, of whatever kind, as what answers for its outputs (see `eegexplain._outputs`)."""
        if is_network(self.estimator_):
            return self._network()
        return ScikitOutputs(self.estimator_, self.trial_shape_, self._inner_input)

    def _network(self):
        """Return the fitted network as NumPy functions (torch only): gradients and layers beside its outputs."""
        from eegexplain._torch import TorchNet

        return TorchNet(self.estimator_, self.trial_shape_)

    # ------------------------------------------------------------- explain
    def _trials(self, X):
        """Trials as those of `fit`, out of whatever holds them."""
        return validate_trials(self, trials_alone(self, X), reset=False)

    def transform(self, X):
        """Return per-trial evidence as a 2-D array with one named column per cell.

        Parameters
        ----------
        X : array-like of shape (n_trials, n_channels, n_times) or (n_trials, n_times)
            Trials of the shape seen in ``fit``.

        Returns
        -------
        evidence : ndarray of shape (n_trials, n_features_out)
            Columns as in `get_feature_names_out`.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            For trials of another shape than in ``fit``, and for NaN.
        """
        check_is_fitted(self)
        X = self._trials(X)
        return np.asarray(self._explain_trials(as_trials(X))).reshape(len(X), -1)

    def fit_transform(self, X, y=None, **fit_params):
        """Fit, then explain the same trials.

        The network has seen these trials: their evidence is optimistic. Use ``cross_validate_explanations`` (or
        ``cross_val_predict`` with ``method="transform"``) for evidence on held-out trials.

        Parameters
        ----------
        X : array-like of shape (n_trials, n_channels, n_times) or (n_trials, n_times)
            Trials.
        y : array-like of shape (n_trials,)
            Targets.
        **fit_params : dict
            As in `fit`.

        Returns
        -------
        evidence : ndarray of shape (n_trials, n_features_out)
        """
        return self.fit(X, y, **fit_params).transform(X)

    def explain(self, X):
        """Return per-trial evidence with labelled axes.

        Parameters
        ----------
        X : array-like of shape (n_trials, n_channels, n_times) or (n_trials, n_times)
            Trials of the shape seen in ``fit``.

        Returns
        -------
        dataset : xarray.Dataset
            Variable ``value`` with first dim ``trial``; the same numbers as `transform`.

        Raises
        ------
        NotFittedError, ValueError
            As `transform`.
        """
        check_is_fitted(self)
        X = self._trials(X)
        coords = self._trial_coords()
        value = np.asarray(self._explain_trials(as_trials(X)))
        population = ("version", "degrees_of_freedom", *e.ORIGIN)
        attrs = {key: item for key, item in self.explanation_.attrs.items() if key not in population}
        if self._trial_label is not None:
            attrs["label"] = self._trial_label
        attrs |= origin(self, X, None)
        return make_explanation(value, ("trial", *coords), {"trial": np.arange(len(X)), **coords}, **attrs)

    def explain_population(self, X, y=None, groups=None):
        """Explain the fitted network on any trials, held-out ones above all.

        Parameters
        ----------
        X : array-like of shape (n_trials, n_channels, n_times) or (n_trials, n_times)
            Trials of the shape seen in ``fit``.
        y : array-like of shape (n_trials,), optional
            Targets, where the analysis uses them (per class, kept accuracy).
        groups : array-like of shape (n_trials,), optional
            Clusters for the standard errors.

        Returns
        -------
        dataset : xarray.Dataset
            Like ``explanation_``. Population maps are not means of per-trial maps. Where it has a ``standard_error``,
            a 95 % interval takes the quantile of t with ``attrs["degrees_of_freedom"]``, the number of groups (without
            groups: of trials) less one.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            As `transform`; for classes in `y` that ``fit`` did not see, and groups of another length.
        """
        check_is_fitted(self)
        X, y, groups = trials_to_ask(self, X, y, groups)
        if y is None:
            X = validate_trials(self, X, reset=False)
        else:
            X, y = validate_trials(self, X, y, reset=False, kind="classifier" if hasattr(self, "classes_") else None)
            self._check_labels(y)
        codes = None if groups is None else check_groups(groups, len(X))
        dataset = with_degrees_of_freedom(self._explain_population(as_trials(X), y, codes), len(X), codes)
        e.warn_of_zeros(dataset)
        return dataset.assign_attrs(origin(self, X, y))

    def get_feature_names_out(self, input_features=None):
        """Return the names of the columns of `transform`, such as ``"C3@10Hz@left"``.

        Parameters
        ----------
        input_features : None
            Only compared with the input in ``fit``: channels are named by ``ch_names``.

        Returns
        -------
        names : ndarray of str

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            For names other than those of the columns of `X` in ``fit``.
        """
        check_is_fitted(self)
        _check_feature_names_in(self, input_features, generate_names=False)
        return flat_names(self._trial_coords())

    # ---------------------------------------------------------- delegation
    def _delegate(self, method, X, *args, **params):
        check_is_fitted(self)
        X = self._trials(X)
        return getattr(self.estimator_, method)(self._inner_input(X), *args, **params)

    @available_if(inner_has("predict"))
    def predict(self, X):
        """Predict with the inner estimator."""
        return flat_prediction(self._delegate("predict", X))

    @available_if(inner_has("predict_proba"))
    def predict_proba(self, X):
        """Predict class probabilities with the inner estimator."""
        return self._delegate("predict_proba", X)

    @available_if(inner_has("predict_log_proba"))
    def predict_log_proba(self, X):
        """Predict log class probabilities with the inner estimator."""
        return self._delegate("predict_log_proba", X)

    @available_if(inner_has("decision_function"))
    def decision_function(self, X):
        """Return the inner estimator's decision function."""
        return self._delegate("decision_function", X)

    @available_if(inner_has("score"))
    def score(self, X, y=None, **params):
        """Score the inner estimator (accuracy or R2): how far its explanation matters at all."""
        X, y, _ = trials_to_ask(self, X, y)
        if _routing_enabled():
            params = process_routing(self, "score", **params).estimator.score
        return self._delegate("score", X, y, **params)

    # ------------------------------------------------------------- storage
    def __getstate__(self):
        """Take the explanation apart: skops, which trusts named classes only, cannot store a dataset."""
        state = dict(super().__getstate__())
        return state | {key: e.dismantled(state[key]) for key in ("explanation_",) if key in state}

    def __setstate__(self, state):
        """Put the explanation together again."""
        super().__setstate__(state | {key: e.assembled(state[key]) for key in ("explanation_",) if key in state})

    # ------------------------------------------------------ routing, tags
    def get_metadata_routing(self):
        """Route metadata of ``fit`` and ``score`` to the inner estimator.

        Returns
        -------
        routing : MetadataRouter
        """
        mapping = MethodMapping().add(caller="fit", callee="fit").add(caller="score", callee="score")
        router = MetadataRouter(owner=self).add_self_request(self)
        inner = frozen(self.estimator)
        return router if inner is None else router.add(estimator=inner, method_mapping=mapping)

    def __sklearn_tags__(self):
        """Copy the inner estimator's type, so that searches stratify; a default one is a classifier until fitted."""
        tags = super().__sklearn_tags__()
        inner = getattr(self, "estimator_", None) or frozen(self.estimator)
        tags.target_tags.required = True
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = True
        if inner is None:
            tags.estimator_type = "classifier"
            return tags
        inner_tags = get_tags(inner)
        tags.estimator_type = inner_tags.estimator_type
        tags.classifier_tags = copy.copy(inner_tags.classifier_tags)
        tags.regressor_tags = copy.copy(inner_tags.regressor_tags)
        tags.target_tags = copy.copy(inner_tags.target_tags)
        tags.target_tags.required = True
        tags.non_deterministic = inner_tags.non_deterministic
        return tags
