"""Encoding models whose basis is convolved with a haemodynamic response."""

from numpy.typing import ArrayLike

from eegexplain.encoding.models.base import EncodingModel
from eegexplain.encoding.models.hrf import HRFModel
from eegexplain.encoding.models.parameter import Parameter, central_differences


class HRFEncodingModel(EncodingModel):
    """An encoding model whose basis is convolved with a haemodynamic response before amplitude and baseline.

    Parameters
    ----------
    paradigm, data, parameters, weights, omega
        As for ``EncodingModel``.
    hrf_model : HRFModel, default=None
        The response; None leaves the basis as it is. With ``unique_hrfs`` its delay and dispersion become parameters
        of every target.
    padding : {"edge", "zero"}
        What precedes each run.

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.encoding import GaussianTuningModel, SPMHRFModel
    >>> model = GaussianTuningModel(hrf_model=SPMHRFModel(tr=2.0, unique_hrfs=True))
    >>> model.get_parameter_labels()
    ['mu', 'sd', 'amplitude', 'baseline', 'hrf_delay', 'hrf_dispersion']
    """

    def __init__(
        self,
        paradigm: ArrayLike | None = None,
        data: ArrayLike | None = None,
        parameters: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        omega: ArrayLike | None = None,
        hrf_model: HRFModel | None = None,
        *,
        padding: str = "edge",
    ):
        super().__init__(paradigm, data, parameters, weights, omega)
        self.hrf_model = hrf_model
        self.padding = padding

    def get_parameter_space(self):
        """Declare the parameters of the basis, then those of the response.

        Returns
        -------
        parameter_space : tuple of Parameter
            Parameters in the order of the table's columns.
        """
        return (*self._basis_space(), *self._hrf_space())

    @property
    def has_memory(self):
        """Whether a response depends on earlier stimuli, too: with a haemodynamic response."""
        return self.hrf_model is not None

    def response(self, paradigm, *shape, groups=None):
        """Convolve the basis with the haemodynamic response.

        Parameters
        ----------
        paradigm : array of shape (n_times, n_features)
            Stimulus.
        *shape : arrays of shape (n_targets,)
            Shape parameters.
        groups : array-like of shape (n_times,), default=None
            Label of the run of each sample.

        Returns
        -------
        response : array of shape (n_times, n_targets)
            The response.
        """
        n_basis = len(shape) - len(self._hrf_space())
        return self._convolve(self.basis(paradigm, *shape[:n_basis]), *shape[n_basis:], groups=groups)

    def response_gradient(self, paradigm, *shape, groups=None):
        """Convolve the basis and its derivatives; differences by the parameters of the response.

        Parameters
        ----------
        paradigm : ndarray of shape (n_times, n_features)
            Stimulus.
        *shape : ndarrays of shape (n_targets,)
            Shape parameters.
        groups : array-like of shape (n_times,), default=None
            Label of the run of each sample.

        Returns
        -------
        response : ndarray of shape (n_times, n_targets)
            The response.
        derivatives : list of ndarray of shape (n_times, n_targets)
            By each shape parameter.
        """
        n_basis = len(shape) - len(self._hrf_space())
        pars = shape[n_basis:]
        # Convolution is linear: derivatives by the basis' parameters are convolved like the basis itself.
        basis, derivatives = super().response_gradient(paradigm, *shape[:n_basis])
        derivatives = [self._convolve(derivative, *pars, groups=groups) for derivative in derivatives]
        response, of_hrf = central_differences(lambda *hrf_pars: self._convolve(basis, *hrf_pars, groups=groups), pars)
        return response, derivatives + of_hrf

    def filtered_stimulus(self, paradigm, groups=None):
        """Return what receptive fields weigh, or None unless the response is linear in one stimulus for all targets.

        Parameters
        ----------
        paradigm : ndarray of shape (n_times, n_features)
            Stimulus.
        groups : array-like of shape (n_times,), default=None
            Label of the run of each sample.

        Returns
        -------
        stimulus : ndarray of shape (n_times, n_features) or None
            What the ``field`` weighs.
        """
        return self._convolve(paradigm, groups=groups) if self.has_field and not self._hrf_space() else None

    def _basis_space(self):
        return tuple(self.parameter_space)

    def _hrf_space(self):
        """Parameters of the response that differ between targets."""
        bounds = {} if self.hrf_model is None else self.hrf_model.parameter_bounds()
        return tuple(Parameter(label, lower=lower, upper=upper) for label, (lower, upper) in bounds.items())

    def _convolve(self, signals, *pars, groups=None):
        """Convolve with the response, if there is one."""
        if self.hrf_model is None:
            return signals
        return self.hrf_model.convolve(signals, *pars, groups=groups, padding=self.padding)
