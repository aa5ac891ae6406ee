"""Gaussian tuning: a preferred place on a stimulus axis, or in a plane, and a width."""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from eegexplain._validation import check_array_like
from eegexplain.encoding.models.convolved import HRFEncodingModel
from eegexplain.encoding.models.hrf import HRFModel
from eegexplain.encoding.models.parameter import Parameter

N_CENTRES = {1: 41, 2: 12}
N_WIDTHS = {1: 16, 2: 6}
# A curve that is narrower than this many times the mean distance of the stimuli is seen by too few of them: its height
# and its place are free to follow their noise.
# Of few stimuli, curves down to this share of their extent are tried all the same.
LEAST_WIDTH, LARGEST_SHARE = 3.0, 0.125
# Searches begin at so many times the least width: from broad curves steps lead to narrow ones where many samples do,
# while the narrowest of all that follow the noise somewhere are not sought out.
FIRST_WIDTH = 3.0


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
    positive_amplitude : bool
        Whether fits keep the amplitude at or above zero, as of a response that has a preferred stimulus.

    Notes
    -----
    Parameters are ``mu, sd, amplitude, baseline`` in one dimension and ``x, y, sd, baseline, amplitude`` in two, as in
    braincoder. A model on a grid is linear in its stimulus, so that the stimulus is convolved, once, instead of the
    response of every target.

    Fits keep centers within the range of the stimulus, and ``sd`` between the width that its samples tell apart and its
    extent: a flank of a curve whose top no stimulus reached, or a top between two stimuli, would be as high as noise
    happens to make it. On a grid, ``sd`` is at least a quarter of the spacing: a narrower field is a single place,
    whatever its width. ``ParameterFitter(bounds=...)`` asks for other bounds.

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
        positive_amplitude: bool = True,
    ):
        super().__init__(paradigm, data, parameters, weights, omega, hrf_model, padding=padding)
        self.grid_coordinates = grid_coordinates
        self.n_dims = n_dims
        self.log = log
        self.positive_amplitude = positive_amplitude

    @property
    def linear_in_stimulus(self):
        """Whether the paradigm is a stimulus on a grid."""
        return self.grid_coordinates is not None

    def basis(self, paradigm, *shape):
        """Response of unit amplitude: the tuning curve at the stimulus, or the stimulus weighted by the field.

        Parameters
        ----------
        paradigm : array of shape (n_times, n_dims) or (n_times, n_places)
            Positions, or energy at each place of the grid.
        *shape : arrays of shape (n_targets,)
            Centre and width.

        Returns
        -------
        response : array of shape (n_times, n_targets)
            The response.
        """
        if self.linear_in_stimulus:
            return paradigm @ self.field(*shape)
        return self._gaussian(self._check_positions(paradigm), shape)[0]

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

    def field(self, *shape):
        """Weight of each place of the grid.

        Parameters
        ----------
        *shape : arrays of shape (n_targets,)
            Centre and width.

        Returns
        -------
        field : array of shape (n_places, n_targets)
            The receptive fields.

        Raises
        ------
        ValueError
            Where ``grid_coordinates`` hold NaN, do not have `n_dims` columns, or are not above 0 on a logarithmic axis.
        """
        return self._gaussian(self._check_grid(), shape)[0]

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
        return self._gaussian_gradient(self._check_grid(), shape)

    def fitting_space(self, paradigm):
        """Keep centers within the stimulus, and widths between what its samples tell apart and its extent.

        Parameters
        ----------
        paradigm : ndarray of shape (n_times, n_features)
            Stimulus.

        Returns
        -------
        parameter_space : tuple of Parameter
            With the bounds of fits.

        Raises
        ------
        ValueError
            If the stimulus never changes.
        """
        low, high, finest = self._reach(paradigm)
        if not (high > low).any():
            return self.get_parameter_space()
        ends = (np.exp2(low), np.exp2(high)) if self.log else (low, high)
        bounds = [*zip(*ends, strict=True), (finest, (high - low).max())]
        space = self.get_parameter_space()
        narrowed = [
            replace(par, lower=float(lower), upper=float(upper)) if lower < upper else par
            for par, (lower, upper) in zip(space, bounds, strict=False)
        ]
        return (*narrowed, *space[len(narrowed) :])

    def candidate_grid(self, paradigm):
        """Candidate centers across the stimulus' range, and widths from the least that fits allow to its extent.

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
        low, high, finest = self._reach(paradigm)
        extent = (high - low).max()
        if not extent > 0:
            raise ValueError("The stimulus never changes, so no tuning can be fitted.")
        n_centres = N_CENTRES[self.n_dims]
        centres = [np.linspace(a, b, n_centres) for a, b in zip(low, high, strict=True)]
        centres = [np.exp2(axis) for axis in centres] if self.log else centres
        widths = np.geomspace(max(extent / n_centres / 2, FIRST_WIDTH * finest), extent, N_WIDTHS[self.n_dims])
        labels = [par.label for par in self._basis_space() if par.role == "shape"]
        grid = dict(zip(labels, [*centres, widths], strict=True))
        return grid | {par.label: par.candidates(5)[1:-1] for par in self._hrf_space()}

    def _basis_space(self):
        amplitude = Parameter("amplitude", "amplitude", lower=0.0 if self.positive_amplitude else -np.inf)
        baseline, least = Parameter("baseline", "baseline"), self._spacing() / 4 if self.linear_in_stimulus else 0.0
        width = Parameter("sd", lower=least, transform="log")
        if self.n_dims == 1:
            center = Parameter("mu", lower=0.0, transform="log") if self.log else Parameter("mu")
            return center, width, amplitude, baseline
        if self.n_dims == 2 and not self.log:
            return Parameter("x"), Parameter("y"), width, baseline, amplitude
        raise ValueError(f"n_dims must be 1 or 2, and log=True needs one; got n_dims={self.n_dims}, log={self.log}.")

    def _reach(self, paradigm):
        """Lowest and highest place along each axis, in octaves on a logarithmic one, and the narrowest width."""
        if self.linear_in_stimulus:
            places, finest = self._check_grid(), self._spacing() / 4
        else:
            places, finest = self._check_positions(paradigm), None
        places = np.log2(places) if self.log else places
        low, high = places.min(axis=0), places.max(axis=0)
        if finest is None:
            n_levels = len(np.unique(places[:, 0]))
            share = max(1 / (4 * max(n_levels - 1, 1)), LEAST_WIDTH / len(places))
            finest = min(share, LARGEST_SHARE) * (high - low).max()
        return low, high, finest

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

    def _spacing(self):
        """Distance between neighbouring places."""
        axis = np.unique(self._check_grid()[:, 0])
        return np.diff(np.log2(axis) if self.log else axis).min() if len(axis) > 1 else 1.0

    def _gaussian(self, places, shape):
        """Gaussian at places, and the standardised distances along each axis."""
        *centres, width = shape
        if self.log:
            places, centres = np.log2(places), [np.log2(centre) for centre in centres]
        distances = [(places[:, i : i + 1] - centre) / width for i, centre in enumerate(centres)]
        return np.exp(-0.5 * sum(z * z for z in distances)), distances

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
