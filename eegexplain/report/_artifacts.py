"""How much of the map lies where eyes, muscles and mains show, beside the same share in the data."""

from dataclasses import asdict, replace
from typing import Any

from eegexplain.inspection import ArtifactAudit, artifact_audit


def audit(job: Any) -> ArtifactAudit:
    """Audit of what the networks use: eyes and muscles by band, the mains by frequency.

    Parameters
    ----------
    job : Job

    Returns
    -------
    ArtifactAudit
    """
    settings = {"sfreq": job.data.sfreq, "bands": job.data.bands, "groups": job.data.groups}
    by_band, by_bin = (
        artifact_audit(one, job.data.X, job.data.y, **settings)
        for one in (job.perturbation.by_band, job.perturbation.by_bin)
    )
    line = [one for one in by_bin.shares if one.kind == "line"]
    return replace(by_band, shares=(*(one for one in by_band.shares if one.kind != "line"), *line))


def numbers(found: ArtifactAudit) -> dict[str, Any]:
    """What summary.json says of an audit.

    Parameters
    ----------
    found : ArtifactAudit

    Returns
    -------
    dict
    """
    shares = {one.kind: {"beside_data": one.beside_data, **asdict(one)} for one in found.shares if not one.unknown}
    return {"flagged": list(found.flagged), "places_not_known": list(found.unplaced), **shares}
