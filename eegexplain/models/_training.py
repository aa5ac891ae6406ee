"""How networks train by gradients: a fixed validation part, the best epoch kept in memory, weights within limits."""

import copy

import numpy as np
import torch
from sklearn.model_selection import GroupShuffleSplit, ShuffleSplit, StratifiedGroupKFold, StratifiedShuffleSplit
from skorch.callbacks import Callback
from torch.utils.data import Dataset, Subset
from tqdm.auto import tqdm

# Rate in Hz to which settings in Hz, in seconds, and learning rates refer where no `sfreq` is given.
REFERENCE_SFREQ = 128.0


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
    """Trials and targets read one by one and cast: memory-mapped, read-only and float64 trials need no copy of all."""

    def __init__(self, trials, target, dtype):
        self.trials = trials
        self.target = target
        self.dtype = dtype

    def __len__(self):
        return len(self.trials)

    def __getitem__(self, index):
        """Return one trial and its target."""
        return np.array(self.trials[index], dtype=self.dtype), self.target[index]


class FixedSplit:
    """A skorch ``train_split`` with indices decided beforehand (a plain class, so that nets pickle)."""

    def __init__(self, training, validation):
        self.training = training
        self.validation = validation

    def __call__(self, dataset, y=None, **fit_params):
        """Return the two parts of a dataset."""
        return Subset(dataset, self.training), Subset(dataset, self.validation)


class BestEpoch(Callback):
    """Stop after `patience` epochs without a lower validation loss and go back to the best; keeps it in memory."""

    def __init__(self, patience=None, verbose=0):
        self.patience = patience
        self.verbose = verbose

    def on_train_begin(self, net, **kwargs):
        """Forget earlier fits."""
        self.best_loss_, self.best_epoch_, self.best_state_ = np.inf, None, None
        self.n_epochs_, self.stopped_ = 0, False
        self.bar_ = tqdm(total=net.max_epochs, desc="training", leave=False) if self.verbose else None

    def on_epoch_end(self, net, **kwargs):
        """Compare the epoch with the best so far."""
        self.n_epochs_ += 1
        if self.bar_ is not None:
            self.bar_.update()
        row = net.history[-1]
        loss = row.get("valid_loss")
        if loss is None:
            return
        if loss < self.best_loss_:
            self.best_loss_, self.best_epoch_ = loss, row["epoch"]
            self.best_state_ = copy.deepcopy(net.module_.state_dict())
        elif self.patience is not None and row["epoch"] - (self.best_epoch_ or 0) >= self.patience:
            self.stopped_ = True
            raise KeyboardInterrupt  # skorch's own way to end a fit in good order

    def on_train_end(self, net, **kwargs):
        """Go back to the best epoch."""
        if self.bar_ is not None:
            self.bar_.close()
        if self.best_state_ is not None:
            net.module_.load_state_dict(self.best_state_)
            self.best_state_ = None

    def interrupted(self, max_epochs: int) -> bool:
        """Tell whether somebody else ended the fit: skorch swallows Ctrl-C."""
        return not self.stopped_ and self.n_epochs_ < max_epochs


class WithinLimits(Callback):
    """Call the module's ``constrain()`` after every step of training, as Keras does with its weight constraints."""

    def on_batch_end(self, net, training=False, **kwargs):
        """Bring the weights back within their limits."""
        if training:
            net.module_.constrain()


def resolve_device(device):
    """Return ``"cuda"`` where there is one for ``"auto"``, else ``"cpu"``; other devices as given."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return device
