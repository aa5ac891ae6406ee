"""The command line: one sentence for every error, signals that clean up, terminals that know no plus-minus sign."""

import io
import json
import os
import pathlib
import signal
import subprocess
import sys

import mne
import numpy as np
import pytest

from eegexplain import cli
from eegexplain.report import Findings

ROOT = pathlib.Path(__file__).resolve().parents[1]
JOB = """
import sys, time
from eegexplain import cli
from eegexplain._folders import publish_folder

def job(arguments):
    with publish_folder(arguments.out, ("report.html",)) as folder:
        (folder / "report.html").write_text("half")
        print("ready", flush=True)
        try:
            time.sleep(WAIT)
        except KeyboardInterrupt:  # as training does
            pass
    return ["Held-out accuracy .71 \\xb1 .04 of \\udc80 and \\u03b1"]

cli.run_demo = job
sys.exit(cli.main(["demo", "--out", sys.argv[1]]))
"""


def start(out, wait, **environment):
    command = [sys.executable, "-W", "ignore", "-c", JOB.replace("WAIT", str(wait)), str(out)]
    environment = {key: value for key, value in os.environ.items() if key not in ("LC_ALL", "LANG")} | environment
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=ROOT, env=environment, **streams)


@pytest.mark.parametrize(
    ("name", "status", "told"), [("SIGTERM", 143, "stopped by SIGTERM"), ("SIGINT", 130, "interrupted")]
)
def test_signals_stop_and_clean_up(tmp_path, name, status, told):
    (tmp_path / "user").mkdir()
    with start(tmp_path / "user" / "a" / "b", 60) as process:
        process.stdout.readline()
        process.send_signal(getattr(signal, name))
        _, err = process.communicate()
    assert process.returncode == status and err.decode() == f"eegexplain: {told}\n"
    assert not list((tmp_path / "user").iterdir())


