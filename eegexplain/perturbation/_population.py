"""The two ways to a population map, block by block: gradients (closed form) and draws."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from eegexplain._explanation import order_by_content
from eegexplain._parallel import map_blocks, trial_blocks
from eegexplain.perturbation._correlate import ClusterTotals
from eegexplain.perturbation._gradient import CrossSlopes, data_terms, gradient_moments, independent_terms
from eegexplain.perturbation._outputs import Effects
from eegexplain.perturbation._sampling import Control, drawn_moments, measure, perturb
from eegexplain.perturbation._spectra import Spectra
from eegexplain.perturbation.kinds import Perturbation, Setting

_PILOT = 2**32 - 1  # key of the draws that centre the sums
_CHECK = 2**32 - 2  # key of the draws that tell whether perturbed trials are still decoded
_BANK = 2**32 - 3  # key of the draws that all single trials share
_SLOPE_TRIALS = 128  # trials whose gradients tell how the map follows the cross-spectrum
_DRAWS = 8  # draws of a trial that are evaluated together: the unit of the error over draws
_ROUND = 16  # draws between two looks at the error, where there is a tolerance


@dataclass(frozen=True)
class Noise:
    """What is done to spectra: a kind of perturbation with its size, and the space it is kept in.

    ``amount`` is ``(n_channels, n_frequencies)``; ``membership`` ``(n_bands, n_frequencies)`` or None; ``projector``
    ``(n_channels, n_channels)`` or None; ``cross`` the cross-spectrum of noise that has the data's, or None.
    """

    kind: Perturbation
    amount: np.ndarray
    membership: np.ndarray | None = None
    projector: np.ndarray | None = None
    cross: np.ndarray | None = None
    centre: np.ndarray | None = None  # mean spectrum of the trials that ``cross`` is of
    scale: float = 1.0

    def setting(self, n_draws):
        """Setting for a number of draws per trial."""
        return Setting(self.amount, n_draws, self.membership)

    def size(self):
        """SD of the values of independent noise, ``(n_channels * n_features,)``."""
        return (self.amount if self.membership is None else self.amount @ self.membership.T).ravel()

    def terms(self, gradients, spectra):
        """Covariances and variances in closed form."""
        if self.cross is not None:
            return data_terms(gradients, spectra, self.cross, membership=self.membership)
        return independent_terms(
            gradients,
            spectra,
            self.amount,
            projector=self.projector,
            membership=self.membership,
            multiplicative=not self.kind.relative,
        )


@dataclass(frozen=True)
class Task:
    """Everything a block needs, in a form that travels to a worker."""

    X: np.ndarray
    truth: np.ndarray | None  # index of the true class per trial; None where unknown
    classes: bool  # whether outputs are classes
    effects: Effects
    noise: Noise
    seed: int
    part_size: int
    control: bool = False  # whether draws only measure what gradients leave
    own_cross: bool = False  # whether the noise has the cross-spectrum of these very trials
    slopes: CrossSlopes | None = None

    def rng(self, *key):
        """Generator for a part of the noise; the same in every worker."""
        return np.random.default_rng([self.seed, *key])

    def drawn(self, spectra, reference, key, n_draws):
        """Values and changes of one batch of draws; `reference` is that of `Effects` for the same trials."""
        outputs, activations, _ = reference
        evaluate = partial(self.effects.changes, outputs=outputs, activations=activations)
        noise = self.noise
        return measure(spectra, evaluate, noise.kind, noise.setting(n_draws), self.rng(*key), noise.projector)

    def kept(self, trials, spectra, outputs, key):
        """Sums for `kept_score` from one draw."""
        noise, effects = self.noise, self.effects
        perturbed, _ = perturb(spectra, noise.kind, noise.setting(1), self.rng(_CHECK, *key), noise.projector)
        new = effects.net.outputs(perturbed, effects.response, effects.batch_size)
        truth = None if self.truth is None else self.truth[trials]
        return score_sums(outputs, new - outputs, truth, self.classes)


def draw_batches(n_draws, at_once=_DRAWS):
    """Sizes of the batches of draws: at least two where there are two draws, none above `at_once`."""
    n_batches = min(n_draws, max(2, -(-n_draws // at_once)))
    return [len(part) for part in np.array_split(np.arange(n_draws), n_batches)]


# ------------------------------------------------------------------------------------------------------ closed form
def gradient_population(task, blocks, *, n_jobs=None, verbose=0):
    """Moments in closed form and the sums for `kept_score`."""
    if task.own_cross:
        [slopes] = map_blocks(partial(_slopes, task), [order_by_content(task.X)[:_SLOPE_TRIALS]])
        task = replace(task, slopes=slopes)
    results = map_blocks(partial(_gradient_block, task), blocks, n_jobs=n_jobs, verbose=verbose, desc="gradients")
    return _merge(results)


def _slopes(task, trials):
    """How the map follows the cross-spectrum of the noise."""

    def parts():
        for start in range(0, len(trials), task.part_size):
            X = task.X[trials[start : start + task.part_size]]
            spectra = Spectra.of(X)
            for part, _, gradients in task.effects.net.gradients(X, task.effects.response, task.effects.batch_size):
                yield gradients, replace(spectra, unit=spectra.unit[part])

    noise = task.noise
    return CrossSlopes.of(parts(), noise.cross, noise.centre, noise.scale, noise.membership)


def _gradient_block(task, block):
    kept = []

    def parts():
        for index, (trials, clusters) in enumerate(block.parts(task.part_size)):
            X = task.X[trials]
            spectra = Spectra.of(X)
            outputs, terms = _terms(task, X, spectra)
            kept.append(task.kept(trials, spectra, outputs, (block.index, index)))
            influence = () if task.slopes is None else (task.slopes.influence(spectra),)
            yield clusters, *terms, outputs, *influence

    return gradient_moments(parts(), block.n_clusters), sum(kept)


def _terms(task, X, spectra):
    effects, values, terms = task.effects, [], []
    for part, value, gradient in effects.net.gradients(X, effects.response, effects.batch_size):
        here = replace(spectra, values=spectra.values[part], amplitude=spectra.amplitude[part], unit=spectra.unit[part])
        values.append(value)
        terms.append(task.noise.terms(gradient, here))
    return np.concatenate(values), tuple(np.concatenate(term) for term in zip(*terms, strict=True))


def trial_sensitivity(task):
    """Covariance of each unit noise with the change of each output, per trial, ``(n_trials, n_outputs, C, x)``."""
    parts = trial_blocks(len(task.X), task.part_size)
    return np.concatenate([_terms(task, task.X[part], Spectra.of(task.X[part]))[1][0] for part in parts])


# ---------------------------------------------------------------------------------------------------------- draws
def sampled_population(task, blocks, n_draws, *, enough=None, n_jobs=None, verbose=0):
    """Moments from draws, the sums for `kept_score`, and the number of draws made.

    Parameters
    ----------
    task : Task
    blocks : list of Block
    n_draws : int
        Draws per trial, at most.
    enough : callable (Moments) -> bool, optional
        Looked at after every few draws.
    n_jobs, verbose : int

    Returns
    -------
    moments : Moments
    kept : array
    n_draws : int
    """
    X = task.X[blocks[0].trials[: task.part_size]]
    values, changes = task.drawn(Spectra.of(X), task.effects.reference(X), (_PILOT,), min(_DRAWS, n_draws))
    centre = values.mean(axis=(0, 1), dtype=float), changes.mean(axis=(0, 1))
    if task.control:
        centre = 0 * centre[0], centre[1]
    rounds = [n_draws] if enough is None else [min(_ROUND, n_draws - i) for i in range(0, n_draws, _ROUND)]
    moments, kept, done = None, 0, 0
    for number, n in enumerate(rounds):
        block = partial(_sampled_block, task, centre, number, n)
        part, hits = _merge(map_blocks(block, blocks, n_jobs=n_jobs, verbose=verbose, desc=f"draws {done}-{done + n}"))
        moments, kept, done = part if moments is None else moments + part, kept + hits, done + n
        if enough is not None and enough(moments):
            break
    return moments, kept, done


def _sampled_block(task, centre, number, n_draws, block):
    totals, moments, kept = ClusterTotals(block.n_clusters), None, 0
    for index, (trials, clusters) in enumerate(block.parts(task.part_size)):
        X = task.X[trials]
        spectra, reference = Spectra.of(X), task.effects.reference(X)
        batches = (
            task.drawn(spectra, reference, (number, block.index, index, batch), n)
            for batch, n in enumerate(draw_batches(n_draws))
        )
        control = _control(task, X, spectra) if task.control else None
        part = drawn_moments(batches, reference[2], centre, clusters, totals, control)
        moments = part if moments is None else moments + part
        kept = kept + task.kept(trials, spectra, reference[0], (block.index, index))
    return replace(moments, clusters=totals.second_moments()), kept


def _control(task, X, spectra):
    """Linear part of the change: covariance with unit noise over the SD of the values."""
    _, (covariances, _) = _terms(task, X, spectra)
    size = task.noise.size()
    slopes = covariances.reshape(*covariances.shape[:2], -1)
    slopes = np.divide(slopes, size, out=np.zeros_like(slopes), where=size > 0, casting="unsafe")
    return Control(slopes, size.astype(float) ** 2)


def trial_covariances(task, n_draws):
    """Covariance of noise and change over draws that all trials share, ``(n_trials, n_outputs, n_features)``."""
    rows = []
    for trial in range(len(task.X)):
        product, sums, X = 0.0, [0.0, 0.0], task.X[trial : trial + 1]
        spectra, reference = Spectra.of(X), task.effects.reference(X)
        for batch, n in enumerate(draw_batches(n_draws, 64)):
            values, changes = task.drawn(spectra, reference, (_BANK, batch), n)
            values, changes = values[:, 0].astype(float), changes[:, 0]
            product = product + changes.T @ values
            sums = [sums[0] + values.sum(axis=0), sums[1] + changes.sum(axis=0)]
        rows.append(product / n_draws - np.outer(sums[1], sums[0]) / n_draws**2)
    return np.array(rows)


# ----------------------------------------------------------------------------------------- what the noise leaves
def score_sums(outputs, changes, truth, classes):
    """Hits before and after a perturbation where outputs are `classes`, else the sums of a share of variance."""
    if not classes:
        squares = np.square(outputs).sum(axis=0), np.square(changes).sum(axis=0)
        return np.array([outputs.sum(axis=0), *squares, np.full(outputs.shape[1], len(outputs))], dtype=float)
    before, after = outputs.argmax(axis=1), (outputs + changes).argmax(axis=1)
    truth = before if truth is None else truth
    return np.array([np.sum(before == truth), np.sum(after == truth)], dtype=float)


def kept_score(sums):
    """Share of the accuracy that perturbed trials keep; for a regressor the share of the predictions' variance."""
    if len(sums) == 2:
        return float(sums[1] / sums[0]) if sums[0] else float("nan")
    mean, power, change = sums[:3] / sums[3]
    variance = np.sum(power - mean**2)
    return float(1 - change.sum() / variance) if variance > 0 else float("nan")


def _merge(results):
    """Add up (moments, sums) in order."""
    moments, kept = None, 0
    for part, sums in results:
        moments, kept = part if moments is None else moments + part, kept + sums
    return replace(moments, n_rounds=1), kept
