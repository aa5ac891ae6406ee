"""Section with frequency attribution: what the evidence for each class is made of."""

import html

import numpy as np

from eegexplain._text import readable
from eegexplain.report._analyses import Maps
from eegexplain.report._findings import Figure, Findings
from eegexplain.report._maps import named_maps, seen, shown_outputs, spectra, topomaps
from eegexplain.report._trust import of_evidence

TEXT = (
    "<p>Frequency attribution (integrated gradients read in frequency): the centred logit of a class, over "
    "held-out trials of that class, divided into what each channel and frequency adds. Red adds evidence for the "
    "right class, blue takes it away; all cells sum to the change of the logit from a flat signal. It tells what "
    "the network adds up, channel by channel; what <i>co-varies</i> with its output is the map of the section "
    "before.</p>"
)

MARKS = (
    "White dots on the scalp mark these cells. The networks stay and the labels of trials that they never saw are "
    "permuted: what is asked is not whether a network uses a cell - also one that cannot decode uses something - but "
    "whether what it takes from there tells the classes apart."
)
N_NAMED = 4


def attribution(job):
    """Attribution of each class's output over held-out trials of that class, by band and by frequency."""
    by_band, by_bin = job.evidence.by_band, job.evidence.by_bin
    shown = Maps(by_band.sel(band=list(job.data.bands)), job.data.inside_passband(by_bin))
    rest = {  # so that what is stored adds up
        "flex_residual": by_band["value"].sum("band") - shown.by_band["value"].sum("band"),
        "flex_residual_by_frequency": by_bin["value"].sum("frequency") - shown.by_bin["value"].sum("frequency"),
    }
    label, outputs, figures = "attribution (logit)", list(by_band["output"].values), []
    told, significance = _tested(job)
    if job.data.on_scalp:
        mask = None
        if job.evidence.tested is not None:  # channels last, as they are drawn
            mask = job.evidence.tested.significant.sel(output=outputs).transpose("output", "band", "channel").values
        drawn = topomaps(job, shown.by_band, outputs, label, mask)
        figures.append(Figure("attribution_by_band", drawn, "Attribution by band", seen(shown.by_band, outputs)))
    drawn = spectra(job, shown.by_bin, label)
    told_by_bin = seen(shown.by_bin, outputs)
    figures.append(Figure("attribution_by_frequency", drawn, "Attribution by frequency", told_by_bin))
    totals = np.abs(shown.by_band["value"]).sum(["channel", "band"]).values
    return Findings(
        lines=[told],
        html=[TEXT, f"<p>{html.escape(readable(told))} {MARKS}</p>"],
        figures=figures,
        variables=named_maps(shown, "flex_") | rest,
        summary={
            "attribution": {str(name): float(total) for name, total in zip(outputs, totals, strict=True)},
            "evidence_in_unseen_trials": significance,
        },
        checks=of_evidence(job),
        maps={"What the evidence is made of (attribution)": shown.by_bin},
    )


def _tested(job):
    """Which cells' evidence separates the classes in unseen trials: a sentence, and a record for the summary."""
    tested = job.evidence.tested
    if tested is None:
        return f"Whether evidence separates the classes in unseen trials was not tested. {job.evidence.untested}", None
    shown = tested.p_values.sel(output=shown_outputs(job.evidence.by_band))
    cells = [
        {**{dim: str(cell[dim].item()) for dim in ("output", "channel", "band")}, "p": float(cell)}
        for cell in shown.stack(cell=shown.dims)
        if cell <= tested.alpha
    ]
    cells.sort(key=lambda cell: cell["p"])
    whose = "" if shown.sizes["output"] == 1 else " for class {output}"  # of two classes one mirrors the other
    names = ", ".join(f"{{channel}} {{band}}{whose}".format(**one) for one in cells[:N_NAMED])
    more = f" and {len(cells) - N_NAMED} more" if len(cells) > N_NAMED else ""
    told = (
        f"Evidence in unseen trials: {len(cells)} of {shown.size} channel x band cells separate the classes "
        f"(labels of {tested.exchanged} permuted, p <= {tested.alpha:g} familywise, approximate; smallest p = "
        f"{tested.p_value:.3g}){': ' if cells else ''}{names}{more}."
    )
    if job.shared_subjects:
        told += " As with the accuracy, this may be recognition of subjects."
    return told, {"p_value": tested.p_value, "cells": cells, "exchanged": tested.exchanged}
