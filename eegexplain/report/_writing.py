"""Everything that a job leaves on disk: whole, or nothing."""

import ctypes
import gc
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from eegexplain._folders import publish_folder
from eegexplain._io import save_explanation
from eegexplain._text import plain, write_csv
from eegexplain.report._findings import Findings, Section, joined
from eegexplain.report._job import Options, run_job
from eegexplain.report._maps import OF_DATA
from eegexplain.report._mne_report import write_mne_report
from eegexplain.report._page import Page, facts_of, scores_of
from eegexplain.report._sections import SECTIONS
from eegexplain.report._verdict import headline
from eegexplain.report.explorer import Explorer

WARNING_COLOR = "#b3261e"
# The most telling first
FILES = ("report.html", "summary.json", "explanation.nc", "filters.csv", "mne_report.html", "figures/")


def make_report(
    data: Any,
    options: Options | None = None,
    out: str | os.PathLike = "eegexplain-report",
    notify: Callable[[str], Any] | None = None,
    *,
    sections: Sequence[Section] = SECTIONS,
) -> Findings:
    """Do the whole main job: train, explain, write.

    Parameters
    ----------
    data : Bunch
        With ``X, y, sfreq, ch_names``, and columns of metadata.
    options : Options or None
        None is the defaults.
    out : str or path-like
        Folder; made when missing. The files of an earlier run are replaced, all or none, nothing else is touched; after
        an error or an interrupt it is as it was before.
    notify : callable or None
        Takes a sentence about the progress.
    sections : sequence of Section
        What the report is made of, in this order.

    Returns
    -------
    Findings
        What the sections found; ``lines`` are for people, ``summary`` is what ``summary.json`` holds.

    Raises
    ------
    ValueError
        For options and data that cannot work, and sections that give the same name to what they find.
    TypeError
        For a section that does not return `Findings`.
    OSError
        When the folder cannot be written.
    """
    options = Options() if options is None else options
    with publish_folder(out, FILES) as folder:
        return write_job(run_job(data, options, notify), folder, notify, sections)


def write_job(job, folder, notify=None, sections=SECTIONS):
    """Build all sections and write report, figures, tables, explanation and summary into a folder.

    Parameters
    ----------
    job : Job
    folder : pathlib.Path
        Exists.
    notify : callable or None
        Takes a sentence about the progress.
    sections : sequence of Section

    Returns
    -------
    Findings
    """
    import matplotlib

    from eegexplain import __version__

    findings, shown = [], []
    with matplotlib.rc_context({"savefig.dpi": 150}):
        (folder / "figures").mkdir()
        for section in sections:
            if not section.needed(job):
                continue
            if notify is not None:
                notify(section.title.lower())
            found = section.find(job)
            if not isinstance(found, Findings):
                raise TypeError(f"the section {section.title!r} must return Findings, got {type(found).__name__}")
            pictures = [
                (_write_figure(figure, folder / "figures", headline(job.decoding)), figure.caption, figure.seen)
                for figure in found.figures
            ]
            shown.append((section.title, list(found.html), pictures))
            findings.append(found)
            release_memory()
        together = joined(findings)
        for name, table in together.tables.items():
            write_csv(table, folder / name)
        _write_explanation(job, together, folder)
        together = replace(together, summary=_standard(_summary(job, together)))
        text = json.dumps(together.summary, indent=2, allow_nan=False)
        (folder / "summary.json").write_text(text + "\n", encoding="utf-8")
        explorer, untold = _explorer(together.maps, job.data)
        page = Page(
            job.options.title,
            job.decoding.verdict,
            scores_of(job.decoding),
            job.banner,
            together.conclusion,
            explorer,
            list(together.checks),
            shown,
            facts_of(job, __version__, job.options.command) | ({"Map to touch": untold} if untold else {}),
        )
        if job.options.mne_report:
            write_mne_report(page, folder / "mne_report.html")
        (folder / "report.html").write_text(page.render(), encoding="utf-8")
    return together


def _explorer(maps, data):
    """The maps that a reader can touch, up to 45 Hz, the data's difference beside the others; or why there are none."""
    if not maps:
        return None, ""
    beside = OF_DATA if OF_DATA in maps else None
    try:
        shown = Explorer(dict(maps), bands=data.bands, fmin=0.5, fmax=45.0, beside=beside, montage=data.montage)
    except ValueError as error:  # too many cells for a page, or no frequency below 45 Hz: the pictures are there
        return None, f"left out: {error}"
    return shown, ""


def release_memory() -> None:
    """Give memory that was freed back to the system.

    glibc keeps it for what comes next; the arrays of one section rarely fit into what those of another left, so that
    by the end half of a report's memory would hold nothing.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        gc.collect()
        trim(0)


def _write_figure(figure, folder, warning):
    """Save a figure under its name, with the warning that it must carry, and close it."""
    import matplotlib.pyplot as plt

    if warning:
        figure.figure.suptitle(plain(warning), color=WARNING_COLOR, fontsize=9)
    file = folder / f"{figure.name}.png"
    figure.figure.savefig(file)
    plt.close(figure.figure)
    return file


def _write_explanation(job, findings, folder):
    """All maps in one file: NetCDF, or a NumPy archive where no NetCDF writer is installed."""
    import xarray as xr

    from eegexplain import __version__

    dataset = xr.Dataset(findings.variables).assign_attrs(
        **findings.attributes,
        version=__version__,
        accuracy=job.decoding.accuracy,
        balanced_accuracy=job.decoding.balanced_accuracy,
        p_value=job.decoding.p_value,
        verdict=job.decoding.verdict,
        chance_upper=job.decoding.chance_upper,
        bands=json.dumps(job.data.bands),
    )
    try:
        save_explanation(dataset, folder / "explanation.nc")
    except (ImportError, ValueError):
        save_explanation(dataset, folder / "explanation.npz")


def _standard(content):
    """JSON knows no NaN and no infinity: null."""
    if isinstance(content, dict):
        return {key: _standard(one) for key, one in content.items()}
    if isinstance(content, (list, tuple)):
        return [_standard(one) for one in content]
    if isinstance(content, (np.floating, np.integer)):
        return _standard(content.item())
    return None if isinstance(content, float) and not np.isfinite(content) else content


def _summary(job, findings):
    """What summary.json holds: decoding first, with the banner where there is one."""
    from eegexplain import __version__

    data, options = job.data, job.options
    return {
        "verdict": job.decoding.verdict,
        "banner": job.banner or None,
        **findings.summary,
        "data": {
            "n_trials": len(data.y),
            "n_channels": data.X.shape[1],
            "n_times": data.X.shape[2],
            "sfreq": data.sfreq,
            "classes": [str(name) for name in np.unique(data.y)],
            "left_out": data.left_out,
            "bands_left_out": data.bands_left_out,
        },
        "model": {"name": job.model.name, "kind": job.model.kind, "trained_before": job.model.trained},
        "options": {"model": options.model, "noise": options.noise, "seed": options.seed, "bands": data.bands},
        "version": __version__,
    }
