"""Linear models at many time points and folds at once: ridge, LDA, and logistic regression for ordered classes.

Shapes: ``X`` is ``(n_times, n_trials, n_channels)``, already centred and scaled over all trials (for precision only);
``train`` is ``(n_folds, n_trials)``, true for training trials. Every solver standardises the channels inside each
training part and returns weights for standardised channels, ``(n_times, n_folds, n_outputs, n_channels)``, and
intercepts ``(n_times, n_folds, n_outputs)``. Sums over a training part are sums over all trials minus sums over the
part left out; those of all folds together are `training`, as `training_scatter` gives them.
"""

from dataclasses import dataclass

import numpy as np

_CONSTANT = 1e-12  # variance, in units of the variance over all trials, below which a channel counts as constant
_ROUNDING = 1e-13  # shrinkage below this is no shrinkage


@dataclass(frozen=True)
class TrainingScatter:
    """Number, mean, centred sum of squares and scale of the training trials, per time and fold."""

    count: np.ndarray  # (n_folds,)
    mean: np.ndarray  # (n_times, n_folds, n_channels)
    scatter: np.ndarray  # (n_times, n_folds, n_channels, n_channels)

    @property
    def scale(self):
        """Standard deviation of each channel; 1 for a constant one."""
        variance = np.einsum("...ii->...i", self.scatter) / self.count[:, None]
        return np.sqrt(np.where(variance > _CONSTANT, variance, 1.0))

    @property
    def covariance(self):
        """Covariance of the standardised channels."""
        scale = self.scale
        return self.scatter / self.count[:, None, None] / (scale[..., :, None] * scale[..., None, :])


def training_scatter(X, train):
    """Count, mean and scatter of the training trials of every fold."""
    total = X.transpose(0, 2, 1) @ X
    count = train.sum(axis=1).astype(float)
    mean = (train.astype(float) @ X) / count[:, None]
    scatter = np.empty((len(X), len(train), X.shape[2], X.shape[2]))
    for fold, kept in enumerate(train):
        fewer = kept if 2 * kept.sum() < len(kept) else ~kept
        part = X[:, fewer]
        part = part.transpose(0, 2, 1) @ part
        scatter[:, fold] = part if fewer is kept else total - part
    scatter -= count[:, None, None] * mean[..., :, None] * mean[..., None, :]
    return TrainingScatter(count, mean, scatter)


def fit_ridge(X, y, train, training, *, alpha):
    """Ridge regression of numbers `y` of shape (n_trials,), as `sklearn.linear_model.Ridge`."""
    scale = training.scale
    target = np.where(train, y, 0.0)
    centre = target.sum(axis=1) / training.count
    right = (target @ X - (training.count * centre)[:, None] * training.mean) / scale
    left = training.covariance * training.count[:, None, None] + alpha * np.eye(X.shape[2])
    weights = np.linalg.solve(left, right[..., None])[..., 0]
    return weights[:, :, None], np.broadcast_to(centre[:, None], (len(X), len(train), 1)).copy()


def fit_lda(X, codes, train, training, *, n_classes, shrinkage):
    """Linear discriminant analysis; one output for two classes, else one per class.

    `shrinkage` is a share of the mean variance, or ``"auto"``: each class by the lemma of Ledoit and Wolf, as
    `sklearn.discriminant_analysis.LinearDiscriminantAnalysis` does.
    """
    count, scale = training.count, training.scale
    shape = (len(X), len(train), n_classes, X.shape[2])
    priors, means, within = np.empty((len(train), n_classes)), np.empty(shape), 0.0
    definite = np.zeros(shape[:2], dtype=bool)
    for code in range(n_classes):
        of_class = _Class.of(X[:, codes == code], train[:, codes == code], scale)
        priors[:, code] = of_class.part.count / count
        means[:, :, code] = of_class.centre + of_class.part.mean
        share = of_class.ledoit_wolf() if shrinkage == "auto" else shrinkage
        within = within + priors[:, code, None, None] * of_class.shrunk(share, each=shrinkage == "auto")
        definite |= share > _ROUNDING
    means = (means - (priors[:, :, None] * means).sum(axis=2, keepdims=True)) / scale[:, :, None]
    weights = _solve_symmetric(within, means.swapaxes(2, 3), definite).swapaxes(2, 3)
    intercepts = np.log(priors) - 0.5 * (means * weights).sum(axis=-1)
    if n_classes == 2:
        return weights[:, :, 1:] - weights[:, :, :1], intercepts[:, :, 1:] - intercepts[:, :, :1]
    return weights, intercepts


