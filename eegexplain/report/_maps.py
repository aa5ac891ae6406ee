"""Sections with maps: what the network uses, and beside it how the classes differ in the data."""

import numpy as np

from eegexplain.inspection import power_contrast

N_STRONGEST = 3
FACTS = ("method", "response", "perturbation", "noise", "scale", "scale_by", "perturbed_score")
NOISE_MEANING = {
    "data": "what co-varies with the output in these data (perturbations have the data's own cross-spectrum)",
    "independent": "what the network does with each channel alone (perturbations are independent over channels)",
}

ERRORS = {
    "trials": "Errors are over trials.",
    "groups": "Errors are over groups, whose trials are not independent.",
    "folds": "A fold holds out a single group, which tells nothing about the spread over groups: errors are over folds "
    "(or over trials, where that is more), rough with so few.",
}


def perturbation(job, part):
    """Perturbation correlation on held-out trials, by band and by frequency, beside the class difference."""
    from eegexplain.perturbation import PerturbationCorrelator

    def explainer(net, bands):
        return PerturbationCorrelator(
            net, bands=bands, noise=job.options.noise, sfreq=job.data.sfreq, ch_names=job.data.ch_names
        )

    by_band = job.explain_folds(lambda net: explainer(net, job.bands))
    by_bin = job.explain_folds(lambda net: explainer(net, None))
    data = {"sfreq": job.data.sfreq, "ch_names": job.data.ch_names, "groups": job.groups}
    contrast = power_contrast(job.data.X, job.data.y, bands=job.bands, **data)
    contrast_by_bin = power_contrast(job.data.X, job.data.y, **data)
    label = "perturbation correlation"
    part.variables |= {name: by_band[name] for name in by_band}
    part.variables |= {f"{name}_by_frequency": by_bin[name] for name in by_bin}
    part.variables |= {f"contrast_{name}": contrast[name] for name in contrast}
    part.variables |= {f"contrast_{name}_by_frequency": contrast_by_bin[name] for name in contrast_by_bin}
    part.attributes |= {name: by_band.attrs[name] for name in FACTS}
    part.summary["strongest"] = strongest(by_band)
    part.summary["perturbed_score"] = part.attributes["perturbed_score"]
    part.summary["errors_over"] = job.errors_over
    part.lines += describe(part.summary["strongest"], label, job.errors_over)
    part.html.append(
        "<p>Correlation of small changes of amplitude with the change of the centred logit: "
        f"{NOISE_MEANING[job.options.noise]}. Mean of {len(job.folds)} networks, each on trials it never saw. "
        "Hatched cells lie within two standard errors of zero; white dots mark channels beyond. "
        f"{ERRORS[job.errors_over]} They say how well the map is known: that a map differs from zero does not show "
        "that the network decodes.</p>"
    )
    shown = shown_outputs(by_bin)
    whose = f"for class {shown[-1]}" if len(shown) == 1 else "for each class"
    if job.on_scalp:
        part.figures += [
            ("network_by_band", topomaps(by_band, shown, label), f"What the networks use {whose}, by band"),
            (
                "data_by_band",
                topomaps(contrast, shown, "difference of log power"),
                f"How the data differ {whose}, by band",
            ),
        ]
    for place, output in enumerate(shown):
        panels = [
            (by_bin, f"What the networks use for class {output}", label),
            (contrast_by_bin, f"How the data of class {output} differ", "difference of log power"),
        ]
        part.figures.append(
            (f"by_frequency_{place}", side_by_side(job, panels, output), f"By frequency, class {output}")
        )


def shown_outputs(explanation):
    """All classes, or of two only the second: the first is its mirror image."""
    outputs = list(explanation["output"].values)
    return outputs[1:] if len(outputs) == 2 else outputs


def strongest(explanation, n=N_STRONGEST):
    """Cells of the largest absolute value for each class, with their errors."""
    found = {}
    for output in explanation["output"].values:
        one = explanation.sel(output=output)
        order = np.argsort(-np.abs(one["value"].values), axis=None)[:n]
        found[str(output)] = [
            {
                "channel": str(one["channel"].values[channel]),
                "band": str(one["band"].values[band]),
                "value": float(one["value"].values[channel, band]),
                "standard_error": float(one["standard_error"].values[channel, band]),
                "fold_sd": float(one["fold_sd"].values[channel, band]),
            }
            for channel, band in zip(*np.unravel_index(order, one["value"].shape), strict=True)
        ]
    return found


def describe(cells, label, unit):
    """The strongest cells as lines of text; errors are over `unit`."""
    lines = [f"Strongest channel x band cells ({label} ± standard error over {unit}; SD over networks):"]
    for output, found in cells.items():
        text = ", ".join(
            f"{c['channel']} {c['band']} {c['value']:+.3f} ± {c['standard_error']:.3f} ({c['fold_sd']:.2f})"
            for c in found
        )
        lines.append(f"  class {output}: {text}")
    return lines


def topomaps(explanation, outputs, label):
    """Scalp maps, classes by bands, with electrodes beyond two standard errors marked."""
    from eegexplain.plotting import TopomapDisplay

    picked = named_classes(explanation.sel(output=outputs))
    display = TopomapDisplay.from_explanation(picked, label=label)
    beyond = np.abs(display.values) > 2 * display.standard_error
    return display.plot_grid(mask=beyond, panel_size=1.7).figure_


def spectra(job, explanation, label):
    """Channel-by-frequency maps of all classes, with shared colours."""
    from eegexplain.plotting import SpectralMapDisplay

    display = SpectralMapDisplay.from_explanation(named_classes(explanation), label=label)
    return display.plot(order="front" if job.on_scalp else None).figure_


def named_classes(explanation):
    """The explanation with outputs that read "class ..."."""
    return explanation.assign_coords(output=[f"class {name}" for name in explanation["output"].values])


def side_by_side(job, explanations, output):
    """Channel-by-frequency maps of several explanations of one class, each in its own colours."""
    import matplotlib.pyplot as plt

    from eegexplain.plotting import SpectralMapDisplay

    n_channels = explanations[0][0].sizes["channel"]
    height = float(np.clip(0.15 * n_channels + 1.1, 2.4, 9.5))
    figure, axes = plt.subplots(1, len(explanations), figsize=(10, height), layout="constrained")
    for ax, (explanation, title, label) in zip(axes, explanations, strict=True):
        display = SpectralMapDisplay.from_explanation(explanation, output=output, fmax=45.0, label=label)
        display.plot(ax=ax, order="front" if job.on_scalp else None)
        ax.set_title(title, pad=26)
    return figure
