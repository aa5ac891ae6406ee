"""What a fitter of weights asks of a model."""

import numpy as np


class DesignMixin:
    """A model whose responses are columns that weights multiply."""

    def design(self, paradigm, groups=None):
        """Return the columns that weights multiply.

        Parameters
        ----------
        paradigm : ndarray of shape (n_times, n_features)
            Stimulus.
        groups : array-like of shape (n_times,), default=None
            Label of the run of each sample.

        Returns
        -------
        design : ndarray of shape (n_times, n_columns)
            The response of each row of the stored parameters.

        Raises
        ------
        ValueError
            If there are no parameters.
        """
        parameters = self._read_parameters(self.parameters)
        if parameters is None:
            raise ValueError(f"{type(self).__name__} needs parameters, one row per basis function, to have weights.")
        return self._predict(paradigm, parameters.values, None, groups)

    def weighted_design(self, paradigm, weights, groups=None):
        """Return the weighted sums of the design's columns.

        Parameters
        ----------
        paradigm, groups
            As for ``design``.
        weights : ndarray of shape (n_columns, n_targets)
            Weights.

        Returns
        -------
        sums : ndarray of shape (n_times, n_targets)
            ``design @ weights``, which models may compute without the design.
        """
        return self.design(paradigm, groups) @ weights

    def valid_samples(self, n_times, groups=None):
        """Which samples a fit may use: all, unless a subclass has edges.

        Parameters
        ----------
        n_times : int
            Number of samples.
        groups : array-like of shape (n_times,), default=None
            Label of the run of each sample.

        Returns
        -------
        valid : ndarray of bool, shape (n_times,)
            Samples that a fit may use.
        """
        return np.ones(n_times, dtype=bool)
