"""What perturbed trials keep: noise should be too small to matter for the decision."""

from dataclasses import dataclass

import numpy as np

from eegexplain.perturbation._sums import Additive


@dataclass(frozen=True)
class KeptHits(Additive):
    """Trials classified right before and after a perturbation, for outputs of classes."""

    before: int
    after: int

    @classmethod
    def of(cls, outputs, changes, truth=None):
        """From outputs ``(n_trials, n_outputs)`` and their changes; without `truth` the first decision is right."""
        before, after = outputs.argmax(axis=1), (outputs + changes).argmax(axis=1)
        truth = before if truth is None else truth
        return cls(int(np.sum(before == truth)), int(np.sum(after == truth)))

    def share(self):
        """Share of the accuracy that is kept."""
        return self.after / self.before if self.before else float("nan")


@dataclass(frozen=True)
class KeptVariance(Additive):
    """Sums over trials of predictions, ``(n_outputs,)``, of their squares and of the squares of their changes."""

    total: np.ndarray
    squares: np.ndarray
    changes: np.ndarray
    n: int

    @classmethod
    def of(cls, outputs, changes, truth=None):
        """From outputs ``(n_trials, n_outputs)`` and their changes; the targets do not matter."""
        return cls(outputs.sum(axis=0), np.square(outputs).sum(axis=0), np.square(changes).sum(axis=0), len(outputs))

    def share(self):
        """Share of the predictions' variance that is kept."""
        variance = np.sum(self.squares / self.n - (self.total / self.n) ** 2)
        return float(1 - (self.changes / self.n).sum() / variance) if variance > 0 else float("nan")