@dataclass(frozen=True)
class _Class:
    """Trials of one class about their own mean, and what is known of the training trials among them."""

    X: np.ndarray  # (n_times, n_trials, n_channels)
    centre: np.ndarray  # (n_times, 1, n_channels)
    train: np.ndarray  # (n_folds, n_trials)
    part: TrainingScatter
    scale: np.ndarray  # of all classes, (n_times, n_folds, n_channels)

    @classmethod
    def of(cls, X, train, scale):
        """Centre the trials: classes may be far apart, and differences of their squares would not be exact."""
        centre = X.mean(axis=1, keepdims=True)
        X = X - centre
        return cls(X, centre, train, training_scatter(X, train), scale)

    @property
    def covariance(self):
        """Covariance of the channels, standardised by the training trials of all classes."""
        per_scale = 1 / self.scale
        return (self.part.scatter * per_scale[..., None]) * (per_scale / self.part.count[:, None])[..., None, :]

    def shrunk(self, share, *, each):
        """Covariance shrunk by a `share`: to the mean variance or, for `each` channel, to its own."""
        covariance = self.covariance
        variance = np.einsum("...ii->...i", covariance)
        size = variance.mean(axis=-1, keepdims=True)
        if each:
            own, alive = _unit_if_constant(variance)
            size = own * alive.mean(axis=-1, keepdims=True)
        covariance = covariance * (1 - np.asarray(share))[..., None, None]
        np.einsum("...ii->...i", covariance)[...] += np.asarray(share)[..., None] * size
        return covariance

    def ledoit_wolf(self):
        """Shrinkage of the correlation matrix, (n_times, n_folds) [1]_.

        ``min(b, d) / d`` with `d` the squared distance of the correlations R from the mean variance and `b` the mean
        over trials of the squared distance of ``z z'`` from R, over the number of trials. As ``|z z'|^2 = (z'z)^2``,
        all that is needed of a trial is the square of its length.

        .. [1] Ledoit, O., Wolf, M. (2004). A well-conditioned estimator for large-dimensional covariance matrices.
               Journal of Multivariate Analysis 88(2), 365-411. https://doi.org/10.1016/S0047-259X(03)00096-4
        """
        n_channels, count = self.X.shape[2], self.part.count
        own, alive = _unit_if_constant(np.einsum("...ii->...i", self.part.scatter) / count[:, None])
        per_variance = alive / own
        mean = self.part.mean
        lengths = self.X**2 @ per_variance.swapaxes(1, 2)  # z'z for every fold: three sums of products
        lengths -= 2 * self.X @ (mean * per_variance).swapaxes(1, 2)
        lengths += (mean**2 * per_variance).sum(axis=-1)[:, None]
        fourth = (lengths**2 * self.train.T).sum(axis=1)
        per_variance = (per_variance / count[:, None])[..., None]
        squares = (self.part.scatter**2 @ per_variance * per_variance).sum(axis=(-2, -1))
        distance = squares - alive.sum(axis=-1) ** 2 / n_channels
        scatter = np.minimum((fourth / count - squares) / count, distance)
        return np.divide(scatter, distance, out=np.zeros_like(scatter), where=scatter > 0)


def _unit_if_constant(variance):
    """Variances with 1 in place of those of constant channels, and which channels are not constant."""
    alive = variance > _CONSTANT
    return np.where(alive, variance, 1.0), alive


