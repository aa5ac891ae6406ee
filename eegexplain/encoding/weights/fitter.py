"""`WeightFitter`: the weights of linear encoding models, with a penalty for every target."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn import config_context
from sklearn.base import BaseEstimator
from sklearn.model_selection import GroupKFold
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from eegexplain._settings import AT_LEAST_ONE, as_splits, check_numbers
from eegexplain._validation import check_array_like, refuse_masked, refuse_text
from eegexplain.encoding._chunks import CHUNK_BYTES, target_chunks
from eegexplain.encoding._runs import check_run_labels, warn_of_unknown_runs
from eegexplain.encoding._scoring import EncodingRegressorMixin
from eegexplain.encoding._tables import check_same_index, check_targets, frame
from eegexplain.encoding.models.base import EncodingModel
from eegexplain.encoding.models.linear import LinearModelWithBaseline
from eegexplain.encoding.weights._ridge import BLOCK, ClosedFit, decompose, fit_closed, residual_squares, solve
from eegexplain.encoding.weights._selection import select


@dataclass(frozen=True, eq=False)
class _Read:
    """What ``fit`` was given, as arrays, with the names of features and targets where it had any."""

    stimulus: np.ndarray
    data: np.ndarray
    features: Any
    targets: Any


class WeightFitter(EncodingRegressorMixin, BaseEstimator):
    """Ridge regression of every target on the columns of a model's design.

    Parameters
    ----------
    model : EncodingModel, default=None
        Makes the design: the features, convolved (``LinearModelWithBaselineHRF``), lagged (``DelayedModel``), or the
        responses of basis functions with given ``parameters``. None is ``LinearModelWithBaseline()``.
    alpha : float or array-like of shape (n_alphas,)
        Penalty on the squared weights; of several, the best is chosen for each target.
    fit_intercept : bool
        Whether to fit an intercept, which is not penalised.
    cv : int, splitter or None
        How to choose: None is generalised cross-validation; an int is a number of folds, of whole runs if ``groups``
        are given to ``fit``, else of contiguous stretches.
    bands : dict of str to sequence, or array-like of shape (n_features,), default=None
        Groups of features with penalties of their own (banded ridge): positions or names of the paradigm's columns,
        or a label per column.
    n_band_candidates : int
        How many divisions of the penalty among the bands are compared: the even one, one that favours each band, and
        draws from Dirichlet distributions.
    memory_limit : float
        Bytes that one chunk of targets may take.
    random_state : int, RandomState or None
        Seed of the draws.

    Attributes
    ----------
    weights_ : DataFrame or ndarray of shape (n_columns, n_targets)
        Weights of the design's columns.
    coef_ : ndarray of shape (n_targets, n_columns) or (n_columns,)
        The same in scikit-learn's shape.
    intercept_ : ndarray of shape (n_targets,) or float
        Intercept.
    alpha_ : ndarray of shape (n_targets,)
        Penalty of each target.
    band_alphas_ : ndarray of shape (n_bands, n_targets)
        Penalty of each band, with ``bands``; inf where a band is left out.
    band_names_ : list
        Names of the bands.
    alpha_scores_ : ndarray of shape (n_divisions, n_alphas, n_targets) or None
        R2 on unseen data that the choice was made by.
    r2_ : ndarray of shape (n_targets,)
        R2 on the training data; NaN for targets without variance.
    patterns_ : ndarray of shape (n_columns, n_targets)
        Haufe patterns: how the design's columns vary with each prediction. These, not the weights, are what a backward
        model can be read by.
    kernels_ : ndarray of shape (n_targets, n_features, n_lags)
        Weights of a ``DelayedModel`` by feature and lag.

    Notes
    -----
    Generalised cross-validation takes samples to be independent; for autocorrelated signals prefer folds of runs.

    References
    ----------
    Golub, G. H., Heath, M., & Wahba, G. (1979). Generalized cross-validation as a method for choosing a good ridge
    parameter. Technometrics, 21(2), 215-223. https://doi.org/10.1080/00401706.1979.10489751

    Nunez-Elizalde, A. O., Huth, A. G., & Gallant, J. L. (2019). Voxelwise encoding models with non-spherical
    multivariate normal priors. NeuroImage, 197, 482-492. https://doi.org/10.1016/j.neuroimage.2019.04.012

    Haufe, S. et al. (2014). On the interpretation of weight vectors of linear models in multivariate neuroimaging.
    NeuroImage, 87, 96-110. https://doi.org/10.1016/j.neuroimage.2013.10.067

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.encoding import DelayedModel, WeightFitter
    >>> rng = np.random.default_rng(0)
    >>> sound = rng.standard_normal((500, 1))
    >>> eeg = 2 * np.roll(sound, 3, axis=0) + 0.1 * rng.standard_normal((500, 1))
    >>> trf = WeightFitter(DelayedModel(tmax=0.05, sfreq=100.0), alpha=[0.1, 1.0, 10.0]).fit(sound, eeg)
    >>> int(trf.kernels_[0, 0].argmax()), round(float(trf.kernels_[0, 0, 3]), 1)
    (3, 2.0)
    """

    _numbers = {"n_band_candidates": AT_LEAST_ONE}

    def __init__(
        self,
        model: EncodingModel | None = None,
        alpha: ArrayLike = 0.0,
        fit_intercept: bool = True,
        *,
        cv: Any = None,
        bands: dict[str, Any] | ArrayLike | None = None,
        n_band_candidates: int = 50,
        memory_limit: float = 2**28,
        random_state: int | np.random.RandomState | None = None,
    ):
        self.model = model
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.cv = cv
        self.bands = bands
        self.n_band_candidates = n_band_candidates
        self.memory_limit = memory_limit
        self.random_state = random_state

    def fit(self, X: ArrayLike | None = None, y: ArrayLike | None = None, groups: ArrayLike | None = None):
        """Fit the weights of every target.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_times, n_features), default=None
            Paradigm; None takes the model's.
        y : DataFrame or array-like of shape (n_times, n_targets) or (n_times,), default=None
            Data; None takes the model's.
        groups : array-like of shape (n_times,), default=None
            Label of the run or trial of each sample: convolutions, lags and folds never cross runs.

        Returns
        -------
        self : WeightFitter
            Fitted.

        Raises
        ------
        ValueError
            For data that do not fit each other or hold NaN, negative penalties, unknown bands, lags longer than a
            run, and cross-validation over a single run.
        """
        check_numbers(self)
        alphas = self._check_alphas()
        self.model_ = LinearModelWithBaseline() if self.model is None else self.model
        read = self._read(X, y)
        check_same_index(X=self.model_.get_paradigm(X), y=y, groups=groups)
        warn_of_unknown_runs(self.model_, groups)
        stimulus, data = read.stimulus, read.data
        groups = None if groups is None else check_run_labels(groups, len(stimulus))
        valid = self.model_.valid_samples(len(stimulus), groups)
        design = self.model_.design(stimulus, groups)
        if not valid.all():
            design, data = design[valid], data[valid]
        splits = self._folds(design, None if groups is None else groups[valid]) if len(alphas) > 1 else None
        mean_x = design.mean(axis=0) if self.fit_intercept else np.zeros(design.shape[1])
        design = design - mean_x
        closed = splits is None and self.bands is None
        found = self._fit_closed(design, data, alphas) if closed else self._fit_best(read, design, data, alphas, splits)
        self.intercept_ = found.mean - mean_x @ found.weights
        total = found.total if self.fit_intercept else data.var(axis=0) * len(data)
        self.r2_ = np.where(total > 0, 1 - found.residual / np.where(total > 0, total, 1.0), np.nan)
        self._store(found.weights, read)
        return self

    def predict(self, X=None, groups=None):
        """Predict the data.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_times, n_features), default=None
            Paradigm; None takes the model's.
        groups : array-like of shape (n_times,), default=None
            Label of the run of each sample.

        Returns
        -------
        prediction : DataFrame or ndarray of shape (n_times, n_targets) or (n_times,)
            A DataFrame if both paradigm and data had names.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            For a paradigm with another number of features than in ``fit``, or NaN, labels of runs that do not fit it,
            and lags or responses longer than a run.
        """
        check_is_fitted(self)
        warn_of_unknown_runs(self.model_, groups)
        given = self.model_.get_paradigm(X)
        X = validate_data(self, given, reset=False, dtype=float)
        groups = None if groups is None else check_run_labels(groups, len(X))
        prediction = self.model_.design(X, groups) @ np.asarray(self.weights_) + self.intercept_
        if self._is_1d:
            return prediction[:, 0]
        labelled = hasattr(given, "iloc") and hasattr(self.weights_, "columns")
        return frame(prediction, given.index, self.weights_.columns) if labelled else prediction

    @property
    def coef_(self):
        """Weights in scikit-learn's shape."""
        weights = np.asarray(self.weights_).T
        return weights[0] if self._is_1d else weights

    @property
    def patterns_(self):
        """Haufe patterns."""
        check_is_fitted(self)
        # Haufe et al.: cov(X) W cov(X W)^-1; with X = U S V', both covariances are products of S and V'W.
        values, vectors = self._spectrum
        scores = values[:, None] * (vectors.T @ np.asarray(self.weights_))
        return (vectors * values) @ np.linalg.pinv(scores).T

    @property
    def kernels_(self):
        """Weights by target, feature and lag."""
        if not hasattr(self.model_, "get_lags"):
            raise AttributeError(f"{type(self.model_).__name__} has no lags: kernels_ is for DelayedModel.")
        weights = np.asarray(self.weights_).T
        return weights.reshape(len(weights), -1, len(self.model_.get_lags()))

    def _encoding_model(self):
        return self.model_

    # Steps of fit ----------------------------------------------------------------------------------------------------
    def _check_alphas(self):
        try:
            alphas = np.atleast_1d(check_array_like("alpha", self.alpha, ndim="any", dtype=float))
        except (TypeError, ValueError, OverflowError):
            alphas = np.array([np.nan])
        if alphas.ndim != 1 or not (alphas >= 0).all():
            raise ValueError(f"alpha must be a number, or a sequence of numbers, >= 0; {self.alpha!r} was given.")
        if self.bands is not None and len(alphas) == 1:
            raise ValueError("bands need several candidates in alpha, for example alpha=np.logspace(-2, 6, 9).")
        return alphas

    def _read(self, X, y):
        """Validate paradigm and data."""
        X, y = self.model_.get_paradigm(X), self.model_.data if y is None else y
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None and the model has no data."
            )
        for name, table in (("X", X), ("y", y)):
            refuse_masked(name, table)
            refuse_text(name, table)
        labels = getattr(y, "columns", None)
        features = getattr(X, "columns", None)
        with config_context(assume_finite=True):  # what follows looks at that, and reads the data once
            X, y = validate_data(self, X, y, multi_output=True, y_numeric=True, dtype=float)
        check_array_like("X", X, squared=True)
        y = check_array_like("y", y, dtype=float, allow_nan=True, allow_inf=True)
        self._is_1d = y.ndim == 1
        data = y.reshape(len(y), -1)
        check_targets(data, labels)
        return _Read(X, data, features, labels)

    def _folds(self, design, groups):
        """Folds over runs or stretches; None for generalised cross-validation."""
        if self.cv is None:
            return None
        if groups is not None and len(np.unique(groups)) < 2:
            raise ValueError(
                "Cross-validation over groups needs at least two runs, and there is one: leave groups out to cut it "
                "into contiguous folds, or use cv=None (generalised cross-validation)."
            )
        is_number = isinstance(self.cv, (int, np.integer))
        cv = GroupKFold(self.cv) if is_number and groups is not None else self.cv
        return as_splits(cv, design, groups=groups)

    def _scalings(self, n_features, n_columns):
        """Factors of the columns: ones or, with bands, square roots of each division of the penalty."""
        if self.bands is None:
            return np.ones((1, n_columns))
        if n_columns % n_features:
            raise ValueError("bands need a model whose design has the same columns for each feature.")
        member, self.band_names_ = self._read_bands(n_features)
        n_bands, n = len(self.band_names_), self.n_band_candidates
        rng = check_random_state(self.random_state)
        favoured = 0.1 / n_bands + 0.9 * np.eye(n_bands)
        draws = [rng.dirichlet(np.full(n_bands, spread), size=max(n, 1)) for spread in (1.0, 0.2)]
        shares = np.vstack([np.full((1, n_bands), 1 / n_bands), favoured, np.hstack(draws).reshape(-1, n_bands)])
        self._shares = shares[: max(n, 1)]
        return np.sqrt(self._shares[:, np.repeat(member, n_columns // n_features)])

    def _read_bands(self, n_features):
        """Band of each feature, and the names of the bands."""
        if not isinstance(self.bands, dict):
            labels = np.asarray(self.bands)
            if labels.shape != (n_features,):
                raise ValueError(
                    f"bands has shape {labels.shape}; one label per feature is ({n_features},), or a dict."
                )
            names, member = np.unique(labels, return_inverse=True)
            return member.reshape(-1), names.tolist()
        member = np.full(n_features, -1)
        known = list(getattr(self, "feature_names_in_", range(n_features)))
        for i, columns in enumerate(self.bands.values()):
            for column in columns:
                position = known.index(column) if column in known else column
                if not isinstance(position, (int, np.integer)) or not 0 <= position < n_features:
                    raise ValueError(f"bands: there is no feature {column!r} among {known}.")
                if member[position] >= 0:
                    raise ValueError(f"bands: feature {column!r} is in two bands.")
                member[position] = i
        if (member < 0).any():
            raise ValueError(f"bands: features {[known[i] for i in np.flatnonzero(member < 0)]} are in no band.")
        return member, list(self.bands)

    def _fit_closed(self, design, data, alphas):
        """One decomposition and one pass over the data."""
        chunks = self._chunks(design, data, alphas, 0)
        fit = fit_closed(design, data, alphas, fit_intercept=self.fit_intercept, chunks=chunks)
        self.alpha_, self._spectrum = fit.alpha, fit.spectrum
        self.alpha_scores_ = None if fit.scores is None else fit.scores[None]
        return fit

    def _fit_best(self, read, design, data, alphas, splits):
        """Choose penalties and divisions by folds or among many designs, then fit."""
        mean_y = data.mean(axis=0) if self.fit_intercept else np.zeros(data.shape[1])
        scalings = self._scalings(read.stimulus.shape[1], design.shape[1])
        sums = self._choose(design, data, mean_y, alphas, scalings, splits)
        weights = self._solve(design, scalings, sums)
        residual = residual_squares(self._spectrum, weights, sums)
        return ClosedFit(self.alpha_, None, weights, mean_y, sums.total, residual, self._spectrum)

    def _chunks(self, design, data, alphas, n_folds):
        """Chunks of targets."""
        n_values = 8 * min(design.shape) * (1 + n_folds) + len(alphas) + 2 * len(data)
        most = self.memory_limit if n_folds else 8 * BLOCK * n_values  # folds are decomposed once for each chunk
        return target_chunks(data.shape[1], n_values * CHUNK_BYTES / min(self.memory_limit, most))

    def _choose(self, design, data, mean_y, alphas, scalings, splits):
        """Choose penalties and divisions; returns sums over samples, the one thing that the fit needs of the data."""
        n_folds = 0 if splits is None else len(splits)
        chunks = self._chunks(design, data, alphas, n_folds)
        selection = select(
            design, data, alphas, scalings, splits, mean_y=mean_y if self.fit_intercept else None, chunks=chunks
        )
        self.alpha_, self._scaling, self.alpha_scores_, sums = selection
        if self.bands is not None:
            with np.errstate(divide="ignore"):
                self.band_alphas_ = self.alpha_ / self._shares[self._scaling].T
        return sums

    def _solve(self, design, scalings, sums):
        """Weights with the chosen penalties."""
        gram, weights = sums.gram, np.empty_like(sums.products)
        for i in np.unique(self._scaling):
            targets = np.flatnonzero(self._scaling == i)
            scaled = design if self.bands is None else design * scalings[i]
            known = None if gram is None else gram * np.outer(scalings[i], scalings[i])
            spectrum = decompose(scaled, self.alpha_[targets].min(), known)
            for chunk in target_chunks(len(targets), 4 * design.shape[1], self.memory_limit):
                some = targets[chunk]
                products = scalings[i][:, None] * sums.products[:, some]
                weights[:, some] = scalings[i][:, None] * solve(spectrum, products, self.alpha_[some])
        self._spectrum = decompose(design, 0.0) if self.bands is not None else spectrum
        return weights

    def _store(self, weights, read):
        """Name the weights."""
        features, targets = read.features, read.targets
        if features is not None or targets is not None:
            same = features is not None and len(features) == len(weights)
            weights = frame(weights, features if same else None, targets)
        self.weights_ = weights
        if self._is_1d:
            self.intercept_ = float(self.intercept_[0])
