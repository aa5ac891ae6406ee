"""`ParameterFitter`: the parameters of any encoding model, for every target."""

from collections.abc import Sequence
from dataclasses import fields
from os import PathLike
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from eegexplain._settings import AT_LEAST_ONE, Number, check_numbers
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
from eegexplain.encoding.parameters._layout import Layout
from eegexplain.encoding.parameters._linear import solve_linear
from eegexplain.encoding.parameters._log import FitLog
from eegexplain.encoding.parameters._problem import Recording, make_problem
from eegexplain.encoding.parameters._settings import FitSettings
from eegexplain.encoding.parameters._start import make_layout, read_start
from eegexplain.encoding.parameters._strategies import find_start, solve, solve_linear_part
from eegexplain.encoding.parameters.noise_models import NoiseModel, find_noise_model


class ParameterFitter(EncodingRegressorMixin, BaseEstimator):
    """Fit the parameters of an encoding model to every target.

    With ``solver="varpro"`` starting values come from one matrix product over a grid of shapes; shapes are refined by
    batched Levenberg-Marquardt steps while amplitude and baseline follow exactly from them (variable projection), and
    converged targets leave the work. Linear models have a closed form. Other solvers are torch optimisers, with
    derivatives by autograd.

    Parameters
    ----------
    model : EncodingModel
        The model.
    solver : str
        ``"varpro"``, or the name of a torch optimiser: ``"adam"``, ``"sgd"``, ``"lbfgs"``, ...
    max_n_iterations : int
        Largest number of steps.
    min_n_iterations : int
        Smallest number of steps of a torch optimiser.
    init_pars : DataFrame or array-like of shape (n_targets, n_parameters), default=None
        Starting values, and the values of fixed parameters. A DataFrame may have only some columns; shapes without a
        value are searched on the grid.
    fixed_pars, shared_pars : sequence of str, default=None
        Labels of parameters that keep their initial value, and of those that have one value for all targets.
    grid : dict, default=None
        Candidates of the shape parameters by label; None: the model's own.
    noise_model : {"ssq", "gaussian"} or NoiseModel
        Least squares, or the Gaussian likelihood with a variance per target, profiled out. They differ only with
        ``shared_pars``, where the likelihood lets noisy targets count less. A record of one's own, with a loss that is
        not a sum of squares, needs a torch optimiser.
    store_intermediate_parameters : bool
        Whether to keep the parameters of each iteration.
    r2_atol : float
        A target has converged when its R2 changes by less: over ``lag`` steps of a torch optimiser; one step of
        variable projection must change it by less than a ten-thousandth of this.
    lag : int
        See ``r2_atol``.
    learning_rate : float
        Of a torch optimiser.
    optimizer : type, default=None
        A torch optimiser class, instead of the one that ``solver`` names.
    optimizer_params : dict, default=None
        Its further arguments.
    memory_limit : float
        Bytes that one chunk of targets may take.
    log_dir : str, path, None or False
        Folder for TensorBoard scalars (mean R2 and sum of squares per iteration); None or False: none.
    verbose : int
        0 is silent; 1 shows a progress bar.
    random_state : int, RandomState or None
        Seed of torch while a torch optimiser works.

    Attributes
    ----------
    parameters_ : DataFrame of shape (n_targets, n_parameters)
        Indexed by target; NaN for targets without variance.
    standard_errors_ : DataFrame of shape (n_targets, n_parameters)
        From the Jacobian at the solution, assuming white Gaussian noise; NaN for fixed parameters, and for noise models
        of another law. With ``shared_pars`` they are those of ``noise_model="gaussian"``; "ssq" has larger ones where
        noise differs between targets.
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
    intermediate_parameters_ : DataFrame
        Parameters and R2 with index (iteration, target), if stored. Targets that have converged keep their values.

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

    _numbers = {
        "max_n_iterations": Number(least=0, whole=True),
        "min_n_iterations": Number(least=0, whole=True),
        "r2_atol": Number(least=0),
        "lag": AT_LEAST_ONE,
        "learning_rate": Number(above=0),
    }

    def __init__(
        self,
        model: EncodingModel,
        solver: str = "varpro",
        max_n_iterations: int = 1000,
        min_n_iterations: int = 100,
        init_pars: ArrayLike | None = None,
        fixed_pars: str | Sequence[str] | None = None,
        shared_pars: str | Sequence[str] | None = None,
        *,
        grid: dict[str, ArrayLike] | None = None,
        noise_model: str | NoiseModel = "ssq",
        store_intermediate_parameters: bool = False,
        r2_atol: float = 1e-6,
        lag: int = 100,
        learning_rate: float = 0.01,
        optimizer: type | None = None,
        optimizer_params: dict[str, Any] | None = None,
        memory_limit: float = 2**28,
        log_dir: str | PathLike | Literal[False] | None = None,
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
    ):
        self.model = model
        self.solver = solver
        self.max_n_iterations = max_n_iterations
        self.min_n_iterations = min_n_iterations
        self.init_pars = init_pars
        self.fixed_pars = fixed_pars
        self.shared_pars = shared_pars
        self.grid = grid
        self.noise_model = noise_model
        self.store_intermediate_parameters = store_intermediate_parameters
        self.r2_atol = r2_atol
        self.lag = lag
        self.learning_rate = learning_rate
        self.optimizer = optimizer
        self.optimizer_params = optimizer_params
        self.memory_limit = memory_limit
        self.log_dir = log_dir
        self.verbose = verbose
        self.random_state = random_state

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
        settings = self._settings()
        recording, columns = self._read(X, y, confounds, groups)
        layout = make_layout(self.model, self.fixed_pars, self.shared_pars)
        varies = varying_targets(recording.data, columns)
        known = read_start(self.init_pars, layout, len(varies))[varies]
        kept = recording if varies.all() else recording._replace(data=recording.data[:, varies])
        with FitLog(settings, layout, columns[varies], kept.data) as log:
            if isinstance(self.model, LinearModelWithBaseline):
                outcome = solve_linear(self.model, settings, layout, kept, known, varies)
            else:
                outcome = solve(self.model, settings, layout, kept, known, self.grid, log)
        data: Any = self.model.data if y is None else y
        self._y_is_1d = np.ndim(data) == 1
        self.n_samples_, self.n_features_in_ = recording.stimulus.shape
        self._store(layout, outcome, columns, varies)
        if self.store_intermediate_parameters:
            self.intermediate_parameters_ = log.table()
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
        layout = make_layout(self.model, self.fixed_pars, self.shared_pars)
        start = read_start(self.init_pars, layout, recording.data.shape[1])
        grid = self.grid if grid is None else grid
        problem, start = find_start(self.model, layout, recording, start, grid, self.memory_limit)
        theta = solve_linear_part(self.model, layout, recording, problem, start.theta, self.memory_limit)
        return frame(theta, columns, self.model.get_parameter_labels())

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
        theta = solve_linear_part(self.model, layout, recording, problem, theta, self.memory_limit)
        return frame(theta, columns, self.model.get_parameter_labels())

    def _encoding_model(self):
        return self.model

    # Steps of fit ----------------------------------------------------------------------------------------------------
    def _settings(self):
        """Settings under their names, the noise model looked up."""
        given = {field.name: getattr(self, field.name) for field in fields(FitSettings)}
        return FitSettings(**given | {"noise_model": find_noise_model(self.noise_model)})

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

    def _store(self, layout, outcome, columns, varies):
        """Spread results over all targets; NaN for those without variance."""
        labels, statistics = [par.label for par in layout.space], outcome.statistics

        def _spread(values, fill=np.nan):
            """Rows of the fitted targets among all."""
            result = np.full((len(varies), *np.shape(values)[1:]), fill, dtype=np.asarray(values).dtype)
            result[varies] = values
            return result

        self.parameters_ = frame(_spread(statistics.theta), columns, labels)
        self.standard_errors_ = frame(_spread(statistics.standard_errors), columns, labels)
        self.r2_ = series(_spread(statistics.r2), columns, "r2")
        self.estimated_sigma2_ = series(_spread(statistics.ssq / self.n_samples_), columns, "sigma2")
        self.n_iter_, self.converged_ = _spread(outcome.n_iter, 0), _spread(outcome.converged, False)
        self.weights_ = None if outcome.weights is None else _spread(outcome.weights.T).T
