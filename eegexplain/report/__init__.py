"""The main job: from trials to a report that people can read."""

from eegexplain.report._decoding import find_identities
from eegexplain.report._job import Job, Options, run_job
from eegexplain.report._sections import SECTIONS, Part, Section
from eegexplain.report._writing import make_report

__all__ = ["SECTIONS", "Job", "Options", "Part", "Section", "find_identities", "make_report", "run_job"]
