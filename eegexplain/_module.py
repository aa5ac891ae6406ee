"""A torch module as others share it: seeds, locks, modes, hooks and copies, all left as found."""

import contextlib
import copy
import re
import threading
import weakref
from dataclasses import dataclass, replace

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
    module = getattr(module, getattr(module, "names_within", ""), module)  # behind steps it is the same network
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


_NAME = re.compile(r"(?P<module>.+?)(?P<parts>(?:\[\w+\])*)(?:@(?P<axes>\d+(?:,\d+)*))?")


@dataclass(frozen=True)
class LayerName:
    """A layer as analyses are told it: ``"encoder"``, of a tuple ``"lstm[0]"``, with its axes of units ``"encoder@2"``.

    Attributes
    ----------
    text : str
    module : str
        As in ``module.named_modules()``.
    parts : tuple of str
        Number or key in a tuple or dict, outermost first.
    axes : tuple of int
        Of units, where 0 is the batch; empty where they are to be found.
    """

    text: str
    module: str
    parts: tuple[str, ...] = ()
    axes: tuple[int, ...] = ()

    @classmethod
    def read(cls, text, known):
        """Read a name; one that a module has as it stands is that module."""
        found = None if text in known else _NAME.fullmatch(text)
        if found is None:
            return cls(text, text)
        axes = tuple(int(axis) for axis in found["axes"].split(",")) if found["axes"] else ()
        return cls(text, found["module"], tuple(re.findall(r"\w+", found["parts"])), axes)

    def of(self, output):
        """Return the named part of what the layer returned."""
        for depth, part in enumerate(self.parts):
            key = int(part) if part.isdigit() and not isinstance(output, dict) else part
            try:
                if isinstance(output, torch.Tensor):  # its [0] would be a trial
                    raise KeyError(key)
                output = output[key]
            except (KeyError, IndexError, TypeError):
                whole = "".join([self.text.split("[")[0], *(f"[{one}]" for one in self.parts[:depth])])
                told = f"{whole!r} returns {described(output)}, without [{part}]"
                raise ValueError(f"Layer {self.text!r}: {told}.") from None
        return output


def described(output):
    """What a layer returned, in words."""
    if isinstance(output, torch.Tensor):
        return f"a tensor {tuple(output.shape)}"
    if isinstance(output, dict):
        return f"a {type(output).__name__} of {', '.join(map(repr, output))}"
    return f"a {type(output).__name__}" + (f" of {len(output)}" if isinstance(output, (tuple, list)) else "")


def named_layers(module):
    """Return ``{name: full name}`` of a network's layers: of one behind steps of a Pipeline by its own names."""
    within = getattr(module, "names_within", None)
    inside, lead = (module, "") if within is None else (getattr(module, within), f"{within}.")
    return {name: lead + name for name, _ in inside.named_modules() if name}


def layer_names(module, layers):
    """Return ``{text: LayerName}`` for names of layers; unknown ones are listed."""
    known = named_layers(module)
    names = [LayerName.read(text, known) for text in layers]
    unknown = [name for name in names if name.module not in known]
    if unknown:
        hints = "".join(suggest(name.module, known) for name in unknown)
        told = ", ".join(repr(name.text) for name in unknown)
        raise ValueError(f"Unknown layer {told}.{hints} The layers are: {', '.join(known)}.")
    return {name.text: replace(name, module=known[name.module]) for name in names}


def find_layers(module, layers):
    """Return ``{text: submodule}`` for names of layers (see `LayerName`); unknown names are listed."""
    return {text: module.get_submodule(name.module) for text, name in layer_names(module, layers).items()}


@contextlib.contextmanager
def capture(module, layers):
    """Record the outputs of named layers during the forward passes made inside the context.

    Parameters
    ----------
    module : torch.nn.Module
        The network.
    layers : list of str
        Names as `LayerName` reads them.

    Yields
    ------
    seen : dict of str to list
        Per layer the outputs, or the named parts of them, in order of execution; clear it between batches.
    """
    seen = {name: [] for name in layers}
    with _lock_of(module), contextlib.ExitStack() as stack:
        for name in layer_names(module, layers).values():
            child = module.get_submodule(name.module)
            # a copy: what follows may work in place, as nn.ReLU(inplace=True) does
            handle = child.register_forward_hook(
                lambda _, __, out, name=name: seen[name.text].append(_copied(name.of(out)))
            )
            stack.callback(handle.remove)
        yield seen


def _copied(output):
    """Tensors anew; what holds several in a tuple or list is refused, or picked from, by those who ask."""
    if isinstance(output, (tuple, list)):
        return type(output)(map(_copied, output)) if type(output) in (tuple, list) else output
    return output.clone() if isinstance(output, torch.Tensor) else output


class _Reached(Exception):  # not an error: carries the layer's output out of the forward pass
    def __init__(self, output):
        super().__init__()
        self.output = output


def run_to(module, name, x):
    """Return what a layer returns for a batch; the rest of the network is not run.

    Parameters
    ----------
    module : torch.nn.Module
    name : LayerName
    x : torch.Tensor
        As the module takes it.

    Returns
    -------
    output : object
        The named part of it.

    Raises
    ------
    ValueError
        When the layer does not run.
    """

    def stop(_, __, output):
        """Leave the forward pass with the output: nothing behind the layer is run."""
        raise _Reached(output)

    handle = module.get_submodule(name.module).register_forward_hook(stop)
    try:
        module(x)
    except _Reached as reached:
        return name.of(reached.output)
    finally:
        handle.remove()
    raise ValueError(f"Layer {name.text!r} does not run in a forward pass.")
