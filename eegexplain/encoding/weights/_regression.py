"""Which way a ridge regression goes: in one pass, by columns, by lags or by samples."""

from dataclasses import dataclass

import numpy as np

from eegexplain.encoding._chunks import CHUNK_BYTES, target_chunks
from eegexplain.encoding._lags import spans_of
from eegexplain.encoding._runs import run_slices
from eegexplain.encoding.weights._bands import draw_divisions, undivided
from eegexplain.encoding.weights._criteria import BLOCK, Criterion
from eegexplain.encoding.weights._paths import Dual, Primal, Task, fit_path
from eegexplain.encoding.weights._penalties import Penalty
from eegexplain.encoding.weights._ridge import SAFE_DAMPING, fit_closed
from eegexplain.encoding.weights._sums import Lags, Rows

LONG = 8  # samples per stretch, on average, from which on the structure of lags is worth its overhead


@dataclass(frozen=True, eq=False)
class Asked:
    """What a `WeightFitter` asks for.

    Parameters
    ----------
    alphas : ndarray of shape (n_alphas,)
        Penalties.
    splits : list of tuple or None
        Folds of samples that count; None is generalised cross-validation.
    criterion : Criterion
        By what folds are judged.
    penalty : Penalty
        What penalties are on.
    member : ndarray of int, shape (n_features,) or None
        Band of each feature.
    n_candidates : int
        Divisions of the penalty among bands.
    random_state : int, RandomState or None
        Their seed.
    fit_intercept : bool
        Whether means are taken off.
    memory_limit : float
        Bytes per chunk of targets.
    """

    alphas: np.ndarray
    splits: list | None
    criterion: Criterion
    penalty: Penalty
    member: np.ndarray | None
    n_candidates: int
    random_state: int | np.random.RandomState | None
    fit_intercept: bool
    memory_limit: float


def regress(model, recording, asked):
    """Fit all targets.

    Parameters
    ----------
    model : EncodingModel
        Makes the design, unless its lags alone will do.
    recording : Recording
        Stimulus and data.
    asked : Asked
        Settings.

    Returns
    -------
    fit : Fit
    """
    samples, plain = recording.samples, asked.penalty.matrix is None
    source, shift = _lags(model, recording, asked)
    if source is None:
        whole = len(samples) == len(recording.data)
        design = model.design(recording.stimulus, recording.groups)
        design, data = (design, recording.data) if whole else (design[samples], recording.data[samples])
        if plain and asked.splits is None and asked.member is None:
            chunks = _chunks(asked, design.shape, data.shape[1], 0)
            return fit_closed(design, data, asked.alphas, fit_intercept=asked.fit_intercept, chunks=chunks)
        shift = design.mean(axis=0) if asked.fit_intercept else np.zeros(design.shape[1])
        offset = np.zeros(data.shape[1])
        if asked.fit_intercept:
            offset = np.where(recording.varies, data.mean(axis=0), data[0])  # exactly, where nothing varies
        source = Rows(design - shift, data, offset)
    task = _task(model, recording, asked, len(shift))
    wide = isinstance(source, Rows) and len(shift) > len(samples) and plain
    path = Dual(source, task) if wide else Primal(source, len(samples), task)
    fit = fit_path(path, task, recording.data.shape[1])
    return fit._replace(mean_x=fit.mean_x + shift)


def _task(model, recording, asked, n_columns):
    """Settings for a design of so many columns."""
    n_features, n_targets = recording.stimulus.shape[1], recording.data.shape[1]
    division, penalty = undivided(n_columns), None
    if asked.member is not None:
        if n_columns % n_features:
            raise ValueError("bands need a model whose design has the same columns for each feature.")
        member = np.repeat(asked.member, n_columns // n_features)
        division = draw_divisions(member, asked.member.max() + 1, asked.n_candidates, asked.random_state)
    if asked.penalty.matrix is not None:
        n_lags = len(model.get_lags()) if getattr(model, "only_lags", False) else 1
        if n_lags == 1:
            raise ValueError(f"penalty={asked.penalty.name!r} is on neighbouring lags: use a DelayedModel of several.")
        penalty = np.kron(np.eye(n_features), asked.penalty.matrix(n_lags))
    n_folds = 0 if asked.splits is None else len(asked.splits)
    chunks = _chunks(asked, (len(recording.samples), n_columns), n_targets, n_folds)
    return Task(asked.alphas, division, asked.splits, asked.criterion, asked.fit_intercept, penalty, chunks)


def _lags(model, recording, asked):
    """Lags as a source of sums, and what was taken off each column; None where a design is needed."""
    if not getattr(model, "only_lags", False):
        return None, None
    lags, signals, samples = model.get_lags(), recording.stimulus, recording.samples
    mean = np.zeros(signals.shape[1])
    if asked.fit_intercept and model.edges == "mask":  # no window reaches beyond its run: a constant may be taken off
        mean = signals[samples].mean(axis=0)
    signals = np.ascontiguousarray(signals - mean)
    n_columns = len(lags) * signals.shape[1]
    # With fewer samples than columns, kernels are smaller; where penalties are near zero beside the signals, as they
    # are without a penalty or with zeros beside signals of a large mean, only the design's own SVD keeps its digits.
    wide = n_columns > len(samples) and asked.penalty.matrix is None
    if wide or asked.alphas.min() <= SAFE_DAMPING * len(lags) * np.vdot(signals, signals):
        return None, None
    runs = run_slices(recording.groups, len(signals))
    pieces = [np.arange(len(samples))] if asked.splits is None else [np.sort(test) for _, test in asked.splits]
    if LONG * sum(len(spans_of(samples[piece], runs)) for piece in pieces) > len(samples):
        return None, None
    offset = np.zeros(recording.data.shape[1])
    if asked.fit_intercept:
        spans = spans_of(samples, runs)
        offset = sum(recording.data[span.start : span.stop].sum(axis=0) for span in spans) / len(samples)
        offset = np.where(recording.varies, offset, recording.data[samples[0]])
    return Lags(signals, recording.data, offset, lags, runs, samples), np.repeat(mean, len(lags))


def _chunks(asked, shape, n_targets, n_folds):
    """Chunks of targets."""
    n_samples, n_columns = shape
    n_values = 8 * min(shape) * (1 + n_folds) + len(asked.alphas) + 2 * n_samples
    most = asked.memory_limit if n_folds else 8 * BLOCK * n_values  # folds are decomposed once for each chunk
    return target_chunks(n_targets, n_values * CHUNK_BYTES / min(asked.memory_limit, most))