@pytest.mark.parametrize(
    "environment",
    [{"LC_ALL": "C"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {"PYTHONIOENCODING": "ascii"}],
)
def test_a_finished_job_does_not_fail_at_a_plus_minus_sign(tmp_path, environment):
    with start(tmp_path / "out", 0, **environment) as process:
        out, err = process.communicate()
    assert process.returncode == 0 and err == b"" and b"Held-out accuracy .71 " in out, err
    assert (tmp_path / "out" / "report.html").read_text() == "half"


@pytest.mark.parametrize(("encoding", "shown"), [("ascii", "+- \\u03b1 \\udc80"), ("utf-8", "± α \\udc80")])
def test_lines_are_written_in_what_the_terminal_knows(encoding, shown):
    stream = io.TextIOWrapper(io.BytesIO(), encoding)
    cli._say("± α \udc80", stream)
    assert stream.buffer.getvalue().decode(encoding) == shown + "\n"
    plain = io.StringIO()
    cli._say("± α", plain)
    assert plain.getvalue() == "± α\n"


def test_a_reader_that_left_is_no_error(tmp_path):
    with start(tmp_path / "out", 0.5) as process:
        process.stdout.readline()
        process.stdout.close()
        assert (process.stderr.read(), process.wait()) == (b"", 0)


ERRORS = [
    (ValueError("eeg.npz:\n  no trials"), "error: eeg.npz: no trials"),
    (OSError(28, "No space left"), "error: [Errno 28] No space left"),
    (ValueError(), "error: ValueError (this"),
    (KeyError("x"), "error: KeyError: 'x' (this was not expected: --traceback"),
    (MemoryError(), "error: MemoryError (this"),
    (TypeError("a\nb"), "error: TypeError: a b (this"),
    (RecursionError("deep"), "error: RecursionError: deep (this"),
    (ImportError("No module named 'captum'"), "error: ImportError: No module named 'captum' (this"),
]


@pytest.mark.parametrize(("error", "told"), ERRORS)
def test_every_error_is_one_sentence(monkeypatch, capsys, error, told):
    def fail(arguments):
        raise error

    monkeypatch.setattr(cli, "run_demo", fail)
    assert cli.main(["demo"]) == 2
    printed, notes = capsys.readouterr()
    assert printed == "" and len(notes.splitlines()) == 1 and notes.startswith(f"eegexplain: {told}")
    with pytest.raises(type(error)):
        cli.main(["demo", "--traceback"])


def test_handlers_of_signals_come_back(monkeypatch):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    monkeypatch.setattr(cli, "run_demo", lambda arguments: [])
    assert cli.main(["demo"]) == 0
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


@pytest.fixture
def recording(tmp_path):
    """A recording of eight events."""
    info = mne.create_info(["C3", "C4", "EOG"], 100.0, ["eeg", "eeg", "eog"])
    raw = mne.io.RawArray(1e-5 * np.random.default_rng(0).standard_normal((3, 2000)), info, verbose="error")
    raw.set_annotations(mne.Annotations(np.arange(1.0, 17.0, 2.0), 0.0, ["769", "770"] * 4))
    raw.save(tmp_path / "eeg_raw.fif", verbose="error")
    return str(tmp_path / "eeg_raw.fif")


def test_recordings_are_cut(recording, tmp_path, monkeypatch, capsys):
    seen = []

    def make_report(data, options, out, notify):
        seen.append(data)
        return Findings(lines=["done"])

    monkeypatch.setattr("eegexplain.report.make_report", make_report)
    cut = ["--tmin", "-0.5", "--tmax", "0.99", "--event-id", "left=769,right=770"]
    assert cli.main(["explain", recording, *cut, "--out", str(tmp_path / "out")]) == 0
    assert seen[0].X.shape == (8, 2, 150) and seen[0].y.tolist() == ["left", "right"] * 4
    assert "note: left out: EOG (eog)" in capsys.readouterr().err
    assert cli.main(["explain", recording, recording, *cut]) == 0
    assert seen[1].recording.tolist() == [0] * 8 + [1] * 8


@pytest.fixture
def reported(monkeypatch):
    """Options of the reports that are made, each of which found something."""
    seen = []

    def make_report(data, options, out, notify):
        seen.append(options)
        notify("training")
        return Findings(lines=["details"], conclusion="They use alpha.", summary={"verdict": "decodes", "n": 3})

    monkeypatch.setattr("eegexplain.report.make_report", make_report)
    return seen


def test_verdict_and_conclusion_come_first(reported, capsys):
    assert cli.main(["demo", "--out", "a b"]) == 0
    told, notes = capsys.readouterr()
    assert told.splitlines() == ["Verdict: decodes", "They use alpha.", "details", "Report: a b/report.html"]
    assert notes.splitlines()[-1] == "eegexplain: training ..."
    assert cli.main(["demo", "--out", "a b", "--quiet"]) == 0
    told, notes = capsys.readouterr()
    assert told.splitlines() == ["Verdict: decodes", "They use alpha.", "Report: a b/report.html"] and notes == ""
    assert reported[0].command == "eegexplain demo --out 'a b'" and reported[0].verbose == 0


def test_scripts_get_numbers(reported, capsys):
    assert cli.main(["demo", "--json", "--mne-report"]) == 0
    expected = {"verdict": "decodes", "n": 3, "report": "eegexplain-demo/report.html"}
    assert json.loads(capsys.readouterr().out) == expected
    assert reported[0].mne_report


@pytest.mark.parametrize("there", [True, False])
def test_the_report_is_opened(reported, capsys, monkeypatch, tmp_path, there):
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or there)
    assert cli.main(["demo", "--out", str(tmp_path), "--open"]) == 0
    assert opened == [(tmp_path / "report.html").as_uri()]
    assert ("no browser was found" in capsys.readouterr().err) != there


@pytest.mark.parametrize(("terminal", "quiet", "bars"), [(True, [], 1), (True, ["--quiet"], 0), (False, [], 0)])
def test_bars_are_for_terminals(reported, monkeypatch, terminal, quiet, bars):
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal, raising=False)
    assert cli.main(["demo", *quiet]) == 0
    assert reported[0].verbose == bars


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "is a continuous recording: say where trials end, tmax="),
        (["--tmax", "1", "--event-id", "left=,right"], "--event-id must read name,... or label=name,..., got"),
        (["--tmax", "1", "--event-id", "771"], "event_id asks for 771, the events are: 769 (4), 770 (4)."),
    ],
)  # fmt: skip
def test_recordings_that_cannot_be_cut(recording, options, sentence, capsys):
    assert cli.main(["explain", recording, *options]) == 2
    assert sentence in capsys.readouterr().err
