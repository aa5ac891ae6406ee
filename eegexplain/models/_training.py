"""How networks train by gradients: a fixed validation part, the best epoch kept in memory, weights within limits."""

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.model_selection import GroupShuffleSplit, ShuffleSplit, StratifiedGroupKFold, StratifiedShuffleSplit
from torch.utils.data import DataLoader, Dataset, Subset
from tqdm.auto import tqdm

# Rate in Hz to which settings in Hz, in seconds, and learning rates refer where no `sfreq` is given.
REFERENCE_SFREQ = 128.0
_HELD_OUT_BATCH = 64  # at least: no gradient is kept


def input_scale(X, block=256):
    """Return the root mean square of all samples, summed in blocks; 1 for all-zero trials, ValueError out of range."""
    with np.errstate(over="ignore", under="ignore"):
        total = sum(float(np.square(X[i : i + block], dtype=np.float64).sum()) for i in range(0, len(X), block))
    if total == 0 and not any(np.any(X[i : i + block]) for i in range(0, len(X), block)):
        return 1.0
    scale = float(np.sqrt(total / X.size))
    if not 1e-37 < scale < 1e35:
        raise ValueError(f"X has a root mean square of {scale:g}, which single precision cannot hold: rescale X.")
    return scale


def validation_split(y, fraction, groups, seed, stratify):
    """Split trials into training and validation indices.

    Parameters
    ----------
    y : array of shape (n_trials,)
        Class codes, or regression targets.
    fraction : float
        Share of trials (or of groups) to hold out; 0 holds out nothing.
    groups : array of shape (n_trials,) or None
        Trials of one group stay together.
    seed : int
        Seed of the shuffle.
    stratify : bool
        Keep class shares (classifiers).

    Returns
    -------
    training, validation : arrays of int
        `validation` is empty when there are too few trials of a class, or too few groups, to hold any out.
    """
    # Too few to hold out is no error: then all train, and the last epoch is kept.
    n_trials = len(y)
    everything = np.arange(n_trials), np.arange(0)
    n_validation = int(round(fraction * n_trials))
    if fraction == 0 or n_validation < 1:
        return everything
    if groups is not None:
        n_groups = len(np.unique(groups))
        if n_groups < 2:
            return everything
        if stratify:
            # one of about 1 / fraction folds: whole groups with shares of the classes as even as groups allow
            n_splits = int(min(n_groups, max(2, round(1 / fraction)), np.bincount(y).min()))
            if n_splits < 2:
                return everything
            splitter = StratifiedGroupKFold(n_splits, shuffle=True, random_state=seed)
        else:
            n_held_out = min(n_groups - 1, int(np.ceil(fraction * n_groups)))
            splitter = GroupShuffleSplit(1, test_size=n_held_out, random_state=seed)
    elif stratify:
        counts = np.bincount(y)
        if counts.min() < 2 or n_validation < len(counts) or n_trials - n_validation < len(counts):
            return everything
        splitter = StratifiedShuffleSplit(1, test_size=n_validation, random_state=seed)
    else:
        if n_trials - n_validation < 2 or n_validation < 2:
            return everything
        splitter = ShuffleSplit(1, test_size=n_validation, random_state=seed)
    training, validation = next(splitter.split(np.zeros(n_trials), y, groups))
    # a class that only the groups held out have could not be learned
    if stratify and len(np.unique(y[training])) < len(np.unique(y)):
        return everything
    return training, validation


class TrialDataset(Dataset):
    """Trials and targets read and cast batch by batch: memory-mapped, read-only and float64 trials need no copy."""

    def __init__(self, trials, target, dtype):
        self.trials = trials
        self.target = target
        self.dtype = dtype

    def __len__(self):
        return len(self.trials)

    def __getitems__(self, indices):
        """Return a batch of trials and their targets."""
        trials = np.array(self.trials[indices], dtype=self.dtype)
        return torch.from_numpy(trials), torch.from_numpy(np.asarray(self.target[indices]))


@dataclass(frozen=True)
class Descent:
    """What training by gradients came to: losses ``(n_epochs,)`` by name, and the epoch that was kept.

    ``best_epoch`` counts from 1; None where nothing was held out, or no loss was a number: then the last one is kept.
    """

    history: dict[str, np.ndarray]
    best_epoch: int | None

    @property
    def n_epochs(self):
        """Epochs trained."""
        return len(self.history["train_loss"])


def descend(net, data, split, max_epochs, patience=None, verbose=0):
    """Train an initialised skorch net in place, and keep the epoch with the least loss on held-out trials.

    Parameters
    ----------
    net : skorch.NeuralNet
        Its module, criterion, optimizer and batch size are used, and its history written; its own loop asks its
        callbacks, and reads trials one by one, at the cost of a small network's step.
    data : TrialDataset
    split : tuple of int arrays
        Trials to train on, and those to hold out.
    max_epochs : int
    patience : int or None
        Epochs without a better loss on held-out trials after which training stops.
    verbose : int
        1 shows a progress bar.

    Returns
    -------
    Descent
    """
    training, validation = (Subset(data, part) for part in split)
    training = DataLoader(training, net.batch_size, shuffle=True, collate_fn=_as_read)
    validation = DataLoader(validation, max(net.batch_size, _HELD_OUT_BATCH), collate_fn=_as_read)
    rows, least, best_epoch, best_state = [], np.inf, None, None
    for epoch in tqdm(range(1, max_epochs + 1), desc="training", leave=False, disable=not verbose):
        rows.append({"train_loss": _mean_loss(_training_step, net, training)})
        if len(split[1]):
            rows[-1]["valid_loss"] = _mean_loss(_held_out_loss, net, validation)
        _record(net.history, rows[-1])
        if rows[-1].get("valid_loss", np.nan) < least:
            least, best_epoch = rows[-1]["valid_loss"], epoch
            best_state = {name: value.clone() for name, value in net.module_.state_dict().items()}
        elif len(split[1]) and patience is not None and epoch - (best_epoch or 0) >= patience:
            break
    if best_state is not None:
        net.module_.load_state_dict(best_state)
    return Descent({name: np.array([row[name] for row in rows]) for name in rows[0]}, best_epoch)


def _mean_loss(loss_of, net, batches):
    """Go over the batches once; mean loss of their trials."""
    net.module_.train(loss_of is _training_step)
    losses, sizes = [], []
    for x, target in batches:
        losses.append(loss_of(net, x.to(net.device), target.to(net.device)))
        sizes.append(len(x))
    return float(np.average(losses, weights=sizes))


def _training_step(net, x, target):
    """Take one step down; a module that has limits goes back within them, as Keras does with its constraints."""
    net.optimizer_.zero_grad()
    loss = net.get_loss(net.module_(x), target, X=x, training=True)
    loss.backward()
    net.optimizer_.step()
    if hasattr(net.module_, "constrain"):
        net.module_.constrain()
    return loss.item()


@torch.no_grad()
def _held_out_loss(net, x, target):
    return net.get_loss(net.module_(x), target, X=x, training=False).item()


def _record(history, row):
    history.new_epoch()
    for name, value in row.items():
        history.record(name, value)


def _as_read(batch):
    return batch


def resolve_device(device):
    """Return ``"cuda"`` where there is one for ``"auto"``, else ``"cpu"``; other devices as given."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return device
