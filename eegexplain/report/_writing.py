"""Everything that a job leaves on disk: whole, or nothing."""

import json

import numpy as np

from eegexplain._folders import publish_folder
from eegexplain._io import save_explanation
from eegexplain._text import plain, write_csv
from eegexplain.report._job import run_job
from eegexplain.report._sections import SECTIONS, Part

WARNING_COLOUR = "#b3261e"
FILES = ("report.html", "summary.json", "explanation.nc", "filters.csv", "figures/")  # the most telling first


def make_report(data, options, out, notify):
    """Do the whole main job: train, explain, write.

    Parameters
    ----------
    data : Bunch
        With ``X, y, sfreq, ch_names`` and ``subject``, the groups that are never split (or None).
    options : Options
    out : str or path-like
        Folder; made when missing. The files of an earlier run are replaced, all or none, nothing else is touched; after
        an error or an interrupt it is as it was before.
    notify : callable
        Takes a sentence about the progress.

    Returns
    -------
    Part
        What the sections found; ``lines`` are for people.

    Raises
    ------
    ValueError
        For options and data that cannot work.
    OSError
        When the folder cannot be written.
    """
    with publish_folder(out, FILES) as folder:
        return write_job(run_job(data, options, notify), folder, notify)


def write_job(job, folder, notify):
    """Build all sections and write report, figures, tables, explanation and summary into a folder.

    Parameters
    ----------
    job : Job
    folder : pathlib.Path
        Exists.
    notify : callable
        Takes a sentence about the progress.

    Returns
    -------
    Part
    """
    import matplotlib
    import matplotlib.pyplot as plt
    import mne

    part = Part()
    with matplotlib.rc_context({"savefig.dpi": 150}):
        report = mne.Report(title=job.options.title, image_format="png", verbose=False)
        if job.banner:
            report.add_html(_banner(job.banner), title="Read this first", section="Decoding")
        (folder / "figures").mkdir()
        for section in SECTIONS:
            if not section.needed(job):
                continue
            notify(section.title.lower())
            seen_figures, seen_html = len(part.figures), len(part.html)
            section.build(job, part)
            for text in part.html[seen_html:]:
                report.add_html(text, title=section.title, section=section.title)
            for name, figure, caption in part.figures[seen_figures:]:
                mark(figure, job.banner)
                figure.savefig(folder / "figures" / f"{name}.png")
                report.add_figure(figure, title=caption, section=section.title)
                plt.close(figure)
        for name, table in part.tables.items():
            write_csv(table, folder / name)
        _write_explanation(job, part, folder)
        (folder / "summary.json").write_text(json.dumps(_summary(job, part), indent=2) + "\n", encoding="utf-8")
        report.save(folder / "report.html", open_browser=False, verbose=False)
    return part


def mark(figure, banner):
    """Write the banner of networks that are not shown to decode over a figure."""
    if banner:
        figure.suptitle(plain(banner), color=WARNING_COLOUR, fontsize=8, wrap=True)


def _banner(text):
    """The banner of the report."""
    return f'<div style="border:3px solid {WARNING_COLOUR};padding:1em;font-size:120%"><b>{text}</b></div>'


def _write_explanation(job, part, folder):
    """All maps in one file: NetCDF, or a NumPy archive where no NetCDF writer is installed."""
    import xarray as xr

    from eegexplain import __version__

    dataset = xr.Dataset(part.variables).assign_attrs(
        **part.attributes,
        version=__version__,
        accuracy=job.decoding.accuracy,
        balanced_accuracy=job.decoding.balanced_accuracy,
        p_value=job.decoding.p_value,
        verdict=job.decoding.verdict,
        chance_upper=job.decoding.chance_upper,
        bands=json.dumps(job.bands),
    )
    try:
        save_explanation(dataset, folder / "explanation.nc")
    except (ImportError, ValueError):
        save_explanation(dataset, folder / "explanation.npz")


def _summary(job, part):
    """What summary.json holds: decoding first, with the banner where there is one."""
    from eegexplain import __version__

    data, options = job.data, job.options
    return {
        "verdict": job.decoding.verdict,
        "banner": job.banner or None,
        **part.summary,
        "data": {
            "n_trials": len(data.y),
            "n_channels": data.X.shape[1],
            "n_times": data.X.shape[2],
            "sfreq": data.sfreq,
            "classes": [str(name) for name in np.unique(data.y)],
            "left_out": job.left_out,
            "bands_left_out": job.bands_left_out,
        },
        "options": {"model": options.model, "noise": options.noise, "seed": options.seed, "bands": job.bands},
        "version": __version__,
    }
