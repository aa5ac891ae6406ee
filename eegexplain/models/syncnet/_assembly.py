"""A closed-form solution as the parameters of a log-power SyncNet."""

import warnings

import numpy as np
import torch

from eegexplain._module import capture, inference
from eegexplain._nets import default_dtype
from eegexplain._parallel import trial_blocks
from eegexplain.models.syncnet._calibration import ClassLoss, SquaredLoss
from eegexplain.models.syncnet._closed import FLOOR, ClosedTraining, FoldPlan, NoPowerError
from eegexplain.models.syncnet._spectra import LOUD

_EDGE_TRIALS = 64  # at most, in which the edges of trials are looked at


def train_closed(module, trials, target, strata, *, groups, seed, classes, prepare=None):
    """Train without gradients: write filters and head into the module.

    Parameters
    ----------
    module : SyncNet
        With ``readout="log_power"`` and its input scale set.
    trials : array of shape (n_trials, n_channels, n_times)
    target : array of shape (n_trials,) or (n_trials, n_targets)
        Class codes, or standardized numbers.
    strata : Strata
        Ranges of frequency in which filters are sought.
    groups : array of shape (n_trials,) or None
        Kept whole by the folds that choose penalty and slope.
    seed : int
        Of the folds.
    classes : bool
        Whether the target is class codes.
    prepare : callable or None
        ``prepare(ClosedTraining, trials, ...)`` makes the part of training that knows no labels, or has it.

    Returns
    -------
    solution : ClosedForm or None
        None where the trials have no power: the module then answers with the shares of the classes (or the mean).
    """
    loss = ClassLoss(module.n_outputs) if classes else SquaredLoss()
    numbers = _indicators(target, module.n_outputs) if classes else np.asarray(target, dtype=float)
    try:
        settings = strata, float(module.input_scale), default_dtype()
        training = ClosedTraining(trials, *settings) if prepare is None else prepare(ClosedTraining, trials, *settings)
    except NoPowerError as error:
        if module.readout == "max":
            return None
        warnings.warn(f"{error}; every trial gets the same answer", stacklevel=5)
        _write(module, amplitude=0.0)
        shares = np.log(np.bincount(target) / len(target)) if classes else np.zeros(module.n_outputs)
        _write_head(module, np.zeros((module.n_outputs, module.num_filters)), shares)
        return None
    if training.n_loud:
        warnings.warn(
            f"{training.n_loud} of {len(trials)} trials have more than {LOUD:g} times the power of the median trial: "
            "they count with as much as the median trial. Look for artefacts.",
            stacklevel=5,
        )
    plan = FoldPlan.of(target, training.live, groups, seed, classes)
    plan.warn(stacklevel=5)
    solution = training.solve(numbers, module.num_filters, plan, loss)
    _write_filters(module, solution.filters, training.sizes, strata)
    if module.readout == "max":
        return solution
    some = plan.trials[np.unique(np.linspace(0, len(plan.trials) - 1, _EDGE_TRIALS).astype(int))]
    expected = training.log_powers(solution.filters, some)
    weights, intercept = solution.filters.weights, solution.intercept
    if classes and module.n_outputs == 2:  # one score: half of it for one class, against the other
        weights, intercept = np.concatenate([-weights, weights]) / 2, np.concatenate([-intercept, intercept]) / 2
    weights = np.pad(weights, ((0, 0), (0, module.num_filters - weights.shape[1])))
    # a convolution sees less at the ends of trials than a spectrum, alike in all: the intercept takes it up
    found = _log_powers(module, trials[some]).mean(axis=2)
    unseen = np.median(np.pad(expected, ((0, 0), (0, module.num_filters - expected.shape[1]))) - found, axis=0)
    _write_head(module, weights, intercept + weights @ unseen)
    return solution


def _indicators(codes, n_classes):
    """One column per class; of two classes the second's."""
    indicators = np.eye(n_classes)[codes]
    return indicators[:, 1:] if n_classes == 2 else indicators


def _write_filters(module, found, sizes, strata):
    """Amplitude and phase per channel from complex filters of channels in units of `sizes`, the rest from their strata.

    A filter ``|u| cos(omega tau + angle(u)) exp(-beta tau^2)`` slides over a rhythm ``Re(x e^(i omega t))`` with the
    output ``Re(u^H x e^(i omega t))`` times half the sum of ``exp(-beta tau^2)``: divided by it, powers are those of
    the spectra. Filters that were not needed stay silent.
    """
    n_found = len(found.stratum)
    tau = module.t.flatten().double().cpu().numpy()
    omega, beta = strata.omega[found.stratum], strata.beta[found.stratum]
    gain = np.exp(-beta[:, None] * tau**2).sum(axis=1) / 2
    silent = ((0, 0), (0, module.num_filters - n_found))
    floor = np.pad(np.full(n_found, FLOOR), silent[1], constant_values=1.0)
    _write(
        module,
        amplitude=np.pad(np.abs(found.filters / sizes) / gain, silent),
        phi_ini=np.pad(np.angle(found.filters), silent),
        omega=np.pad(omega, silent[1], mode="edge"),
        beta=np.pad(beta, silent[1], mode="edge"),
        bias=0.0,
        **({"power_floor": floor} if module.readout == "log_power" else {}),
    )


def floor_powers(module, trials):
    """Set the floor of the module's powers relative to what its filters give in the median trial of the first ones."""
    _write(module, power_floor=np.finfo(np.float32).tiny)
    powers = np.exp(_log_powers(module, trials[:256])).mean(axis=2)
    medians = np.median(powers, axis=0)
    _write(module, power_floor=FLOOR * np.where(medians > 1e-30, medians, 1.0))


def _log_powers(module, trials):
    """What the filters of the module read out, ``(n_trials, n_filters, n_windows)``."""
    found = []
    with inference(module), torch.no_grad():
        for part in trial_blocks(len(trials)):
            x = torch.from_numpy(np.array(trials[part])).to(module.amplitude)
            with capture(module, ["pool_out"]) as seen:
                module(x)
            found.append(seen["pool_out"][0].double().cpu().numpy())
    return np.concatenate(found)


def _write_head(module, weights, intercept):
    """Weights of log powers, shared out over the windows."""
    windows = np.repeat(weights / module.n_windows, module.n_windows, axis=1)
    with torch.no_grad():
        module.final_layer.weight.copy_(torch.from_numpy(windows))
        module.final_layer.bias.copy_(torch.from_numpy(np.asarray(intercept)))


def _write(module, **values):
    """Copy numbers into parameters and buffers of any shape with as many of them."""
    with torch.no_grad():
        for name, value in values.items():
            own = getattr(module, name)
            value = torch.from_numpy(np.asarray(value, dtype=float))
            own.copy_(value if value.ndim == 0 else value.reshape(own.shape))
