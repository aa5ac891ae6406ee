"""Gaussian tuning: a preferred place on a stimulus axis, or in a plane, and a width."""

import numpy as np
from numpy.typing import ArrayLike

from eegexplain._validation import check_array_like
from eegexplain.encoding.models.convolved import HRFEncodingModel
from eegexplain.encoding.models.hrf import HRFModel
from eegexplain.encoding.models.parameter import Parameter

N_CENTRES = {1: 41, 2: 12}
N_WIDTHS = {1: 16, 2: 6}


class GaussianTuningModel(HRFEncodingModel):
    """Gaussian tuning in one or two dimensions, linear or logarithmic, with or without a haemodynamic response.

    Parameters
    ----------
    paradigm, data, parameters, weights, omega, hrf_model, padding
        As for ``HRFEncodingModel``. Without ``grid_coordinates`` the paradigm holds the stimulus' position,
        ``(n_times, n_dims)``; with them its energy at each place, ``(n_times, n_places)``.
    grid_coordinates : array-like of shape (n_places, n_dims), default=None
        Where the columns of the paradigm are: frequencies of a spectrogram, pixels of a picture.
    n_dims : {1, 2}
        Number of dimensions.
    log : bool
        Logarithmic axis (one dimension): ``mu`` in the unit of the stimulus, ``sd`` in octaves.
    normalize : bool
        Divide the field by ``sd * sqrt(2 pi) / spacing`` of the grid, so that its sum over a one-dimensional grid is
        one. braincoder divides its two-dimensional fields like this, too.

    Notes
    -----
    Parameters are ``mu, sd, amplitude, baseline`` in one dimension and ``x, y, sd, baseline, amplitude`` in two, as in
    braincoder. A model on a grid is linear in its stimulus, so that the stimulus is convolved, once, instead of the
    response of every target. On a grid, ``sd`` is at least a quarter of the spacing: a narrower field is a single
    place, whatever its width.

    References
    ----------
    Dumoulin, S. O., & Wandell, B. A. (2008). Population receptive field estimates in human visual cortex. NeuroImage,
    39(2), 647-660. https://doi.org/10.1016/j.neuroimage.2007.09.034

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.encoding import GaussianTuningModel
    >>> model = GaussianTuningModel()
    >>> model.predict(np.array([[0.0], [1.0]]), np.array([[0.0, 1.0, 2.0, 0.5]])).ravel().round(3)
    array([2.5  , 1.713])
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
        grid_coordinates: ArrayLike | None = None,
        n_dims: int = 1,
        log: bool = False,
        normalize: bool = False,
    ):
        super().__init__(paradigm, data, parameters, weights, omega, hrf_model, padding=padding)
        self.grid_coordinates = grid_coordinates
        self.n_dims = n_dims
        self.log = log
        self.normalize = normalize

    @property
    def linear_in_stimulus(self):
        """Whether the paradigm is a stimulus on a grid."""
        return self.grid_coordinates is not None

    def basis(self, paradigm, *shape, xp=np):
        """Response of unit amplitude: the tuning curve at the stimulus, or the stimulus weighted by the field.

        Parameters
        ----------
        paradigm : array of shape (n_times, n_dims) or (n_times, n_places)
            Positions, or energy at each place of the grid.
        *shape : arrays of shape (n_targets,)
            Centre and width.
        xp : module
            ``numpy`` or ``torch``.

        Returns
        -------
        response : array of shape (n_times, n_targets)
            The response.
        """
        if self.linear_in_stimulus:
            return paradigm @ self.field(*shape, xp=xp)
        return self._gaussian(self._check_positions(paradigm), shape, xp)[0]

    def basis_gradient(self, paradigm, *shape):
        """Return basis and derivatives, analytically.

        Parameters
        ----------
        paradigm : ndarray of shape (n_times, n_dims) or (n_times, n_places)
            As for ``basis``.
        *shape : ndarrays of shape (n_targets,)
            Centre and width.

        Returns
        -------
        response : ndarray of shape (n_times, n_targets)
            The basis.
        derivatives : list of ndarray of shape (n_times, n_targets)
            By each shape parameter.

        Raises
        ------
        ValueError
            As `field`; without a grid for positions with another number of columns than `n_dims` and, where the axis is
            logarithmic, for those that are not above 0.
        """
        if not self.linear_in_stimulus:
            return self._gaussian_gradient(self._check_positions(paradigm), shape)
        field, derivatives = self.field_gradient(*shape)
        return paradigm @ field, [paradigm @ derivative for derivative in derivatives]

    def field(self, *shape, xp=np):
        """Weight of each place of the grid.

        Parameters
        ----------
        *shape : arrays of shape (n_targets,)
            Centre and width.
        xp : module
            ``numpy`` or ``torch``.

        Returns
        -------
        field : array of shape (n_places, n_targets)
            The receptive fields.

        Raises
        ------
        ValueError
            Where ``grid_coordinates`` hold NaN, do not have `n_dims` columns, or are not above 0 on a logarithmic axis.
        """
        coordinates = self._check_grid()
        if xp is not np:
            coordinates = xp.as_tensor(coordinates, dtype=shape[0].dtype, device=shape[0].device)
        gaussian = self._gaussian(coordinates, shape, xp)[0]
        return gaussian * self._scale(shape[-1]) if self.normalize else gaussian

    def field_gradient(self, *shape):
        """Return fields and their derivatives by centre and width.

        Parameters
        ----------
        *shape : ndarrays of shape (n_targets,)
            Centre and width.

        Returns
        -------
        field : ndarray of shape (n_places, n_targets)
            The receptive fields.
        derivatives : list of ndarray of shape (n_places, n_targets)
            One per shape parameter.

        Raises
        ------
        ValueError
            As `field`.
        """
        field, derivatives = self._gaussian_gradient(self._check_grid(), shape)
        if not self.normalize:
            return field, derivatives
        scale = self._scale(shape[-1])
        derivatives = [derivative * scale for derivative in derivatives]
        derivatives[-1] -= field * (scale / shape[-1])
        return field * scale, derivatives

    def candidate_grid(self, paradigm):
        """Candidate centres across the stimulus' range, and widths from its spacing to its extent.

        Parameters
        ----------
        paradigm : ndarray of shape (n_times, n_features)
            Stimulus.

        Returns
        -------
        grid : dict of str to ndarray
            Candidates by label.

        Raises
        ------
        ValueError
            If the stimulus never changes.
        """
        places = self._check_grid() if self.linear_in_stimulus else self._check_positions(paradigm)
        places = np.log2(places) if self.log else places
        low, high = places.min(axis=0), places.max(axis=0)
        extent = (high - low).max()
        if not extent > 0:
            raise ValueError("The stimulus never changes, so no tuning can be fitted.")
        n_centres, n_widths = N_CENTRES[self.n_dims], N_WIDTHS[self.n_dims]
        centres = [np.linspace(a, b, n_centres) for a, b in zip(low, high, strict=True)]
        centres = [np.exp2(axis) for axis in centres] if self.log else centres
        shape = [par for par in self._basis_space() if par.role == "shape"]
        labels, finest = [par.label for par in shape], max(extent / n_centres / 2, 1.5 * shape[-1].lower)
        grid = dict(zip(labels, [*centres, np.geomspace(finest, extent, n_widths)], strict=True))
        for par in self._hrf_space():
            grid[par.label] = np.linspace(par.lower, par.upper, 5)[1:-1]
        return grid

    def _basis_space(self):
        amplitude, baseline = Parameter("amplitude", "amplitude"), Parameter("baseline", "baseline")
        width = Parameter("sd", lower=self._spacing() / 4 if self.linear_in_stimulus else 0.0)
        if self.n_dims == 1:
            return Parameter("mu", lower=0.0 if self.log else -np.inf), width, amplitude, baseline
        if self.n_dims == 2 and not self.log:
            return Parameter("x"), Parameter("y"), width, baseline, amplitude
        raise ValueError(f"n_dims must be 1 or 2, and log=True needs one; got n_dims={self.n_dims}, log={self.log}.")

    def _check_positions(self, paradigm):
        """Stimulus positions, one column per dimension."""
        if paradigm.shape[1] != self.n_dims:
            raise ValueError(
                f"The paradigm has {paradigm.shape[1]} columns, but {self.n_dims} (positions) are needed; for stimulus "
                "energy on a grid give grid_coordinates."
            )
        if self.log and not (paradigm > 0).all():
            raise ValueError("log=True needs a positive paradigm.")
        return paradigm

    def _check_grid(self):
        """Grid coordinates, one column per dimension."""
        grid = check_array_like("grid_coordinates", self.grid_coordinates, dtype=float)
        grid = grid[:, None] if grid.ndim == 1 else grid
        if grid.ndim != 2 or grid.shape[1] != self.n_dims or (self.log and not (grid > 0).all()):
            raise ValueError(
                f"grid_coordinates must be (n_places, {self.n_dims}){', positive' if self.log else ''}; "
                f"their shape is {grid.shape}."
            )
        return grid

    def _scale(self, width):
        """Factor of ``normalize``: spacing of the grid over ``sd sqrt(2 pi)``."""
        return self._spacing() ** self.n_dims / (width * np.sqrt(2 * np.pi))

    def _spacing(self):
        """Distance between neighbouring places."""
        axis = np.unique(self._check_grid()[:, 0])
        return np.diff(np.log2(axis) if self.log else axis).min() if len(axis) > 1 else 1.0

    def _gaussian(self, places, shape, xp=np):
        """Gaussian at places, and the standardised distances along each axis."""
        *centres, width = shape
        if self.log:
            places, centres = xp.log2(places), [xp.log2(centre) for centre in centres]
        distances = [(places[:, i : i + 1] - centre) / width for i, centre in enumerate(centres)]
        return xp.exp(-0.5 * sum(z * z for z in distances)), distances

    def _gaussian_gradient(self, places, shape):
        """Gaussian and its derivatives by centre(s) and width."""
        *centres, width = shape
        gaussian, distances = self._gaussian(places, shape)
        # g = exp(-sum z^2 / 2), z = (x - mu) / sd: dg/dmu = g z / sd, dg/dsd = g sum z^2 / sd
        steps = [gaussian * (z / width) for z in distances]
        by_width = sum(z * step for z, step in zip(distances, steps, strict=True))
        if self.log:  # the distance is in octaves: d log2(mu) / d mu = 1 / (mu log 2)
            steps = [step / (centre * np.log(2)) for step, centre in zip(steps, centres, strict=True)]
        return gaussian, [*steps, by_width]
