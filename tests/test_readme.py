"""What the README shows runs, and what it names exists."""

import pathlib
import re

import eegexplain

ROOT = pathlib.Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_python_example_runs(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    names = {}
    exec(compile(code, "README.md", "exec"), names)  # noqa: S102
    out = capsys.readouterr().out
    assert float(re.search(r"held-out accuracy ([\d.]+)", out).group(1)) > 0.7
    strongest = names["held_out"]["value"].sel(output="1", band="beta").to_series()
    assert strongest.idxmax() == "C3"  # where the 22 Hz rhythm is planted


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


def test_objects_in_the_table_exist():
    rows = [line for line in README.splitlines() if line.startswith("|") and "`" in line]
    assert len(rows) > 8
    for name in re.findall(r"`([A-Za-z_]+)`", "".join(row.split("|")[2] for row in rows)):
        assert hasattr(eegexplain, name), name


def test_what_you_hold_goes_in(capsys):
    page = (ROOT / "docs" / "how-to" / "what-you-hold.md").read_text(encoding="utf-8")
    names = {}
    exec("".join(re.findall(r"```python\n(.*?)```", page, re.S)), names)  # noqa: S102
    assert names["found"].classes_.tolist() == ["move", "rest"] and names["scores"].mean() > 0.6
