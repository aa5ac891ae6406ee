"""What all analyses share: the inner estimator, its delegation and tags, and the labelled ``explanation_``."""

import copy

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, TransformerMixin, clone, is_regressor
from sklearn.utils import get_tags
from sklearn.utils._metadata_requests import _routing_enabled
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from eegexplain._torch import TorchNet, default_dtype, is_skorch_net
from eegexplain._validation import as_trials, check_ch_names, check_groups, check_sfreq, validate_trials

_UNITS = {"frequency": "Hz", "time": "s", "lag": "s"}
# Column names read "C3@10Hz@left": where, then what, then for whom.
_NAME_ORDER = ("channel", "frequency", "band", "time", "lag", "coefficient", "parameter", "filter", "output")


def default_estimator(y, *, sfreq=None, random_state=None):
    """Return the network used for ``estimator=None``: a SyncNet classifier, or a regressor for continuous `y`."""
    from eegexplain.models import SyncNetClassifier, SyncNetRegressor  # the one upward import, named in the tests

    regression = type_of_target(y).startswith("continuous")
    return (SyncNetRegressor if regression else SyncNetClassifier)(sfreq=sfreq, random_state=random_state)


def make_explanation(value, dims, coords, *, standard_error=None, variables=None, **attrs):
    """Build the labelled result that every explainer stores as ``explanation_``.

    Parameters
    ----------
    value : array
        The explanation.
    dims : sequence of str
        One name per axis of `value`: ``output, channel, frequency | band | time | coefficient | filter`` and the like.
    coords : dict of str to sequence
        Coordinates per dim; dims without one are left bare.
    standard_error : array, optional
        Of the shape of `value`.
    variables : dict of str to (dims, array), optional
        Further variables.
    **attrs : dict
        ``method``, ``response`` and other facts of the analysis; the package's version is added.

    Returns
    -------
    dataset : xarray.Dataset
    """
    import xarray as xr

    from eegexplain import __version__

    data = {"value": (tuple(dims), value)}
    if standard_error is not None:
        data["standard_error"] = (tuple(dims), standard_error)
    data.update(variables or {})
    used = {dim for variable_dims, _ in data.values() for dim in variable_dims}
    coords = {dim: np.asarray(values) for dim, values in coords.items() if dim in used}
    return xr.Dataset(data, coords=coords, attrs={"version": __version__, **attrs})


def population_error(influence, groups=None):
    """Return the standard error of a population value from its influence function.

    Parameters
    ----------
    influence : array of shape (n_trials, ...)
        Each trial's influence on the value; its mean over trials is close to zero. For a plain mean this is
        ``x - x.mean(0)``.
    groups : array of shape (n_trials,), optional
        Trials of one group (a subject, or the crops of a trial) are not independent: their influences are summed
        before squaring.

    Returns
    -------
    error : array of shape (...)
        NaN with fewer than two independent units.

    References
    ----------
    .. [1] K.-Y. Liang, S. L. Zeger, "Longitudinal data analysis using generalized linear models", Biometrika 73
           (1986), doi:10.1093/biomet/73.1.13.
    """
    influence = np.asarray(influence, dtype=np.float64)
    n_trials = len(influence)
    codes = check_groups(groups, n_trials)
    n_groups = int(codes.max()) + 1
    if n_groups < 2:
        return np.full(influence.shape[1:], np.nan)
    flat = influence.reshape(n_trials, -1)
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(n_groups))
    sums = flat if groups is None else np.add.reduceat(flat[order], starts, axis=0)
    scale = np.sqrt(n_groups / (n_groups - 1)) / n_trials
    return scale * np.sqrt((sums**2).sum(0)).reshape(influence.shape[1:])


def format_coordinates(dim, values):
    """Return the shortest distinct strings for coordinates, with their unit: ``10Hz``, ``0.25s``, ``alpha``."""
    values = list(values)
    if not values or not isinstance(values[0], (float, np.floating)):
        prefix = "filter" if dim == "filter" and isinstance(values[0], (int, np.integer)) else ""
        return [f"{prefix}{value}" for value in values]
    for decimals in range(16):
        names = [f"{value:.{decimals}f}" for value in values]
        if len(set(names)) == len(names):
            break
    return [name + _UNITS.get(dim, "") for name in names]


