"""Section with frequency attribution: what the evidence for each class is made of."""

import numpy as np

from eegexplain.report._analyses import Maps
from eegexplain.report._findings import Figure, Findings
from eegexplain.report._maps import named_maps, spectra, topomaps

TEXT = (
    "<p>Frequency attribution (integrated gradients read in frequency): the centred logit of a class, over "
    "held-out trials of that class, divided into what each channel and frequency adds. Red adds evidence for the "
    "right class, blue takes it away; all cells sum to the change of the logit from a flat signal. It tells what "
    "the network adds up, channel by channel; what <i>co-varies</i> with its output is the map of the section "
    "before.</p>"
)


def attribution(job):
    """Attribution of each class's output over held-out trials of that class, by band and by frequency."""
    by_band, by_bin = job.evidence.by_band, job.evidence.by_bin
    shown = Maps(by_band.sel(band=list(job.data.bands)), job.data.inside_passband(by_bin))
    rest = {  # so that what is stored adds up
        "flex_residual": by_band["value"].sum("band") - shown.by_band["value"].sum("band"),
        "flex_residual_by_frequency": by_bin["value"].sum("frequency") - shown.by_bin["value"].sum("frequency"),
    }
    label, outputs, figures = "attribution (logit)", list(by_band["output"].values), []
    if job.data.on_scalp:
        drawn = topomaps(shown.by_band, outputs, label)
        figures.append(Figure("attribution_by_band", drawn, "Attribution by band"))
    figures.append(Figure("attribution_by_frequency", spectra(job, shown.by_bin, label), "Attribution by frequency"))
    totals = np.abs(shown.by_band["value"]).sum(["channel", "band"]).values
    return Findings(
        html=[TEXT],
        figures=figures,
        variables=named_maps(shown, "flex_") | rest,
        summary={"attribution": {str(name): float(total) for name, total in zip(outputs, totals, strict=True)}},
    )
