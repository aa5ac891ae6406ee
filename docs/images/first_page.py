"""Make two pictures of the first page: ``python docs/images/first_page.py`` beside the README.

``planted.png`` is made from simulated EEG. ``two_splits.png`` needs real EEG: EEGEXPLAIN_DATA names the folder with
``uci_eeg_train.npz`` (UCI EEG Database, H. Begleiter, https://doi.org/10.24432/C5TS3D); all numbers in it are measured
when it is made, and only the picture is kept.
"""

import io
import os
import pathlib

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from eegexplain._bands import band_masks
from eegexplain.datasets import load_trials, make_oscillatory_eeg
from eegexplain.datasets._truth import class_effect
from eegexplain.inspection.cross_validation import fold_numbers
from eegexplain.plotting import TopomapDisplay
from eegexplain.report import Options, run_job

HERE = pathlib.Path(__file__).parent
ALPHA, BETA, BAND = "#0072B2", "#D55E00", 2.0  # colours of two channels; standard errors that are shaded
GOOD, DOUBT, BAD = "#1a7f37", "#9a5b00", "#b3261e"  # of a verdict, as in the report
STYLE = {"font.size": 9, "axes.titlesize": 10, "savefig.dpi": 130, "axes.spines.top": False, "axes.spines.right": False}


def planted():
    """What was planted, what networks use, how the data differ: alpha, beta, and the spectra of two channels."""
    data = make_oscillatory_eeg(360, n_subjects=6, random_state=0)  # the demo
    job = run_job(data, Options(group_by="subject"))
    power, frequencies = data.truth.power, data.frequencies
    inside = band_masks(frequencies, job.data.bands)
    by_band = class_effect(np.stack([power[:, :, band].sum(axis=-1) for band in inside], axis=-1))[1]
    rows = [("planted", by_band, frequencies, data.truth.effect[1], None)]
    for name, maps in (("the network", job.perturbation), ("the data", job.contrast)):
        band, spectrum = (maps.by_band.isel(output=1), maps.by_bin.isel(output=1))
        rows.append((name, band["value"].values, spectrum["frequency"].values, spectrum["value"].values,
                     spectrum["standard_error"].values))  # fmt: skip
    columns = [list(job.data.bands).index(name) for name in ("alpha", "beta")]
    shown = [int(np.abs(by_band[:, column]).argmax()) for column in columns]
    figure, axes = plt.subplots(3, 3, figsize=(7.6, 5.6), layout="constrained", gridspec_kw={"width_ratios": [1, 1, 2]})
    titles = ["alpha, 8 to 13 Hz", "beta, 13 to 30 Hz"]
    for line, (name, values, bins, spectrum, error) in zip(axes, rows, strict=True):
        share = values / np.abs(values).max()
        display = TopomapDisplay.from_values(share.T, data.ch_names, label="share of the peak")
        for ax, column in zip(line, columns, strict=False):
            display.plot(ax=ax, frame=column, vlim=1.0, colorbar=False, title=titles.pop(0) if titles else "")
        line[0].text(-0.05, 0.5, name, transform=line[0].transAxes, rotation=90, ha="right", va="center", fontsize=11)
        _spectra(line[2], bins, spectrum, error, [(data.ch_names[k], k) for k in shown])
    axes[0, 2].set_title("two channels, shaded: ± 2 standard errors")
    axes[0, 2].legend(frameon=False, loc="lower right")
    axes[-1, 2].set_xlabel("frequency (Hz)")
    figure.colorbar(display.im_, ax=axes[:, 1], shrink=0.5, aspect=22, pad=0.04, label="share of the peak")
    return figure


def _spectra(ax, bins, spectrum, error, channels):
    """Two channels over frequency in units of the largest value, with their errors."""
    kept = (bins >= 2) & (bins <= 40)
    peak = np.abs(spectrum[:, kept]).max()
    ax.axhline(0, color="0.6", linewidth=0.7)
    for (name, k), color in zip(channels, (ALPHA, BETA), strict=True):
        line = spectrum[k, kept] / peak
        ax.plot(bins[kept], line, color=color, linewidth=1.6, label=name)
        if error is not None:
            half = BAND * error[k, kept] / peak
            ax.fill_between(bins[kept], line - half, line + half, color=color, alpha=0.18, linewidth=0)
    ax.set(xlim=(2, 40), ylim=(-1.35, 1.35), yticks=[-1, 0, 1])


