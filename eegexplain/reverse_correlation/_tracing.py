"""Move parts of random trials and watch the units of one layer.

The network is copied to float64 and run up to the layer. The gradient of a unit proposes its field; changes of
everything before it and of everything behind it, small and large, confirm it, and where they do not (max-pooling, dead
rectifiers), bisection finds its ends.
"""

from dataclasses import dataclass

import numpy as np
import torch

from eegexplain._layout import batch_axis, one_output
from eegexplain._module import capture, copied, described, inference, layer_names, run_to

# Changes tried in parallel: small ones for what saturates, large ones to pass rectifiers and win in max-pools.
AMPLITUDES = (1.0, 30.0, 1000.0, 1.0, 30.0, 1000.0, 1000.0, 1000.0)
N_GRADIENTS = 3  # random trials whose gradients propose a field
TOLERANCE = 1e-12  # relative to the amplitude: rounding in float64, also of convolutions by FFT
LOOSE = 1e-6  # a field that is smaller at this tolerance has no edge: it decays
EFFECTIVE = 1e-3  # share of the strongest influence that still counts for a field without an edge


class Probe:
    """The network up to one layer, in float64, as a function of arrays."""

    def __init__(self, module, layer, input_shape, scale):
        self.name = layer_names(module, [layer])[layer]
        self.layer, self.n_times, self.scale = layer, input_shape[-1], float(scale)
        self.module = copied(module).to("cpu", torch.float64)
        self.generator = torch.Generator().manual_seed(0)
        shapes = []
        for n_trials in (2, 3):
            with inference(self.module), torch.no_grad(), capture(self.module, [layer]) as seen:
                self.module(torch.zeros(n_trials, *input_shape, dtype=torch.float64))
            shapes.append(self._tensor(one_output(layer, seen[layer])).shape)
        self._batch = batch_axis(layer, *shapes)
        self.shape = tuple(torch.empty(shapes[0], device="meta").movedim(self._batch, 0).shape)

    def _tensor(self, output):
        first = output[0] if isinstance(output, (tuple, list)) and len(output) else output
        if not isinstance(first, torch.Tensor) or first.ndim < 2:
            raise ValueError(
                f"Layer {self.layer!r} returns {described(first)}, but a receptive field needs units: a tensor "
                "(batch, units, ...)."
            )
        return first

    def __call__(self, x, grad=False):
        """Output of the layer for a batch, the batch first; the rest of the network is not run."""
        self._announce(x.shape[-1])
        with inference(self.module), torch.set_grad_enabled(grad):
            return self._tensor(run_to(self.module, self.name, x)).movedim(self._batch, 0)

    def runs(self, input_shape):
        """Tell whether the network takes trials of this shape, as far as the layer."""
        try:
            self(torch.zeros(1, *input_shape, dtype=torch.float64))
        except (RuntimeError, ValueError, AssertionError, IndexError, TypeError):
            return False
        return True

    def _announce(self, n_times):
        """Tell networks that compare the input with their own ``n_times`` how long it is."""
        for child in self.module.modules():
            for name in ("n_times", "_n_times", "input_window_samples"):
                if vars(child).get(name) == self.n_times:
                    setattr(child, name, n_times)
        self.n_times = n_times

    def draw(self, input_shape):
        """Random trials, one per amplitude."""
        shape = len(AMPLITUDES), *input_shape
        return self.scale * torch.randn(shape, generator=self.generator, dtype=torch.float64)


