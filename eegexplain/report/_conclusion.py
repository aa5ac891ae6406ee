"""Two sentences that say what was found, from the numbers alone; or that nothing can be concluded."""

import numpy as np

from eegexplain._text import readable
from eegexplain.inspection._errors import beyond_zero

N_NAMED = 4


def conclude(job):
    """What the networks use, and whether folds and data agree.

    Parameters
    ----------
    job : Job

    Returns
    -------
    str
    """
    if job.banner:
        return "No conclusion about the classes: what the maps show need not concern them."
    maps, contrast, found = job.perturbation, job.contrast, job.polarity
    if found.reads_waveforms:
        return (
            f"No conclusion about rhythms: the networks read waveforms. Balanced accuracy {found.kept:.2f} falls to "
            f"{found.flipped:.2f} on trials with their sign flipped, which leaves all power as it was, so that maps of "
            "amplitude cannot show what is read (see Waveforms)."
        )
    cells = used_cells(maps, job.data.bands)
    over = f"over {len(job.folds)} folds: with more, fewer errors are enough"
    if not cells and (separating := separating_cells(job)):
        return (
            f"What these networks take from {phrase(separating)} separates the classes in unseen trials (p <= "
            f"{job.evidence.tested.alpha:g} for all cells together). That others, trained on other trials, use the "
            f"same is not shown: no cell of the map is beyond zero ({over}). {agreement(maps.by_band)}"
        ).strip()
    if not cells:
        largest = phrase(used_cells(maps, job.data.bands, beyond=False)) or "none: the map is 0"
        return (
            "No conclusion about rhythms: no channel and band of the map is shown to differ from zero (5 % for all "
            f"cells together, {over}). Largest, but not shown, is {largest}. {agreement(maps.by_band)}"
        ).strip()
    return f"The networks use {phrase(cells)}{beside_data(cells, contrast.by_band)}. {agreement(maps.by_band)}".strip()


def used_cells(maps, bands, beyond=True):
    """The strongest cells beyond zero, or simply the strongest: output, channel, band, frequency and value.

    Parameters
    ----------
    maps : Maps
    bands : dict of str to (float, float)
    beyond : bool, default=True

    Returns
    -------
    list of dict
        Of two classes those of the second, which the first mirrors.
    """
    from eegexplain.report._maps import shown_outputs

    shown = maps.by_band.sel(output=shown_outputs(maps.by_band)).transpose("output", "channel", "band", ...)
    value = shown["value"].to_numpy()
    asked = np.isfinite(value) & (value != 0)
    if beyond:
        asked = beyond_zero(value, shown["standard_error"].to_numpy(), shown.attrs["degrees_of_freedom"])
    places = np.argwhere(asked)
    places = places[np.argsort(-np.abs(value[tuple(places.T)]), kind="stable")][: N_NAMED if beyond else 1]
    found = []
    for output, channel, band in places:
        names = {"output": shown["output"].values[output], "channel": shown["channel"].values[channel]}
        course = maps.by_bin["value"].sel(names)
        low, high = bands[str(shown["band"].values[band])]
        course = course.sel(frequency=(course["frequency"] >= low) & (course["frequency"] < high))
        peak = float(course["frequency"][int(np.abs(course.to_numpy()).argmax())]) if course.size else np.nan
        where = {"band": shown["band"].values[band], "frequency": peak}
        found.append(names | where | {"value": float(value[output, channel, band])})
    return found


def separating_cells(job):
    """Cells whose evidence separates the classes in unseen trials, given the networks: the most certain ones.

    Parameters
    ----------
    job : Job

    Returns
    -------
    list of dict
        As of `used_cells`, without frequency and value.
    """
    from eegexplain.report._maps import shown_outputs

    if not job.has_gradients or job.evidence.tested is None:
        return []
    tested = job.evidence.tested
    p_values = tested.p_values.sel(output=shown_outputs(tested.p_values))
    found = p_values.stack(cell=("output", "channel", "band"))
    strength = np.abs(tested.statistic.sel(output=p_values["output"])).stack(cell=("output", "channel", "band"))
    order = np.lexsort([-strength.to_numpy(), found.to_numpy()])[:N_NAMED]
    return [{name: str(found[name].values[k]) for name in ("output", "channel", "band")}
            for k in order if found.values[k] <= tested.alpha]  # fmt: skip


def phrase(cells):
    """Cells in words: "less 10 Hz power at O1 and more 22 Hz power at C3 for class 1"; of evidence "alpha at O1"."""
    by_output = {}
    for cell in cells:
        place = ("" if "value" not in cell else "more " if cell["value"] > 0 else "less ", cell["band"])
        by_output.setdefault(str(cell["output"]), {}).setdefault(place, []).append(cell)
    told = []
    for output, groups in by_output.items():
        parts = []
        for (more, band), group in groups.items():
            peak = group[0].get("frequency", np.nan)
            what = f"{peak:.0f} Hz" if np.isfinite(peak) else readable(str(band))
            parts.append(f"{more}{what}{' power' if more else ''} at {listed([cell['channel'] for cell in group])}")
        told.append(f"{listed(parts)} for class {readable(output)}")
    return "; ".join(told)


def beside_data(cells, contrast):
    """Whether the classes differ by the same sign in the data."""
    names = ("output", "channel", "band")
    values = [float(contrast["value"].sel({name: cell[name] for name in names})) for cell in cells]
    same = sum(np.sign(there) == np.sign(cell["value"]) for there, cell in zip(values, cells, strict=True))
    if same == len(cells):
        return ", with the signs by which the classes differ in the data"
    return f"; {len(cells) - same} of {len(cells)} with another sign than the data's own difference"


def agreement(by_band):
    """Mean correlation of the maps of two folds, in a sentence; empty where there are none."""
    if "fold_value" not in by_band:
        return ""
    folds = by_band["fold_value"].mean("seed").transpose("fold", ...).to_numpy()
    folds = folds.reshape(len(folds), -1)
    if len(folds) < 2 or not np.isfinite(folds).all() or not folds.std(axis=1).all():
        return ""
    pairs = np.corrcoef(folds)[np.triu_indices(len(folds), 1)]
    return f"Maps of two folds correlate by {pairs.mean():.2f} on average, by {pairs.min():.2f} at least."


def listed(names):
    """Names with commas, and an "and" before the last."""
    names = [readable(str(name)) for name in names]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
