"""A fitted network as NumPy functions: outputs, gradients, activations."""

import contextlib
import warnings
import weakref
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from eegexplain._batches import RowBytes
from eegexplain._ensemble import EnsembleModule, joined_net
from eegexplain._held import held_module
from eegexplain._layout import check_tensor, one_output, trace_layout
from eegexplain._module import capture, find_layers, inference, named_layers
from eegexplain._nets import is_network, last_step, together, unwrap
from eegexplain._outputs import RESPONSES, resolve_response
from eegexplain._parallel import trial_blocks
from eegexplain._pipelines import ComposedModule, front_maps


def sums_to_zero(response: str) -> bool:
    """Whether the outputs of a trial sum to zero, so that the gradient of the last follows from the others."""
    return response in RESPONSES and RESPONSES[response].sums_to_zero


@contextlib.contextmanager
def gradient_mode(module: nn.Module):
    """Evaluation mode for gradients; cuDNN off for recurrent networks, whose gradients it refuses outside training."""
    recurrent = any(isinstance(child, nn.RNNBase) for child in module.modules())
    with inference(module), torch.backends.cudnn.flags(enabled=not recurrent):
        yield


def differentiate(
    respond: Callable[[torch.Tensor], torch.Tensor],
    x: torch.Tensor,
    targets: torch.Tensor | None = None,
    *,
    closed: bool = False,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Differentiate outputs by each trial's own samples: one forward pass, one backward pass per target.

    Rows do not see each other in evaluation mode, so that the gradient of an output's sum over the batch holds the
    gradients of all its rows. Call it inside `gradient_mode`.

    Parameters
    ----------
    respond : callable
        Tensor ``(batch, n_channels, n_times)`` to tensor ``(batch, n_outputs)``.
    x : torch.Tensor of shape (batch, n_channels, n_times)
    targets : int torch.Tensor of shape (batch, n_targets), optional
        Outputs to differentiate, per row; None is all.
    closed : bool
        Whether the targets of a row sum to a constant, so that the last gradient follows from the others.

    Returns
    -------
    values : torch.Tensor of shape (batch, n_targets)
    gradients : torch.Tensor of shape (batch, n_targets, n_channels, n_times)
        In response per unit of `x`.

    Raises
    ------
    TypeError
        When the outputs do not depend on `x` through differentiable operations.
    """
    leaf = x.detach().requires_grad_()
    with torch.enable_grad():
        outputs = respond(leaf.clone())  # a clone, so that an in-place first layer cannot touch the leaf
        if not outputs.requires_grad:
            raise TypeError(
                "The network's response does not depend differentiably on its input: gradient-based analyses "
                "cannot explain it. PerturbationCorrelator(method='sampling') can."
            )
        values = outputs if targets is None else outputs.gather(1, targets)
        totals = values.sum(0)
        needed = totals[:-1] if closed and len(totals) > 1 else totals
        gradients = [
            torch.autograd.grad(
                total, leaf, retain_graph=number < len(needed) - 1, allow_unused=True, materialize_grads=True
            )[0]
            for number, total in enumerate(needed)
        ]
    if len(needed) < len(totals):
        gradients.append(-torch.stack(gradients).sum(0))
    stacked = torch.stack(gradients, dim=1) if len(gradients) > 1 else gradients[0].unsqueeze(1)
    return values.detach(), stacked


class Gradients(NamedTuple):
    """Responses of some trials and their derivatives by the samples, in response per unit of the trials."""

    part: slice
    values: np.ndarray  # (batch, n_outputs)
    gradients: np.ndarray  # (batch, n_outputs, n_channels, n_times)


def _refuse_scattered(module):
    """Refuse a module of which parts are elsewhere, or nowhere: torch's own errors name an operation, not the cure."""
    devices = sorted({str(one.device) for one in (*module.parameters(), *module.buffers())})
    if "meta" in devices:
        raise ValueError("The network has no weights yet (device 'meta'): load them, module.to_empty(device='cpu').")
    if len(devices) > 1:
        raise ValueError(f"Parts of the network are on {' and '.join(devices)}: bring all to one, module.to('cpu').")


_MEASURED: weakref.WeakKeyDictionary[nn.Module, dict] = weakref.WeakKeyDictionary()


class TorchNet:
    """A fitted skorch net, or a facade that holds one in ``net_``, as functions of trials.

    Parameters
    ----------
    estimator : estimator instance
        A fitted `SyncNetClassifier`, `SyncNetRegressor`, skorch net, braindecode ``EEGClassifier``, `TrainedModule`, an
        ensemble of them, or a ``FrozenEstimator`` or fitted search around one.
    trial_shape : tuple of int
        ``(n_channels, n_times)`` or ``(n_times,)``, as the estimator was fitted.

    Attributes
    ----------
    module : torch.nn.Module
        The trained network.
    emits : str
        What the module returns: "logits", "probabilities", "log_probabilities", "binary_logit", "binary_probability"
        or "values". Read from the criterion and skorch's ``predict_nonlinearity``; for ``NLLLoss`` (probabilities in
        skorch's own classifier, log-probabilities elsewhere) and for bare modules it is seen on noise.
    n_outputs : int
        One per class, also for two classes; for regressors one per target.
    eps : float
        Relative rounding of the outputs.

    Raises
    ------
    TypeError
        When the estimator is not a torch network, naming the analysis that works without gradients.
    NotFittedError
        When it is one that was not fitted.
    ValueError
        When it was fitted with ``align="group"``, whose network sees aligned trials.
    """

    differentiable = True

    def __init__(self, estimator, trial_shape):
        trial_shape = tuple(trial_shape)
        estimator, maps, network_shape = unwrap(estimator), [], trial_shape
        if is_network(last_step(estimator)):
            maps, network_shape = front_maps(estimator, trial_shape)
            estimator = last_step(estimator)
        _refuse_aligned(estimator)
        if is_network(estimator) and (ensemble := together(estimator)) is not None:
            estimator = joined_net([TorchNet(one, network_shape) for one in ensemble.members], ensemble)
        held = held_module(estimator, network_shape)
        self.input_shape, self._pick, self._nonlinearity = held.input_shape, held.pick, held.nonlinearity
        self.n_channels, self.n_times = (1, *trial_shape)[-2:]
        self.module = getattr(held.module, "_orig_mod", held.module)  # what was compiled: its layers, and hooks on them
        parameter = next((p for p in self.module.parameters() if p.is_floating_point()), None)
        self.dtype = torch.get_default_dtype() if parameter is None else parameter.dtype
        self.eps = float(torch.finfo(self.dtype).eps)
        self.device = torch.device(held.device or "cpu") if parameter is None else parameter.device
        _refuse_scattered(self.module)
        if maps:
            self.module = ComposedModule(maps, self.module, self.input_shape)
            self.module.steps.to(self.device, self.dtype)  # the network stays as it is
            self.input_shape = trial_shape
        self._layouts = {}
        probe = self._probe()
        self.emits = held.emission(probe)
        n_raw = 1 if probe.ndim == 1 else probe.shape[1]
        self.n_outputs = 2 if self.emits.startswith("binary_") else n_raw

    def _probe(self):
        with inference(self.module), torch.no_grad():
            return self._forward(self._two_trials())

    def _two_trials(self):
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(2, self.n_channels, self.n_times, generator=generator, dtype=torch.float64)
        return x.to(self.device, self.dtype)

    @property
    def row_bytes(self):
        """Memory that a trial takes in a pass, a `RowBytes` seen on noise: once per module and shape of trials."""
        known, asked = _MEASURED.setdefault(self.module, {}), (self.input_shape, self.dtype, self.device)
        if asked not in known:
            with inference(self.module):
                known[asked] = RowBytes.of(self._forward, self._two_trials())
        return known[asked]

    def rows(self, batch_size=None, n_gradients=0):
        """Trials per pass: `batch_size` or, for None, what is fastest for a pass with so many gradients per trial."""
        return self.row_bytes.rows(n_gradients) if batch_size is None else batch_size

    def _forward(self, x):
        """Raw outputs ``(batch, n)`` for a tensor ``(batch, n_channels, n_times)``; crops are averaged."""
        raw = self.raw(x)
        if not isinstance(raw, torch.Tensor) or raw.shape[:1] != x.shape[:1]:
            shape = tuple(getattr(raw, "shape", ()))
            raise ValueError(f"The network must return one row per trial, got {shape} for {x.shape[0]} trials.")
        return raw

    def raw(self, x):
        """What the module returns for a tensor ``(batch, n_channels, n_times)``; crops are averaged."""
        raw = self._pick(self.module(x.reshape(x.shape[0], *self.input_shape)))
        return raw.flatten(2).mean(-1) if isinstance(raw, torch.Tensor) and raw.ndim > 2 else raw

    def tensor(self, X):
        """Copy trials to a tensor ``(batch, n_channels, n_times)`` of the network's dtype and device."""
        X = np.array(X, order="C").reshape(len(X), self.n_channels, self.n_times)
        return torch.from_numpy(X).to(self.device, self.dtype)

    def check_response(self, response):
        """Return `response` with "auto" resolved: "centered_logit" for classifiers, "output" for regressors."""
        return resolve_response(response, self.emits != "values")

    def respond(self, x, response="auto"):
        """Return what is explained as a tensor ``(batch, n_outputs)``, differentiable in `x`.

        Parameters
        ----------
        x : torch.Tensor of shape (batch, n_channels, n_times)
        response : str
            "logit" (for nets that emit probabilities their logarithm: the logit up to a constant per trial),
            "centered_logit", "logprob", "prob", "margin" (logit minus the largest other logit), "output", "auto".
        """
        return self.answer(self._forward(x), self.check_response(response))

    def answer(self, raw, response):
        """Return what is explained, from what the module returned."""
        if self.emits == "values":
            return raw.reshape(len(raw), -1)
        return RESPONSES[response].of(self._logits(raw), torch)

    def _logits(self, raw):
        if self.emits == "binary_logit":
            half = raw.reshape(len(raw)) / 2  # one logit is the difference of two: the centred pair has it
            return torch.stack([-half, half], dim=1)
        if self.emits == "binary_probability":
            half = torch.logit(raw.reshape(len(raw)), eps=self.eps) / 2
            return torch.stack([-half, half], dim=1)
        if self.emits == "probabilities":
            probabilities = raw if self._nonlinearity is None else self._nonlinearity(raw)
            return probabilities.clamp_min(torch.finfo(raw.dtype).tiny).log()
        return raw

    def outputs(self, X, response="auto", batch_size=None):
        """Return the responses of all trials, ``(n_trials, n_outputs)`` float64."""
        parts = trial_blocks(len(X), self.rows(batch_size))
        with inference(self.module), torch.no_grad():
            values = [self.respond(self.tensor(X[part]), response) for part in parts]
        return torch.cat(values).double().cpu().numpy()

    def gradients(self, X, response="auto", batch_size=None):
        """Yield `Gradients` per batch of trials: of each trial's response with respect to its own samples."""
        response = self.check_response(response)
        for part in trial_blocks(len(X), self.rows(batch_size, self.n_outputs)):
            with gradient_mode(self.module):  # per batch: no mode may outlive or overlap a `yield`
                values, gradients = differentiate(
                    partial(self.respond, response=response), self.tensor(X[part]), closed=sums_to_zero(response)
                )
            yield Gradients(part, values.cpu().numpy(), gradients.cpu().numpy())

    def activations(self, X, layers, batch_size=None):
        """Yield ``(slice, {layer: array})`` per batch; arrays are as the layer returns them, the batch as first axis.

        Without a `batch_size` these are blocks as ever, put together from passes: what is summed over them has a price
        per block.

        Raises
        ------
        ValueError
            For unknown layers, and for a layer that does not run, runs more than once in a forward pass, or does not
            return one tensor with a row per trial.
        """
        rows, layouts = self.rows(batch_size), {name: self.layout(name) for name in layers}
        for block in trial_blocks(len(X), batch_size):
            passes, found = trial_blocks(block.stop - block.start, rows), []
            with inference(self.module), torch.no_grad(), capture(self.module, layers) as seen:
                for part in passes:  # modes per block: interleaved generators would mix them up
                    self._forward(self.tensor(X[block][part]))
                    found.append({name: layouts[name].batch_first(self._recorded(name, seen)) for name in layers})
            yield block, {name: np.concatenate([one[name] for one in found]) for name in layers}

    @staticmethod
    def _recorded(name, seen):
        return check_tensor(name, one_output(name, seen[name]))

    def layout(self, layer, tell=False):
        """Return which axes of a layer's output are what, a `Layout`; `tell` warns where that was not clear."""
        if layer not in self._layouts:
            generator = torch.Generator().manual_seed(0)

            def draw(n_trials, length=None):
                """Noise as the module takes it, of another length."""
                shape = n_trials, *self.input_shape[:-1], self.n_times if length is None else length
                return torch.randn(shape, generator=generator, dtype=torch.float64).to(self.device, self.dtype)

            self._layouts[layer] = trace_layout(self.module, layer, draw)
        if tell and not self._layouts[layer].clear:
            warnings.warn(self._layouts[layer].told(layer), stacklevel=2)
        return self._layouts[layer]

    def units(self, layer, seen):
        """Return the recorded activations of a layer as ``(batch, n_units, n_positions)`` and clear the record."""
        layout = self.layout(layer)
        return layout.arranged(layout.batch_first(self._recorded(layer, seen)))

    def default_layer(self):
        """Return ``"conv_out"`` where the module has it, else the last layer to run whose output has a time axis."""
        if isinstance(self.module, EnsembleModule):
            raise ValueError("An ensemble has the layers of each network: name one with layer='members.0. ...'.")
        known = named_layers(self.module).items()
        names = [name for name, full in known if not list(self.module.get_submodule(full).children())]
        if "conv_out" in names:
            return "conv_out"
        order = []
        with inference(self.module), torch.no_grad(), contextlib.ExitStack() as stack:
            for name, child in find_layers(self.module, names).items():
                handle = child.register_forward_hook(lambda _, __, out, name=name: order.append((name, out)))
                stack.callback(handle.remove)
            self._probe()
        tensors = [(f"{name}[0]", out[0]) if isinstance(out, tuple) and out else (name, out) for name, out in order]
        timed = [
            name
            for name, out in tensors
            if isinstance(out, torch.Tensor) and out.ndim >= 3 and out[0, 0].numel() > 1 and 2 in out.shape[:2]
        ]
        if not timed:
            raise ValueError(f"No layer of {type(self.module).__name__} has a time axis: name one with layer=...")
        return timed[-1]


def _refuse_aligned(estimator):
    """Refuse a network that sees trials after a map of their groups: given others it would answer, and wrongly."""
    if getattr(estimator, "alignment_", None) is not None:
        raise ValueError(
            f"This {type(estimator).__name__} was fitted with align='group': its network sees aligned trials. Analyze "
            "FrozenEstimator(net.without_alignment()) on net.align_trials(X, groups)."
        )