def _solve_symmetric(matrices, right, definite):
    """Solve systems; the shortest solution where nothing makes a matrix `definite`."""
    if definite.all():
        return np.linalg.solve(matrices, right)
    solved = np.empty_like(right)
    solved[definite] = np.linalg.solve(matrices[definite], right[definite])
    solved[~definite] = np.linalg.pinv(matrices[~definite], rcond=_ROUNDING, hermitian=True) @ right[~definite]
    return solved


@dataclass(frozen=True)
class OrdinalFit:
    """Models for ordered classes, of every time and fold."""

    weights: np.ndarray  # (n_times, n_folds, 1, n_channels)
    thresholds: np.ndarray  # (n_times, n_folds, n_classes - 1), increasing
    converged: np.ndarray  # of bool, (n_times, n_folds)
    n_iter: int  # largest number of Newton steps


def fit_ordinal(X, codes, train, training, *, n_classes, penalty, tol=1e-10, max_iter=100, unit=None):
    """Proportional-odds logistic regression, ``P(y <= k) = sigmoid(threshold_k - w.x)``; logistic for two classes.

    Minimises the negative log-likelihood plus ``penalty / 2 * |w|^2`` by Newton's method: on all trials first (starting
    from the time before), then from there for all folds together, with Hessians that are computed once.

    `unit` (n_channels,) gives other units than the training trials' standard deviation in which channels are penalised
    and weights are returned.

    Returns
    -------
    OrdinalFit
    """
    n_channels = X.shape[2]
    scale = training.scale if unit is None else np.broadcast_to(unit, training.mean.shape)
    everything = np.ones((1, X.shape[1]), dtype=bool)
    weights = np.empty((len(X), len(train), 1, n_channels))
    thresholds = np.empty((len(X), len(train), n_classes - 1))
    converged = np.empty((len(X), len(train)), dtype=bool)
    n_iter = 0
    start = np.concatenate([np.zeros(n_channels), _prior_thresholds(codes, n_classes)])[None]
    for time, data in enumerate(X):
        whole = _OrdinalLoss(data, codes, everything, penalty * np.ones((1, n_channels)), n_classes)
        start = _newton(whole, start, tol=1e-4, max_iter=max_iter).parameters
        loss = _OrdinalLoss(data, codes, train, penalty * scale[time] ** 2, n_classes)
        first = np.repeat(start, len(train), axis=0)
        minimum = _newton(loss, first, tol=tol, max_iter=max_iter)
        found, converged[time], n_iter = minimum.parameters, minimum.converged, max(n_iter, minimum.n_steps)
        weights[time, :, 0] = found[:, :n_channels] * scale[time]
        shift = (found[:, :n_channels] * training.mean[time]).sum(axis=1)
        thresholds[time] = found[:, n_channels:] - shift[:, None]
    return OrdinalFit(weights, thresholds, converged, n_iter)


def _prior_thresholds(codes, n_classes):
    """Thresholds that give the class frequencies when all weights are zero."""
    below = np.cumsum(np.bincount(codes, minlength=n_classes))[:-1] / len(codes)
    return np.log(below) - np.log1p(-below)


