"""Attribution methods as multipliers: gradients that any basis reads against the change of the input."""

import warnings
from dataclasses import dataclass
from functools import partial

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
    caution : str
        What is known to be wrong with it: why it warns. Only of methods that change how gradients pass rectifiers.
    """

    name: str
    function: object
    formula: str
    n_draws: int = 0
    signed: bool = True
    complete: bool = False
    nested: bool = False
    caution: str = ""

    def warn_of(self, module):
        """Warn where the map says little about this network."""
        if not self.caution:
            return
        told = f"{self.caution} Ask inspection.model_randomization before you believe it."
        if not any(isinstance(child, nn.ReLU) for child in module.modules()):
            told = f"{type(module).__name__} holds no nn.ReLU whose gradient it could change: this is input_x_gradient."
        warnings.warn(f"method={self.name!r}: {told}", stacklevel=5)


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


def _deep_lift(module):
    from captum.attr import DeepLift

    return DeepLift(module, multiply_by_inputs=False)


def _guided_backprop(module):
    from captum.attr import GuidedBackprop

    return GuidedBackprop(module)


def _deconvolution(module):
    from captum.attr import Deconvolution

    return Deconvolution(module)


def _by_captum(make, paths, request, *, against_baseline=False):
    """Multipliers of an explainer of captum's, one pass per target; those of two points hold both in a pass."""
    explainer = make(_Explained(request.module, paths.respond))
    found = torch.empty((len(paths.start), paths.targets.shape[1], *paths.start.shape[1:]), dtype=paths.start.dtype,
                        device=paths.start.device)
    rows = max(1, paths.rows // 2) if against_baseline else paths.rows
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Setting (forward, )?backward hooks")
        for first in range(0, len(found), rows):
            part = slice(first, first + rows)
            end = (paths.start[part] + paths.change[part]).requires_grad_()
            given = {"baselines": paths.start[part].clone().requires_grad_()} if against_baseline else {}
            for number in range(found.shape[1]):
                multipliers = explainer.attribute(end, target=paths.targets[part, number], **given)
                found[part, number] = multipliers.detach()
    ends = paths.ends()
    return PathGradients(found.double().cpu().numpy(), paths.change.double().cpu().numpy(), ends[1] - ends[0],
                         np.ones(len(found), int), np.zeros(ends.shape[1:]))


# Rectifiers that pass only what is positive give the trial back, whatever the layers above have learned: seen on
# networks of images (Adebayo et al. 2018, https://doi.org/10.48550/arXiv.1810.03292), shown for random weights (Nie et
# al. 2018, https://doi.org/10.48550/arXiv.1805.07039), and seen here in tests/inspection/test_sanity.py.
_STAYS = "its map may stay as it is when all layers but the first are drawn anew (Adebayo et al. 2018)."
_LESS = "signs aside, its map changes less than that of the gradient when layers are drawn anew (Nie et al. 2018)."

METHODS = {method.name: method for method in (
    Method("integrated_gradients", _integrated, "mean of the gradient over the path", complete=True,
           nested=True),
    Method("deep_lift", partial(_by_captum, _deep_lift, against_baseline=True), "DeepLift multipliers (captum)",
           complete=True),
    Method("gradient_shap", lambda paths, request: _at(paths, request.position),
           "gradient at random points between baselines and input", n_draws=32),
    Method("saliency", lambda paths, request: _at(paths, 1.0), "size of the gradient at the input", signed=False),
    Method("guided_backprop", partial(_by_captum, _guided_backprop),
           "gradient at the input, of which rectifiers pass what is positive (captum)", caution=_STAYS),
    Method("deconvolution", partial(_by_captum, _deconvolution),
           "gradient at the input through rectifiers that work on it alone (captum)", caution=_LESS),
    Method("input_x_gradient", lambda paths, request: _at(paths, 1.0), "gradient at the input"),
)}
