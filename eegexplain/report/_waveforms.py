"""Section for networks that read the sign of signals: how the means of classes differ, which no map of power shows."""

import html

import numpy as np

from eegexplain._text import plain, readable
from eegexplain.inspection import evoked_contrast
from eegexplain.inspection._artifacts import OCULAR_BELOW, place_of
from eegexplain.inspection._errors import beyond_zero
from eegexplain.report._findings import Figure, Findings
from eegexplain.report._maps import shown_outputs

TEXT = (
    "<p>Trials with their sign flipped are not decoded as well: the networks read waveforms, locked to the beginning "
    "of the trial, and not only power. Maps of amplitude cannot show that. Here is how the means of the classes over "
    "trials differ, each less the others, beside the difference of power that the maps are compared with; dots mark "
    "what is beyond zero (Holm over channels and times).</p>"
)


def waveforms(job):
    """Contrast of evoked signals and, in words, where it is largest."""
    found = evoked_contrast(job.data.X, job.data.y, groups=job.data.groups, **job.data.axes)
    told = " ".join(tell(found.sel(output=name), job.data.sfreq) for name in shown_outputs(found))
    return Findings(
        lines=[told],
        html=[TEXT, f"<p>{html.escape(readable(told))}</p>"],
        figures=[Figure("waveforms", draw(found), "How the means of the classes differ over time", told)],
        variables={f"evoked_contrast_{name}": found[name] for name in ("value", "standard_error")},
        summary={"polarity": {"balanced_accuracy": job.polarity.kept, "with_flipped_signs": job.polarity.flipped}},
    )


def tell(found, sfreq):
    """The largest difference of a class and, if it is slow and near the eyes, what else it may be."""
    value, output = found["value"].to_numpy(), readable(str(found["output"].item()))
    channel, sample = np.unravel_index(np.abs(value).argmax(), value.shape)
    name, time = str(found["channel"].values[channel]), found["time"].values[sample]
    told = f"The mean of class {output} differs most at {readable(name)} after {1000 * time:.0f} ms."
    bins = np.abs(np.fft.rfft(value[channel])) ** 2
    slow = bins[np.fft.rfftfreq(value.shape[-1], 1 / sfreq) < OCULAR_BELOW].sum() / (bins.sum() or 1.0)
    place = place_of(name)
    if slow > 0.5 and place is not None and (place.ocular or place.muscle):
        told += (
            f" {100 * slow:.0f} % of that difference is below {OCULAR_BELOW:g} Hz at a "
            f"{'frontal' if place.ocular else 'lateral'} channel: eye movements look like this."
        )
    return told


def draw(found):
    """All channels over time, a panel per class; the three largest are named, and what is beyond zero has a dot."""
    import matplotlib.pyplot as plt

    outputs, times = shown_outputs(found), found["time"].to_numpy()
    value, error = (found[name].sel(output=outputs).to_numpy() for name in ("value", "standard_error"))
    marked = beyond_zero(value, error, found.attrs["degrees_of_freedom"])
    figure, axes = plt.subplots(len(outputs), 1, figsize=(8, 0.6 + 2.2 * len(outputs)), sharex=True, sharey=True,
                                layout="constrained", squeeze=False)  # fmt: skip
    others = "the others" if found.sizes["output"] > 2 else f"class {plain(str(found['output'].values[0]))}"
    for ax, name, lines, inside in zip(axes[:, 0], outputs, value, marked, strict=True):
        ax.axhline(0, color="0.7", linewidth=0.8)
        strongest = list(np.argsort(-np.abs(lines).max(axis=1))[:3])
        for channel, line in enumerate(lines):
            named = channel in strongest
            color = f"C{strongest.index(channel)}" if named else "0.8"
            label = plain(str(found["channel"].values[channel])) if named else None
            ax.plot(times, line, color=color, linewidth=1.4 if named else 0.7, label=label, zorder=2 if named else 1)
            ax.plot(times[inside[channel]], line[inside[channel]], "o", color=color, markersize=3.5, zorder=3)
        ax.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
        ax.set_title(f"class {plain(str(name))} less {others}", fontsize=9)
        ax.set_ylabel("difference\nof means")
        ax.spines[["top", "right"]].set_visible(False)
    axes[-1, 0].set_xlabel("time from the first sample (s)")
    return figure