class _OrdinalLoss:
    """Penalised negative log-likelihood of folds at one time; parameters `(n_folds, n_channels + n_thresholds)`.

    With a the threshold above a trial's class minus its score, and b the threshold below minus its score,
    ``-log P = softplus(-a) + softplus(b) - log(1 - exp(b - a))``: two logistic losses and a term of the gap between two
    thresholds that only depends on the class.
    """

    def __init__(self, X, codes, train, penalty, n_classes):
        self.X, self.penalty = X, penalty
        self.n_thresholds = n_classes - 1
        self.above = (codes[:, None] == np.arange(n_classes - 1)).astype(float)  # threshold above the trial's class
        self.below = (codes[:, None] == np.arange(1, n_classes)).astype(float)
        self.train = train.T.astype(float)
        self.has_above = (codes < n_classes - 1).astype(float)[:, None]
        self.has_below = (codes > 0).astype(float)[:, None]
        middle = (codes[:, None] == np.arange(1, n_classes - 1)).astype(float)
        self.n_middle = self.train.T @ middle  # trials per fold and gap
        self.n_train = self.train.sum(axis=0)

    def _margins(self, parameters):
        n_channels = self.X.shape[1]
        score = self.X @ parameters[:, :n_channels].T
        thresholds = parameters[:, n_channels:].T
        if self.n_thresholds == 1:  # two classes share the one threshold
            return (thresholds - score,) * 2
        return self.above @ thresholds - score, self.below @ thresholds - score

    def value(self, parameters):
        """Loss of each fold; infinite where thresholds are out of order."""
        a, b = self._margins(parameters)
        data = self.has_above * np.logaddexp(0, -a) + self.has_below * np.logaddexp(0, b)
        data = (self.train * data).sum(axis=0)
        n_channels = self.X.shape[1]
        gaps = np.diff(parameters[:, n_channels:], axis=1)
        in_order = (gaps > 0).all(axis=1)
        barrier = -(self.n_middle * np.log(-np.expm1(-np.where(gaps > 0, gaps, 1.0)))).sum(axis=1)
        size = 0.5 * (self.penalty * parameters[:, :n_channels] ** 2).sum(axis=1)
        return np.where(in_order, data + barrier + size, np.inf)

    def gradient(self, parameters):
        """Gradient of each fold, and the two probabilities per trial and fold that the Hessian needs."""
        a, b = self._margins(parameters)
        not_above = _sigmoid(a)
        below = not_above if b is a else _sigmoid(b)
        probabilities = self.has_above * (1 - not_above), self.has_below * below
        p, q = (self.train * probability for probability in probabilities)  # d loss / da = -p, d loss / db = q
        n_channels = self.X.shape[1]
        gaps = np.diff(parameters[:, n_channels:], axis=1)
        pull = self.n_middle / np.expm1(gaps)
        gradient = np.empty_like(parameters)
        gradient[:, :n_channels] = (p - q).T @ self.X + self.penalty * parameters[:, :n_channels]
        gradient[:, n_channels:] = q.T @ self.below - p.T @ self.above
        gradient[:, n_channels + 1 :] -= pull
        gradient[:, n_channels:-1] += pull
        return gradient, probabilities

    def hessian(self, parameters, probabilities):
        """Hessian of each fold; with all folds at one place, that of all trials less that of those left out."""
        up, down = (probability * (1 - probability) for probability in probabilities)
        n_channels, n_folds = self.X.shape[1], len(parameters)
        shared = n_folds > 1 and (parameters == parameters[0]).all()
        whole = self._curvature(slice(None), up[:, :1], down[:, :1]) if shared or self.train.all() else None
        hessian = np.empty((n_folds, n_channels + self.n_thresholds, n_channels + self.n_thresholds))
        for fold in range(n_folds):
            used = np.flatnonzero(self.train[:, fold] == (whole is None))
            part = self._curvature(used, up[used, fold, None], down[used, fold, None])
            hessian[fold] = part if whole is None else whole - part
        rows = np.arange(n_channels)
        hessian[:, rows, rows] += self.penalty
        up, down = self.train * up, self.train * down
        self._add_thresholds(hessian[:, n_channels:, n_channels:], parameters[:, n_channels:], up, down)
        return hessian

    def _curvature(self, trials, up, down):
        """Second derivatives of some trials for weights, and for weights and thresholds."""
        n_channels = self.X.shape[1]
        data = self.X[trials]
        block = np.zeros((n_channels + self.n_thresholds,) * 2)
        block[:n_channels, :n_channels] = data.T @ ((up + down) * data)
        block[:n_channels, n_channels:] = -data.T @ (up * self.above[trials] + down * self.below[trials])
        block[n_channels:, :n_channels] = block[:n_channels, n_channels:].T
        return block

    def _add_thresholds(self, block, thresholds, up, down):
        places = np.arange(self.n_thresholds)
        block[:, places, places] += up.T @ self.above + down.T @ self.below
        gaps = np.diff(thresholds, axis=1)
        bend = self.n_middle * np.exp(-gaps) / np.expm1(-gaps) ** 2
        block[:, places[1:], places[1:]] += bend
        block[:, places[:-1], places[:-1]] += bend
        block[:, places[1:], places[:-1]] -= bend
        block[:, places[:-1], places[1:]] -= bend


