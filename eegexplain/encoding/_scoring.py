"""The scores that encoding fitters share."""

import numpy as np
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.metrics import r2_score

from eegexplain._validation import lookup
from eegexplain.encoding._stacks import stack_runs
from eegexplain.encoding._tables import check_same_index


class EncodingRegressorMixin(MultiOutputMixin, RegressorMixin):
    """A regressor of many targets over time, whose runs have edges."""

    scoring = "r2"

    def score(self, X, y, sample_weight=None, multioutput="uniform_average", groups=None):
        """Coefficient of determination or, with ``scoring="pearson"``, correlation of prediction and data.

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
        score : float or ndarray of shape (n_targets,)
            Samples whose lags reach beyond their run are left out like in ``fit``. Targets without a prediction (they
            never varied in ``fit``) are NaN among the raw values and left out of means.

        Raises
        ------
        ValueError
            For pandas objects whose indices differ, and what ``predict`` refuses.
        """
        X, y, groups, _ = stack_runs(X, y, groups)
        check_same_index(X=X, y=y, groups=groups)
        measure = lookup(SCORES, self.scoring, "scoring")
        prediction, truth = np.asarray(self.predict(X, groups=groups)), np.asarray(y)
        valid = self._encoding_model().valid_samples(len(prediction), groups) & self._complete(truth, prediction)
        weight = None if sample_weight is None else np.asarray(sample_weight)[valid]
        truth, prediction = truth[valid], prediction[valid]
        known = ~np.isnan(prediction).all(axis=0)
        if np.all(known):
            return measure(truth, prediction, sample_weight=weight, multioutput=multioutput)
        if not np.any(known):
            return np.full(known.shape, np.nan) if multioutput == "raw_values" and known.ndim else np.nan
        score = measure(truth[:, known], prediction[:, known], sample_weight=weight, multioutput=multioutput)
        if multioutput != "raw_values":
            return score
        scores = np.full(len(known), np.nan)
        scores[known] = score
        return scores

    def _complete(self, truth, prediction):
        """Which samples are scored: all, unless an estimator masks those with gaps."""
        return np.ones(len(prediction), dtype=bool)


def correlation(truth, prediction, sample_weight=None, multioutput="uniform_average"):
    """Pearson's correlation of prediction and data.

    Parameters
    ----------
    truth, prediction : ndarray of shape (n_samples, n_targets) or (n_samples,)
        Data and prediction.
    sample_weight : ndarray of shape (n_samples,), default=None
        Weight of each sample.
    multioutput : {"uniform_average", "variance_weighted", "raw_values"}
        As for ``sklearn.metrics.r2_score``.

    Returns
    -------
    r : float or ndarray of shape (n_targets,)
        Zero for a prediction that never varies; NaN for data that never vary, which means leave out.
    """
    truth, prediction = (np.reshape(values, (len(values), -1)).astype(float) for values in (truth, prediction))
    constant, silent = (np.ptp(values, axis=0) == 0 for values in (truth, prediction))
    weight = np.ones(len(truth)) if sample_weight is None else np.asarray(sample_weight, dtype=float)
    truth, prediction = (values - np.average(values, axis=0, weights=weight) for values in (truth, prediction))
    of_truth, of_both, of_prediction = (
        np.einsum("t,tv,tv->v", weight, one, other)
        for one, other in ((truth, truth), (truth, prediction), (prediction, prediction))
    )
    scale = np.sqrt(of_truth * of_prediction)
    r = np.divide(of_both, scale, out=np.zeros_like(scale), where=(scale > 0) & ~silent)
    r[constant] = np.nan
    if multioutput == "raw_values":
        return r
    some = ~np.isnan(r)
    if not some.any():
        return np.nan
    return float(np.average(r[some], weights=of_truth[some] if multioutput == "variance_weighted" else None))


SCORES = {"r2": r2_score, "pearson": correlation}
