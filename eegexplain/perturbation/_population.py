"""The two ways to a population map, block by block: gradients (closed form) and draws."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from eegexplain._explanation import order_by_content
from eegexplain._parallel import map_blocks, trial_blocks
from eegexplain.perturbation._changes import OutputChanges
from eegexplain.perturbation._correlate import ClusterTotals, SecondMoments
from eegexplain.perturbation._gradient import data_terms, gradient_moments, independent_terms
from eegexplain.perturbation._influence import CrossSlopes, SpreadSlopes
from eegexplain.perturbation._sampling import Control, drawn_gradients, drawn_moments, measure, perturb
from eegexplain.perturbation._spectra import CrossSpectrum, Deviation, MedianDeviation, Spectra, gradient_spectrum
from eegexplain.perturbation.kinds import Draws, Perturbation

_PILOT = 2**32 - 1  # key of the draws that centre the sums
_CHECK = 2**32 - 2  # key of the draws that tell whether perturbed trials are still decoded
_BANK = 2**32 - 3  # key of the draws that all single trials share
_SLOPES = 2**32 - 4  # key of the draws that stand for gradients
_SLOPE_TRIALS = 64  # trials whose gradients tell how the map follows the size of the noise: their share in the variance
#                     of a map is about 1 / 64 too much, and gradients cost what the map costs
_DRAWS = 8  # draws of a trial that are evaluated together: the unit of the error over draws
_ROUND = 16  # draws between two looks at the error, where there is a tolerance


@dataclass(frozen=True)
class Noise:
    """What is done to spectra: a kind of perturbation with its size, and the space it is kept in.

    ``amount`` is ``(n_channels, n_frequencies)``, with a length of 1 where the kind's values are shared; ``membership``
    ``(n_bands, n_frequencies)`` or None; ``projector`` ``(n_channels, n_channels)`` or None; ``cross`` the
    cross-spectrum of noise that has the data's, or None; ``unit`` how the size of independent noise was measured on
    trials, or None where it was not.
    """

    kind: Perturbation
    amount: np.ndarray
    membership: np.ndarray | None = None
    projector: np.ndarray | None = None
    cross: CrossSpectrum | None = None
    unit: Deviation | MedianDeviation | None = None

    def draws(self, n_draws):
        """Noise for a number of draws per trial."""
        return Draws(self.amount, n_draws, self.membership)

    def size(self):
        """SD of the values of noise per channel and bin or band, ``(n_channels * n_features,)``."""
        size = self.amount if self.cross is None else self.cross.power() / 2  # half is along the phase
        size = size if self.membership is None else size @ self.membership.T
        return (size if self.cross is None else np.sqrt(size)).ravel()

    def slopes(self, parts):
        """How the terms follow what was measured on trials; see `SpreadSlopes.of`."""
        if self.cross is not None:
            return CrossSlopes.of(parts, self.cross, self.membership)
        return SpreadSlopes.of(parts, self.unit, self.amount, self.membership, self.kind.slope)

    def drawn_influence(self, influence, n_draws):
        """Influence on unit noise, in the totals of draws: the noise of the data has half its power along the phase."""
        covariances, noise, changes = influence
        size, share = self.size(), 1.0 if self.cross is None else 0.5
        return n_draws * covariances * size * np.sqrt(share), n_draws * noise * size**2, n_draws * share * changes

    def terms(self, gradients, spectra):
        """Covariances and variances in closed form."""
        if self.cross is not None:
            return data_terms(gradients, spectra, self.cross.cross, membership=self.membership)
        return independent_terms(
            gradients,
            spectra,
            self.amount,
            slope=self.kind.slope,
            projector=self.projector,
            membership=self.membership,
        )


@dataclass(frozen=True)
class Task:
    """Everything a block needs, in a form that travels to a worker."""

    X: np.ndarray
    truth: np.ndarray | None  # index of the true class per trial; None where unknown
    classes: bool  # whether outputs are classes
    effects: OutputChanges
    noise: Noise
    seed: int
    part_size: int
    pooled: np.ndarray  # which trials make the map; the others only have a share in the size of the noise
    control: bool = False  # whether draws only measure what gradients leave
    slopes: SpreadSlopes | CrossSlopes | None = None  # where the size of the noise was measured on these very trials

    def rng(self, *key):
        """Generator for a part of the noise; the same in every worker."""
        return np.random.default_rng([self.seed, *key])

    def drawn(self, spectra, reference, key, n_draws):
        """Values and changes of one batch of draws; `reference` is that of `OutputChanges` for the same trials."""
        outputs, activations, _ = reference
        evaluate = partial(self.effects.changes, outputs=outputs, activations=activations)
        noise = self.noise
        return measure(spectra, evaluate, noise.kind, noise.draws(n_draws), self.rng(*key), noise.projector)

    def influence(self, spectra):
        """What trials add to their terms through the size of the noise, all of which share in it."""
        return [part * (self.pooled.sum() / len(self.pooled)) for part in self.slopes.influence(spectra)]

    def parts(self, block):
        """Yield index, trials, clusters and spectra of parts of a block, then which of the trials make the map."""
        for index, (trials, clusters) in enumerate(block.parts(self.part_size)):
            inside = self.pooled[trials]
            if self.slopes is None:
                trials, clusters, inside = trials[inside], clusters[inside], inside[inside]
            if len(trials):
                yield index, trials, clusters, Spectra.of(self.X[trials]), inside

    def kept(self, trials, spectra, outputs, key):
        """Sums for `kept_score` from one draw."""
        noise, effects = self.noise, self.effects
        perturbed, _ = perturb(spectra, noise.kind, noise.draws(1), self.rng(_CHECK, *key), noise.projector)
        new = effects.net.outputs(perturbed, effects.response, effects.batch_size)
        truth = None if self.truth is None else self.truth[trials]
        return score_sums(outputs, new - outputs, truth, self.classes)


def draw_batches(n_draws, at_once=_DRAWS):
    """Sizes of the batches of draws: at least two where there are two draws, none above `at_once`."""
    n_batches = min(n_draws, max(2, -(-n_draws // at_once)))
    return [len(part) for part in np.array_split(np.arange(n_draws), n_batches)]


def with_slopes(task, n_draws):
    """The task with how its map follows the size of the noise: from gradients or, without any, from draws."""
    chosen = order_by_content(task.X)
    chosen = chosen[task.pooled[chosen]][:_SLOPE_TRIALS]
    [slopes] = map_blocks(partial(_slopes, task, n_draws), [chosen])
    return replace(task, slopes=slopes)


def _slopes(task, n_draws, trials):
    def parts():
        for start in range(0, len(trials), task.part_size):
            X = task.X[trials[start : start + task.part_size]]
            spectra = Spectra.of(X)
            yield *_gradient_pair(task, X, spectra, start, n_draws), spectra

    return task.noise.slopes(parts())


def _gradient_pair(task, X, spectra, key, n_draws):
    """Spectra of the gradients of all outputs and units, twice where they are measured by draws."""
    effects, noise = task.effects, task.noise
    projector, exact, drawn = None if noise.cross is not None else noise.projector, (), ()
    if effects.has_gradients:
        parts = effects.net.gradients(X, effects.response, effects.batch_size)
        exact = [np.concatenate([gradient_spectrum(gradients, projector) for _, _, gradients in parts])] * 2
    if n_draws and (effects.layers or not exact):
        outputs, activations, _ = effects.reference(X)
        evaluate = partial(effects.changes, outputs=outputs, activations=activations)
        size = noise.amount if noise.cross is None else np.sqrt(noise.cross.power())
        size = size if noise.membership is None else size * noise.membership.any(axis=0)
        batches = draw_batches(max(n_draws, 2))
        drawn = drawn_gradients(spectra, evaluate, size, batches, task.rng(_SLOPES, key), projector)
    if not exact or not drawn:
        return exact or drawn
    return [np.concatenate([a, b[:, a.shape[1] :]], axis=1) for a, b in zip(exact, drawn, strict=True)]


# ------------------------------------------------------------------------------------------------------ closed form
def gradient_population(task, blocks, *, n_jobs=None, verbose=0):
    """Moments in closed form and the sums for `kept_score`."""
    results = map_blocks(partial(_gradient_block, task), blocks, n_jobs=n_jobs, verbose=verbose, desc="gradients")
    return _merge(results)


def _gradient_block(task, block):
    totals, moments, kept = ClusterTotals(block.n_clusters), None, 0
    for index, trials, clusters, spectra, inside in task.parts(block):
        if task.slopes is not None:
            totals.add(clusters, *task.influence(spectra))
        if not inside.any():
            continue
        trials, spectra = trials[inside], spectra.of_trials(inside)
        outputs, terms = _terms(task, task.X[trials], spectra)
        part = gradient_moments(*terms, outputs, clusters[inside], totals)
        moments = part if moments is None else moments + part
        kept = kept + task.kept(trials, spectra, outputs, (block.index, index))
    return moments, totals.second_moments(), kept


def _terms(task, X, spectra):
    effects, values, terms = task.effects, [], []
    for part, value, gradient in effects.net.gradients(X, effects.response, effects.batch_size):
        values.append(value)
        terms.append(task.noise.terms(gradient, spectra.of_trials(part)))
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
    X = task.X[np.flatnonzero(task.pooled)[: task.part_size]]
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
    for index, trials, clusters, spectra, inside in task.parts(block):
        if task.slopes is not None:
            totals.add(clusters, *task.noise.drawn_influence(task.influence(spectra), n_draws))
        if not inside.any():
            continue
        trials, spectra = trials[inside], spectra.of_trials(inside)
        X = task.X[trials]
        reference = task.effects.reference(X)
        batches = (
            task.drawn(spectra, reference, (number, block.index, index, batch), n)
            for batch, n in enumerate(draw_batches(n_draws))
        )
        control = _control(task, X, spectra) if task.control else None
        part = drawn_moments(batches, reference[2], centre, clusters[inside], totals, control)
        moments = part if moments is None else moments + part
        kept = kept + task.kept(trials, spectra, reference[0], (block.index, index))
    return moments, totals.second_moments(), kept


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
    """Add up (moments, those over clusters, sums) in order; a block without trials of the map has no moments."""
    moments, clusters, kept = None, SecondMoments.none(), 0
    for part, mine, sums in results:
        if part is not None:
            moments = part if moments is None else moments + part
        clusters, kept = clusters + mine, kept + sums
    return replace(moments, clusters=clusters, n_rounds=1), kept