@dataclass(frozen=True)
class _Minimum:
    """Where Newton's method ended: ``(n_folds, n_parameters)``, and whether the gradient is small there."""

    parameters: np.ndarray
    converged: np.ndarray
    n_steps: int


def _newton(loss, parameters, *, tol, max_iter):
    """Minimise all folds together.

    The inverse Hessian is kept as long as the gradient shrinks fast, and computed anew when it does not; a step that
    does not lower the loss is halved.
    """
    gradient, probabilities = loss.gradient(parameters)
    size = np.abs(gradient).max(axis=1) / loss.n_train
    inverse = None
    for steps in range(max_iter + 1):
        open_ = size > tol
        if steps == max_iter or not open_.any():
            break
        fresh = inverse is None
        if fresh:
            inverse = _invert(loss.hessian(parameters, probabilities))
        step = -(inverse @ gradient[..., None])[..., 0] * open_[:, None]
        tried = parameters + step
        new_gradient, new_probabilities = _safe_gradient(loss, tried)
        new_size = np.abs(new_gradient).max(axis=1) / loss.n_train
        if (new_size[open_] < 0.5 * size[open_]).all():
            parameters, gradient, probabilities, size = tried, new_gradient, new_probabilities, new_size
            continue
        if fresh:  # far from the minimum: lower the loss instead of the gradient
            parameters, moved = _halve(loss, parameters, step, gradient)
            gradient, probabilities = loss.gradient(parameters)
            size = np.abs(gradient).max(axis=1) / loss.n_train
            if not moved:  # no step lowers the loss any more: rounding
                break
        inverse = None
    return _Minimum(parameters, size <= max(tol, 1e-7), steps)


def _safe_gradient(loss, parameters):
    """Gradient where thresholds are in order; infinite elsewhere."""
    n_channels = loss.X.shape[1]
    bad = (np.diff(parameters[:, n_channels:], axis=1) <= 0).any(axis=1)
    if not bad.any():
        return loss.gradient(parameters)
    sorted_ = parameters.copy()
    sorted_[bad, n_channels:] = np.arange(loss.n_thresholds)
    gradient, probabilities = loss.gradient(sorted_)
    gradient[bad] = np.inf
    return gradient, probabilities


def _halve(loss, parameters, step, gradient):
    """Take for each fold the longest of the steps 1, 1/2, 1/4, ... that lowers the loss enough."""
    before = loss.value(parameters)
    slope = (gradient * step).sum(axis=1)
    share = np.ones(len(parameters))
    for _ in range(40):
        after = loss.value(parameters + share[:, None] * step)
        refused = ~(after <= before + 1e-4 * share * slope)
        if not refused.any():
            break
        share[refused] *= 0.5
    share[refused] = 0.0
    return parameters + share[:, None] * step, bool((share * np.abs(step).max(axis=1) > 0).any())


def _invert(hessian):
    """Inverses; with a trace of a ridge where a Hessian is singular (weights that nothing determines stay at zero)."""
    diagonal = np.einsum("...ii->...i", hessian)
    ridge = 1e-13 * diagonal.max(axis=-1) + 1e-300
    return np.linalg.inv(hessian + ridge[:, None, None] * np.eye(hessian.shape[-1]))


def _sigmoid(x):
    return 0.5 * (1 + np.tanh(0.5 * x))
