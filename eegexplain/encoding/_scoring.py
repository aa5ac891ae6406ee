"""The score that all encoding fitters share."""

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score


class EncodingRegressorMixin(RegressorMixin):
    """A regressor over time whose runs have edges."""

    def score(self, X, y, sample_weight=None, multioutput="uniform_average", groups=None):
        """Coefficient of determination.

        Parameters
        ----------
        X, groups
            As for ``predict``.
        y : DataFrame or array-like of shape (n_times, n_targets) or (n_times,)
            Data.
        sample_weight : array-like of shape (n_times,), default=None
            Weight of each sample.
        multioutput : str
            ``"raw_values"`` gives one number per target, else their mean.

        Returns
        -------
        r2 : float or ndarray of shape (n_targets,)
            R2; samples whose lags reach beyond their run are left out like in ``fit``.
        """
        prediction = np.asarray(self.predict(X, groups=groups))
        valid = self._encoding_model().valid_samples(len(prediction), groups)
        weight = None if sample_weight is None else np.asarray(sample_weight)[valid]
        return r2_score(np.asarray(y)[valid], prediction[valid], sample_weight=weight, multioutput=multioutput)