def flat_names(coords):
    """Return one name per cell of an array whose axes have these coordinates (C order), e.g. ``C3@10Hz@left``."""
    named = {
        dim: format_coordinates(dim, values) for dim, values in coords.items() if dim != "output" or len(values) > 1
    }
    order = sorted(named, key=lambda dim: _NAME_ORDER.index(dim) if dim in _NAME_ORDER else len(_NAME_ORDER))
    index = np.indices([len(values) for values in coords.values()]).reshape(len(coords), -1)
    where = dict(zip(coords, index, strict=True))
    return np.array(["@".join(named[dim][where[dim][i]] for dim in order) for i in range(index.shape[1])], dtype=object)


def _inner_has(name):
    """Offer a method only when the inner estimator has it, with its own AttributeError otherwise."""

    def check(self):
        inner = getattr(self, "estimator_", None) or self.estimator
        if inner is not None:
            getattr(inner, name)
        return True

    return check


class Explainer(MetaEstimatorMixin, TransformerMixin, BaseEstimator):
    """Base of all analyses: fits the inner estimator, stores ``explanation_``, delegates prediction.

    A subclass defines ``__init__`` (with ``estimator``, ``sfreq`` and ``ch_names`` among its parameters) and

    - ``_prepare(X, y)``: optional; check parameters and compute what depends on the shape only, before any training;
    - ``_explain_population(X, y, groups)`` -> `xarray.Dataset` for ``X`` of shape ``(n, n_channels, n_times)``;
    - ``_store(dataset)``: optional; set plain arrays from the population explanation of the training trials;
    - ``_trial_coords()`` -> dict of dim to coordinates, the axes of one trial's evidence, in order;
    - ``_explain_trials(X)`` -> array ``(n_trials, *lengths of these coordinates)``.
    """

    # ----------------------------------------------------------------- fit
    def fit(self, X, y, *, groups=None, **fit_params):
        """Fit the inner estimator and explain it on these trials.

        Parameters
        ----------
        X : array-like of shape (n_trials, n_channels, n_times) or (n_trials, n_times)
            Trials.
        y : array-like of shape (n_trials,)
            Targets.
        groups : array-like of shape (n_trials,), optional
            Subjects, sessions or recordings: errors are clustered by them, and they are passed to an inner
            estimator whose ``fit`` takes them.
        **fit_params : dict
            For the inner estimator's ``fit``.

        Returns
        -------
        self : object
        """
        kind = None
        if self.estimator is None and y is not None:
            kind = "regressor" if type_of_target(y).startswith("continuous") else "classifier"
        X, y = validate_trials(self, X, y, reset=True, kind=kind)
        codes = None if groups is None else check_groups(groups, len(X))
        self._set_axes(X)
        self._prepare(as_trials(X), y)
        self._fit_inner(X, y, codes, fit_params)
        dataset = self._explain_population(as_trials(X), y, codes)
        self._store(dataset)
        self.explanation_ = dataset
        return self

    def _set_axes(self, X):
        sfreq = self.sfreq if self.sfreq is not None else _inner_sfreq(self.estimator)
        self.sfreq_ = check_sfreq(1.0 if sfreq is None else sfreq)
        self.ch_names_ = check_ch_names(self.ch_names, as_trials(X[:1]).shape[1])

    def _prepare(self, X, y):
        """Check parameters before any training."""

    def _store(self, dataset):
        """Set plain arrays from the population explanation."""

    def _fit_inner(self, X, y, groups, fit_params):
        inner = self.estimator
        if inner is None:
            inner = default_estimator(y, sfreq=self.sfreq_, random_state=getattr(self, "random_state", None))
        if _routing_enabled():
            fit_params = process_routing(self, "fit", **fit_params).estimator.fit
        elif groups is not None and has_fit_parameter(inner, "groups"):
            fit_params = {**fit_params, "groups": groups}
        if hasattr(self, "estimator_"):
            del self.estimator_  # tags must describe the inner estimator of this fit, not of the last
        self.estimator_ = clone(inner).fit(self._inner_input(X, inner), _inner_target(y, inner), **fit_params)
        if hasattr(self.estimator_, "classes_"):
            self.classes_ = self.estimator_.classes_

    def _inner_input(self, X, inner=None):
        """Give a bare skorch net the dtype of torch's default; it does not convert by itself."""
        if is_skorch_net(self.estimator_ if inner is None else inner):
            return np.asarray(X, dtype=default_dtype())
        return X

    @property
    def output_names_(self):
        """Names of the explained outputs: classes, or ``output`` (``output0, ...`` for several targets)."""
        check_is_fitted(self, "estimator_")
        if hasattr(self, "classes_"):
            return [str(name) for name in self.classes_]
        n_outputs = getattr(self, "n_targets_", 1)
        return ["output"] if n_outputs == 1 else [f"output{k}" for k in range(n_outputs)]

    def _network(self):
        """Return the fitted network as NumPy functions (torch only)."""
        return TorchNet(self.estimator_, self.trial_shape_)

    # ------------------------------------------------------------- explain
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
        """
        check_is_fitted(self)
        X = validate_trials(self, X, reset=False)
        return np.asarray(self._explain_trials(as_trials(X))).reshape(len(X), -1)

    def fit_transform(self, X, y, **fit_params):
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
        """
        check_is_fitted(self)
        X = validate_trials(self, X, reset=False)
        coords = self._trial_coords()
        value = np.asarray(self._explain_trials(as_trials(X)))
        attrs = {key: item for key, item in self.explanation_.attrs.items() if key != "version"}
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
            Like ``explanation_``. Population maps are not means of per-trial maps.
        """
        check_is_fitted(self)
        if y is None:
            X = validate_trials(self, X, reset=False)
        else:
            X, y = validate_trials(self, X, y, reset=False, kind="classifier" if hasattr(self, "classes_") else None)
        codes = None if groups is None else check_groups(groups, len(X))
        return self._explain_population(as_trials(X), y, codes)

    def get_feature_names_out(self, input_features=None):
        """Return the names of the columns of `transform`, such as ``"C3@10Hz@left"``.

        Parameters
        ----------
        input_features : None
            Ignored: channels are named by ``ch_names``.

        Returns
        -------
        names : ndarray of str
        """
        check_is_fitted(self)
        return flat_names(self._trial_coords())

    # ---------------------------------------------------------- delegation
    def _delegate(self, method, X, *args, **params):
        check_is_fitted(self)
        X = validate_trials(self, X, reset=False)
        return getattr(self.estimator_, method)(self._inner_input(X), *args, **params)

    @available_if(_inner_has("predict"))
    def predict(self, X):
        """Predict with the inner estimator."""
        return _flat_prediction(self._delegate("predict", X))

    @available_if(_inner_has("predict_proba"))
    def predict_proba(self, X):
        """Predict class probabilities with the inner estimator."""
        return self._delegate("predict_proba", X)

    @available_if(_inner_has("predict_log_proba"))
    def predict_log_proba(self, X):
        """Predict log class probabilities with the inner estimator."""
        return self._delegate("predict_log_proba", X)

    @available_if(_inner_has("decision_function"))
    def decision_function(self, X):
        """Return the inner estimator's decision function."""
        return self._delegate("decision_function", X)

    @available_if(_inner_has("score"))
    def score(self, X, y, **params):
        """Score the inner estimator (accuracy or R2): how far its explanation matters at all."""
        if _routing_enabled():
            params = process_routing(self, "score", **params).estimator.score
        return self._delegate("score", X, y, **params)

    # ------------------------------------------------------ routing, tags
    def get_metadata_routing(self):
        """Route metadata of ``fit`` and ``score`` to the inner estimator.

        Returns
        -------
        routing : MetadataRouter
        """
        mapping = MethodMapping().add(caller="fit", callee="fit").add(caller="score", callee="score")
        router = MetadataRouter(owner=self).add_self_request(self)
        return router if self.estimator is None else router.add(estimator=self.estimator, method_mapping=mapping)

    def __sklearn_tags__(self):
        """Copy the inner estimator's type, so that searches stratify; a default one is a classifier until fitted."""
        tags = super().__sklearn_tags__()
        inner = getattr(self, "estimator_", None) or self.estimator
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


def _inner_sfreq(estimator):
    """Return the `sfreq` parameter of the inner estimator, looking into frozen ones; None where there is none."""
    estimator = getattr(estimator, "estimator", estimator)
    return getattr(estimator, "sfreq", None)


def _inner_target(y, inner):
    """Reshape and cast: skorch regressors refuse 1-D targets, and float64 ones against a float32 module."""
    if is_skorch_net(inner) and is_regressor(inner):
        return np.asarray(y, dtype=default_dtype()).reshape(len(y), -1)
    return y


def _flat_prediction(prediction):
    """Give 1-D predictions where a skorch regressor gives one column; regressors return float64."""
    prediction = np.asarray(prediction)
    if prediction.ndim == 2 and prediction.shape[1] == 1:
        prediction = prediction[:, 0]
    return prediction.astype(np.float64) if prediction.dtype == np.float32 else prediction
