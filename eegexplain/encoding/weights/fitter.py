"""`WeightFitter`: the weights of linear encoding models, with a penalty for every target."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.model_selection import GroupKFold
from sklearn.utils.validation import check_is_fitted, validate_data

from eegexplain._settings import AT_LEAST_ONE, as_splits, check_numbers
from eegexplain._validation import check_array_like, check_option, lookup
from eegexplain.encoding._runs import check_run_labels, warn_of_unknown_runs
from eegexplain.encoding._scoring import EncodingRegressorMixin
from eegexplain.encoding._stacks import stack_runs
from eegexplain.encoding._tables import check_same_index, frame
from eegexplain.encoding.models.base import EncodingModel
from eegexplain.encoding.models.linear import LinearModelWithBaseline
from eegexplain.encoding.weights._bands import read_bands
from eegexplain.encoding.weights._criteria import CRITERIA, warn_of_edges
from eegexplain.encoding.weights._input import fill_gaps, read_recording, sees
from eegexplain.encoding.weights._penalties import PENALTIES
from eegexplain.encoding.weights._regression import Asked, regress
from eegexplain.encoding.weights._ridge import Spectrum, decompose_gram


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
        are given to ``fit``, else of contiguous stretches. Where ``fit`` is given runs, splitters split runs.
    bands : dict of str to sequence, or array-like of shape (n_features,), default=None
        Groups of features with penalties of their own (banded ridge): positions or names of the paradigm's columns,
        or a label per column.
    n_band_candidates : int
        How many divisions of the penalty among the bands are compared: the even one, one that favours each band, and
        draws from Dirichlet distributions.
    penalty : {"ridge", "laplacian"}
        What penalties are on: the squared weights, or the squared differences of weights at neighbouring lags of a
        ``DelayedModel``, which makes kernels smooth. A kernel's mean over lags is then not penalised.
    scoring : {"r2", "pearson"}
        By what folds choose a penalty (R2 over all test samples, or the correlation of prediction and data, its mean
        over folds), and what ``score`` returns.
    missing : {"raise", "mask"}
        What to do with NaN: refuse them, or leave out samples where any target, or the stimulus at any lag, is NaN.
        ``predict`` then gives NaN where it sees NaN.
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
    alpha_scores_ : ndarray of shape (n_alphas, n_targets) or None
        Estimates for unseen data (see ``scoring``) that the choice was made by; with ``bands``, at each target's best
        division.
    r2_ : ndarray of shape (n_targets,)
        R2 on the training data; NaN for targets without variance.
    patterns_ : ndarray of shape (n_columns, n_targets)
        Haufe patterns: how the design's columns vary with each prediction. These, not the weights, are what a backward
        model can be read by.
    kernels_ : ndarray of shape (n_targets, n_features, n_lags)
        Weights of a ``DelayedModel`` by feature and lag.

    Notes
    -----
    Lags of a ``DelayedModel`` are never laid out as a matrix unless there are more columns than samples, or penalties
    near zero: Gram matrices follow from the structure of lags. More columns than samples are solved by kernels.

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
        penalty: str = "ridge",
        scoring: str = "r2",
        missing: str = "raise",
        memory_limit: float = 2**28,
        random_state: int | np.random.RandomState | None = None,
    ):
        self.model = model
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.cv = cv
        self.bands = bands
        self.n_band_candidates = n_band_candidates
        self.penalty = penalty
        self.scoring = scoring
        self.missing = missing
        self.memory_limit = memory_limit
        self.random_state = random_state

    def fit(self, X: ArrayLike | None = None, y: ArrayLike | None = None, groups: ArrayLike | None = None):
        """Fit the weights of every target.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_times, n_features), default=None
            Paradigm; None takes the model's. A list of such tables, or an array (n_runs, n_times, n_features), are
            runs.
        y : DataFrame or array-like of shape (n_times, n_targets) or (n_times,), default=None
            Data; None takes the model's. For runs, a list, or an array (n_runs, n_times, n_targets) or (n_runs,
            n_times).
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
        check_option("missing", self.missing, ("raise", "mask"))
        alphas = self._check_alphas()
        self.model_ = LinearModelWithBaseline() if self.model is None else self.model
        recording = read_recording(self, self.model_, X, y, groups)
        fit = regress(self.model_, recording, self._asked(recording, alphas))
        if fit.scores is not None:
            warn_of_edges(alphas, fit.scores)
        self.alpha_, self.alpha_scores_, self._moments = fit.alpha, fit.scores, fit.moments
        if self.bands is not None:
            with np.errstate(divide="ignore"):
                self.band_alphas_ = fit.alpha / fit.shares
        self.intercept_ = fit.mean_y - fit.mean_x @ fit.weights
        known = recording.varies & (fit.total > 0)
        self.r2_ = np.where(known, 1 - fit.residual / np.where(known, fit.total, 1.0), np.nan)
        self._store(fit.weights, recording)
        return self

    def predict(self, X: ArrayLike | None = None, groups: ArrayLike | None = None) -> Any:
        """Predict the data.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_times, n_features), default=None
            Paradigm; None takes the model's. Runs as in ``fit``.
        groups : array-like of shape (n_times,), default=None
            Label of the run of each sample.

        Returns
        -------
        prediction : DataFrame or ndarray of shape (n_times, n_targets) or (n_times,)
            A DataFrame if both paradigm and data had names; of runs, a list or an array (n_runs, n_times[, n_targets]).

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            For a paradigm with another number of features than in ``fit``, or NaN, labels of runs that do not fit it,
            and lags or responses longer than a run.
        """
        check_is_fitted(self)
        given, _, groups, restore = stack_runs(self.model_.get_paradigm(X), groups=groups)
        check_same_index(X=given, groups=groups)
        warn_of_unknown_runs(self.model_, groups)
        masked = self.missing == "mask"
        finite = "allow-nan" if masked else True
        stimulus, gaps = fill_gaps(validate_data(self, given, reset=False, dtype=float, ensure_all_finite=finite))
        groups = None if groups is None else check_run_labels(groups, len(stimulus))
        prediction = self.model_.weighted_design(stimulus, np.asarray(self.weights_), groups) + self.intercept_
        if masked:
            prediction[sees(self.model_, gaps, groups)] = np.nan
        if self._is_1d:
            return restore(prediction[:, 0])
        labelled = hasattr(given, "iloc") and hasattr(self.weights_, "columns")
        return restore(frame(prediction, given.index, self.weights_.columns) if labelled else prediction)

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
        moments = self._moments
        values, vectors = moments if isinstance(moments, Spectrum) else decompose_gram(moments)
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

    def _asked(self, recording, alphas):
        """Settings under their names."""
        criterion, penalty = lookup(CRITERIA, self.scoring, "scoring"), lookup(PENALTIES, self.penalty, "penalty")
        splits = self._folds(recording) if len(alphas) > 1 else None
        if len(alphas) > 1 and splits is None and criterion.name != "r2":
            raise ValueError(f"scoring={self.scoring!r} needs folds, for example cv=5: cv=None estimates R2 only.")
        member = None
        if self.bands is not None:
            known = list(getattr(self, "feature_names_in_", range(recording.stimulus.shape[1])))
            member, self.band_names_ = read_bands(self.bands, known)
        return Asked(
            alphas=alphas,
            splits=splits,
            criterion=criterion,
            penalty=penalty,
            member=member,
            n_candidates=self.n_band_candidates,
            random_state=self.random_state,
            fit_intercept=self.fit_intercept,
            memory_limit=self.memory_limit,
        )

    def _folds(self, recording):
        """Folds over runs or stretches; None for generalised cross-validation."""
        if self.cv is None:
            return None
        groups = None if recording.groups is None else recording.groups[recording.samples]
        if groups is not None and len(np.unique(groups)) < 2:
            raise ValueError(
                "Cross-validation over groups needs at least two runs, and there is one: leave groups out to cut it "
                "into contiguous folds, or use cv=None (generalised cross-validation)."
            )
        is_number = isinstance(self.cv, (int, np.integer))
        cv = GroupKFold(self.cv) if is_number and groups is not None else self.cv
        if recording.holds_runs and groups is not None and not is_number:  # what is split are these
            runs = np.unique(groups)
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "The groups parameter is ignored")
                splits = as_splits(cv, runs[:, None], groups=runs)
            return [tuple(np.flatnonzero(np.isin(groups, runs[part])) for part in pair) for pair in splits]
        return as_splits(cv, np.empty((len(recording.samples), 1)), groups=groups)

    def _complete(self, truth, prediction):
        """Which samples are scored."""
        if self.missing != "mask":
            return super()._complete(truth, prediction)
        rows = [np.isnan(values.reshape(len(values), -1).astype(float)) for values in (truth, prediction)]
        return ~rows[0].any(axis=1) & ~rows[1].any(axis=1)

    def _store(self, weights, recording):
        """Name the weights."""
        features, targets, self._is_1d = recording.features, recording.targets, recording.is_1d
        if features is not None or targets is not None:
            same = features is not None and len(features) == len(weights)
            weights = frame(weights, features if same else None, targets)
        self.weights_ = weights
        if self._is_1d:
            self.intercept_ = float(self.intercept_[0])
