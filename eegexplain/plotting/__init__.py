"""Pictures: maps on the scalp, animations, spectra and templates."""

import importlib

_LAZY = {
    "ConfusionDisplay": "eegexplain.plotting.displays.confusion",
    "CrossValidatedDisplay": "eegexplain.plotting.displays.cross_validated",
    "PatchingDisplay": "eegexplain.plotting.displays.patching",
    "PermutationDisplay": "eegexplain.plotting.displays.permutation",
    "FaithfulnessDisplay": "eegexplain.plotting.displays.faithfulness",
    "TimeFrequencyDisplay": "eegexplain.plotting.displays.attribution",
    "TrialMapDisplay": "eegexplain.plotting.displays.attribution",
    "CHANNEL_10_20_APPROX": "eegexplain.plotting.scalp.classic",
    "CoverageDisplay": "eegexplain.plotting.displays.coverage",
    "GeneralizationDisplay": "eegexplain.plotting.displays.generalization",
    "HRFDisplay": "eegexplain.plotting.displays.encoding",
    "InformationDisplay": "eegexplain.plotting.displays.information",
    "R2Display": "eegexplain.plotting.displays.encoding",
    "SynchronyDisplay": "eegexplain.plotting.displays.synchrony",
    "SpectralMapDisplay": "eegexplain.plotting.displays.spectra",
    "TRFDisplay": "eegexplain.plotting.displays.kernels",
    "TemplateDisplay": "eegexplain.plotting.displays.templates",
    "TopomapDisplay": "eegexplain.plotting.scalp.maps",
    "TuningCurveDisplay": "eegexplain.plotting.displays.encoding",
    "ax_scalp": "eegexplain.plotting.scalp.classic",
    "channel_positions": "eegexplain.plotting.scalp.positions",
    "interpolation_matrix": "eegexplain.plotting.scalp.topography",
    "one_column": "eegexplain.plotting._column",
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
