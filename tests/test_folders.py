"""Output folders change as a whole, whatever stops the run, and hold on to what is the user's."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from eegexplain import _folders
from eegexplain._folders import MANIFEST, publish_folder

FILES = ("report.html", "summary.json", "figures/")
NAMES = ("report.html", "summary.json", "figures/a.png", "figures/b.png")
ROOT = pathlib.Path(__file__).resolve().parents[1]


def write(folder, text, names=NAMES):
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)


def run(out, text, names=NAMES):
    with publish_folder(out, FILES) as folder:
        write(folder, text, names)


def shown(out):
    """Everything in a folder, hidden things too, by name."""
    return {path.relative_to(out).as_posix(): path.read_text() for path in out.rglob("*") if path.is_file()}


def outputs(out):
    found = shown(out)
    found.pop(MANIFEST, None)
    return found


def test_a_run_replaces_the_earlier_one_and_nothing_else(tmp_path):
    out = tmp_path / "results" / "sub-01"
    run(out, "old")
    assert outputs(out) == dict.fromkeys(NAMES, "old")
    assert set(json.loads((out / MANIFEST).read_text())["files"]) == set(NAMES)
    (out / "notes.txt").write_text("mine")
    (out / "figures" / "mine.png").write_text("mine")
    run(out, "new", NAMES[:-1])
    mine = {"notes.txt": "mine", "figures/mine.png": "mine"}
    assert outputs(out) == dict.fromkeys(NAMES[:-1], "new") | mine, "b.png belongs to no run any longer"
    run(out, "no figures", NAMES[:2])
    assert outputs(out) == dict.fromkeys(NAMES[:2], "no figures") | mine
    (out / "figures" / "mine.png").unlink()
    (out / "figures").rmdir()
    run(out, "new")
    run(out, "no figures", NAMES[:2])
    assert not (out / "figures").exists(), "an empty folder of an earlier run"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_failed_run_leaves_the_folders_of_others(tmp_path, error):
    out = tmp_path / "results" / "sub-01"
    with pytest.raises(error), publish_folder(out, FILES) as folder:
        write(folder, "half")
        run(tmp_path / "results" / "sub-02", "another run")
        raise error
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["sub-02"]
    assert outputs(tmp_path / "results" / "sub-02") == dict.fromkeys(NAMES, "another run")
    with pytest.raises(error), publish_folder(tmp_path / "a" / "b") as folder:
        write(folder, "half")
        raise error
    assert not (tmp_path / "a").exists()
    out.mkdir()
    (out / "keep.txt").write_text("mine")
    with pytest.raises(error), publish_folder(out, FILES) as folder:
        write(folder, "half")
        (folder / "keep.txt").write_text("half")
        raise error
    assert shown(out) == {"keep.txt": "mine"}


def make_folder(out):
    (out / "report.html").mkdir()
    (out / "report.html" / "mine.txt").write_text("mine")


def make_link(out):
    (out / "elsewhere").mkdir()
    (out / "figures").symlink_to(out / "elsewhere")


def edit(out):
    run(out, "old")
    (out / "report.html").write_text("annotated")


OF_THE_USER = {
    "folder": (make_folder, "report.html was not written by eegexplain"),
    "file": (lambda out: (out / "summary.json").write_text("mine"), "summary.json was not written by eegexplain"),
    "edited": (edit, "report.html was changed since eegexplain wrote it"),
    "linked file": (lambda out: (out / "report.html").symlink_to(out / "x"), "report.html was not written"),
    "linked figures": (make_link, "figures is a link where a folder must be"),
    "file for figures": (lambda out: (out / "figures").write_text("mine"), "figures is a file where a folder must be"),
}


@pytest.mark.parametrize("case", OF_THE_USER)
def test_what_is_in_the_way_is_an_error_before_the_work(tmp_path, case):
    make, message = OF_THE_USER[case]
    make(tmp_path)
    before = sorted(tmp_path.rglob("*")), shown(tmp_path)
    with pytest.raises(FileExistsError, match=message), publish_folder(tmp_path, FILES):
        pytest.fail("the work has begun")
    assert (sorted(tmp_path.rglob("*")), shown(tmp_path)) == before


def test_a_file_of_the_user_that_comes_in_the_way_later_keeps_its_content(tmp_path):
    run(tmp_path, "old")
    (tmp_path / "figures" / "a.png").write_text("mine")
    (tmp_path / "figures" / "a.kept-1.png").write_text("also mine")
    with pytest.warns(UserWarning, match=r"figures/a\.png \(now figures/a\.kept-2\.png\)"):
        run(tmp_path, "new")
    mine = {"figures/a.kept-1.png": "also mine", "figures/a.kept-2.png": "mine"}
    assert outputs(tmp_path) == dict.fromkeys(NAMES, "new") | mine


def test_a_linked_output_folder_works(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    run(tmp_path / "link", "old")
    run(tmp_path / "link", "new")
    assert outputs(tmp_path / "real") == dict.fromkeys(NAMES, "new") and (tmp_path / "link").is_symlink()


@pytest.mark.parametrize(
    "text", ["{", "[]", "[" * 100_000, '{"files": {"../../x": "0"}, "folders": []}', '{"files": 3}']
)
def test_a_damaged_manifest_owns_nothing(tmp_path, text):
    (tmp_path / "out").mkdir()
    (tmp_path / "x").write_text("mine")
    (tmp_path / "out" / MANIFEST).write_text(text)
    run(tmp_path / "out", "new")
    assert outputs(tmp_path / "out") == dict.fromkeys(NAMES, "new") and (tmp_path / "x").exists()


def test_a_list_of_renames_that_leads_out_of_the_folder_is_not_followed(tmp_path):
    out, dead = tmp_path / "out", tmp_path / "out" / ".eegexplain-dead"
    (dead / "new").mkdir(parents=True)
    (tmp_path / "x").write_text("mine")
    (dead / "new" / "y").write_text("new")
    moves = [["gone", "../x"], [".eegexplain-dead/new/y", "y"]]
    (dead / "journal.json").write_text(json.dumps({"moves": moves, "made": []}))
    run(out, "new")
    assert (tmp_path / "x").read_text() == "mine" and not dead.exists()


@pytest.mark.parametrize("stop", range(9))
def test_an_interrupt_between_two_renames_undoes_them(tmp_path, monkeypatch, stop):
    run(tmp_path, "old")
    (tmp_path / "figures" / "mine.png").write_text("mine")
    before, count, rename = shown(tmp_path), iter(range(100)), os.rename

    def interrupted(source, target):
        if next(count) == stop:
            raise KeyboardInterrupt
        rename(source, target)

    monkeypatch.setattr(_folders.os, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt), publish_folder(tmp_path, FILES) as folder:
        write(folder, "new")
    assert shown(tmp_path) == before


def test_folders_that_cannot_be_written_are_named(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(NotADirectoryError, match="file is a file"), publish_folder(tmp_path / "file"):
        pass
    with pytest.raises(OSError, match="deeper cannot be written"), publish_folder(tmp_path / "file" / "deeper"):
        pass


SCRIPT = """
import os, pathlib, signal, sys, time
sys.path.insert(0, {root!r})
from tests.test_folders import *
"""


def script(text):
    """A Python process that runs a text."""
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT.format(root=str(ROOT)) + text]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True, cwd=ROOT)


def test_two_runs_in_one_folder(tmp_path):
    """The second is refused and harms nothing; a run that was killed holds nothing."""
    text = f"with publish_folder({str(tmp_path)!r}, FILES) as folder:\n    write(folder, 'first'); print(); input()"
    with script(text) as first:
        first.stdout.readline()
        with pytest.raises(BlockingIOError, match=f"process {first.pid}.*wait for it, or give another"):
            run(tmp_path, "second")
        run(tmp_path / "another", "second")
        first.communicate("\n")
    assert first.returncode == 0
    assert outputs(tmp_path) == dict.fromkeys(NAMES, "first") | {f"another/{n}": "second" for n in NAMES} | {
        f"another/{MANIFEST}": (tmp_path / "another" / MANIFEST).read_text()
    }
    with script(text) as second:
        second.stdout.readline()
        second.kill()
    assert any(path.name.startswith(".eegexplain-") for path in tmp_path.iterdir())
    run(tmp_path, "third")
    assert not any(path.name.startswith(".eegexplain-") for path in tmp_path.iterdir())
    assert outputs(tmp_path)["report.html"] == "third"


KILLED = """
def job(point, out):
    seen = 0
    def kill(event, arguments):
        nonlocal seen
        touched = any(str(out) in str(a) for a in arguments) or event == "fcntl.flock"
        if event.split(".")[0] in ("open", "os", "fcntl", "shutil") and touched:
            seen += 1
            if seen == point:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(kill)
    run(out, "new")
    os._exit(0)

