"""Section with information maps: how many bits the networks know, and from which bands and channels."""

import html

import numpy as np

from eegexplain._text import readable
from eegexplain.report._findings import Figure, Findings

TEXT = (
    "<p>How much the networks know about the label of trials that they never saw, in bits: at most the entropy of the "
    "label, 0 for a cell that is not used or tells nothing. Every trial gets the cell of other trials, drawn without "
    "looking at labels; what the calibrated outputs then lose is <em>lost without the cell</em>, what they still know "
    "of nothing but the cell is <em>known by the cell alone</em>. What several bands know is not lost without one, so "
    "that the bars need not add up to the total; below 0 a cell misleads. A correlation says how an output moves, this "
    "how much that is worth. Single networks are judged here, on average: several together know more.</p>"
)
MARKS = (
    "Light bars, and electrodes without a white dot, are not shown above 0 (Holm over cells, one-sided, error over the "
    "folds); where the total is not, no cell is, and all are grey."
)
N_NAMED = 3


def information(job):
    """Bits by band, beside the exact ones where they are known, and by channel and band."""
    found = job.information
    if found.by_band is None:
        told = f"Information was not measured: {readable(found.untold)}"
        return Findings(lines=[told], html=[f"<p>{html.escape(told)}</p>"], summary={"information": None})
    exact = exact_information(job)
    told = [*tell(found.by_band, exact), *([found.note] if found.note else [])]
    figures = [_figure("information_by_band", found.by_band, "Bits by band", " ".join(told[1:]), truth=exact)]
    if job.data.on_scalp:
        caption, places = "Bits lost without a channel, by band", job.data.montage
        told_by_channel = _seen(found.by_channel)
        figures.append(
            _figure("information_by_channel", found.by_channel, caption, told_by_channel, positions=places)
        )
    return Findings(
        lines=told,
        html=[TEXT, f"<p>{html.escape(' '.join(told))} {MARKS}</p>{table(found.by_band, exact)}"],
        figures=figures,
        variables=named(found),
        summary={"information": numbers(found.by_band, exact)},
        maps={"How much it knows (bits lost without the cell)": found.by_channel.dataset},
    )


def exact_information(job):
    """What the distributions of simulated trials hold: of those who know the very subject; None for other data."""
    from eegexplain.datasets import ideal_observer_information

    if job.data.simulation is None:
        return None
    return ideal_observer_information(job.data.simulation, job.data.bands, random_state=job.options.seed)


def tell(found, exact):
    """The gate and the bands with the most bits, in lines."""
    data, total = found.dataset, found.total_
    lost, error = data["unique_value"], data["unique_standard_error"]
    order = np.argsort(-lost.values)[:N_NAMED]
    cells = ", ".join(f"{readable(lost['band'].values[k])} {lost.values[k]:.3f} ± {error.values[k]:.3f}" for k in order)
    told = [total.beside(found.decoding_.verdict.capitalize())]
    told.append(f"Bits lost without a band (± total error): {cells}.")
    if exact is not None:
        best = ", ".join(f"{readable(lost['band'].values[k])} {exact['unique'][k]:.3f}" for k in order)
        told.append(f"An observer who knows the distributions and each subject: {exact['total']:.3f} bits, {best}.")
    return told


def table(found, exact):
    """Bits of each band as HTML."""
    data, exact = found.dataset, exact or {}
    heads = ["band", "lost without it", "known by it alone", *(["exact, lost", "exact, alone"] if exact else [])]
    rows = []
    for place, band in enumerate(data["band"].values):
        cells = [f"{data[f'{name}value'].values[place]:.3f} ± {data[f'{name}standard_error'].values[place]:.3f}"
                 for name in ("unique_", "")]  # fmt: skip
        cells += [f"{exact[name][place]:.3f}" for name in ("unique", "alone") if exact]
        rows.append("".join(f"<td>{cell}</td>" for cell in [html.escape(readable(band)), *cells]))
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f"<table><tr>{''.join(f'<th>{head}</th>' for head in heads)}</tr>{body}</table>"


def named(found):
    """Variables under names of their own."""
    bands, channels = found.by_band.dataset, found.by_channel.dataset
    kept = {}
    for part in ("value", "standard_error", "fold_value"):
        kept[f"information_{part}"] = bands[f"unique_{part}"]
        kept[f"information_alone_{part}"] = bands[part]
        kept[f"information_total_{part}"] = bands[f"total_{part}"]
        kept[f"information_by_channel_{part}"] = channels[part]
    return kept


def numbers(found, exact):
    """What summary.json says."""
    total, data = found.total_, found.dataset
    bands = {
        str(band): {
            "unique": float(data["unique_value"].values[place]),
            "unique_error": float(data["unique_standard_error"].values[place]),
            "alone": float(data["value"].values[place]),
            "alone_error": float(data["standard_error"].values[place]),
        }
        | ({f"exact_{name}": float(exact[name][place]) for name in ("unique", "alone")} if exact else {})
        for place, band in enumerate(data["band"].values)
    }
    whole = {"total": total.value, "total_error": total.standard_error, "entropy": total.entropy, "unit": total.unit}
    whole |= {"p_value": total.p_value, "interval": total.interval, "shown": total.shown}
    return whole | {"bands": bands} | ({"exact_total": exact["total"]} if exact else {})


def _seen(found):
    """The cells that most is lost without, in words."""
    cells = found.dataset["value"].stack(cell=("channel", "band"))
    largest = cells[np.argsort(-cells.values)[:N_NAMED]]
    told = (f"{one['channel'].item()} {one['band'].item()} {one.item():.3f}" for one in largest)
    return f"Most bits are lost without {', '.join(told)}."


def _figure(name, found, caption, seen, **options):
    options = {key: value for key, value in options.items() if value is not None}
    return Figure(name, found.plot(**options).figure_, caption, seen)
