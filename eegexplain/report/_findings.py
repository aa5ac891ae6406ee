"""What a section of the report finds, and how the findings of all sections are put together."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, eq=False)
class Figure:
    """A picture of the report.

    Parameters
    ----------
    name : str
        Of its file, without ending.
    figure : matplotlib.figure.Figure
    caption : str
    seen : str
        What is seen in it, for those who do not see it.
    """

    name: str
    figure: Any
    caption: str
    seen: str = ""


@dataclass(frozen=True, eq=False)
class Findings:
    """What a section has to say; every part may be left out.

    Parameters
    ----------
    lines : sequence of str
        Printed.
    html : sequence of str
        Paragraphs of the report.
    figures : sequence of Figure
    tables : dict of str to pandas.DataFrame
        By file name.
    variables : dict of str to xarray.DataArray
        Maps, which go into ``explanation.nc``.
    attributes : dict
        Facts of the analysis, which go there, too.
    summary : dict
        Numbers, which go into ``summary.json``.
    maps : dict of str to xarray.Dataset
        Maps over channels and frequencies that a reader can touch at the top of the page, by title.
    conclusion : str
        What the page opens with.
    checks : sequence of Check
        What speaks for the maps and what against: lines of the panel below it.
    """

    lines: Sequence[str] = ()
    html: Sequence[str] = ()
    figures: Sequence[Figure] = ()
    tables: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)
    maps: Mapping[str, Any] = field(default_factory=dict)
    conclusion: str = ""
    checks: Sequence[Any] = ()


@dataclass(frozen=True)
class Section:
    """A part of the report.

    Parameters
    ----------
    title : str
    find : callable
        Takes a `Job` and returns `Findings`.
    needed : callable
        Takes a `Job`: whether there is something to say about it.
    """

    title: str
    find: Callable[[Any], Findings]
    needed: Callable[[Any], bool] = bool


def joined(findings: Iterable[Findings]) -> Findings:
    """Put the findings of several sections together.

    Parameters
    ----------
    findings : iterable of Findings

    Returns
    -------
    Findings

    Raises
    ------
    ValueError
        When two of them give the same name to a figure, table, variable, attribute or entry of the summary: one would
        take the other's place.
    """
    findings = list(findings)
    together: dict[str, Any] = {
        part: [item for found in findings for item in getattr(found, part)] for part in ("lines", "html", "checks")
    }
    figures = [figure for found in findings for figure in found.figures]
    _refuse_repeated("figures", [figure.name for figure in figures])
    named: dict[str, Any] = {}
    for part in ("tables", "variables", "attributes", "summary", "maps"):
        items = [item for found in findings for item in getattr(found, part).items()]
        _refuse_repeated(part, [name for name, _ in items])
        named[part] = dict(items)
    conclusion = " ".join(found.conclusion for found in findings if found.conclusion)
    return Findings(**together, figures=figures, **named, conclusion=conclusion)


def _refuse_repeated(part, names):
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"two sections of the report have {part} of the same name: {', '.join(repeated)}")
