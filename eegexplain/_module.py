"""A torch module as others share it: seeds, locks, modes, hooks and copies, all left as found."""

import contextlib
import copy
import threading
import weakref

import torch

from eegexplain._validation import suggest

_SEED_LOCK = threading.RLock()
_MODULE_LOCKS: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
_MODULE_LOCKS_GUARD = threading.Lock()


@contextlib.contextmanager
def seeded(seed):
    """Seed torch with an int inside a forked generator and a process lock: threads share the global generators."""
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
    with _SEED_LOCK, torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


def _lock_of(module):
    """Return the lock of a network: threads that share it must not see or restore each other's modes and hooks."""
    with _MODULE_LOCKS_GUARD:
        return _MODULE_LOCKS.setdefault(module, threading.RLock())


@contextlib.contextmanager
def inference(module):
    """Put `module` into eval mode without parameter gradients; modes and flags are restored, whatever happens."""
    with _lock_of(module):
        modes = [(child, child.training) for child in module.modules()]
        flags = [(parameter, parameter.requires_grad) for parameter in module.parameters()]
        try:
            with contextlib.suppress(NotImplementedError):  # an exported module has the mode in which it was exported
                module.eval()
            for parameter, _ in flags:
                parameter.requires_grad_(False)
            yield module
        finally:
            for child, training in modes:
                child.training = training
            for parameter, flag in flags:
                parameter.requires_grad_(flag)


def randomize(layer):
    """Draw a layer's own parameters anew: its own initialisation, else normal with mean and spread of its values."""
    if hasattr(layer, "reset_parameters"):
        layer.reset_parameters()
        return
    for parameter in layer.parameters(recurse=False):
        spread = parameter.std() if parameter.numel() > 1 else parameter.abs().mean()
        parameter.data.copy_(parameter.data.mean() + spread.data * torch.randn_like(parameter))


def copied(module, holder=None, find=None):
    """Return a deep copy of a network, or of the object that holds it, taken while no thread runs it.

    Hooks come off for the moment of copying: recorders of other threads are gone by then, and hooks of the user's are
    functions that may hold what cannot be copied. The copy calls the same functions, as they may be part of what the
    network computes (an ablation, a weight norm); methods of the network's own parts become those of the copy's.

    Parameters
    ----------
    module : torch.nn.Module
        The network.
    holder : object, optional
        What to copy in its place, say the analysis around it.
    find : callable, optional
        Finds the network in the copied holder.

    Returns
    -------
    copy : object
        Of the network, or of the holder.
    """
    with _lock_of(module), _without_hooks(module) as hooks:
        twin = copy.deepcopy(module if holder is None else holder)
    other = twin if holder is None else find(twin)
    twins = dict(zip(map(id, module.modules()), other.modules(), strict=True))
    for owner, name, table in hooks:
        bound = {key: _rebound(hook, twins) for key, hook in table.items()}
        vars(twins[id(owner)])[name] = type(table)(bound)
    return twin


@contextlib.contextmanager
def _without_hooks(module):
    """Take off what runs around forward and backward passes; yields ``[(submodule, attribute, hooks)]``."""
    hooks = [
        (child, name, table)
        for child in module.modules()
        for name, table in vars(child).items()
        if name.startswith(("_forward", "_backward")) and isinstance(table, dict) and table
    ]
    try:
        for child, name, table in hooks:
            vars(child)[name] = type(table)()
        yield hooks
    finally:
        for child, name, table in hooks:
            vars(child)[name] = table


def _rebound(hook, twins):
    """Return a bound method of one of the network's modules as that of its copy; other hooks as they are."""
    twin = twins.get(id(getattr(hook, "__self__", None)))
    return hook if twin is None else hook.__func__.__get__(twin)


def reinitialized(module, seed):
    """Return an untrained copy of `module`; buffers that layers do not reset (an input scale) stay."""
    module = copied(module)
    with seeded(seed):
        for child in module.modules():
            randomize(child)
    return module


def find_layers(module, layers):
    """Return ``{name: submodule}`` for layer names as in ``module.named_modules()``; unknown names are listed."""
    known = {name: child for name, child in module.named_modules() if name}
    unknown = [name for name in layers if name not in known]
    if unknown:
        hints = "".join(suggest(name, known) for name in unknown)
        raise ValueError(f"Unknown layer {', '.join(map(repr, unknown))}.{hints} The layers are: {', '.join(known)}.")
    return {name: known[name] for name in layers}


@contextlib.contextmanager
def capture(module, layers):
    """Record the outputs of named layers during the forward passes made inside the context.

    Parameters
    ----------
    module : torch.nn.Module
        The network.
    layers : list of str
        Names as in ``module.named_modules()``.

    Yields
    ------
    seen : dict of str to list
        Per layer the outputs in order of execution; clear it between batches.
    """
    seen = {name: [] for name in layers}
    with _lock_of(module), contextlib.ExitStack() as stack:
        for name, child in find_layers(module, layers).items():
            handle = child.register_forward_hook(lambda _, __, out, name=name: seen[name].append(out))
            stack.callback(handle.remove)
        yield seen
