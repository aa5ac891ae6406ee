"""The page of a report: its order, its marks, and that names from data stay names."""

import html
import re

import pytest
from PIL import Image

from eegexplain.report import Explorer
from eegexplain.report._page import Page
from eegexplain.report._trust import Check
from tests.report.test_explorer import explanation


@pytest.fixture
def picture(tmp_path):
    """A small picture on disk."""
    Image.new("RGB", (4, 3)).save(tmp_path / "map.png")
    return tmp_path / "map.png"


def test_verdict_conclusion_and_explorer_come_before_the_sections(picture):
    sections = [("First part", ["<p>told</p>"], [(picture, "A map", "Blue in front")]), ("Second part", [], [])]
    page = Page("Data of mine", "decodes", ["accuracy .8"], "", "They use alpha.", Explorer(explanation()),
                [Check("doubt", "Data", "they differ.")], sections, {"Seed": "0"}).render()  # fmt: skip
    order = [
        "<h1>Data of mine", 'pill good">Decodes', "accuracy .8", "They use alpha.", '<li class="doubt">',
        "they differ.", 'eegexplain-explorer"><script', "<h2>First part", "<p>told</p>", 'alt="Blue in front"',
        "A map</figcaption>", "<h2>Second part", "<dt>Seed</dt><dd>0</dd>",
    ]  # fmt: skip
    places = [page.index(one) for one in order]
    assert places == sorted(places)
    assert page.count("<h1>") == 1 and 'href="#section-1"' in page and 'id="section-1"' in page
    assert not re.search(r"""(?:src|href)=["']https?:""", page)


@pytest.mark.parametrize(
    ("verdict", "kind"),
    [("decodes", "good"), ("may recognize subjects", "doubt"), ("not shown to decode", "bad")],
)
def test_a_verdict_has_its_color_and_its_words(verdict, kind):
    assert f'class="pill {kind}">{verdict.capitalize()}<' in Page("x", verdict, []).render()


def test_a_page_without_maps_has_no_script():
    page = Page("x", "decodes", [], banner="Read this").render()
    assert "<script" not in page and '<p class="banner" role="note"><b>Read this' in page


def test_names_from_data_stay_names(picture):
    evil = '"><img src=x onerror=alert(1)>'
    page = Page(evil, "decodes", [evil], "", evil, None, [Check("good", evil, evil)],
                [(evil, [], [(picture, evil, evil)])], {"Data": evil}).render()
    assert "<img src=x" not in page and page.count(html.escape(evil)) >= 8
