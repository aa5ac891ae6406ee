"""Sinusoid fits of templates and signals: how fast, how strong, at which phase, and how well that describes them."""

from eegexplain.sinusoid._fit import SinusoidFit, fit_sinusoids
from eegexplain.sinusoid.classic import err_fn_lin, err_fn_sin, fit_fn_lin, fit_fn_sin, signal_fit
from eegexplain.sinusoid.fitter import SinusoidFitter

__all__ = [
    "SinusoidFit",
    "SinusoidFitter",
    "err_fn_lin",
    "err_fn_sin",
    "fit_fn_lin",
    "fit_fn_sin",
    "fit_sinusoids",
    "signal_fit",
]
