"""Section with the accuracy on held-out trials."""

import html

import numpy as np

from eegexplain._text import plain
from eegexplain.inspection import balanced_accuracy
from eegexplain.report._findings import Figure, Findings
from eegexplain.report._references import decoder_table, numbers, tell_information, tell_references
from eegexplain.report._trust import of_decoding
from eegexplain.report._verdict import sentence

SHARED_SUBJECTS = (
    "Trials of one subject are in training and test parts alike: this accuracy also rewards recognizing the subject "
    "(--group-by subject prevents it)"
)


def decoding(job):
    """Accuracy on held-out trials, by group or fold."""
    alone = [balanced_accuracy(job.data.y, predicted) for predicted in job.predicted.by_seed]
    lines = [sentence(job.decoding), job.banner or "The networks decode held-out trials"]
    lines += [*tell_references(job.decoding), tell_information(job.decoding), job.model.told]
    if len(alone) > 1:
        lines.append(
            f"{len(alone)} networks per fold that differ by their seed are judged by their mean logit; balanced "
            f"accuracy of one network per fold alone: {', '.join(f'{score:.3f}' for score in alone)}"
        )
    if job.shared_subjects and not job.decoding.recognizable:
        lines.append(SHARED_SUBJECTS)
    if job.data.bands_left_out:
        lines.append(
            f"Left out, as the data were filtered ({_passband(job.data)}): {', '.join(job.data.bands_left_out)}"
        )
    written = [*lines]
    if job.data.left_out:
        written.append(f"Left out, as they are no scalp electrodes: {', '.join(job.data.left_out)}")
    summary = {
        "verdict": job.decoding.verdict,
        **numbers(job.decoding),
        "n_folds": len(job.folds),
        "n_seeds": len(alone),
        "balanced_accuracy_of_seeds": alone,
        "shared_subjects": job.shared_subjects,
    }
    caption = "Accuracy of each group (or fold) on held-out trials"
    return Findings(
        lines=lines,
        html=["".join(f"<p>{html.escape(line)}.</p>" for line in written) + decoder_table(job.decoding)],
        figures=[Figure("accuracy", _draw_accuracy(job), caption, _seen(job))],
        summary={"decoding": summary},
        checks=of_decoding(job),
    )


def _passband(data):
    """The filter that the data went through, in words."""
    edges = zip(("highpass", "lowpass"), data.passband, strict=True)
    return ", ".join(f"{name} {edge:g} Hz" for name, edge in edges if edge)


def _accuracies(job):
    """Accuracy and name of each group, or fold where there are no groups, from the lowest."""
    correct, groups = job.predicted.together == job.data.y, job.data.groups
    if groups is None:
        parts = {str(number): correct[fold.test] for number, fold in enumerate(job.folds, start=1)}
    else:
        parts = {str(name): correct[groups == name] for name in np.unique(groups)}
    return sorted((part.mean(), name) for name, part in parts.items())


def _seen(job):
    """The picture in words."""
    means, whose = [mean for mean, _ in _accuracies(job)], "fold" if job.data.groups is None else "group"
    n_above = sum(mean > job.decoding.chance_upper for mean in means)
    return (
        f"Accuracies from {means[0]:.2f} to {means[-1]:.2f}, a dot for each {whose}; {n_above} of {len(means)} lie "
        "beyond what permuted labels reach on all trials."
    )


def _draw_accuracy(job):
    """Accuracy of each group, or fold where there are no groups; balanced accuracy of all, its interval and chance."""
    import matplotlib.pyplot as plt

    means, found, groups = _accuracies(job), job.decoding, job.data.groups
    figure, ax = plt.subplots(figsize=(6, 0.17 * len(means) + 1.2), layout="constrained")
    ax.axvspan(found.low, found.high, color="C0", alpha=0.2, linewidth=0, label="balanced accuracy, 95 % interval")
    ax.axvline(found.balanced_accuracy, color="C0")
    ax.axvspan(0, found.chance_upper, color="0.92", linewidth=0, zorder=0, label="permuted labels (95 %)")
    ax.axvline(found.chance, color="0.6", linestyle=":")
    ax.plot([mean for mean, _ in means], range(len(means)), "o", color="0.2", markersize=4)
    ax.set_yticks(range(len(means)), [plain(name) for _, name in means], fontsize=7)
    ax.set(xlim=(0, 1.02), xlabel="held-out accuracy", ylabel="fold" if groups is None else "group")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure
