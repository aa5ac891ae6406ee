"""The report as MNE's own."""

from PIL import Image

from eegexplain.report._mne_report import write_mne_report
from eegexplain.report._page import Page


def test_all_that_is_told_is_in_mnes_report(tmp_path):
    Image.new("RGB", (4, 3)).save(tmp_path / "map.png")
    sections = [("Maps", ["<p>one paragraph</p>"], [(tmp_path / "map.png", "A map", "Red at C3")])]
    page = Page("<b>Mine", "decodes", [], "", "They use <alpha>.", None, [], sections, {"Seed": "7"})
    write_mne_report(page, tmp_path / "mne_report.html")
    text = (tmp_path / "mne_report.html").read_text(encoding="utf-8")
    for one in ("They use &lt;alpha&gt;.", "one paragraph", "A map", "Red at C3", "<dt>Seed</dt><dd>7</dd>"):
        assert one in text, one
    assert "<title>&lt;b&gt;Mine</title>" in text or "<b>Mine" not in text
