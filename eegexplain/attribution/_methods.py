"""Attribution methods as multipliers: gradients that any basis reads against the change of the input."""

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from eegexplain.attribution._path import Integral, PathGradients, apply, integrate


@dataclass(frozen=True)
class Method:
    """One attribution method.

    Attributes
    ----------
    name : str
    function : callable
        ``(paths, request) -> PathGradients``.
    formula : str
    n_draws : int
        Draws of baseline and position that it averages; 0 where it needs one pass per baseline.
    signed : bool
        Whether cells share out the change of the output; else they hold the size of the gradient.
    complete : bool
        Whether attributions should sum to the change of the output.
    nested : bool
        Whether it can go from one nested rule to the next.
    """

    name: str
    function: object
    formula: str
    n_draws: int = 0
    signed: bool = True
    complete: bool = False
    nested: bool = False


@dataclass(frozen=True)
class Request:
    """Options of a pass.

    Attributes
    ----------
    n_steps : int or "auto"
    tol : float
        Tolerance of the path of each trial.
    position : float
        A random position on the path.
    module : torch.nn.Module
        The network behind the paths.
    level : int, optional
        Rule by which all trials are integrated; None refines each trial to `tol`.
    begun : Integral, optional
        What is known of these paths from an earlier rule.
    """

    n_steps: object
    tol: float
    position: float
    module: nn.Module
    level: int | None = None
    begun: Integral | None = None


def _integrated(paths, request):
    if request.level is None:
        return integrate(paths, n_steps=request.n_steps, tol=request.tol)
    found = Integral.begin(paths) if request.begun is None else request.begun
    while found.level[0] < request.level:
        found.refine(np.arange(len(found.level)))
    return found.read(goes_on=True)


def _at(paths, position):
    """Gradient at one position of every path."""
    return apply(paths, np.array([position]), np.ones(1))


class _Explained(nn.Module):
    """The network with the explained response as its output, as captum wants it."""

    def __init__(self, module, respond):
        super().__init__()
        self.module = module
        self.respond = respond

    def forward(self, x):
        return self.respond(x)


def _deep_lift(paths, request):
    from captum.attr import DeepLift

    explainer = DeepLift(_Explained(request.module, paths.respond), multiply_by_inputs=False)
    found = torch.empty((len(paths.start), paths.targets.shape[1], *paths.start.shape[1:]), dtype=paths.start.dtype,
                        device=paths.start.device)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Setting forward, backward hooks")
        for first in range(0, len(found), max(1, paths.rows // 2)):
            part = slice(first, first + max(1, paths.rows // 2))
            start = paths.start[part].clone().requires_grad_()
            end = (paths.start[part] + paths.change[part]).requires_grad_()
            for number in range(found.shape[1]):
                multipliers = explainer.attribute(end, baselines=start, target=paths.targets[part, number])
                found[part, number] = multipliers.detach()
    ends = paths.ends()
    return PathGradients(found.double().cpu().numpy(), paths.change.double().cpu().numpy(), ends[1] - ends[0],
                         np.ones(len(found), int), np.zeros(ends.shape[1:]))


METHODS = {method.name: method for method in (
    Method("integrated_gradients", _integrated, "mean of the gradient over the path", complete=True,
           nested=True),
    Method("deep_lift", _deep_lift, "DeepLift multipliers (captum)", complete=True),
    Method("gradient_shap", lambda paths, request: _at(paths, request.position),
           "gradient at random points between baselines and input", n_draws=32),
    Method("saliency", lambda paths, request: _at(paths, 1.0), "size of the gradient at the input", signed=False),
    Method("input_x_gradient", lambda paths, request: _at(paths, 1.0), "gradient at the input"),
)}
