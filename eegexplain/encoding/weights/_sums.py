"""Sums over samples: all that ridge regression and its cross-validation ask of a design and of the data."""

import operator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from eegexplain.encoding._lags import lagged_gram, lagged_windows, spans_of, window_order


class Sums(NamedTuple):
    """Sums over samples of a design and of data.

    Parameters
    ----------
    n : int
        Samples.
    x, y : ndarray of shape (n_columns,) and (n_targets,)
        Sums.
    gram : ndarray of shape (n_columns, n_columns) or None
        ``X' X``, where it was asked for.
    products : ndarray of shape (n_columns, n_targets)
        ``X' Y``.
    total : ndarray of shape (n_targets,)
        Squares of the data.
    """

    n: int
    x: np.ndarray
    y: np.ndarray
    gram: np.ndarray | None
    products: np.ndarray
    total: np.ndarray


def combined(operation, one, other):
    """Add or subtract sums."""
    return Sums(*(None if a is None else operation(a, b) for a, b in zip(one, other, strict=True)))


def about(sums, mean_x, mean_y):
    """Sums of what is left when means are taken off.

    Parameters
    ----------
    sums : Sums
        Sums.
    mean_x, mean_y : ndarray of shape (n_columns,) and (n_targets,)
        What to take off: the samples' own means, or those of others.

    Returns
    -------
    sums : Sums
        About these.
    """
    x, y = sums.x - sums.n * mean_x, sums.y - sums.n * mean_y
    gram = sums.gram
    if gram is not None:
        gram = gram - np.outer(mean_x, sums.x) - np.outer(x, mean_x)
    products = sums.products - np.outer(mean_x, sums.y) - np.outer(x, mean_y)
    return Sums(sums.n, x, y, gram, products, sums.total - mean_y * (sums.y + y))


def own_means(sums):
    """Means of the samples."""
    return sums.x / sums.n, sums.y / sums.n


@dataclass(frozen=True, eq=False)
class Rows:
    """A design that is there, row by row.

    Parameters
    ----------
    design : ndarray of shape (n_samples, n_columns)
        Design.
    data : ndarray of shape (n_samples, n_targets)
        Data.
    offset : ndarray of shape (n_targets,)
        Taken off the data before they are multiplied, so that a mean far from zero costs no digits.
    """

    design: np.ndarray
    data: np.ndarray
    offset: np.ndarray

    def sums(self, samples, targets, gram=True):
        """Sum over samples.

        Parameters
        ----------
        samples : ndarray of int
            Which samples.
        targets : slice
            Which targets.
        gram : bool
            Whether the Gram matrix is wanted.

        Returns
        -------
        sums : Sums
        """
        x, y = _rows(self.design, samples), _rows(self.data[:, targets], samples) - self.offset[targets]
        total = np.einsum("tv,tv->v", y, y)
        return Sums(len(x), x.sum(axis=0), y.sum(axis=0), x.T @ x if gram else None, x.T @ y, total)


@dataclass(frozen=True, eq=False)
class Lags:
    """A design of lagged signals, which is never made.

    Parameters
    ----------
    signals : ndarray of shape (n_times, n_features)
        Signals, contiguous.
    data : ndarray of shape (n_times, n_targets)
        Data.
    offset : ndarray of shape (n_targets,)
        Taken off the data.
    lags : ndarray of int, shape (n_lags,)
        Neighbouring lags.
    runs : list of slice
        Runs.
    samples : ndarray of int, shape (n_samples,)
        Positions of the samples that count.
    """

    signals: np.ndarray
    data: np.ndarray
    offset: np.ndarray
    lags: np.ndarray
    runs: list
    samples: np.ndarray

    def sums(self, samples, targets, gram=True):
        """Sum over samples, as `Rows` do, from windows and the structure of the Gram matrix."""
        spans = spans_of(self.samples[samples], self.runs)
        n_features, order = self.signals.shape[1], window_order(self.signals.shape[1], len(self.lags))
        data, offset = self.data[:, targets], self.offset[targets]
        products, first = np.zeros((len(order), data.shape[1])), np.zeros((len(order), n_features))
        x, y, total = np.zeros(len(order)), np.zeros(data.shape[1]), np.zeros(data.shape[1])
        for windows, some in lagged_windows(self.signals, self.lags, spans):
            part = _rows(data, some) - offset
            products += windows.T @ part
            x += windows.sum(axis=0)
            y += part.sum(axis=0)
            total += np.einsum("tv,tv->v", part, part)
            if gram:
                first += windows.T @ windows[:, -n_features:]
        found = lagged_gram(self.signals, self.lags, spans, first) if gram else None
        back = np.argsort(order)
        return Sums(len(samples), x[back], y, found, products[back], total)


class Fold(NamedTuple):
    """Sums over the training and the test samples of a fold."""

    train: Sums
    test: Sums


def fold_sums(source, splits, n_samples, targets, gram=True):
    """Sums that cross-validation needs; where folds are a partition, each sample is visited once.

    Parameters
    ----------
    source : Rows or Lags
        Design and data.
    splits : list of tuple
        Training and test samples of each fold.
    n_samples : int
        Samples in all.
    targets : slice
        Which targets.
    gram : bool
        Whether Gram matrices are wanted.

    Returns
    -------
    folds : list of Fold
        One per split.
    whole : Sums
        Over all samples.
    """
    tests = [source.sums(np.sort(test), targets, gram) for _, test in splits]
    if _is_partition([test for _, test in splits], n_samples):
        whole = tests[0]
        for sums in tests[1:]:
            whole = combined(operator.add, whole, sums)
    else:
        whole = source.sums(np.arange(n_samples), targets, gram)
    folds = []
    for split, test in zip(splits, tests, strict=True):
        rest = _is_partition(split, n_samples)  # then training samples are what is left
        train = combined(operator.sub, whole, test) if rest else source.sums(np.sort(split[0]), targets, gram)
        folds.append(Fold(train, test))
    return folds, whole


def _is_partition(parts, n_samples):
    """Whether each sample is in one part."""
    times = sum(np.bincount(part, minlength=n_samples) for part in parts)
    return len(times) == n_samples and bool((times == 1).all())


def _rows(array, samples):
    """Some rows; no copy of those that stand together."""
    together = len(samples) and samples[-1] - samples[0] == len(samples) - 1 and (np.diff(samples) == 1).all()
    return array[samples[0] : samples[-1] + 1] if together else array[samples]
