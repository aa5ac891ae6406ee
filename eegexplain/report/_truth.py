"""How much of what was planted in simulated data the explanation found."""

from dataclasses import asdict

import numpy as np

from eegexplain._bands import band_masks
from eegexplain.datasets._truth import class_effect
from eegexplain.inspection import score_against_truth
from eegexplain.report._findings import Figure, Findings


def planted(job):
    """Score the networks' maps and the data-only map by the planted truth."""
    from eegexplain.datasets import ideal_observer_accuracy

    truth, seed = job.data.simulation.truth, job.options.seed
    best = ideal_observer_accuracy(job.data.simulation, random_state=seed)
    several = len(truth.laws) > 1
    other = ideal_observer_accuracy(job.data.simulation, new_subjects=True, random_state=seed) if several else None
    maps = {"network": job.perturbation, "data": job.contrast}
    if job.has_gradients:
        maps["attribution"] = job.evidence
    scores = {name: score_against_truth(found.by_bin["value"].values, truth) for name, found in maps.items()}
    network = scores["network"]
    attributed = f"attribution {scores['attribution'].average_precision:.2f}, " if job.has_gradients else ""
    line = (
        f"Planted truth: a classifier that knows each held-out subject reaches at best {best:.3f}"
        + (f", one that knows only the others about {other:.3f}" if several else "")
        + "; average precision on informative cells: map "
        f"{network.average_precision:.2f}, {attributed}data-only map "
        f"{scores['data'].average_precision:.2f}, chance {network.chance:.2f}; the map has "
        f"{100 * network.sign_agreement:.0f} % of their signs"
    )
    summary = {name: asdict(score) for name, score in scores.items()}
    compared = "Planted and found, class 1, each row in units of its peak"
    return Findings(
        lines=[line],
        html=[f"<p>{line}.</p>"],
        figures=[
            Figure("planted", draw_planted(job.data), "What was planted: log power ratio, class 1", _seen(job.data)),
            Figure("planted_and_found", draw_comparison(job), compared, f"{line}."),
        ],
        summary={"truth": summary | {"ideal_accuracy": best, "ideal_accuracy_new_subjects": other}},
    )


def _seen(data):
    """The largest planted effects in words, in each channel once."""
    effect, frequencies = data.simulation.truth.effect[1], data.simulation.frequencies
    rows = np.argsort(-np.abs(effect).max(axis=1))[:4]
    best = np.abs(effect).argmax(axis=1)
    told = (f"{data.ch_names[k]} {frequencies[best[k]]:.3g} Hz {effect[k, best[k]]:+.2f}" for k in rows)
    return f"Largest at {', '.join(told)}."


def draw_planted(data):
    """The planted effect as a channel-by-frequency map."""
    from eegexplain.plotting import SpectralMapDisplay

    frequencies, effect = data.simulation.frequencies, data.simulation.truth.effect
    inside = frequencies <= 45
    options = {"frequencies": frequencies[inside], "label": "log power ratio"}
    return SpectralMapDisplay(effect[1:2, :, inside], data.ch_names, **options).plot(order="front").figure_


def draw_comparison(job):
    """Scalp maps by band: what was planted, what the networks use, how the data differ."""
    from eegexplain.plotting import TopomapDisplay

    truth, frequencies, bands = job.data.simulation.truth, job.data.simulation.frequencies, job.data.bands
    inside = band_masks(frequencies, bands)
    planted = class_effect(np.stack([truth.power[:, :, band].sum(axis=-1) for band in inside], axis=-1))[1]
    found = [maps.by_band["value"].isel(output=1).values for maps in (job.perturbation, job.contrast)]
    rows = np.array([row.T / np.abs(row).max() for row in (planted, *found)])
    display = TopomapDisplay.from_values(
        rows,
        job.data.ch_names,
        outputs=["planted", "network", "data"],
        bands=list(bands),
        label="share of the peak",
    )
    return display.plot_grid(panel_size=1.5).figure_
