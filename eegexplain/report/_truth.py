"""How much of what was planted in simulated data the explanation found."""

from dataclasses import asdict

import numpy as np

from eegexplain.datasets._truth import class_effect
from eegexplain.inspection import score_against_truth


def planted(job, part):
    """Score the network's map and the data-only map by the planted truth."""
    from eegexplain.datasets import ideal_observer_accuracy

    truth = job.data.truth
    best = ideal_observer_accuracy(job.data, random_state=job.options.seed)
    several = len(truth.laws) > 1
    other = ideal_observer_accuracy(job.data, new_subjects=True, random_state=job.options.seed) if several else None
    network = asdict(score_against_truth(part.variables["value_by_frequency"].values, truth))
    data = asdict(score_against_truth(part.variables["contrast_value_by_frequency"].values, truth))
    evidence = asdict(score_against_truth(part.variables["flex_value_by_frequency"].values, truth))
    part.summary["truth"] = {"network": network, "attribution": evidence, "data": data, "ideal_accuracy": best}
    part.summary["truth"]["ideal_accuracy_new_subjects"] = other
    part.lines.append(
        f"Planted truth: a classifier that knows each held-out subject reaches at best {best:.3f}"
        + (f", one that knows only the others about {other:.3f}" if several else "")
        + "; average precision on informative cells: map "
        f"{network['average_precision']:.2f}, attribution {evidence['average_precision']:.2f}, data-only map "
        f"{data['average_precision']:.2f}, chance {network['chance']:.2f}; the map has "
        f"{100 * network['sign_agreement']:.0f} % of their signs"
    )
    part.html.append(f"<p>{part.lines[-1]}.</p>")
    part.figures += [
        ("planted", draw_planted(truth, job), "What was planted: log power ratio, class 1"),
        (
            "planted_and_found",
            draw_comparison(truth, job, part),
            "Planted and found, class 1, each row in units of its peak",
        ),
    ]


def draw_planted(truth, job):
    """The planted effect as a channel-by-frequency map."""
    from eegexplain.plotting import SpectralMapDisplay

    inside = job.data.frequencies <= 45
    frequencies, effect = job.data.frequencies[inside], truth.effect[1:2, :, inside]
    display = SpectralMapDisplay(effect, job.data.ch_names, frequencies=frequencies, label="log power ratio")
    return display.plot(order="front").figure_


def draw_comparison(truth, job, part):
    """Scalp maps by band: what was planted, what the networks use, how the data differ."""
    from eegexplain.plotting import TopomapDisplay

    inside = [(job.data.frequencies >= low) & (job.data.frequencies < high) for low, high in job.bands.values()]
    planted = class_effect(np.stack([truth.power[:, :, band].sum(axis=-1) for band in inside], axis=-1))[1]
    found = [part.variables[name].isel(output=1).values for name in ("value", "contrast_value")]
    rows = np.array([row.T / np.abs(row).max() for row in (planted, *found)])
    display = TopomapDisplay.from_values(
        rows,
        job.data.ch_names,
        outputs=["planted", "network", "data"],
        bands=list(job.bands),
        label="share of the peak",
    )
    return display.plot_grid(panel_size=1.5).figure_
