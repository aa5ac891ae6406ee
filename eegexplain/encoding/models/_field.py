"""Models that weigh their stimulus by a receptive field."""

from eegexplain.encoding.models.parameter import central_differences


class FieldMixin:
    """A response that is a weighted sum of the stimulus, ``paradigm @ field(shape)``, where a subclass says so.

    With ``linear_in_stimulus = True`` one function ``field`` is enough, and fits search with the stimulus rotated into
    few dimensions. A subclass may define ``basis`` instead: it is then fitted like any other model.
    """

    linear_in_stimulus = False

    @property
    def has_field(self):
        """Whether the response is linear in the stimulus, with weights that ``field`` gives."""
        return bool(self.linear_in_stimulus) and type(self).field is not FieldMixin.field

    def field(self, *shape):
        """Weight of each column of the stimulus.

        Parameters
        ----------
        *shape : ndarrays of shape (n_targets,)
            Shape parameters in the order of ``parameter_space``.

        Returns
        -------
        field : ndarray of shape (n_features, n_targets)
            The receptive fields.

        Raises
        ------
        NotImplementedError
            If the subclass has none.
        """
        raise NotImplementedError(f"{type(self).__name__} must define field(*shape).")

    def field_gradient(self, *shape):
        """Return fields and their derivatives by each shape parameter; by central differences here.

        Parameters
        ----------
        *shape : ndndarrays of shape (n_targets,)
            Shape parameters.

        Returns
        -------
        field : ndarray of shape (n_features, n_targets)
            The receptive fields.
        derivatives : list of ndarray of shape (n_features, n_targets)
            One per shape parameter.
        """
        return central_differences(self.field, shape)

    def filtered_stimulus(self, paradigm, groups=None):
        """Return what the ``field`` weighs, or None for a model without one.

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
        return paradigm if self.has_field else None
