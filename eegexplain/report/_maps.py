"""Sections with maps: what the network uses, and beside it how the classes differ in the data."""

import html

import numpy as np

from eegexplain._text import plain, readable
from eegexplain.inspection._errors import SMALLEST, beyond_zero, familywise_limit
from eegexplain.report._artifacts import audit, numbers
from eegexplain.report._conclusion import conclude
from eegexplain.report._findings import Figure, Findings
from eegexplain.report._trust import of_maps

N_STRONGEST = 3
OF_DATA = "How the data differ (log power)"
LOWEST = 3.2  # inches: the label of a colour bar has room beside few channels
NUMBERS = {  # of a cell, as a table calls them
    "value": "value",
    "standard_error": "total error",
    "error_given_networks": "error given the networks",
    "fold_sd": "SD over folds",
    "seed_sd": "SD over seeds",
}
FACTS = ("method", "response", "perturbation", "noise", "scale", "scale_by", "perturbed_score")
WHERE_ARTIFACTS_SHOW = (
    "Ocular cells are frontal channels below 8 Hz, muscle cells channels on the edge of the cap from 13 Hz on, line "
    "cells all channels at 50 Hz: the brain shows there, too, so that a peak is a reason to look, no proof."
)
NO_PLACES = (
    "There are no scalp maps: the names of the channels are in no montage, and the file says no positions. Set a "
    "montage before saving the epochs, or rename the channels."
)
NOISE_MEANING = {
    "data": "what co-varies with the output in these data (perturbations have the data's own cross-spectrum)",
    "independent": "what the network does with each channel alone (perturbations are independent over channels)",
}

GIVEN_NETWORKS = {  # what the error of a map is over that takes its networks for given, by `Job.errors_over`
    "trials": "trials",
    "groups": "groups, whose trials are not independent",
    "folds": "trials (a fold holds out a single group, which tells nothing about the spread over groups)",
}


def perturbation(job):
    """Perturbation correlation on held-out trials, by band and by frequency, beside the class difference."""
    by_band, label = job.perturbation.by_band, job.perturbation.by_band.attrs["label"]
    facts, cells = {name: by_band.attrs[name] for name in FACTS}, strongest(by_band)
    artifacts, conclusion = audit(job), conclude(job)
    text = (
        "<p>Correlation of small changes of amplitude with the change of the centred logit: "
        f"{NOISE_MEANING[job.options.noise]}. Mean of {len(job.folds)} networks, each on trials it never saw. "
        f"{explain_marks(by_band, job)} That a map differs from zero does not show that the network decodes.</p>"
        f"{table_of_cells(cells)}<p>{html.escape(str(artifacts))} {WHERE_ARTIFACTS_SHOW}</p>"
        f"{'' if job.data.on_scalp else f'<p>{NO_PLACES}</p>'}"
    )
    return Findings(
        lines=[*describe(cells, label), f"Artifacts: {artifacts}"],
        html=[text],
        figures=_draw_beside_data(job, label),
        variables=named_maps(job.perturbation) | named_maps(job.contrast, "contrast_"),
        attributes=facts,
        summary={"strongest": cells, "perturbed_score": facts["perturbed_score"], "errors_over": job.errors_over}
        | {"artifacts": numbers(artifacts), "conclusion": conclusion},
        maps={f"What the network uses ({label})": job.perturbation.by_bin, OF_DATA: job.contrast.by_bin},
        conclusion=conclusion,
        checks=of_maps(job, artifacts),
    )


def named_maps(maps, prefix=""):
    """The variables of maps by band and by frequency, under names of their own."""
    by_band = {f"{prefix}{name}": maps.by_band[name] for name in maps.by_band}
    return by_band | {f"{prefix}{name}_by_frequency": maps.by_bin[name] for name in maps.by_bin}


def _draw_beside_data(job, label):
    """What the networks use and how the data differ: scalp maps by band, then one figure per class by frequency."""
    network, data, figures = job.perturbation, job.contrast, []
    shown = shown_outputs(network.by_bin)
    whose, unit = f"for class {shown[-1]}" if len(shown) == 1 else "for each class", data.by_band.attrs["label"]
    if job.data.on_scalp:
        caption = f"What the networks use {whose}, by band"
        drawn = topomaps(job, network.by_band, shown, label)
        figures.append(Figure("network_by_band", drawn, caption, seen(network.by_band, shown)))
        caption = f"How the data differ {whose}, by band"
        drawn = topomaps(job, data.by_band, shown, unit)
        figures.append(Figure("data_by_band", drawn, caption, seen(data.by_band, shown)))
    for place, output in enumerate(shown):
        panels = [
            (network.by_bin, f"What the networks use for class {output}", label),
            (data.by_bin, f"How the data of class {output} differ", unit),
        ]
        drawn = side_by_side(job, panels, output)
        told = f"Left, the networks: {seen(network.by_bin, [output])} Right, the data: {seen(data.by_bin, [output])}"
        figures.append(Figure(f"by_frequency_{place}", drawn, f"By frequency, class {output}", told))
    return figures


