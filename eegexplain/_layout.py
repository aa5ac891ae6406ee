"""Which axes of a layer's output are trials, units and positions: seen on the network itself."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from eegexplain._module import copied, described, inference, layer_names, run_to

N_BLOCKS = 8  # parts of the input that are changed one at a time
SCALES = (1e-5, 1e-2, 1.0, 1e2)  # of noise: volts, microvolts, what was standardized
N_TRIALS = 2
FOLLOWS = 0.1  # correlation of where the input changed with where the output did; of features about 0.02
# Layers whose units are on the second axis by definition, and those that have them on the last, or work along time.
SECOND = (nn.modules.conv._ConvNd, nn.modules.batchnorm._NormBase)
LAST = (nn.Linear, nn.LayerNorm, nn.MultiheadAttention, nn.RNNBase)


@dataclass(frozen=True)
class Layout:
    """Axes of the output of a layer.

    Attributes
    ----------
    batch : int
        As the layer returns it.
    units : tuple of int
        Once the batch is first; a unit is an entry of all of these.
    shape : tuple of int
        Of one trial's output.
    clear : bool
        Whether nothing spoke for other axes.
    """

    batch: int
    units: tuple[int, ...]
    shape: tuple[int, ...]
    clear: bool = True

    @property
    def n_units(self):
        """Number of units."""
        return int(np.prod([self.shape[k - 1] for k in self.units]))

    def batch_first(self, output):
        """Output with the batch as first axis, as an array."""
        return np.moveaxis(output.detach().cpu().numpy(), self.batch, 0)

    def arranged(self, array):
        """Bring an array ``(batch, ...)`` into the shape ``(batch, n_units, n_positions)``."""
        first = tuple(range(1, len(self.units) + 1))
        moved = array if self.units == first else np.moveaxis(array, self.units, first)
        return moved.reshape(len(array), self.n_units, -1)

    def told(self, layer):
        """What was taken, where something spoke for other axes, and how to say otherwise."""
        taken = f"axis {self.units[0]} is" if len(self.units) == 1 else f"axes {', '.join(map(str, self.units))} are"
        shape = ", ".join(["batch", *map(str, self.shape)])
        sizes = range(1, len(self.shape) + 1)
        other = next((k for k in sizes if (k,) != self.units and self.shape[k - 1] > 1), 1)
        return (
            f"Layer {layer!r} returns ({shape}). Which axis holds its units cannot be told from how it follows the "
            f"input: {taken} taken. Say so if that is wrong: layer '{layer}@{other}' has its units on axis {other}."
        )


def one_output(layer, outputs):
    """Take the single recorded output of a layer and clear the record."""
    recorded, outputs[:] = list(outputs), []
    if len(recorded) != 1:
        times = "does not run" if not recorded else f"runs {len(recorded)} times"
        raise ValueError(f"Layer {layer!r} {times} in a forward pass: choose a layer that runs once.")
    return recorded[0]


def check_tensor(layer, output):
    """Refuse what is no tensor of units, naming the parts that are."""
    if isinstance(output, torch.Tensor) and output.ndim >= 2:
        return output
    several = isinstance(output, (tuple, list))
    parts = output.items() if isinstance(output, dict) else enumerate(output if several else ())
    named = [f"{layer}[{key}]" for key, part in parts if isinstance(part, torch.Tensor) and part.ndim >= 2]
    cure = f" Name a part of it: {', '.join(map(repr, named))}." if named else ""
    raise ValueError(
        f"Layer {layer!r} returns {described(output)}: an analysis needs one tensor (batch, units, ...).{cure}"
    )


def batch_axis(layer, two, three):
    """Axis along which the shapes of the outputs of two and of three trials differ."""
    axes = [k for k, sizes in enumerate(zip(two, three, strict=True)) if sizes == (2, 3)]
    if len(axes) != 1 or len(two) < 2:
        raise ValueError(
            f"Layer {layer!r} returns shape {tuple(two)} for 2 trials and {tuple(three)} for 3: an analysis needs one "
            "tensor (batch, units, ...), with a row per trial."
        )
    return axes[0]


def trace_layout(module, layer, draw):
    """Find the axes of a layer's output.

    An axis follows the input when a change of an early part of the input moves its early positions most, and a change
    of a late part its late ones. What follows time is positions; of what is left, so is what follows the channels; the
    rest are units. Where trials of other lengths can be passed, an axis that grows with them is time.

    Parameters
    ----------
    module : torch.nn.Module
    layer : str
        As `LayerName` reads it.
    draw : callable
        ``draw(n_trials, length=None)``: noise as the module takes it, ``(n_trials, ..., n_channels, n_times)``.

    Returns
    -------
    Layout

    Raises
    ------
    ValueError
        For a layer that is unknown or does not return a tensor with one row per trial; for axes that it lacks.
    """
    name = layer_names(module, [layer])[layer]
    with inference(module), torch.no_grad():
        shapes = [check_tensor(layer, run_to(module, name, draw(n))).shape for n in (2, 3)]
    batch = batch_axis(layer, *shapes)
    shape = tuple(size for k, size in enumerate(shapes[0]) if k != batch)
    if name.axes:
        if max(name.axes) > len(shape) or min(name.axes) < 1:
            raise ValueError(f"Layer {layer!r}: its output (batch, {', '.join(map(str, shape))}) has no such axis.")
        return Layout(batch, tuple(sorted(set(name.axes))), shape)
    axes = [k + 1 for k, size in enumerate(shape) if size > 1]
    kind, last = module.get_submodule(name.module), len(shape)
    if len(axes) < 2 or (isinstance(kind, SECOND) and not name.parts):
        return Layout(batch, (1,) if isinstance(kind, SECOND) or not axes else tuple(axes), shape)
    probe = _Follower(copied(module), name, draw, batch)
    time, clear = probe.following(-1, axes, probe.growing(axes))
    left = [k for k in axes if k not in time]
    if len(left) > 1:
        along, distinct = probe.following(-2, left)
        left, clear = [k for k in left if k not in along], clear and distinct
    if len(left) != 1 and isinstance(kind, LAST) and name.parts in ((), ("0",)):
        return Layout(batch, (last,), shape)
    return Layout(batch, tuple(left) or (1,), shape, clear and len(left) == 1)


class _Follower:
    """Changes parts of random trials and watches where the output moves."""

    def __init__(self, module, name, draw, batch):
        self.module, self.name, self.draw, self.batch = module, name, draw, batch

    def __call__(self, x):
        with inference(self.module), torch.no_grad():
            return run_to(self.module, self.name, x).movedim(self.batch, 0).double()

    def growing(self, axes):
        """Axes whose size changes with the length of the trial; none where the network takes one length only."""
        trials = self.draw(2)
        n_times, shape = trials.shape[-1], self(trials).shape
        for length in (n_times // 2, 2 * n_times):
            try:
                other = self(self.draw(2, length)).shape
            except Exception:  # whatever a network raises at a length that it was not made for
                continue
            if len(other) == len(shape):
                return [k for k in axes if other[k] != shape[k]]
        return []

    def following(self, dim, axes, known=()):
        """Axes that follow an axis of the input, and whether only one does so clearly."""
        if known:
            return list(known), True
        if self.draw(1).ndim < 1 - dim or self.draw(1).shape[dim] < 2:
            return [], True
        moved = self._moved(dim)
        strength = {k: abs(_order(moved, k)) for k in axes}
        first, *others = sorted(axes, key=strength.get, reverse=True)
        if strength[first] < FOLLOWS:
            return [], True
        return [first], all(strength[k] < strength[first] / 2 for k in others)

    def _moved(self, dim):
        """Mean square change of the output by new noise in each part of the input, ``(n_blocks, ...)``."""
        base, other = self.draw(N_TRIALS), self.draw(N_TRIALS)
        length = base.shape[dim]
        edges = np.linspace(0, length, min(N_BLOCKS, length) + 1).astype(int)
        total = 0.0
        for scale in SCALES:
            changed = [scale * base]
            for start, stop in zip(edges[:-1], edges[1:], strict=True):
                x = scale * base
                x.narrow(dim, start, stop - start).copy_(scale * other.narrow(dim, start, stop - start))
                changed.append(x)
            before, *after = self(torch.cat(changed)).split(N_TRIALS)
            change = torch.stack([(one - before).square().mean(0) for one in after]).nan_to_num(posinf=0.0)
            if change.max() > 0:
                total = total + change / change.max()
        return np.asarray(total if isinstance(total, float) else total.cpu())


def _order(moved, axis):
    """Correlation of the part that was changed with the position along an axis that moved by it.

    Divided by the sum over positions and then over parts, so that parts that matter much and positions that move much
    count as others do.
    """
    if np.ndim(moved) == 0:
        return 0.0
    table = np.sqrt(moved.mean(axis=tuple(k for k in range(1, moved.ndim) if k != axis)))
    for summed in (1, 0):
        total = table.sum(summed, keepdims=True)
        table = np.divide(table, total, out=np.zeros_like(table), where=total > 0)
    if not table.any():
        return 0.0
    table /= table.sum()
    part, place = (np.arange(n, dtype=float) for n in table.shape)
    part, place = part - table.sum(1) @ part, place - table.sum(0) @ place
    spread = np.sqrt((table.sum(1) @ part**2) * (table.sum(0) @ place**2))
    return float(part @ table @ place / spread) if spread > 0 else 0.0
