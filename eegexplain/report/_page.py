"""The page of a report: verdict, conclusion, a map to touch, then the sections; one file that asks no network."""

import base64
import html
import pathlib
from dataclasses import dataclass, field

from eegexplain._text import readable
from eegexplain.plotting._payload import page_file
from eegexplain.report._trust import MARKS, Check
from eegexplain.report.explorer import Explorer

PILLS = {"decodes": "good", "may recognize subjects": "doubt", "not shown to decode": "bad"}


@dataclass
class Page:
    """What the page shows, from top to bottom; text is given as it is, markup where it says so.

    Parameters
    ----------
    title : str
    verdict : str
        One of those of `Decoding`.
    scores : list of str
        Beside it.
    banner : str
        What a reader must know before all else, or empty.
    conclusion : str
    explorer : Explorer or None
    checks : list of Check
        What speaks for the maps and what against.
    sections : list of tuple
        Title, paragraphs as markup, and pictures as (file, caption, what is seen).
    facts : dict of str to str
        How it was made.
    """

    title: str
    verdict: str
    scores: list[str]
    banner: str = ""
    conclusion: str = ""
    explorer: Explorer | None = None
    checks: list[Check] = field(default_factory=list)
    sections: list[tuple] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)

    def render(self) -> str:
        """Return the page as HTML."""
        title = html.escape(readable(self.title))
        explorer = self.explorer.fragment() if self.explorer else ""
        script = f"<script>\n{self.explorer.script()}</script>" if self.explorer else ""
        style = page_file("report.css") + (self.explorer.style() if self.explorer else "")
        links = "".join(f'<li><a href="#section-{k}">{html.escape(name)}</a></li>'
                        for k, (name, *_) in enumerate(self.sections))  # fmt: skip
        return (
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
            f'content="width=device-width, initial-scale=1"><title>{title}</title>\n<style>\n{style}</style></head>\n'
            f"<body><main>\n<header><h1>{title}</h1>\n{self.opening()}</header>\n"
            f'<nav aria-label="Sections"><ul>{links}</ul></nav>\n{explorer}\n'
            f"{''.join(map(self._section, range(len(self.sections))))}{self.making()}</main>\n{script}</body></html>\n"
        )

    def opening(self) -> str:
        """Verdict, conclusion, and what speaks for the maps and against, as markup."""
        return f"{self._verdict()}{self._sentences()}{self._checks()}"

    def _verdict(self):
        scores = "".join(f"<span>{html.escape(readable(score))}</span>" for score in self.scores)
        kind, verdict = PILLS.get(self.verdict, "doubt"), html.escape(self.verdict.capitalize())
        return f'<p class="verdict"><strong class="pill {kind}">{verdict}</strong>{scores}</p>\n'

    def _sentences(self):
        text = html.escape(self.banner, quote=False)
        banner = f'<p class="banner" role="note"><b>{text}</b></p>\n' if text else ""
        return banner + (f'<p class="conclusion">{html.escape(self.conclusion)}</p>\n' if self.conclusion else "")

    def _checks(self):
        lines = "".join(
            f'<li class="{one.mark}"><span role="img" aria-label="{one.mark}">{MARKS[one.mark]}</span>'
            f"<b>{html.escape(one.name)}</b> {html.escape(readable(one.told))}</li>\n"
            for one in self.checks
        )
        label = "What speaks for the maps and what against"
        return f'<ul class="checks" aria-label="{label}">{lines}</ul>' if lines else ""

    def _section(self, number):
        title, paragraphs, pictures = self.sections[number]
        drawn = "".join(_picture(*picture) for picture in pictures)
        text = f'<div class="text">{"".join(paragraphs)}</div>'
        return f'<section id="section-{number}"><h2>{html.escape(title)}</h2>\n{text}\n{drawn}</section>\n'

    def making(self) -> str:
        """Data, split, settings and versions, as markup."""
        if not self.facts:
            return ""
        rows = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(readable(text))}</dd>"
                       for name, text in self.facts.items())  # fmt: skip
        return f"<section><h2>How this was made</h2>\n<dl>{rows}</dl></section>\n"


def _picture(file, caption, seen):
    caption, seen = (html.escape(readable(text)) for text in (caption, seen or caption))
    data = base64.b64encode(pathlib.Path(file).read_bytes()).decode()
    return (f'<figure class="picture"><img alt="{seen}" src="data:image/png;base64,{data}"><figcaption>{caption}'
            "</figcaption></figure>\n")  # fmt: skip


def scores_of(decoding):
    """Accuracy with its interval, chance, and the best reference decoder, each a few words."""
    told = [
        f"balanced accuracy {decoding.balanced_accuracy:.2f} (95 % interval {decoding.low:.2f} to {decoding.high:.2f})",
        f"chance {decoding.chance:.2f}, permuted labels up to {decoding.chance_upper:.2f} (p = {decoding.p_value:.3f})",
    ]
    if decoding.references:
        best = max(decoding.references, key=lambda one: one.balanced_accuracy)
        told.append(f"{best.name} {best.balanced_accuracy:.2f}")
    return told


def facts_of(job, version, command=""):
    """Data, split, networks, settings and versions."""
    data, options = job.data, job.options
    n_trials, n_channels, n_times = data.X.shape
    split = "groups never in both parts" if data.groups is not None else "trials at random"
    bands = ", ".join(f"{name} {low:g}-{high:g} Hz" for name, (low, high) in data.bands.items())
    facts = {
        "Data": f"{n_trials} trials x {n_channels} channels x {n_times} samples at {data.sfreq:g} Hz",
        "Split": f"{len(job.folds)} folds, {split}",
        "Model": job.model.told,
        "Bands": bands,
        "Perturbation": f"noise: {options.noise}",
        "Seed": str(options.seed),
        "Version": f"eegexplain {version}",
    }
    return facts | ({"Command": command} if command else {})
