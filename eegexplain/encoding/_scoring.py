"""The score that all encoding fitters share."""

import numpy as np
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.metrics import r2_score

from eegexplain.encoding._tables import check_same_index


class EncodingRegressorMixin(MultiOutputMixin, RegressorMixin):
    """A regressor of many targets over time, whose runs have edges."""

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
        multioutput : {"uniform_average", "variance_weighted", "raw_values"}
            Mean over targets, mean weighted by their variance, or one number per target.

        Returns
        -------
        r2 : float or ndarray of shape (n_targets,)
            R2; samples whose lags reach beyond their run are left out like in ``fit``. Targets without a prediction
            (they never varied in ``fit``) are NaN among the raw values and left out of means.

        Raises
        ------
        ValueError
            For pandas objects whose indices differ, and what ``predict`` refuses.
        """
        check_same_index(X=X, y=y, groups=groups)
        prediction = np.asarray(self.predict(X, groups=groups))
        valid = self._encoding_model().valid_samples(len(prediction), groups)
        weight = None if sample_weight is None else np.asarray(sample_weight)[valid]
        truth, prediction = np.asarray(y)[valid], prediction[valid]
        known = ~np.isnan(prediction).all(axis=0)
        if np.all(known):
            return r2_score(truth, prediction, sample_weight=weight, multioutput=multioutput)
        if not np.any(known):
            return np.full(known.shape, np.nan) if multioutput == "raw_values" and known.ndim else np.nan
        r2 = r2_score(truth[:, known], prediction[:, known], sample_weight=weight, multioutput=multioutput)
        if multioutput != "raw_values":
            return r2
        scores = np.full(len(known), np.nan)
        scores[known] = r2
        return scores
