"""The other displays: spectra, attributions, templates, kernels and encoding models."""