@dataclass(frozen=True)
class Trace:
    """First and last input index that moves each of a few units along one axis."""

    length: int
    axis: int | None
    n_units: int
    units: np.ndarray
    first: np.ndarray
    last: np.ndarray
    decays: bool

    @property
    def is_interior(self):
        """Whether no measured unit touches an end of the input, and there are two to tell the stride."""
        return len(self.units) > 1 and bool(np.all(self.first > 0) and np.all(self.last < self.length - 1))

    @property
    def size(self):
        """Largest field measured."""
        return int((self.last - self.first + 1).max())

    @property
    def stride(self):
        """Input steps from one unit to the next."""
        if len(self.units) < 2:
            return 0
        if self.decays:  # its ends depend on the data: units are taken to lie evenly along the input
            return _whole(max(1, round(self.length / self.n_units)))
        steps = [_whole(np.ptp(ends) / np.ptp(self.units)) for ends in (self.first, self.last)]
        if self.is_interior:  # an end may hide for one unit (a maximum that another sample wins): whole strides first
            return min(steps, key=lambda step: not isinstance(step, int))
        return max(steps)  # an end that is clipped at the border moves less

    def offset(self, size, stride, otherwise=None):
        """First input index of unit 0, from ends that are not clipped."""
        if self.decays:
            return int(np.max(self.last - self.units * stride)) - size + 1
        for k in np.argsort(self.first - self.last):  # the largest field first
            unit, first, last = self.units[k], self.first[k], self.last[k]
            if last < self.length - 1:
                return _whole(last - size + 1 - unit * stride)
            if first > 0:
                return _whole(first - unit * stride)
        if otherwise is not None and otherwise is not self and otherwise.is_interior:
            return otherwise.offset(size, stride)
        return 0


def _whole(value):
    return int(round(value)) if abs(value - round(value)) < 1e-9 else float(value)


