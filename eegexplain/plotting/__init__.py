"""Pictures: maps on the scalp, animations, spectra and templates."""

import importlib

_LAZY = {
    "FaithfulnessDisplay": "eegexplain.plotting.attribution",
    "TimeFrequencyDisplay": "eegexplain.plotting.attribution",
    "TrialMapDisplay": "eegexplain.plotting.attribution",
    "CHANNEL_10_20_APPROX": "eegexplain.plotting.classic",
    "HRFDisplay": "eegexplain.plotting.encoding",
    "R2Display": "eegexplain.plotting.encoding",
    "SpectralMapDisplay": "eegexplain.plotting.spectra",
    "TRFDisplay": "eegexplain.plotting.kernels",
    "TemplateDisplay": "eegexplain.plotting.templates",
    "TopomapDisplay": "eegexplain.plotting.scalp",
    "TuningCurveDisplay": "eegexplain.plotting.encoding",
    "ax_scalp": "eegexplain.plotting.classic",
    "channel_positions": "eegexplain.plotting._positions",
    "interpolation_matrix": "eegexplain.plotting._topography",
}

__all__ = sorted(_LAZY)


def __getattr__(name):
    """Import a public name on first use."""
    if name not in _LAZY:
        raise AttributeError(f"module 'eegexplain.plotting' has no attribute {name!r}")
    globals()[name] = getattr(importlib.import_module(_LAZY[name]), name)
    return globals()[name]


def __dir__():
    """List the public names, loaded or not."""
    return sorted({*globals(), *__all__})
