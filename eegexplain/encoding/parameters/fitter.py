"""`ParameterFitter`: the parameters of any encoding model, for every target."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from eegexplain._settings import Number, check_numbers
from eegexplain._validation import lookup
from eegexplain.encoding._runs import check_run_labels, warn_of_unknown_runs
from eegexplain.encoding._scoring import EncodingRegressorMixin
from eegexplain.encoding._tables import (
    check_finite_targets,
    check_same_index,
    frame,
    read_table,
    series,
    varying_targets,
)
from eegexplain.encoding.models.base import EncodingModel
from eegexplain.encoding.models.linear import LinearModelWithBaseline
from eegexplain.encoding.parameters._errors import ERRORS, Statistics, final_statistics, white
from eegexplain.encoding.parameters._layout import Layout, make_layout, read_start
from eegexplain.encoding.parameters._linear import solve_linear
from eegexplain.encoding.parameters._nonlinear import COSTS, Solution, minimize
from eegexplain.encoding.parameters._problem import Recording, make_problem
from eegexplain.encoding.parameters._projection import evaluate
from eegexplain.encoding.parameters._search import find_start


class ParameterFitter(EncodingRegressorMixin, BaseEstimator):
    """Fit the parameters of an encoding model to every target, within their bounds.

    Starting values come from one matrix product over a grid of shapes; shapes are refined by batched
    Levenberg-Marquardt steps while amplitude and baseline follow exactly from them (variable projection), and converged
    targets leave the work. Linear models have a closed form.

    Parameters
    ----------
    model : EncodingModel
        The model. Its parameters keep within their bounds; a ``GaussianTuningModel`` keeps centers within the stimulus,
        widths between what its samples tell apart and its extent, and amplitudes positive.
    max_n_iterations : int
        Largest number of steps.
    init_pars : DataFrame or array-like of shape (n_targets, n_parameters), default=None
        Starting values, and the values of fixed parameters. A DataFrame may have only some columns; shapes without a
        value are searched on the grid.
    fixed_pars, shared_pars : sequence of str, default=None
        Labels of parameters that keep their initial value, and of those that have one value for all targets.
    grid : dict, default=None
        Candidates of the shape parameters by label; None: the model's own.
    bounds : dict, default=None
        Label to (lower, upper) instead of the model's bounds: ``{"mu": (-numpy.inf, numpy.inf)}`` lets centers lie
        anywhere.
    noise_model : {"gaussian", "ssq"}
        What is minimised where targets share parameters: the Gaussian likelihood with a variance per target, profiled
        out, so that noisy targets count less; or the sum of all squares. Without ``shared_pars`` they are the same.
    errors : {"iid", "ar1", "sandwich"}
        What the noise is taken to be for standard errors: white; autocorrelated, ``rho^k`` over k samples within runs,
        with each target's own rho; independent, but of a variance that changes from sample to sample.
    r2_atol : float
        A target has converged when a step changes its R2 by less.
    memory_limit : float
        Bytes that one chunk of targets may take.

    Attributes
    ----------
    parameters_ : DataFrame of shape (n_targets, n_parameters)
        Indexed by target; NaN for targets without variance.
    standard_errors_ : DataFrame of shape (n_targets, n_parameters)
        From the Jacobian at the solution, as ``errors`` says; NaN for fixed parameters, infinite for those that the
        data do not determine (the shape of a response whose amplitude is 0). At a bound they are those of the model
        without it, which are no smaller.
    covariances_ : ndarray of shape (n_targets, n_parameters, n_parameters)
        Covariances of these errors within each target.
    r2_ : Series of shape (n_targets,)
        Share of the variance explained, after confounds.
    estimated_sigma2_ : Series of shape (n_targets,)
        Variance of the residual: sum of squares divided by the number of samples.
    n_iter_, converged_ : ndarray of shape (n_targets,)
        Steps taken, and whether they sufficed.
    weights_ : ndarray of shape (n_features, n_targets) or None
        Weights of a linear model; NaN for targets without variance.
    n_samples_, n_features_in_ : int
        Number of samples and features.

    References
    ----------
    Golub, G., & Pereyra, V. (2003). Separable nonlinear least squares: the variable projection method and its
    applications. Inverse Problems, 19(2), R1-R26. https://doi.org/10.1088/0266-5611/19/2/201

    Kaufman, L. (1975). A variable projection method for solving separable nonlinear least squares problems. BIT, 15,
    49-57. https://doi.org/10.1007/BF01932995

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.encoding import GaussianTuningModel, ParameterFitter
    >>> x = np.linspace(-3, 3, 200)[:, None]
    >>> model = GaussianTuningModel()
    >>> y = model.simulate(x, np.array([[0.5, 1.0, 2.0, 0.3]]), noise=0.1, random_state=0)
    >>> ParameterFitter(model).fit(x, y).parameters_.round(1).values.tolist()
    [[0.5, 1.0, 2.0, 0.3]]
    """

    _numbers = {"max_n_iterations": Number(least=0, whole=True), "r2_atol": Number(least=0)}

    def __init__(
        self,
        model: EncodingModel,
        max_n_iterations: int = 1000,
        init_pars: ArrayLike | None = None,
        fixed_pars: str | Sequence[str] | None = None,
        shared_pars: str | Sequence[str] | None = None,
        *,
        grid: dict[str, ArrayLike] | None = None,
        bounds: dict[str, tuple[float, float]] | None = None,
        noise_model: str = "gaussian",
        errors: str = "iid",
        r2_atol: float = 1e-7,
        memory_limit: float = 2**28,
    ):
        self.model = model
        self.max_n_iterations = max_n_iterations
        self.init_pars = init_pars
        self.fixed_pars = fixed_pars
        self.shared_pars = shared_pars
        self.grid = grid
        self.bounds = bounds
        self.noise_model = noise_model
        self.errors = errors
        self.r2_atol = r2_atol
        self.memory_limit = memory_limit

    def fit(
        self,
        X: ArrayLike | None = None,
        y: ArrayLike | None = None,
        confounds: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> "ParameterFitter":
        """Fit every target.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_times, n_features), default=None
            Paradigm; None takes the model's.
        y : DataFrame, Series or array-like of shape (n_times, n_targets) or (n_times,), default=None
            Data; None takes the model's.
        confounds : array-like of shape (n_times, n_confounds), default=None
            Nuisance signals, regressed out of data and predictions alike. Their means count as baseline.
        groups : array-like of shape (n_times,), default=None
            Label of the run of each sample.

        Returns
        -------
        self : ParameterFitter
            Fitted.

        Raises
        ------
        ValueError
            For data that do not fit each other or hold NaN, unknown labels, and values outside their bounds.
        """
        check_numbers(self)
        recording, columns = self._read(X, y, confounds, groups)
        layout = self._layout(recording)
        varies = varying_targets(recording.data, columns)
        known = read_start(self.init_pars, layout, len(varies))[varies]
        kept = recording if varies.all() else recording._replace(data=recording.data[:, varies])
        if isinstance(self.model, LinearModelWithBaseline):
            statistics, weights = self._fit_linear(layout, kept, known, varies)
            ones = np.ones(len(known), dtype=int)
            solution = Solution(statistics.theta, statistics.ssq, ones, ones.astype(bool))
        else:
            weights, (statistics, solution) = None, self._fit_shapes(layout, kept, known)
        data: Any = self.model.data if y is None else y
        self._y_is_1d = np.ndim(data) == 1
        self.n_samples_, self.n_features_in_ = recording.stimulus.shape
        self._store(layout, statistics, solution, columns, varies, weights)
        return self

    def predict(self, X: ArrayLike | None = None, groups: ArrayLike | None = None) -> Any:
        """Predict the response of every target.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_times, n_features), default=None
            Paradigm; None takes the model's.
        groups : array-like of shape (n_times,), default=None
            Label of the run of each sample.

        Returns
        -------
        prediction : DataFrame or ndarray of shape (n_times, n_targets) or (n_times,)
            The responses; without confounds.
        """
        check_is_fitted(self)
        warn_of_unknown_runs(self.model, groups)
        prediction = self.model.predict(X, self.parameters_, self.weights_, groups=groups)
        if not self._y_is_1d:
            return prediction
        return prediction.iloc[:, 0] if hasattr(prediction, "iloc") else prediction[:, 0]

    def fit_grid(
        self,
        X: ArrayLike | None = None,
        y: ArrayLike | None = None,
        grid: dict[str, ArrayLike] | None = None,
        *,
        confounds: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Any:
        """Best candidates of a grid, without refinement; amplitude and baseline are the best ones for each.

        Parameters
        ----------
        X, y, confounds, groups
            As for ``fit``.
        grid : dict, default=None
            Candidates of the shape parameters by label; None: the constructor's, or the model's own.

        Returns
        -------
        parameters : DataFrame of shape (n_targets, n_parameters)
            To start from, or to look at.
        """
        recording, columns = self._read(X, y, confounds, groups)
        layout = self._layout(recording)
        known = read_start(self.init_pars, layout, recording.data.shape[1])
        grid = self.grid if grid is None else grid
        problem, start = find_start(self.model, layout, recording, known, grid, self.memory_limit)
        return frame(self._linear_part(layout, recording, problem, start.theta), columns, layout.labels)

    def refine_baseline_and_amplitude(
        self,
        X: ArrayLike | None = None,
        y: ArrayLike | None = None,
        parameters: ArrayLike | None = None,
        *,
        confounds: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Any:
        """Best amplitude and baseline for given shapes: least squares.

        Parameters
        ----------
        X, y, confounds, groups
            As for ``fit``.
        parameters : DataFrame or array-like of shape (n_targets, n_parameters)
            Shapes; their amplitudes and baselines are replaced.

        Returns
        -------
        parameters : DataFrame of shape (n_targets, n_parameters)
            The refined ones.
        """
        recording, columns = self._read(X, y, confounds, groups)
        layout = Layout(self.model.get_parameter_space())
        theta = read_start(parameters, layout, recording.data.shape[1])
        problem = make_problem(self.model, layout, recording, self.memory_limit)
        return frame(self._linear_part(layout, recording, problem, theta), columns, layout.labels)

    def _encoding_model(self):
        return self.model

    # Steps of fit ----------------------------------------------------------------------------------------------------
    def _layout(self, recording):
        """What is found how, within which bounds."""
        pars = {"bounds": self.bounds, "fixed_pars": self.fixed_pars, "shared_pars": self.shared_pars}
        return make_layout(self.model, recording.stimulus, **pars)

    def _fit_shapes(self, layout, recording, known):
        """Search, refine, and say how well the result is known."""
        cost, errors = lookup(COSTS, self.noise_model, "noise_model"), lookup(ERRORS, self.errors, "errors")
        if not len(known):
            none, sizes = np.empty(0), len(layout.space)
            statistics = Statistics(known, np.empty((0, sizes, sizes)), none, none)
            return statistics, Solution(known, none, none.astype(int), none.astype(bool))
        problem, start = find_start(self.model, layout, recording, known, self.grid, self.memory_limit)
        limits = {"max_n_iterations": self.max_n_iterations, "atol": self.r2_atol}
        solution = minimize(problem, layout, start, cost=cost, **limits)
        options = {"memory_limit": self.memory_limit, "cost": cost, "errors": errors}
        return final_statistics(self.model, layout, recording, solution.theta, **options), solution

    def _linear_part(self, layout, recording, problem, theta):
        """Best free amplitudes and baselines of given shapes: least squares."""
        theta = evaluate(problem, layout, theta, np.arange(len(theta))).theta
        options = {"memory_limit": self.memory_limit, "cost": COSTS["ssq"], "errors": white}
        return final_statistics(self.model, layout, recording, theta, **options).theta

    def _fit_linear(self, layout, recording, known, varies):
        """Closed form."""
        lookup(COSTS, self.noise_model, "noise_model")
        if lookup(ERRORS, self.errors, "errors") is not white:
            raise ValueError(f"A linear model is fitted in closed form, with errors='iid' only; got {self.errors!r}.")
        return solve_linear(self.model, layout, recording, known, varies)

    def _read(self, X, y, confounds, groups):
        """Read paradigm and data; returns the recording and the targets' names."""
        stimulus = read_table(self.model.get_paradigm(X), "paradigm")
        y = self.model.data if y is None else y
        if y is None:
            raise ValueError("There are no data: give y here, or data to the model.")
        data = read_table(y, "data")
        check_same_index(paradigm=self.model.get_paradigm(X), data=y, confounds=confounds, groups=groups)
        warn_of_unknown_runs(self.model, groups)
        n_times = len(data.values)
        confounds = np.empty((n_times, 0)) if confounds is None else read_table(confounds, "confounds").values
        for name, table in (("paradigm", stimulus.values), ("confounds", confounds)):
            if len(table) != n_times:
                raise ValueError(f"The {name} has {len(table)} samples, but the data have {n_times}.")
            check_finite_targets(table, name=name)
        if not n_times:
            raise ValueError("The data have no samples.")
        check_finite_targets(data.values, data.columns)
        if any(par.role == "baseline" for par in self.model.get_parameter_space()):
            confounds = confounds[:, np.ptp(confounds, axis=0) > 0]
            confounds = confounds - confounds.mean(axis=0)
        groups = None if groups is None else check_run_labels(groups, n_times)
        columns = np.asarray(data.columns) if data.labelled else np.arange(data.values.shape[1])
        return Recording(stimulus.values, data.values, confounds, groups), columns

    def _store(self, layout, statistics, solution, columns, varies, weights):
        """Spread results over all targets; NaN for those without variance."""

        def _spread(values, fill=np.nan):
            """Rows of the fitted targets among all."""
            result = np.full((len(varies), *np.shape(values)[1:]), fill, dtype=np.asarray(values).dtype)
            result[varies] = values
            return result

        self.parameters_ = frame(_spread(statistics.theta), columns, layout.labels)
        self.covariances_ = _spread(statistics.covariances)
        errors = np.sqrt(np.maximum(np.einsum("vii->vi", self.covariances_), 0.0))
        self.standard_errors_ = frame(errors, columns, layout.labels)
        self.r2_ = series(_spread(statistics.r2), columns, "r2")
        self.estimated_sigma2_ = series(_spread(statistics.ssq / self.n_samples_), columns, "sigma2")
        self.n_iter_, self.converged_ = _spread(solution.n_iter, 0), _spread(solution.converged, False)
        self.weights_ = None if weights is None else _spread(weights.T).T