def two_splits(path):
    """The same recordings, split over trials and over people: how trials are split, and what is decoded."""
    data = load_trials(path)
    figure, axes = plt.subplots(2, 2, figsize=(7.6, 4.3), layout="constrained", height_ratios=[1.5, 1],
                                sharex="row")  # fmt: skip
    splits = ((None, "split over trials"), ("subject", "split over people"))
    for (group_by, title), (split, score) in zip(splits, axes.T, strict=True):
        job = run_job(data, Options(group_by=group_by))
        _draw_split(split, fold_numbers(job.folds, len(data.y)), np.asarray(data.subject), data.y)
        split.set_title(f"{title[0].upper()}{title[1:]}; dark: test trials of one fold", loc="left")
        _draw_score(score, job.decoding)
    figure.suptitle(f"The same {len(data.y)} trials of {len(set(data.subject))} people (UCI EEG database)", fontsize=11)
    return figure


def _draw_split(ax, folds, subject, y):
    """One row per person, sorted by class: trials of the first fold's test part are dark."""
    people = sorted(set(subject), key=lambda name: (y[subject == name][0], name))
    for row, name in enumerate(people):
        tested = folds[subject == name] == 0
        colors = np.where(tested, ALPHA, "#d5dbe3")
        ax.scatter(np.arange(len(tested)), np.full(len(tested), row), marker="s", s=13, color=colors, linewidths=0)
    half = sum(y[subject == name][0] == 0 for name in people)
    ax.axhline(half - 0.5, color="0.3", linewidth=0.8)
    ax.set(yticks=[half / 2 - 0.5, (len(people) + half) / 2 - 0.5], ylim=(len(people) - 0.3, -0.7), xlabel="trial")
    ax.set_yticklabels(["controls", "alcoholics"], rotation=90, va="center")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def _draw_score(ax, found):
    """Balanced accuracy with its interval before what permuted labels reach, and the verdict."""
    color = {"decodes": GOOD, "not shown to decode": BAD}.get(found.verdict, DOUBT)
    ax.axvspan(found.chance, found.chance_upper, color="0.88", linewidth=0)
    note = f"grey: 95 % of permuted labels\nof {found.exchanged}; p = {found.p_value:.3f}"
    ax.text(found.chance_upper + 0.006, 0.56, note, color="0.35", fontsize=8, va="top")
    reach = [[found.balanced_accuracy - found.low], [found.high - found.balanced_accuracy]]
    style = {"fmt": "o", "color": color, "markersize": 7, "capsize": 4, "linewidth": 1.8}
    ax.errorbar([found.balanced_accuracy], [0], xerr=reach, **style)
    ax.text(found.balanced_accuracy, -0.2, f"{found.balanced_accuracy:.2f}", color=color, ha="center", va="top",
            fontsize=11, fontweight="bold")  # fmt: skip
    ax.set(xlim=(0.4, 1.0), ylim=(-0.8, 0.6), yticks=[], xlabel="balanced accuracy on trials not trained on")
    ax.set_title(found.verdict.capitalize(), color=color, fontweight="bold", loc="left")
    ax.spines["left"].set_visible(False)


def save(figure, name):
    """Write a picture in few colours: a third of the bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    Image.open(buffer).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(HERE / name, optimize=True)


def main():
    """Make the pictures; that of real EEG where there is some."""
    with plt.rc_context(STYLE):
        save(planted(), "planted.png")
        folder = os.environ.get("EEGEXPLAIN_DATA")
        if folder is None:
            print("two_splits.png stays as it is: EEGEXPLAIN_DATA names no folder with uci_eeg_train.npz")
            return
        save(two_splits(pathlib.Path(folder) / "uci_eeg_train.npz"), "two_splits.png")


if __name__ == "__main__":
    main()