base, earlier, point, died = pathlib.Path(BASE), EARLIER, 0, True
os.fsync = lambda handle: None  # a killed process loses nothing, only a killed machine does
while died:
    point += 3
    out = base / str(point)
    if earlier:
        run(out, "old")
    else:
        out.mkdir()
    (out / "mine.txt").write_text("mine")
    (out / "figures").mkdir(exist_ok=True)
    (out / "figures" / "mine.png").write_text("mine")
    child = os.fork()
    if not child:
        job(point, out)
    died = os.WIFSIGNALED(os.waitpid(child, 0)[1])
print(point)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("earlier", [True, False])
def test_a_run_killed_anywhere_leaves_no_mixture_and_the_earlier_output(tmp_path, earlier):
    """At every third of the moments at which the run touches the disk."""
    with script(KILLED.replace("BASE", repr(str(tmp_path))).replace("EARLIER", repr(earlier))) as process:
        n_points = int(process.communicate()[0])
    assert n_points > 40 and process.returncode == 0
    mine = {"mine.txt": "mine", "figures/mine.png": "mine"}
    states = set()
    for point in range(3, n_points + 1, 3):
        out = tmp_path / str(point)
        visible = {name: text for name, text in outputs(out).items() if not name.startswith(".eegexplain-")}
        assert mine.items() <= visible.items()
        seen = {name: text for name, text in visible.items() if name not in mine}
        assert len(set(seen.values())) <= 1, "a mixture"
        if "report.html" in seen:
            assert set(seen) == set(NAMES), "incomplete beside its report"
        with pytest.raises(KeyboardInterrupt), publish_folder(out, FILES):
            raise KeyboardInterrupt
        left = outputs(out)
        text = next((text for name, text in left.items() if name not in mine), None)
        assert text in (("old", "new") if earlier else (None, "new"))
        assert left == mine | (dict.fromkeys(NAMES, text) if text else {})
        states.add(text)
    assert states == ({"old", "new"} if earlier else {None, "new"}), "both sides of the switch were hit"
