"""How much of what was planted in simulated data the explanation found."""

import numpy as np
from sklearn.metrics import average_precision_score

from eegexplain.datasets._truth import class_effect


def score_map(value, truth):
    """Compare a map with the planted effect.

    Parameters
    ----------
    value : ndarray of shape (n_outputs, n_channels, n_frequencies)
    truth : Bunch
        Of `make_oscillatory_eeg`.

    Returns
    -------
    dict
        ``average_precision`` of the map's absolute value for informative against irrelevant cells (leakage is left
        out), its chance level, and ``sign_agreement`` on informative cells.
    """
    known = np.isin(truth.role, ("informative", "irrelevant"))
    informative = truth.role[known] == "informative"
    strength = np.abs(value).max(axis=0)[known]
    sign = np.sign(value[:, truth.role == "informative"]) == np.sign(truth.effect[:, truth.role == "informative"])
    return {
        "average_precision": float(average_precision_score(informative, strength)),
        "chance": float(informative.mean()),
        "sign_agreement": float(sign.mean()),
    }


def planted(job, part):
    """Score the network's map and the data-only map by the planted truth."""
    from eegexplain.datasets import ideal_observer_accuracy

    truth = job.data.truth
    best = ideal_observer_accuracy(job.data, random_state=job.options.seed)
    several = len(truth.laws) > 1
    other = ideal_observer_accuracy(job.data, new_subjects=True, random_state=job.options.seed) if several else None
    network = score_map(part.variables["value_by_frequency"].values, truth)
    data = score_map(part.variables["contrast_value_by_frequency"].values, truth)
    evidence = score_map(part.variables["flex_value_by_frequency"].values, truth)
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
