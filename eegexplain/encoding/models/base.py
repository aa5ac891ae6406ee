"""Encoding models: from a stimulus to the response of every target."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from eegexplain._validation import check_array_like
from eegexplain.encoding._tables import check_finite_targets, frame, read_table
from eegexplain.encoding.models._design import DesignMixin
from eegexplain.encoding.models._field import FieldMixin
from eegexplain.encoding.models._noise import draw_noise, stack_repeats
from eegexplain.encoding.models.parameter import ROLES, Parameter, central_differences, spread


class EncodingModel(DesignMixin, FieldMixin, BaseEstimator):
    """Predict responses ``amplitude * basis(paradigm, shape parameters) + baseline`` for every target.

    Subclasses declare ``parameter_space``, a tuple of ``Parameter``, and one function ``basis``: prediction, simulation
    and fits by ``ParameterFitter`` follow from these two.

    Parameters
    ----------
    paradigm : DataFrame or array-like of shape (n_times, n_features), default=None
        Stimulus; used where a method gets none.
    data : DataFrame or array-like of shape (n_times, n_targets), default=None
        Responses, kept for the user.
    parameters : DataFrame or array-like of shape (n_targets, n_parameters), default=None
        Parameters of every target; used where a method gets none.
    weights : DataFrame or array-like of shape (n_basis, n_targets), default=None
        If given, the rows of ``parameters`` are basis functions that all targets share, summed with these weights.
    omega : array-like of shape (n_targets, n_targets), default=None
        Covariance of the noise that ``simulate`` adds when it gets none.

    See Also
    --------
    ParameterFitter : Fits the parameters.
    WeightFitter : Fits the weights.

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.encoding import EncodingModel, Parameter
    >>> class Saturation(EncodingModel):
    ...     parameter_space = (Parameter("half", lower=0.0), Parameter("gain", "amplitude"))
    ...
    ...     def basis(self, paradigm, half):
    ...         return paradigm[:, :1] / (paradigm[:, :1] + half)
    >>> Saturation().predict(np.array([[1.0], [3.0]]), np.array([[1.0, 10.0]])).ravel()
    array([5. , 7.5])
    """

    parameter_space: tuple[Parameter, ...] = ()

    def __init__(
        self,
        paradigm: ArrayLike | None = None,
        data: ArrayLike | None = None,
        parameters: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        omega: ArrayLike | None = None,
    ):
        self.paradigm = paradigm
        self.data = data
        self.parameters = parameters
        self.weights = weights
        self.omega = omega

    def basis(self, paradigm, *shape):
        """Response of unit amplitude, without baseline.

        Parameters
        ----------
        paradigm : array of shape (n_times, n_features)
            Stimulus.
        *shape : arrays of shape (n_targets,)
            Shape parameters in the order of ``parameter_space``.

        Returns
        -------
        response : array of shape (n_times, n_targets)
            The response.

        Raises
        ------
        NotImplementedError
            If the subclass has neither it nor a ``field``.
        """
        if self.has_field:
            return paradigm @ self.field(*shape)
        raise NotImplementedError(f"{type(self).__name__} must define basis(paradigm, *shape).")

    def basis_gradient(self, paradigm, *shape):
        """Return basis and its derivatives by each shape parameter, or None: central differences are taken then.

        Parameters
        ----------
        paradigm : ndarray of shape (n_times, n_features)
            Stimulus.
        *shape : ndarrays of shape (n_targets,)
            Shape parameters.

        Returns
        -------
        response_and_derivatives : tuple or None
            The basis, and a list of arrays of its shape.
        """
        return None

    def get_parameter_space(self) -> tuple[Parameter, ...]:
        """Declare the parameters; by default the class attribute.

        Returns
        -------
        parameter_space : tuple of Parameter
            Parameters in the order of the table's columns.
        """
        return tuple(self.parameter_space)

    def get_parameter_labels(self) -> list[str]:
        """Name the parameters.

        Returns
        -------
        labels : list of str
            Columns of the parameter table.
        """
        return [par.label for par in self.get_parameter_space()]

    def get_paradigm(self, paradigm: ArrayLike | None = None) -> Any:
        """Give back a paradigm, or the stored one.

        Parameters
        ----------
        paradigm : DataFrame or array-like, default=None
            A paradigm.

        Returns
        -------
        paradigm : DataFrame or array-like
            It, or the one given to the constructor.

        Raises
        ------
        ValueError
            If there is neither.
        """
        if paradigm is not None:
            return paradigm
        if self.paradigm is None:
            raise ValueError("There is no paradigm: give one here, or to the constructor.")
        return self.paradigm

    def predict(
        self,
        paradigm: ArrayLike | None = None,
        parameters: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        *,
        groups: ArrayLike | None = None,
    ) -> Any:
        """Predict the response of every target.

        Parameters
        ----------
        paradigm : DataFrame or array-like of shape (n_times, n_features), default=None
            Stimulus; None takes the stored one.
        parameters : DataFrame or array-like of shape (n_targets, n_parameters), default=None
            Parameters; None takes the stored ones. NaN (a target that was not fitted) gives NaN.
        weights : DataFrame or array-like of shape (n_basis, n_targets), default=None
            Weights of shared basis functions; None takes the stored ones. NaN gives NaN.
        groups : array-like of shape (n_times,), default=None
            Label of the run of each sample; responses and lags never cross runs.

        Returns
        -------
        prediction : DataFrame or ndarray of shape (n_times, n_targets)
            A DataFrame if the paradigm is one.

        Raises
        ------
        ValueError
            For an empty paradigm, or one that is not finite, and for missing parameters.
        """
        stimulus = read_table(self.get_paradigm(paradigm), "paradigm")
        check_finite_targets(stimulus.values, stimulus.columns, "paradigm")
        if not stimulus.values.size:
            raise ValueError(f"The paradigm is empty: its shape is {stimulus.values.shape}.")
        weights = self.weights if weights is None else weights
        mixing = None if weights is None else read_table(weights, "weights")
        if mixing is not None:
            check_array_like("weights", mixing.values, allow_nan=True)
        table = self._read_parameters(self.parameters if parameters is None else parameters)
        prediction = self._predict(stimulus.values, None if table is None else table.values, mixing, groups)
        if not stimulus.labelled:
            return prediction
        columns = mixing.columns if mixing is not None else (table.index if table is not None else None)
        return frame(prediction, stimulus.index, columns)

    def simulate(
        self,
        paradigm: ArrayLike | None = None,
        parameters: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        noise: ArrayLike | None = 1.0,
        dof: float | None = None,
        n_repeats: int = 1,
        random_state: int | np.random.RandomState | None = None,
        *,
        groups: ArrayLike | None = None,
    ) -> Any:
        """Predict, and add noise.

        Parameters
        ----------
        paradigm, parameters, weights, groups
            As for ``predict``.
        noise : float, array-like of shape (n_targets, n_targets) or None
            Standard deviation, or covariance over targets; None takes ``omega``.
        dof : float, default=None
            Degrees of freedom of Student's t noise; None is Gaussian. ``noise`` is the scale, not the SD, of t noise.
        n_repeats : int
            How often to repeat the paradigm.
        random_state : int, RandomState or None
            Seed.

        Returns
        -------
        data : DataFrame or ndarray of shape (n_times, n_targets) or (n_repeats, n_times, n_targets)
            Simulated data; more than one repeat adds an axis, or an index level ``repeat``.

        Raises
        ------
        ValueError
            If the noise is not a scale or a covariance of the right size.
        """
        prediction = self.predict(paradigm, parameters, weights, groups=groups)
        noise = self.omega if noise is None else noise
        data = np.asarray(prediction) + draw_noise(np.shape(prediction), noise, dof, n_repeats, random_state)
        return stack_repeats(data, prediction)

    @property
    def has_memory(self):
        """Whether a response depends on earlier stimuli, too."""
        return False

    def response(self, paradigm, *shape, groups=None):
        """Response of unit amplitude as it is measured: the basis, unless a subclass filters it.

        Parameters
        ----------
        paradigm, *shape
            As for ``basis``.
        groups : array-like of shape (n_times,), default=None
            Label of the run of each sample.

        Returns
        -------
        response : array of shape (n_times, n_targets)
            The response.
        """
        return self.basis(paradigm, *shape)

    def response_gradient(self, paradigm, *shape, groups=None):
        """Return the response and its derivatives by each shape parameter, analytic or by central differences.

        Parameters
        ----------
        paradigm, *shape, groups
            As for ``response``.

        Returns
        -------
        response : ndarray of shape (n_times, n_targets)
            The response.
        derivatives : list of ndarray of shape (n_times, n_targets)
            By each shape parameter.
        """
        known = self.basis_gradient(paradigm, *shape)
        return central_differences(lambda *pars: self.basis(paradigm, *pars), shape) if known is None else known

    def fitting_space(self, paradigm):
        """Declare the parameters with the bounds of fits to a stimulus; by default those of the parameter space.

        Parameters
        ----------
        paradigm : ndarray of shape (n_times, n_features)
            Stimulus.

        Returns
        -------
        parameter_space : tuple of Parameter
            Parameters in the order of the table's columns.
        """
        return self.get_parameter_space()

    def candidate_grid(self, paradigm):
        """Return candidate values of each shape parameter, by label; by default spread between their bounds.

        Parameters
        ----------
        paradigm : ndarray of shape (n_times, n_features)
            Stimulus.

        Returns
        -------
        grid : dict of str to ndarray
            Candidates.

        Raises
        ------
        ValueError
            If a shape has no two finite bounds.
        """
        return spread([par for par in self.fitting_space(paradigm) if par.role == "shape"])

    # Helpers ---------------------------------------------------------------------------------------------------------
    def _predict(self, paradigm, parameters, weights, groups):
        """Predict from arrays."""
        if parameters is None:
            raise ValueError(f"There are no parameters: give a table with columns {self.get_parameter_labels()}.")
        of = {role: [] for role in ROLES}
        for par, column in zip(self.get_parameter_space(), parameters.T, strict=True):
            of[par.role].append(column)
        prediction = self.response(paradigm, *of["shape"], groups=groups)
        prediction = prediction * np.prod(of["amplitude"], axis=0) + np.sum(of["baseline"], axis=0)
        return prediction if weights is None else prediction @ weights.values

    def _read_parameters(self, parameters):
        """Read a parameter table; columns of a DataFrame are found by label."""
        if parameters is None:
            return None
        labels = self.get_parameter_labels()
        if hasattr(parameters, "columns"):
            missing = [label for label in labels if label not in parameters.columns]
            if missing:
                raise ValueError(f"parameters lack {missing}; their columns are {list(parameters.columns)}.")
            parameters = parameters[labels]
        table = read_table(parameters, "parameters")
        check_array_like("parameters", table.values, allow_nan=True, allow_empty=not labels)
        if table.values.shape[1] != len(labels):
            raise ValueError(f"parameters have {table.values.shape[1]} columns, but the model has {labels}.")
        return table
