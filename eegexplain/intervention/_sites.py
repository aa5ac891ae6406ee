"""Where a network is read and changed: the units of a layer, and states of theirs put in place of its own."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from eegexplain._layout import check_tensor
from eegexplain._module import described, inference, layer_names
from eegexplain._torch import TorchNet
from eegexplain._validation import check_indices


@dataclass(frozen=True)
class Site:
    """The units of a layer, as slices of a tensor that passes there.

    Parameters
    ----------
    layer : str
    axes : tuple of int
        Of the tensor, along which the units lie: a unit is an entry of all of them.
    n_units : int
    shape : tuple of int
        Of the tensor, for one trial.
    width : int
        Entries that make up a unit: 1, or the features of a head.
    enters : bool
        Whether the tensor is the layer's input instead of its output.
    """

    layer: str
    axes: tuple[int, ...]
    n_units: int
    shape: tuple[int, ...] = ()
    width: int = 1
    enters: bool = False

    def mask(self, units: NDArray) -> torch.Tensor:
        """Where some units are.

        Parameters
        ----------
        units : ndarray of int

        Returns
        -------
        torch.Tensor of bool
            Of as many dimensions as the tensor that passes; of size 1 in those without units.
        """
        chosen = np.isin(np.arange(self.n_units), units).repeat(self.width)
        sizes = [self.shape[axis - 1] if axis in self.axes else 1 for axis in range(1, len(self.shape) + 1)]
        return torch.from_numpy(chosen).reshape(1, *sizes)

    def replaced(self, state: torch.Tensor, units: NDArray, other: torch.Tensor) -> torch.Tensor:
        """A state with some of its units taken from another.

        Parameters
        ----------
        state : torch.Tensor of shape (batch, ...)
            It stays as it is.
        units : ndarray of int
        other : torch.Tensor of the shape of `state`, or of one row for all

        Returns
        -------
        torch.Tensor
        """
        return torch.where(self.mask(units).to(state.device), other.to(state), state)

    def check_units(self, units: Any) -> NDArray:
        """Numbers of units, all of them for None.

        Parameters
        ----------
        units : array-like of int, or None

        Returns
        -------
        ndarray of int

        Raises
        ------
        ValueError
            For units that the layer does not have.
        """
        if units is None:
            return np.arange(self.n_units)
        units = np.unique(check_indices("units", np.atleast_1d(units), ndim=1))
        if units[0] < 0 or units[-1] >= self.n_units:
            what = "heads" if self.enters else "units"
            raise ValueError(
                f"units of layer {self.layer!r} must lie between 0 and {self.n_units - 1}, as it has {self.n_units} "
                f"{what}: got {units.tolist()}."
            )
        return units


class _ReachedError(Exception):
    """Ends a forward pass where all that was asked for has been seen."""


def find_sites(
    net: TorchNet, layers: Sequence[str], heads: Mapping[str, int] | None = None, *, tell: bool = False
) -> dict[str, Site]:
    """Look at the layers of a network, on noise.

    Parameters
    ----------
    net : TorchNet
    layers : sequence of str
        Names as in ``module.named_modules()``, with parts and axes (see `LayerName`).
    heads : dict of str to int, optional
        Layers whose input is that many heads side by side.
    tell : bool
        Whether to warn where it is not clear what a unit is.

    Returns
    -------
    dict of str to Site

    Raises
    ------
    ValueError
        For unknown layers, those that do not run once in a forward pass, that have no units, and for heads that do not
        divide the features of the layer's input.
    """
    heads = heads or {}
    seen: dict[str, list[torch.Tensor]] = {name: [] for name in layers}
    sites = {name: Site(name, (1,), 0, enters=name in heads) for name in layers}
    with inference(net.module), torch.no_grad(), hooked(net, {sites[name]: seen[name].append for name in layers}):
        net.raw(net._two_trials())
    return {name: _measured(net, sites[name], seen[name], heads.get(name), tell) for name in layers}


def _measured(net, site, seen, n_heads, tell):
    """The site with the number of its units, from the tensors that passed."""
    if len(seen) != 1:
        times = f"runs {len(seen)} times" if seen else "does not run"
        raise ValueError(f"Layer {site.layer!r} {times} in a forward pass: choose a layer that runs once.")
    shape = seen[0].shape
    if n_heads is None:
        layout = net.layout(site.layer, tell=tell)
        if layout.batch != 0:
            raise ValueError(
                f"Layer {site.layer!r} has its trials on axis {layout.batch}: an intervention needs them first "
                "(batch_first=True of a recurrent layer)."
            )
        return Site(site.layer, layout.units, layout.n_units, layout.shape)
    if n_heads < 1 or shape[-1] % n_heads:
        raise ValueError(
            f"heads={n_heads} does not divide the {shape[-1]} features that enter layer {site.layer!r}: name the "
            "layer that the heads enter side by side (the projection behind them), and their number."
        )
    return Site(site.layer, (len(shape) - 1,), n_heads, tuple(shape[1:]), shape[-1] // n_heads, enters=True)


@contextlib.contextmanager
def hooked(net: TorchNet, changes: Mapping[Site, Callable[[torch.Tensor], torch.Tensor | None]]):
    """Let functions see, or replace, what passes some sites; what was hooked is let go whatever happens.

    Parameters
    ----------
    net : TorchNet
    changes : dict of Site to callable
        Takes the tensor that passes and returns another, or None.
    """
    names = layer_names(net.module, [site.layer for site in changes])
    with contextlib.ExitStack() as stack:
        for site, change in changes.items():
            name = names[site.layer]
            layer = net.module.get_submodule(name.module)
            if site.enters:
                stack.callback(layer.register_forward_pre_hook(_on_input(site, change)).remove)
            else:
                stack.callback(layer.register_forward_hook(_on_output(site, name, change)).remove)
        yield


def _on_output(site, name, change):
    def hook(layer, inputs, output):
        """See the output, or the named part of it, and replace it."""
        changed = change(_tensor(site, name.of(output)))
        return None if changed is None else _with_part(output, name.parts, changed)

    return hook


def _with_part(output, parts, changed):
    """What a layer returned, with another tensor as its named part."""
    if not parts:
        return changed
    if isinstance(output, dict):
        return type(output)(output | {parts[0]: _with_part(output[parts[0]], parts[1:], changed)})
    items = list(output)
    items[int(parts[0])] = _with_part(items[int(parts[0])], parts[1:], changed)
    return type(output)(*items) if hasattr(output, "_fields") else type(output)(items)


def _on_input(site, change):
    def hook(layer, inputs):
        """See the first input, and replace it."""
        changed = change(_tensor(site, inputs[0]))
        return None if changed is None else (changed, *inputs[1:])

    return hook


def _tensor(site, passing):
    if not site.enters:
        return check_tensor(site.layer, passing)
    if not isinstance(passing, torch.Tensor) or passing.ndim < 2:
        told = described(passing)
        raise ValueError(f"Layer {site.layer!r} takes {told}, but heads enter as a tensor (batch, ..., features).")
    return passing


def states(net: TorchNet, x: torch.Tensor, sites: Sequence[Site]) -> dict[Site, torch.Tensor]:
    """What passes some sites; the network runs no further than it must. Call it inside `inference`, without gradients.

    Parameters
    ----------
    net : TorchNet
    x : torch.Tensor of shape (batch, n_channels, n_times)
    sites : sequence of Site

    Returns
    -------
    dict of Site to torch.Tensor
        Copies: layers behind may work in place.
    """
    found: dict[Site, torch.Tensor] = {}

    def keep(site):
        def change(passing):
            found[site] = passing.clone()
            if len(found) == len(sites):
                raise _ReachedError

        return change

    with hooked(net, {site: keep(site) for site in sites}), contextlib.suppress(_ReachedError):
        net.raw(x)
    return found
