"""Ridge regression with penalties chosen by folds or among divisions: by columns (primal) or by samples (dual)."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from eegexplain.encoding._chunks import target_chunks
from eegexplain.encoding.weights._bands import Division
from eegexplain.encoding.weights._criteria import BLOCK, Criterion, HeldOut
from eegexplain.encoding.weights._ridge import (
    SAFE_DAMPING,
    Fit,
    decompose,
    decompose_gram,
    generalized_cross_validation,
    residuals_by_penalty,
    solve,
    solve_damped,
)
from eegexplain.encoding.weights._sums import Lags, Rows, about, fold_sums, own_means


@dataclass(frozen=True, eq=False)
class Task:
    """What is asked of a regression.

    Parameters
    ----------
    alphas : ndarray of shape (n_alphas,)
        Penalties to choose from.
    division : Division
        How bands may share them.
    splits : list of tuple or None
        Folds; None is generalised cross-validation.
    criterion : Criterion
        By what folds are judged.
    fit_intercept : bool
        Whether means are taken off.
    penalty : ndarray of shape (n_columns, n_columns) or None
        What penalties multiply; None is the identity.
    chunks : list of slice
        Chunks of targets.
    """

    alphas: np.ndarray
    division: Division
    splits: list | None
    criterion: Criterion
    fit_intercept: bool
    penalty: np.ndarray | None
    chunks: list

    @property
    def chooses(self):
        """Whether there is anything to choose."""
        return len(self.alphas) > 1 or len(self.division.shares) > 1


class Best:
    """The best division of every target so far, and the scores of its penalties: nothing else is kept."""

    def __init__(self, n_alphas, n_targets):
        self.scores = np.empty((n_alphas, n_targets))
        self.division = np.zeros(n_targets, dtype=int)

    def offer(self, scores, number, chunk):
        """Take the scores of a division where they are better."""
        targets = np.arange(self.scores.shape[1])[chunk]
        if number:
            better = scores.max(axis=0) > self.scores[:, chunk].max(axis=0)
            targets, scores = targets[better], scores[:, better]
        self.scores[:, targets], self.division[targets] = scores, number


def fit_path(path, task, n_targets):
    """Choose penalties, and fit.

    Parameters
    ----------
    path : Primal or Dual
        How it is computed.
    task : Task
        What is asked.
    n_targets : int
        Targets in all.

    Returns
    -------
    fit : Fit
    """
    best = Best(len(task.alphas), n_targets)
    for chunk in task.chunks:
        for number, scores in enumerate(path.scores(chunk)):
            best.offer(scores, number, chunk)
    chosen = best.scores.argmax(axis=0) if task.chooses else np.zeros(n_targets, dtype=int)
    alpha = task.alphas[chosen]
    weights, residual = path.solve(alpha, best.division)
    return Fit(
        alpha=alpha,
        scores=best.scores if task.chooses else None,
        weights=weights,
        mean_x=path.mean_x,
        mean_y=path.mean_y,
        total=path.total,
        residual=residual,
        moments=path.moments(),
        shares=task.division.shares[best.division].T,
    )


class Primal:
    """By sums over samples: a decomposition of columns for every fold, whatever the number of samples.

    Parameters
    ----------
    source : Rows or Lags
        Where the sums come from; with an intercept, rows of a design are centred.
    n_samples : int
        Samples.
    task : Task
        What is asked.
    """

    def __init__(self, source: Rows | Lags, n_samples: int, task: Task):
        self.source, self.n_samples, self.task = source, n_samples, task
        n_targets = len(source.offset)
        self.scales = task.division.scales
        n_columns = self.scales.shape[1]
        self.products = np.empty((n_columns, n_targets))
        self.mean_x, self.mean_y = np.zeros(n_columns), np.zeros(n_targets)
        self.squares, self.total = np.empty(n_targets), np.empty(n_targets)
        self.gram: Any = None
        self.fold_grams: list = []
        self.bases: dict = {}

    def scores(self, chunk):
        """Sum over samples, and yield the scores (n_alphas, n_some) of each division where there is a choice."""
        folds, task = self._sum(chunk), self.task
        for i in range(len(self.scales) if task.chooses else 0):
            if task.splits is None:
                yield self._formula(i, chunk)
            else:
                yield task.criterion.score((self._held_out(i, k, fold) for k, fold in enumerate(folds)), task.alphas)

    def solve(self, alpha, division):
        """Weights (n_columns, n_targets), and sums of the squares that they leave (n_targets,)."""
        weights = np.empty_like(self.products)
        for i in np.unique(division):
            targets, scale = np.flatnonzero(division == i), self.scales[i][:, None]
            products, least = scale * self.products[:, targets], alpha[targets].min()
            if self._needs_rows(least):
                found = solve(decompose(self.source.design * self.scales[i], 0.0), products, alpha[targets])
            else:
                found = solve_damped(self._scaled(self.gram, i), products, alpha[targets], self.task.penalty)
            weights[:, targets] = scale * found
        residual = self.squares - 2 * np.einsum("pv,pv->v", weights, self.products)
        for start in range(0, len(residual), BLOCK):  # |y - X w|^2 = y'y - 2 w'X'y + w'X'X w
            some = weights[:, start : start + BLOCK]
            residual[start : start + BLOCK] += np.einsum("pv,pv->v", some, self.gram @ some)
        return weights, np.maximum(residual, 0.0)

    def moments(self):
        """Return the Gram matrix of the centred design."""
        return self.gram

    def _sum(self, chunk):
        """Sums of the folds about their means, and those of all samples, which are kept."""
        task, first = self.task, self.gram is None
        if task.splits is None or not task.chooses:
            folds, whole = [], self.source.sums(np.arange(self.n_samples), chunk, first)
        else:
            folds, whole = fold_sums(self.source, task.splits, self.n_samples, chunk, first)
        self.total[chunk] = whole.total - whole.y**2 / whole.n
        if task.fit_intercept:
            self.mean_x, mean_y = own_means(whole)
            self.mean_y[chunk] = mean_y + self.source.offset[chunk]
            whole = about(whole, self.mean_x, mean_y)
        self.products[:, chunk], self.squares[chunk] = whole.products, whole.total
        folds = [self._about_means(fold) for fold in folds]
        if first:
            self.gram, self.fold_grams = whole.gram, [(fold.train.gram, fold.test.gram) for fold in folds]
        return folds

    def _about_means(self, fold):
        """Training sums about the training means, test sums about these or, for some criteria, their own."""
        if self.task.fit_intercept:
            means = own_means(fold.train)
            fold = fold._replace(train=about(fold.train, *means), test=about(fold.test, *means))
        return fold._replace(test=about(fold.test, *own_means(fold.test))) if self.task.criterion.about_test else fold

    def _held_out(self, i, k, fold):
        """Sums of a fold along the axes of its training samples."""
        eigenvalues, basis, power = self._remember(("fold", i, k), lambda: self._fold_basis(i, k))
        return HeldOut(eigenvalues, basis.T @ fold.train.products, power, basis.T @ fold.test.products, fold.test.total)

    def _fold_basis(self, i, k):
        train, test = self.fold_grams[k]
        spectrum = decompose_gram(self._scaled(train, i), self.task.penalty)
        basis = self.scales[i][:, None] * spectrum.vectors
        return spectrum.values**2, basis, basis.T @ test @ basis

    def _formula(self, i, chunk):
        """Generalised cross-validation."""
        task, total = self.task, self.squares[chunk]
        spectrum = self._remember(("whole", i), lambda: self._spectrum(i))
        rotated = (self.scales[i][:, None] * spectrum.vectors).T @ self.products[:, chunk]
        residual = residuals_by_penalty(spectrum, rotated, total, task.alphas)
        n_fitted = int(task.fit_intercept)
        return generalized_cross_validation(spectrum, residual, total, task.alphas, self.n_samples, n_fitted)

    def _spectrum(self, i):
        if self._needs_rows(self.task.alphas.min()):
            return decompose(self.source.design * self.scales[i], 0.0)
        return decompose_gram(self._scaled(self.gram, i), self.task.penalty)

    def _needs_rows(self, least):
        """Whether penalties are so small that rounding in the Gram matrix would matter, and rows are there."""
        small = least <= SAFE_DAMPING * np.trace(self.gram)
        return small and self.task.penalty is None and isinstance(self.source, Rows)

    def _scaled(self, gram, i):
        return gram if len(self.scales) == 1 else gram * np.outer(self.scales[i], self.scales[i])

    def _remember(self, key, make):
        """Keep a decomposition for the next chunk where there are few."""
        if len(self.scales) > 1:
            return make()
        if key not in self.bases:
            self.bases[key] = make()
        return self.bases[key]


class Dual:
    """By kernels, the Gram matrices of samples: for designs with more columns than samples.

    A division of the penalty among bands is a weighted sum of the bands' kernels, so the columns are read once.

    Parameters
    ----------
    source : Rows
        Design, centred where there is an intercept, and data.
    task : Task
        What is asked; without a penalty matrix.
    """

    def __init__(self, source: Rows, task: Task):
        self.source, self.task = source, task
        self.mean_x, self.mean_y = np.zeros(source.design.shape[1]), source.offset
        self.total = source.data.var(axis=0) * len(source.data)
        bands = [source.design[:, task.division.member == band] for band in range(task.division.shares.shape[1])]
        self.kernels = np.stack([columns @ columns.T for columns in bands])

    def scores(self, chunk):
        """Yield the scores (n_alphas, n_some) of each division where there is a choice."""
        task, y = self.task, self.source.data[:, chunk] - self.source.offset[chunk]
        for i in range(len(task.division.shares) if task.chooses else 0):
            kernel = self._kernel(i)
            if task.splits is None:
                yield self._formula(kernel, y)
            else:
                folds = (self._held_out(kernel, y, *split) for split in task.splits)
                yield task.criterion.score(folds, task.alphas)

    def solve(self, alpha, division):
        """Weights (n_columns, n_targets), and sums of the squares that they leave (n_targets,)."""
        design, data, offset = self.source.design, self.source.data, self.source.offset
        weights, residual = np.empty((design.shape[1], len(alpha))), np.empty(len(alpha))
        for i in np.unique(division):
            kernel, shares = self._kernel(i), self.task.division.shares[i][self.task.division.member]
            targets = np.flatnonzero(division == i)
            for chunk in target_chunks(len(targets), 4 * len(data)):
                some = targets[chunk]
                y = data[:, some] - offset[some]
                dual = solve_damped(kernel, y, alpha[some])
                weights[:, some] = shares[:, None] * (design.T @ dual)
                residual[some] = np.square(y - kernel @ dual).sum(axis=0)
        return weights, residual

    def moments(self):
        """Decomposition of the centred design."""
        return decompose(self.source.design, np.inf)

    def _kernel(self, i):
        return np.tensordot(self.task.division.shares[i], self.kernels, axes=1)

    def _held_out(self, kernel, y, train, test):
        """Sums of a fold along the axes of its training samples: these are ``X'U / s``, where ``K = U s^2 U'``."""
        among, across = kernel[np.ix_(train, train)], kernel[np.ix_(test, train)]
        known, unseen = y[train], y[test]
        if self.task.fit_intercept:
            column, mean = among.mean(axis=0), known.mean(axis=0)
            across = across - across.mean(axis=1, keepdims=True) - (column - column.mean())
            among = among - column - (column - column.mean())[:, None]
            known, unseen = known - mean, unseen - mean
        spectrum = decompose_gram(among)
        predictors = across @ (spectrum.vectors / spectrum.values)
        if self.task.criterion.about_test:
            predictors, unseen = predictors - predictors.mean(axis=0), unseen - unseen.mean(axis=0)
        rotated = spectrum.values[:, None] * (spectrum.vectors.T @ known)
        total = np.einsum("tv,tv->v", unseen, unseen)
        return HeldOut(spectrum.values**2, rotated, predictors.T @ predictors, predictors.T @ unseen, total)

    def _formula(self, kernel, y):
        """Generalised cross-validation."""
        spectrum, alphas, total = decompose_gram(kernel), self.task.alphas, np.einsum("tv,tv->v", y, y)
        residual = residuals_by_penalty(spectrum, spectrum.values[:, None] * (spectrum.vectors.T @ y), total, alphas)
        return generalized_cross_validation(spectrum, residual, total, alphas, len(y), int(self.task.fit_intercept))
