"""Coefficients over time: one linear model per time point, subject and fold."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.utils import ClassifierTags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from eegexplain._meta import Explainer, make_explanation
from eegexplain._settings import Number
from eegexplain._validation import as_trials, check_groups, check_option
from eegexplain.timecourse._models import LinearModelsOverTime


class TimeResolvedCoefficients(Explainer):
    """Linear models over time: which channels carry the information, and when.

    At every time point a linear model predicts the target from the channels, standardised by mean and standard
    deviation of the training trials; separately for each subject (`groups` of ``fit``) and each fold of `cv`. Ridge,
    linear discriminant analysis with shrinkage, logistic and ordinal logistic regression are solved for all
    folds, and where possible all time points, at once, with the same coefficients; other linear models one by one.

    Parameters
    ----------
    estimator : linear classifier or regressor, optional
        Anything with ``coef_``, also at the end of a Pipeline of affine steps (scalers, PCA, selections): coefficients
        are those of the channels that enter it. None is ``LogisticRegression()``; `OrdinalLogisticRegression` respects
        the order of classes, such as memory loads; ``Ridge()`` is for numbers.
    cv : int, splitter, iterable of (train, test), or None
        Folds within each subject: `groups` of ``fit`` have models of their own, and `runs` of ``fit`` are left out as
        wholes. A splitter of groups, such as ``GroupKFold``, without `runs` leaves out groups instead, so that one
        model serves all. Predefined folds are of all trials; each group takes its own of them. None fits once to all
        trials: there are no held-out scores then.
    kind : {"coefficients", "patterns"}
        What ``explanation_`` holds. Coefficients say how the model weighs channels, also to cancel noise; patterns say
        where the signal is that it decodes [1]_.
    absolute : bool
        Take absolute values before averaging over folds and subjects, in ``explanation_`` only.
    scoring : {"balanced_accuracy", "accuracy", "roc_auc", "r2", "rank_correlation"}, str, callable, optional
        Score of the held-out trials. None is balanced accuracy for classes and R2 for numbers. Any other name of
        scikit-learn's scorers, or a scorer ``(estimator, X, y)``, whose `X` are the decision values of the trials, is
        called once for each time and fold; its value by chance is not known.
    generalize : bool
        Whether the models of each time are asked about all other times, too [3]_; needs `cv`.
    tmin : float
        Time of the first sample, in seconds.
    sfreq : float, optional
        Sampling frequency in Hz; None is 1.
    ch_names : list of str, optional
        Names of the channels.
    n_jobs : int, optional
        Blocks of time points solved in parallel; does not change the numbers.
    verbose : int
        1 shows a progress bar.

    Attributes
    ----------
    coef_ : ndarray of shape (n_subjects, n_folds, n_times, n_channels)
        Weights of the standardised channels (change of the decision value per standard deviation). With three or more
        unordered classes there is an axis of classes in front.
    patterns_ : ndarray of the shape of coef_
        Channels, in standard deviations, that go with one unit of the decision value.
    standard_errors_ : ndarray of shape (n_outputs, n_channels, n_times)
        Of ``explanation_``'s values. With several subjects over subjects: their spread, and with it that over trials.
        With one subject over its trials, by the jackknife: from models that leave out trials, those of `cv` or, without
        `cv`, ten that leave out a tenth each (the model is then fitted eleven times). They hold for the same kind of
        model and the same regularisation; what another subject would give is not in them. NaN where one class has fewer
        than ten trials and `cv` is None.
    coef_standard_errors_, patterns_standard_errors_ : ndarray of shape (n_times, n_channels)
        The same for the means of ``coef_`` and ``patterns_`` over subjects and folds; with three or more unordered
        classes there is an axis of classes in front.
    scores_ : ndarray of shape (n_subjects, n_folds, n_times)
        Scores of the held-out trials; only with `cv`.
    generalization_ : ndarray of shape (n_subjects, n_folds, n_training_times, n_test_times)
        Scores of each time's models on held-out trials at all times; only with `generalize`.
    chance_ : float
        What `scoring` gives without information.
    times_ : ndarray of shape (n_times,)
        Seconds.
    estimator_ : object
        The fitted models; they predict with the mean over subjects, folds and times.
    classes_ : ndarray of shape (n_classes,)
        For classifiers.
    explanation_ : xarray.Dataset
        ``value`` over output, channel and time: means over subjects and folds; ``standard_error``; with `cv` also
        ``score`` (and, with several subjects, ``score_standard_error``) over time.

    Notes
    -----
    Models that leave out a share `d` of the trials differ by less than models of new trials would: the variance of
    their mean is ``(1 - d) / d`` times the variance over them (delete-d jackknife [2]_). Folds that are a partition
    have ``d = 1 / n_folds``, and one degree of freedom less than there are folds.

    References
    ----------
    .. [1] Haufe, S., Meinecke, F., Goergen, K., Daehne, S., Haynes, J.-D., Blankertz, B., Biessmann, F. (2014). On the
           interpretation of weight vectors of linear models in multivariate neuroimaging. NeuroImage 87, 96-110.
           https://doi.org/10.1016/j.neuroimage.2013.10.067
    .. [2] Shao, J., Wu, C. F. J. (1989). A general theory for jackknife variance estimation. Annals of Statistics 17,
           1176-1197. https://doi.org/10.1214/aos/1176347263
    .. [3] King, J.-R., Dehaene, S. (2014). Characterizing the dynamics of mental representations: the temporal
           generalization method. Trends in Cognitive Sciences 18, 203-210. https://doi.org/10.1016/j.tics.2014.01.002

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain import TimeResolvedCoefficients
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(60) % 2
    >>> X = rng.standard_normal((60, 4, 10))
    >>> X[:, 2, 6] += 2 * y
    >>> model = TimeResolvedCoefficients(cv=5, sfreq=100.0).fit(X, y)
    >>> model.coef_.shape
    (1, 5, 10, 4)
    >>> int(model.scores_.mean(axis=(0, 1)).argmax())
    6
    """

    _trial_label = "decision"
    _numbers = {"tmin": Number()}

    def __init__(
        self,
        estimator: Any = None,
        *,
        cv: Any = None,
        kind: str = "coefficients",
        absolute: bool = False,
        scoring: str | Callable | None = None,
        generalize: bool = False,
        tmin: float = 0.0,
        sfreq: float | None = None,
        ch_names: Sequence[str] | None = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.estimator = estimator
        self.cv = cv
        self.kind = kind
        self.absolute = absolute
        self.scoring = scoring
        self.generalize = generalize
        self.tmin = tmin
        self.sfreq = sfreq
        self.ch_names = ch_names
        self.n_jobs = n_jobs
        self.verbose = verbose

    def _prepare(self, X, y):
        check_option("kind", self.kind, ("coefficients", "patterns"))
        if self.estimator is None:
            check_classification_targets(y)
        if np.ndim(y) != 1:
            raise ValueError(f"y must be 1-D, one target per trial; got shape {np.shape(y)}.")
        self.times_ = float(self.tmin) + np.arange(X.shape[2]) / self.sfreq_

    def _fit_inner(self, X, y, groups, fit_params):
        runs = fit_params.pop("runs", None)
        if fit_params:
            raise TypeError(f"fit takes X, y, groups and runs; got also {', '.join(fit_params)}.")
        runs = None if runs is None else check_groups(runs, len(X))
        if self.generalize and self.cv is None:
            raise ValueError("generalize=True needs cv: models are asked about trials that they were not fitted to.")
        if isinstance(self.estimator, FrozenEstimator) and isinstance(self.estimator.estimator, LinearModelsOverTime):
            self.estimator_ = self.estimator
        else:
            self.estimator_ = LinearModelsOverTime(
                self.estimator, cv=self.cv, scoring=self.scoring, generalize=self.generalize, n_jobs=self.n_jobs,
                verbose=self.verbose,
            ).fit(X, y, groups, runs)  # fmt: skip
        for name in ("classes_", "scores_", "generalization_"):
            if hasattr(self, name):
                delattr(self, name)
        if hasattr(self.estimator_, "classes_"):
            self.classes_ = self.estimator_.classes_

    def _explain_population(self, X, y, groups):
        """Maps of the fitted models; with targets, the score of the mean model at each time of these trials."""
        models = self.estimator_
        maps, error = self._mean_and_error(self.kind, self._shown)
        variables = {}
        if y is not None:
            variables["score"] = (("time",), models.scores_over_time(X, y))
        coords = {"output": self._output_labels(), "channel": self.ch_names_, "time": self.times_}
        return make_explanation(
            maps.swapaxes(1, 2), ("output", "channel", "time"), coords,
            standard_error=error.swapaxes(1, 2),
            variables=variables, method=f"time-resolved {self.kind}", label=self._label(), chance=models.chance_,
        )  # fmt: skip

    def _mean_and_error(self, kind, shown):
        """Mean over subjects and folds, and its standard error, (n_outputs, n_times, n_channels)."""
        models = self.estimator_
        maps = shown(models.patterns_ if kind == "patterns" else models.coef_).mean(axis=2)  # over folds
        n_subjects = maps.shape[1]
        if n_subjects > 1:
            error = maps.std(axis=1, ddof=1) / np.sqrt(n_subjects)
        elif models.replicates_:
            replicates = shown(models.replicates_[kind])[:, 0]
            error = np.sqrt(models.jackknife_factor_) * replicates.std(axis=1)
        else:
            error = np.full(maps[:, 0].shape, np.nan)
        return maps.mean(axis=1), error

    def _shown(self, maps):
        """One output per class, also when there are two; absolute values if they are asked for."""
        if self.estimator_.target_ == "binary":
            maps = np.concatenate([-maps, maps])
        return np.abs(maps) if self.absolute else maps

    def _label(self):
        what = "pattern (SD per unit of decision)" if self.kind == "patterns" else "coefficient (per SD)"
        return f"|{what}|" if self.absolute else what

    def _output_labels(self):
        return ["higher"] if self.estimator_.target_ == "ordinal" else self.output_names_

    def _store(self, dataset):
        """Set plain arrays; the score of the training trials themselves gives way to that of held-out ones."""
        models = self.estimator_
        single = len(models.coef_) == 1
        self.coef_ = models.coef_[0] if single else models.coef_
        self.patterns_ = models.patterns_[0] if single else models.patterns_
        self.standard_errors_ = dataset["standard_error"].values
        for name, kind in (("coef", "coefficients"), ("patterns", "patterns")):
            error = self._mean_and_error(kind, lambda maps: maps)[1]
            setattr(self, f"{name}_standard_errors_", error[0] if single else error)
        self.chance_ = models.chance_
        del dataset["score"]
        if models.scores_ is None:
            return
        self.scores_ = models.scores_
        self._add_score(dataset, "score", ("time",), self.scores_)
        if hasattr(models, "generalization_"):
            self.generalization_ = models.generalization_
            dims = ("train_time", "test_time")
            self._add_score(dataset, "generalization", dims, self.generalization_)
            dataset.coords.update(dict.fromkeys(dims, self.times_))

    @staticmethod
    def _add_score(dataset, name, dims, scores):
        """Add the mean over folds and subjects and, of several subjects, its error."""
        by_subject = np.nanmean(scores, axis=1)
        dataset[name] = (dims, by_subject.mean(axis=0))
        if len(by_subject) > 1:
            error = by_subject.std(axis=0, ddof=1) / np.sqrt(len(by_subject))
            dataset[f"{name}_standard_error"] = (dims, error)

    def generalization_maps(self) -> Any:
        """How far each subject's temporal generalization is from chance, for a test over subjects.

        Returns
        -------
        xarray.DataArray of shape (n_subjects, n_training_times, n_test_times)
            Scores less `chance_`, dims ``group, train_time, test_time``: what `inspection.group_significance` takes
            (``statistic="clusters"`` joins neighbors along both times).

        Raises
        ------
        AttributeError
            If ``generalize`` was not asked for.
        ValueError
            For a scorer whose value by chance is not known.

        Examples
        --------
        >>> import numpy as np
        >>> from eegexplain import TimeResolvedCoefficients
        >>> rng = np.random.default_rng(0)
        >>> y, subject = np.arange(60) % 2, np.arange(60) // 20
        >>> model = TimeResolvedCoefficients(cv=2, generalize=True)
        >>> model.fit(rng.standard_normal((60, 3, 4)), y, groups=subject).generalization_maps().shape
        (3, 4, 4)
        """
        import xarray as xr

        check_is_fitted(self)
        if not hasattr(self, "generalization_"):
            raise AttributeError("There is no temporal generalization: fit with generalize=True and cv.")
        if np.isnan(self.chance_):
            raise ValueError(f"What {self.scoring!r} gives by chance is not known: take your own off generalization_.")
        values = np.nanmean(self.generalization_, axis=1) - self.chance_
        names = list(range(len(values))) if len(values) == 1 else self.estimator_.groups_
        coords = {"group": names, "train_time": self.times_, "test_time": self.times_}
        return xr.DataArray(values, coords, ("group", "train_time", "test_time"))

    def _trial_coords(self):
        n_outputs = len(self.estimator_.coef_)
        outputs = self._output_labels() if n_outputs > 1 else ["decision"]
        return {"output": outputs, "time": self.times_}

    def _explain_trials(self, X):
        return self.estimator_.decision_over_time(as_trials(X)).swapaxes(0, 1)

    def __sklearn_tags__(self):
        """One target; a mean over times is a weak predictor."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = False
        tags.target_tags.single_output = True
        if tags.estimator_type == "classifier":
            tags.classifier_tags = tags.classifier_tags or ClassifierTags()
            tags.classifier_tags.poor_score = True
        elif tags.regressor_tags is not None:
            tags.regressor_tags.poor_score = True
        return tags
