"""Section with frequency attribution: what the evidence for each class is made of."""

import numpy as np

from eegexplain.report._maps import spectra, topomaps

TOLERANCE = 0.05  # share of a trial's map that may still move when the path integral stops


def attribution(job, part):
    """Attribution of each class's output over held-out trials of that class, by band and by frequency."""
    from eegexplain.attribution import FLEXAttributor

    options = {"bands": job.bands, "sfreq": job.data.sfreq, "ch_names": job.data.ch_names, "tol": TOLERANCE}
    explainers = (FLEXAttributor(basis=basis, **options) for basis in ("bands", "fourier"))
    by_band, by_bin = (job.explain_folds(explainer, "class_") for explainer in explainers)
    bands = by_band.sel(band=list(job.bands))
    part.variables |= {f"flex_{name}": bands[name] for name in bands}
    part.variables["flex_residual"] = by_band["value"].sum("band") - bands["value"].sum("band")
    part.variables |= {f"flex_{name}_by_frequency": by_bin[name] for name in by_bin}
    part.html.append(
        "<p>Frequency attribution (integrated gradients read in frequency): the centered logit of a class, over "
        "held-out trials of that class, divided into what each channel and frequency adds. Red adds evidence for the "
        "right class, blue takes it away; all cells sum to the change of the logit from a flat signal. It tells what "
        "the network adds up, channel by channel; what <i>co-varies</i> with its output is the map of the section "
        "before.</p>"
    )
    label = "attribution (logit)"
    if job.on_scalp:
        figure = topomaps(bands, list(bands["output"].values), label)
        part.figures.append(("attribution_by_band", figure, "Attribution by band"))
    part.figures.append(("attribution_by_frequency", spectra(job, by_bin, label), "Attribution by frequency"))
    totals = np.abs(bands["value"]).sum(["channel", "band"]).values
    part.summary["attribution"] = {
        str(name): float(total) for name, total in zip(bands["output"].values, totals, strict=True)
    }
