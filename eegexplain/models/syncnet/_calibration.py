"""What scores of held-out trials are worth: slope and intercepts that turn them into logits, or into numbers."""

from dataclasses import dataclass

import numpy as np

LEAST_SLOPE = 0.02  # not 0: a decoder that has learnt nothing has a faint map, not an undefined one
_STEPS = 50  # Newton needs about 6
_CONVERGED = 1e-14  # decrease of the loss that a step promises
_HALVINGS = 30


@dataclass(frozen=True)
class Calibration:
    """What held-out scores are worth: ``slope * score + intercept`` has the least `loss`."""

    slope: float
    intercept: np.ndarray  # (n_outputs,)
    loss: float


class ClassLoss:
    """Cross-entropy of classes; targets are indicators, for two classes of the second alone."""

    def __init__(self, n_classes):
        self.gain = 4.0 if n_classes == 2 else float(n_classes)  # logits per unit of a regression on indicators

    def calibrate(self, scores, targets):
        """Slope (common to all classes) and intercepts with the least cross-entropy.

        Targets are a little uncertain, the more so the fewer trials a class has (Platt 1999): of classes that are told
        apart without an error the slope would be infinite.
        """
        single = scores.shape[1] == 1
        if single:
            scores, targets = np.hstack([-scores / 2, scores / 2]), np.hstack([1 - targets, targets])
        counts, n_classes = targets.sum(axis=0), targets.shape[1]
        certain = (counts + 1) / (counts + 2)
        others = ((1 - certain) / (n_classes - 1) * targets).sum(axis=1, keepdims=True)
        targets = certain * targets + others * (1 - targets)
        found, loss = least_cross_entropy(scores, targets)
        intercept = found[1:] - found[1:].mean()
        return Calibration(float(found[0]), intercept[1:] * 2 if single else intercept, loss)


class SquaredLoss:
    """Mean squared error of standardised numbers."""

    gain = 1.0

    def calibrate(self, scores, targets):
        """Slope common to all targets, and intercepts."""
        offset, mean = scores.mean(axis=0), targets.mean(axis=0)
        power = np.square(scores - offset).sum()
        slope = float(np.sum((scores - offset) * (targets - mean)) / power) if power > 0 else 1.0
        slope = max(slope, LEAST_SLOPE)
        intercept = mean - slope * offset
        return Calibration(slope, intercept, float(np.square(slope * scores + intercept - targets).mean()))


def least_cross_entropy(scores, targets):
    """Minimise the cross-entropy over one slope (at least `LEAST_SLOPE`) and an intercept per class, by Newton's steps.

    Parameters
    ----------
    scores, targets : array (n_trials, n_classes)
        Targets are probabilities.

    Returns
    -------
    parameters : array (1 + n_classes,)
        Slope, intercepts (the first is 0).
    loss : float
    """
    spread = float(scores.std())
    scores, targets = np.ascontiguousarray(scores.T), np.ascontiguousarray(targets.T)  # sums over classes in one go
    start = np.log(np.maximum(targets.mean(axis=1), 1e-6))
    start = np.concatenate([[1.0], start[1:] - start[0]])
    if spread > 0:
        parameters, loss = _newton(scores / spread, targets, start, free=np.arange(len(start)))
        if parameters[0] >= LEAST_SLOPE * spread:
            return np.concatenate([parameters[:1] / spread, [0.0], parameters[1:]]), loss
    start[0] = LEAST_SLOPE  # the loss is convex: where the best slope is too small, the best allowed is the least
    parameters, loss = _newton(scores, targets, start, free=np.arange(1, len(start)))
    return np.concatenate([parameters[:1], [0.0], parameters[1:]]), loss


def _newton(scores, targets, parameters, free):
    """Damped Newton steps in the parameters that are free."""
    loss, gradient, curvature = _derivatives(scores, targets, parameters)
    for _ in range(_STEPS):
        inside = curvature[np.ix_(free, free)] + 1e-12 * np.eye(len(free))
        step = np.zeros_like(parameters)
        step[free] = np.linalg.solve(inside, -gradient[free])
        if -gradient @ step < _CONVERGED:
            break
        for halving in range(_HALVINGS):
            tried = parameters + step / 2**halving
            found = _derivatives(scores, targets, tried)
            if found[0] < loss:
                break
        else:
            break
        parameters, (loss, gradient, curvature) = tried, found
    return parameters, loss


def _derivatives(scores, targets, parameters):
    """Mean cross-entropy of ``slope * scores + intercepts`` with gradient and Hessian; the first intercept is 0.

    Scores and targets are ``(n_classes, n_trials)``.
    """
    n_trials = scores.shape[1]
    logits = parameters[0] * scores
    logits[1:] += parameters[1:, None]
    logits -= logits.max(axis=0)
    shares = np.exp(logits)
    total = shares.sum(axis=0)
    shares /= total
    loss = float(np.log(total).sum() - np.vdot(targets, logits)) / n_trials
    error = shares - targets
    gradient = np.append(np.vdot(error, scores), error[1:].sum(axis=1)) / n_trials
    weighted, others = shares * scores, shares[1:]
    expected = weighted.sum(axis=0)
    curvature = np.empty((len(parameters),) * 2)
    curvature[0, 0] = np.vdot(weighted, scores) - expected @ expected
    curvature[0, 1:] = curvature[1:, 0] = weighted[1:].sum(axis=1) - others @ expected
    curvature[1:, 1:] = np.diag(others.sum(axis=1)) - others @ others.T
    return loss, gradient, curvature / n_trials
