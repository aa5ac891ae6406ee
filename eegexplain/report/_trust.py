"""What speaks for the maps of a report and what against, a sentence each."""

from dataclasses import dataclass

import numpy as np

from eegexplain._text import readable

MARKS = {"good": "✓", "doubt": "!", "bad": "✗"}
LEAST = 0.5  # of a correlation between maps; below it they share less than a quarter of their variance


@dataclass(frozen=True)
class Check:
    """One line of the panel.

    Parameters
    ----------
    mark : {"good", "doubt", "bad"}
    name : str
    told : str
        A sentence.
    """

    mark: str
    name: str
    told: str


def of_decoding(job):
    """Accuracy against chance, labels that are properties of a group, and what flipped signs do.

    Parameters
    ----------
    job : Job

    Returns
    -------
    list of Check
    """
    found = job.decoding
    reached = f"balanced accuracy {found.balanced_accuracy:.2f}, permuted labels up to {found.chance_upper:.2f}"
    checks = [Check("good" if found.above_chance else "bad", "Decoding", f"{reached} (p = {found.p_value:.3f}).")]
    if found.recognizable:
        told = f"the label is a property of the {readable(found.recognizable[0])}: accuracy can be recognition."
        checks.append(Check("bad", "Recognition", told))
    elif job.shared_subjects:
        checks.append(Check("doubt", "Recognition", "trials of one subject are in training and test parts alike."))
    elif job.data.groups is not None:
        checks.append(Check("good", "Recognition", "no group is in training and test parts alike."))
    else:
        checks.append(Check("doubt", "Recognition", "no groups were named: trials may share a subject."))
    return [*checks, polarity(job)]


def polarity(job):
    """Whether the first networks of all folds read power, which has no sign, or waveforms, which maps cannot show."""
    found = job.polarity
    told = f"balanced accuracy {found.flipped:.2f} on trials with their sign flipped, {found.kept:.2f} as they are: "
    if found.kept <= found.chance:
        return Check("doubt", "Polarity", told + "too little is decoded to tell.")
    if found.reads_waveforms:
        return Check("bad", "Polarity", told + "the networks read waveforms, which maps of amplitude cannot show.")
    return Check("good", "Polarity", told + "the networks read power.")


def of_evidence(job):
    """Whether what the networks take from single cells tells the classes apart in unseen trials.

    Parameters
    ----------
    job : Job

    Returns
    -------
    list of Check
    """
    tested = job.evidence.tested
    if tested is None:
        return [Check("doubt", "Significance", f"not tested: {job.evidence.untested.rstrip('.')}.")]
    found = int(tested.significant.any("output").sum())
    told = f"evidence from {found} of {tested.significant.isel(output=0).size} cells separates the classes in unseen "
    told += f"trials (p <= {tested.alpha:g} familywise, labels of {tested.exchanged} permuted)."
    return [Check("good" if found else "doubt", "Significance", told)]


def of_maps(job, artifacts):
    """Whether maps agree over folds and with the data, lie where artifacts are, and leave what they explain intact.

    Parameters
    ----------
    job : Job
    artifacts : ArtifactAudit

    Returns
    -------
    list of Check
    """
    by_band = job.perturbation.by_band
    folds = by_band["fold_value"].mean("seed").transpose("fold", ...).to_numpy().reshape(len(job.folds), -1)
    data = job.contrast.by_band["value"].transpose(*by_band["value"].dims).to_numpy().ravel()
    pairs = [_correlation(one, other) for k, one in enumerate(folds) for other in folds[:k]]
    checks = [_agreement("Networks", np.mean(pairs), "maps of two folds correlate by {:.2f}.")] if pairs else []
    beside = _correlation(by_band["value"].to_numpy().ravel(), data)
    checks.append(
        _agreement("Data", beside, "the map and the difference of the classes in the data correlate by {:.2f}.")
    )
    flagged = ", ".join(artifacts.flagged)
    told = f"peaks where these show: {flagged}." if flagged else "no peak where eyes, muscles or the mains show."
    checks.append(Check("doubt" if flagged else "good", "Artifacts", told))
    kept = by_band.attrs["perturbed_score"]
    told = f"perturbed trials keep {100 * kept:.0f} % of the score: changes are {'small' if kept > 0.9 else 'large'}."
    return [*checks, Check("good" if kept > 0.9 else "doubt", "Perturbation", told)]


def _correlation(one, other):
    known = np.isfinite(one) & np.isfinite(other)
    one, other = one[known], other[known]
    return float(np.corrcoef(one, other)[0, 1]) if len(one) > 1 and one.std() and other.std() else np.nan


def _agreement(name, r, told):
    return Check("good" if r >= LEAST else "doubt", name, told.format(r) if np.isfinite(r) else "cannot be told.")
