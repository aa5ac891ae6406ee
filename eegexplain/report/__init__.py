"""The main job: from trials to a report that people can read."""

from eegexplain.report._findings import Figure, Findings, Section
from eegexplain.report._job import Job, Options, run_job
from eegexplain.report._sections import SECTIONS
from eegexplain.report._trials import Trials
from eegexplain.report._writing import make_report
from eegexplain.report.explorer import Explorer

__all__ = [
    "SECTIONS", "Explorer", "Figure", "Findings", "Job", "Options", "Section", "Trials", "make_report", "run_job",
]  # fmt: skip
