"""The sections of the report, in the order in which they are read: one function each.

A section takes the job and the part that all sections fill together; a new analysis is a function and a line in
`SECTIONS`.
"""

import html
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import numpy as np

from eegexplain._text import plain
from eegexplain.inspection import balanced_accuracy
from eegexplain.report._decoding import sentence
from eegexplain.report._filters import filters
from eegexplain.report._flex import attribution
from eegexplain.report._layers import layers
from eegexplain.report._maps import perturbation
from eegexplain.report._truth import planted

SHARED_SUBJECTS = (
    "Trials of one subject are in training and test parts alike: this accuracy also rewards recognising the subject "
    "(--group-by subject prevents it)"
)


@dataclass
class Part:
    """What sections add: pictures, text, numbers, files."""

    figures: list = field(default_factory=list)  # (file name, matplotlib figure, caption)
    html: list = field(default_factory=list)
    summary: dict = field(default_factory=dict)  # goes into summary.json
    lines: list = field(default_factory=list)  # printed
    variables: dict = field(default_factory=dict)  # xarray.DataArray by name, go into explanation.nc
    attributes: dict = field(default_factory=dict)  # facts of the analysis, go into explanation.nc
    tables: dict = field(default_factory=dict)  # pandas.DataFrame by file name


@dataclass(frozen=True)
class Section:
    """A part of the report: its title, its function, and whether it has something to say about a job."""

    title: str
    build: Callable
    needed: Callable = bool


def decoding(job, part):
    """Accuracy on held-out trials, by group or fold."""
    found = job.decoding
    part.lines.append(sentence(found))
    part.lines.append(job.banner or "The networks decode held-out trials")
    alone = [balanced_accuracy(job.data.y, predicted) for predicted in job.predicted.alone]
    if len(alone) > 1:
        part.lines.append(
            f"{len(alone)} networks per fold that differ by their seed are judged by their mean logit; balanced "
            f"accuracy of one network per fold alone: {', '.join(f'{score:.3f}' for score in alone)}"
        )
    if job.shared_subjects and not found.recognizable:
        part.lines.append(SHARED_SUBJECTS)
    part.summary["decoding"] = {
        "verdict": found.verdict,
        **asdict(found),
        "n_folds": len(job.folds),
        "n_seeds": len(alone),
        "balanced_accuracy_of_seeds": alone,
        "shared_subjects": job.shared_subjects,
    }
    if job.bands_left_out:
        part.lines.append(
            f"Left out, as the data were filtered ({_passband(job.data)}): {', '.join(job.bands_left_out)}"
        )
    lines = [*part.lines]
    if job.left_out:
        lines.append(f"Left out, as they are no scalp electrodes: {', '.join(job.left_out)}")
    part.html.append("".join(f"<p>{html.escape(line)}.</p>" for line in lines))
    part.figures.append(("accuracy", _draw_accuracy(job), "Accuracy of each group (or fold) on held-out trials"))


def _passband(data):
    """The filter that the data went through, in words."""
    edges = {"highpass": data.get("highpass"), "lowpass": data.get("lowpass")}
    return ", ".join(f"{name} {edge:g} Hz" for name, edge in edges.items() if edge)


def _draw_accuracy(job):
    """Accuracy of each group, or fold where there are no groups; balanced accuracy of all, its interval and chance."""
    import matplotlib.pyplot as plt

    correct, found = job.predicted.together == job.data.y, job.decoding
    if job.groups is None:
        parts = {str(number): correct[fold.test] for number, fold in enumerate(job.folds, start=1)}
    else:
        parts = {str(name): correct[job.groups == name] for name in np.unique(job.groups)}
    means = sorted((part.mean(), name) for name, part in parts.items())
    figure, ax = plt.subplots(figsize=(6, 0.17 * len(parts) + 1.2), layout="constrained")
    ax.axvspan(found.low, found.high, color="C0", alpha=0.2, linewidth=0, label="balanced accuracy, 95 % interval")
    ax.axvline(found.balanced_accuracy, color="C0")
    ax.axvspan(0, found.chance_upper, color="0.92", linewidth=0, zorder=0, label="permuted labels (95 %)")
    ax.axvline(found.chance, color="0.6", linestyle=":")
    ax.plot([mean for mean, _ in means], range(len(means)), "o", color="0.2", markersize=4)
    ax.set_yticks(range(len(means)), [plain(name) for _, name in means], fontsize=7)
    ax.set(xlim=(0, 1.02), xlabel="held-out accuracy", ylabel="fold" if job.groups is None else "group")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def _is_simulated(job):
    return "truth" in job.data


def _is_syncnet(job):
    return job.options.model == "syncnet"


SECTIONS = (
    Section("Decoding", decoding),
    Section("What the network uses", perturbation),
    Section("What the evidence is made of", attribution),
    Section("Planted truth", planted, _is_simulated),
    Section("Learned filters", filters, _is_syncnet),
    Section("Layer by layer", layers, _is_syncnet),
)