def trace(probe, shape, dim):
    """Measure units in the middle of the axis of the output that follows axis `dim` of the input."""
    move = _Mover(probe, shape, dim)
    axis, n_units = move.find_axis()
    length = shape[dim]
    if axis is None:
        whole = np.array([0]), np.array([0]), np.array([length - 1])
        return Trace(length, None, 1, *whole, False)
    apart = n_units // 3 if n_units < 36 else n_units // 36 * 12  # many divisors: strides below a sample come out exact
    units = np.unique([n_units // 3, n_units // 3 + apart] if n_units > 2 else [0, n_units - 1])
    influences = [move.influence(unit) for unit in units]
    fields = [move.confirm(unit, *_support(influences[k], TOLERANCE)) for k, unit in enumerate(units)]
    decays = dim == -1 and any(map(move.has_no_edge, units, influences, fields))
    if decays:
        fields = [_support(influence, EFFECTIVE) for influence in influences]
    first, last = np.array(fields).T
    return Trace(length, axis, n_units, units, first, last, decays)


def _support(influence, tolerance):
    """First and last index whose influence exceeds `tolerance` times the largest; None when there is none."""
    seen = np.flatnonzero(influence > tolerance * influence.max(initial=0.0)) if influence.any() else []
    return (int(seen[0]), int(seen[-1])) if len(seen) else (None, None)


def _opposite_ends(early, late):
    """Whether the units that only `early` input moves and those that only `late` input moves are ranges, in order."""
    n_units = len(early)
    ranges = [np.flatnonzero(early & ~late), np.flatnonzero(late & ~early)]
    contiguous = all(len(r) == 0 or r[-1] - r[0] == len(r) - 1 for r in ranges)
    ordered = not all(map(len, ranges)) or ranges[0][-1] < ranges[1][0]
    return contiguous and ordered and 0 < max(map(len, ranges)) < n_units


class _Mover:
    """Moves parts of random trials and watches the units of the layer."""

    def __init__(self, probe, shape, dim):
        self.probe, self.length, self.dim = probe, shape[dim], dim
        self.base = probe.draw(shape)
        self.noise = probe.draw(shape)
        amplitudes = torch.tensor(AMPLITUDES, dtype=torch.float64)
        self.noise *= amplitudes.reshape(-1, *(1,) * len(shape))
        self.before = probe(self.base)
        # What a unit must change by to have moved: rounding of the trial's largest output, which grows with the noise.
        scale = self.before.abs().flatten(1).amax(1).clamp_min(torch.finfo(torch.float64).tiny)
        self.floor = (TOLERANCE * amplitudes * scale).reshape(-1, *(1,) * (self.before.ndim - 1))
        self.axis = None
        self._cache = {}
        if not self.moved(0, self.length).any():  # dead for all trials: NaN shows what they would see
            self.noise.fill_(torch.nan)
            self._cache = {}
        if not self.moved(0, self.length).any():
            raise ValueError(f"Layer {probe.layer!r} does not depend on the input.")

    def moved(self, start, stop, n_trials=None):
        """Which units move when the input changes from `start` to `stop`: boolean array of one output."""
        if (start, stop, n_trials) not in self._cache:
            x = self.base[:n_trials].clone()
            # random noise: that it cancels in a unit that sees any of it has probability 0
            part = x.narrow(self.dim, start, stop - start)
            part += self.noise[:n_trials].narrow(self.dim, start, stop - start)
            after, before = self.probe(x), self.before[:n_trials]
            different = ((after - before).abs() > self.floor[:n_trials]) | (after.isfinite() != before.isfinite())
            self._cache[start, stop, n_trials] = different.any(0).numpy()
        return self._cache[start, stop, n_trials]

    def units_moved(self, start, stop):
        """Which units along the traced axis move."""
        moved = self.moved(start, stop)
        others = tuple(k for k in range(moved.ndim) if k != self.axis - 1)
        return moved.any(axis=others)

    def find_axis(self):
        """Axis of the output on which some unit follows one end of the input but not the other, and its length."""
        shape = self.before.shape[1:]
        free = [k for k in range(len(shape)) if k + 1 not in self.probe.name.axes]  # others are said to hold units
        order = sorted(free, key=lambda k: (k == 0, -shape[k]))  # the first axis is usually the filters
        # Halves of the input first; shorter ends where fields are so long that each half reaches every unit.
        width = self.length // 2
        while width:
            ends = [self.moved(start, start + width, N_GRADIENTS) for start in (0, self.length - width)]
            for k in order:
                others = tuple(i for i in range(len(shape)) if i != k)
                if _opposite_ends(*(end.any(axis=others) for end in ends)):
                    self.axis = k + 1
                    return self.axis, shape[k]
            width //= 2
        return None, 1

    def influence(self, unit):
        """Size of the derivative of a unit by the input along the traced axis, largest over trials and filters."""
        x = self.base[:N_GRADIENTS].clone().requires_grad_()
        output = self.probe(x * 1.0, grad=True)
        if not output.requires_grad:
            return np.zeros(self.length)
        values = output.select(self.axis, int(unit))
        # One backward pass for all filters at once: random weights do not let their derivatives cancel.
        weights = torch.randn(values.shape, generator=self.probe.generator, dtype=torch.float64)
        (gradient,) = torch.autograd.grad((values * weights).sum(), x, allow_unused=True, materialize_grads=True)
        gradient = gradient.abs().nan_to_num().movedim(self.dim, -1)
        return gradient.reshape(-1, self.length).amax(0).numpy()

    def confirm(self, unit, first, last):
        """Widen the field that the gradient proposes to what truly moves the unit.

        A gradient is 0 where a rectifier is off or another sample wins a maximum. Whether changes of everything before
        (or behind) an index move the unit is monotone in the index, so that bisection finds the end in log2(T) passes.
        """
        if first is None or (first > 0 and self.units_moved(0, first)[unit]):
            low, high = 0, self.length if first is None else first  # [0, high) moves it, [0, low) does not
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (low, middle) if self.units_moved(0, middle)[unit] else (middle, high)
            first = low
        if last is None or (last < self.length - 1 and self.units_moved(last + 1, self.length)[unit]):
            low, high = first if last is None else last + 1, self.length  # [low, T) moves it, [high, T) does not
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if self.units_moved(middle, self.length)[unit] else (low, middle)
            last = low
        return first, last

    def has_no_edge(self, unit, influence, field):
        """Whether the influence decays instead of ending.

        NaN reaches whatever the arithmetic touches: when it comes from outside the field and the field shrinks with a
        looser tolerance, it is a decay; products with zeros (FFT, masks) do not shrink.
        """
        loose = _support(influence, LOOSE)
        if loose[0] is None or loose == field:
            return False
        outside = [index for index in (0, self.length - 1) if not field[0] <= index <= field[1]]
        return any(self._nan_reaches(unit, index) for index in outside)

    def _nan_reaches(self, unit, index):
        x = self.base[:N_GRADIENTS].clone()
        x.narrow(self.dim, index, 1).fill_(torch.nan)
        return bool(self.probe(x).select(self.axis, int(unit)).isnan().any())
