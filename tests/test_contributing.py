"""Every example of CONTRIBUTING.md runs as it stands: what a newcomer is told to do works."""

import pathlib
import re
import sys
import types
from unittest import mock

import pytest

from eegexplain._outputs import RESPONSES
from eegexplain.perturbation import KINDS

CONTRIBUTING = (pathlib.Path(__file__).resolve().parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")


def examples(text):
    """Yield (heading, code) of every python block, with the heading that it stands under."""
    heading = None
    for title, language, code in re.findall(r"^#+ ([^\n]+)$|^```(\w*)\n(.*?)^```$", text, re.M | re.S):
        heading = title or heading
        if language == "python":
            yield heading, code


EXAMPLES = list(examples(CONTRIBUTING))


def test_examples_are_found_under_their_headings():
    text = "# One\n```bash\n# no title\n```\n### A thing\n```python\nx = 1\n# no title\n```\n```python\ny = 2\n```\n"
    assert list(examples(text)) == [("A thing", "x = 1\n# no title\n"), ("A thing", "y = 2\n")]
    assert EXAMPLES


@pytest.mark.parametrize(("heading", "code"), EXAMPLES, ids=[heading for heading, _ in EXAMPLES])
def test_example_runs(heading, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = types.ModuleType("example")  # where pickle finds the classes again, as it would in a script
    monkeypatch.setitem(sys.modules, "example", module)
    with mock.patch.dict(RESPONSES), mock.patch.dict(KINDS):  # what an example adds to a table is taken back
        exec(compile(code, f"CONTRIBUTING.md, {heading}", "exec"), vars(module))  # noqa: S102
    assert set(vars(module)) - set(vars(types.ModuleType("other"))) > {"__builtins__"}, "it defines nothing"
