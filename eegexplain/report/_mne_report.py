"""The same report as MNE's own, for those who add sections of theirs."""

import os

from eegexplain._text import plain, readable
from eegexplain.report._page import Page


def write_mne_report(page: Page, path: str | os.PathLike) -> None:
    """Write what a page says as an `mne.Report`, without the map to touch.

    Parameters
    ----------
    page : Page
    path : path-like
        Ending in ``.html``.
    """
    import mne

    with mne.utils.use_log_level("error"):
        report = mne.Report(title=plain(page.title))
        report.add_html(page.opening(), title="Verdict")
        for title, paragraphs, pictures in page.sections:
            report.add_html("".join(paragraphs), title=title, section=title)
            for file, caption, seen in pictures:
                report.add_image(file, title=readable(caption), caption=readable(seen or caption), section=title)
        report.add_html(page.making(), title="How this was made")
        report.save(path, open_browser=False, overwrite=True)