def seen(explanation, outputs, n=N_STRONGEST):
    """The largest cells of a map in words; each channel is named once."""
    told, unit = [], " Hz" if "frequency" in explanation.dims else ""
    for output in outputs:
        one = explanation["value"].sel(output=output).transpose("channel", ...)
        values, named = np.nan_to_num(one.to_numpy()), one[one.dims[1]].to_numpy()
        best = np.abs(values).argmax(axis=1)
        rows = np.argsort(-np.abs(values).max(axis=1))[:n]
        cells = [f"{one['channel'].values[k]} {_short(named[best[k]])}{unit} {values[k, best[k]]:+.2g}" for k in rows]
        told.append(f"class {output} is largest at {', '.join(cells)}")
    return f"{'; '.join(told)}."


def _short(name):
    return f"{name:.3g}" if isinstance(name, np.floating) else str(name)


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
                **{name: float(one[name].values[channel, band]) for name in NUMBERS},
            }
            for channel, band in zip(*np.unravel_index(order, one["value"].shape), strict=True)
        ]
    return found


def describe(cells, label):
    """The strongest cells as lines of text."""
    lines = [f"Strongest channel x band cells ({label} ± total error, over networks and trials):"]
    for output, found in cells.items():
        text = ", ".join(f"{c['channel']} {c['band']} {c['value']:+.3f} ± {c['standard_error']:.3f}" for c in found)
        lines.append(f"  class {output}: {text}")
    return lines


def explain_marks(explanation, job):
    """Sentences about the errors of a map, and what its dots and outlines mean."""
    degrees = explanation.attrs["degrees_of_freedom"]
    n_cells = explanation["value"].isel(output=0).size * len(shown_outputs(explanation))
    return (
        "White dots, and outlines around cells that are not pale, mark what is beyond zero: beyond "
        f"{familywise_limit(n_cells, degrees):.1f} errors for the first of {n_cells} cells by band (Holm: 5 % for all "
        f"cells of a map together, t with {degrees} degrees of freedom; with more folds, fewer errors are enough), and "
        f"of at least {100 * SMALLEST:.0f} % of the map's largest value. The error is the total one: over the "
        f"{len(job.folds)} folds and their networks, allowing for training parts that overlap, or given these "
        f"networks, over {GIVEN_NETWORKS[job.errors_over]}, where that is larger."
    )


def table_of_cells(cells):
    """The strongest cells of each class with their errors and spread over folds, as HTML; what none has is left out."""
    known = [name for name in NUMBERS if any(np.isfinite(c[name]) for found in cells.values() for c in found)]
    rows = [
        f"<tr><td>{html.escape(readable(output))}</td><td>{html.escape(readable(c['channel']))} "
        f"{html.escape(readable(c['band']))}</td>"
        + "".join(f"<td>{c[name]:+.3f}</td>" if name == "value" else f"<td>{c[name]:.3f}</td>" for name in known)
        + "</tr>"
        for output, found in cells.items()
        for c in found
    ]
    head = "".join(f"<th>{title}</th>" for title in ("class", "strongest cells", *(NUMBERS[name] for name in known)))
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


def beyond(display, explanation):
    """Cells of a display to mark, all together one family."""
    return beyond_zero(display.values, display.standard_error, explanation.attrs["degrees_of_freedom"])


def topomaps(job, explanation, outputs, label, mask=None):
    """Scalp maps, classes by bands, with electrodes beyond zero marked, or these."""
    from eegexplain.plotting import TopomapDisplay

    picked = named_classes(explanation.sel(output=outputs))
    display = TopomapDisplay.from_explanation(picked, label=label, positions=job.data.montage)
    marked = beyond(display, explanation) if mask is None else mask
    return display.plot_grid(mask=marked, panel_size=1.7).figure_


def spectra(job, explanation, label):
    """Channel-by-frequency maps of all classes, with shared colours."""
    from eegexplain.plotting import SpectralMapDisplay

    named, places = named_classes(explanation), job.data.montage
    display = SpectralMapDisplay.from_explanation(named, label=label, positions=places)
    figure = display.plot(order="front" if job.data.on_scalp else None, fade=~beyond(display, explanation)).figure_
    figure.set_figheight(max(figure.get_figheight(), LOWEST))
    return figure


def named_classes(explanation):
    """The explanation with outputs that read "class ..."."""
    return explanation.assign_coords(output=[f"class {name}" for name in explanation["output"].values])


def side_by_side(job, explanations, output):
    """Channel-by-frequency maps of several explanations of one class, each in its own colours."""
    import matplotlib.pyplot as plt

    from eegexplain.plotting import SpectralMapDisplay

    n_channels = explanations[0][0].sizes["channel"]
    height = float(np.clip(0.15 * n_channels + 1.1, LOWEST, 9.5))
    figure, axes = plt.subplots(1, len(explanations), figsize=(10, height), layout="constrained")
    for ax, (explanation, title, label) in zip(axes, explanations, strict=True):
        display = SpectralMapDisplay.from_explanation(
            explanation, output=output, fmax=45.0, label=label, positions=job.data.montage
        )
        display.plot(ax=ax, order="front" if job.data.on_scalp else None, fade=~beyond(display, explanation))
        ax.set_title(plain(title), pad=26)
    return figure
