"""The command line: ``eegexplain demo`` and ``eegexplain explain DATA``."""

import argparse
import contextlib
import json
import os
import pathlib
import shlex
import signal
import sys
import threading
import warnings
import webbrowser
from collections.abc import Sequence

DEMO_TRIALS = 360


class _Stopped(BaseException):
    """A signal asks to end; not a KeyboardInterrupt, which training would take as the wish to train no longer."""

    def __init__(self, number):
        self.number = number
        super().__init__(number)


class _Parser(argparse.ArgumentParser):
    """Answers a wrong command with one sentence."""

    def error(self, message):
        """Print the sentence and leave with status 2."""
        self.exit(2, f"{self.prog}: error: {message}\n")


def make_parser() -> argparse.ArgumentParser:
    """Parser of the command line.

    Returns
    -------
    argparse.ArgumentParser
    """
    from eegexplain import __version__

    parser = _Parser("eegexplain", description="What did my EEG network learn, and can I trust the answer?")
    parser.add_argument("--version", action="version", version=f"eegexplain {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_Parser)
    demo = commands.add_parser("demo", help="simulate EEG with a known answer, train a network, explain it")
    demo.add_argument("--out", default="eegexplain-demo", help="folder for the report (default: %(default)s)")
    demo.set_defaults(run=run_demo)
    explain = commands.add_parser("explain", help="train a network on your trials and explain it")
    kinds = ".npz, -epo.fif, .set, recordings (.edf, .bdf, .gdf, .vhdr, .set, .fif), .rd[.gz], or a folder"
    explain.add_argument("data", nargs="+", help=kinds)
    told = "of recordings: 'annotations' or the name of the trigger channel (default: what there is)"
    explain.add_argument("--events", help=told)
    told = "the events to take, name,... or label=name,... (default: all)"
    explain.add_argument("--event-id", metavar="NAMES", help=told)
    explain.add_argument("--tmin", type=float, default=0.0, help="first second of a trial, from its event (default: 0)")
    explain.add_argument("--tmax", type=float, help="last second of a trial: needed for recordings")
    explain.add_argument("--group-by", metavar="KEY", help="never split these groups: subject, or any metadata")
    explain.add_argument("--out", default="eegexplain-report", help="folder for the report (default: %(default)s)")
    explain.add_argument("--bands", default="eeg", help="'eeg' or name=low-high,... in Hz (default: %(default)s)")
    told = "keep what is finished in OUT.checkpoint, and go on from there after an interruption"
    explain.add_argument("--resume", action="store_true", help=told)
    explain.set_defaults(run=run_explain)
    for command in (demo, explain):
        command.add_argument("--noise", default="data", help="data or independent (default: %(default)s)")
        told = "syncnet, eegnet, csp, tangent-space, or package.module:factory, which may give a trained network"
        command.add_argument("--model", default="syncnet", help=f"{told} (default: %(default)s)")
        command.add_argument("--folds", type=int, help="cross-validation folds (default: 5, or fewer with few groups)")
        command.add_argument("--seeds", type=int, help="networks per fold (default: 3, or 1 of a kind without chance)")
        command.add_argument("--jobs", type=int, help="processes (default: as many as cores, at most 2)")
        command.add_argument("--json", action="store_true", help="print what summary.json holds, and nothing else")
        command.add_argument("--quiet", action="store_true", help="no progress; verdict, conclusion and path alone")
        command.add_argument("--open", action="store_true", help="open the report in the browser")
        command.add_argument("--mne-report", action="store_true", help="write mne_report.html, an mne.Report, as well")
        command.add_argument("--traceback", action="store_true", help="show where an error came from")
        command.add_argument("--seed", type=int, default=0, help="seed of everything random (default: %(default)s)")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    argv : list of str or None
        Arguments; None takes those of the process.

    Returns
    -------
    int
        0; 2 after an error, which is answered by one sentence on stderr; 130 when stopped by Ctrl-C, 143 by SIGTERM.
    """
    argv = sys.argv[1:] if argv is None else argv
    arguments = make_parser().parse_args(argv)
    arguments.written = shlex.join(["eegexplain", *argv])
    try:
        with _signals_stop(), _warnings_as_notes():
            lines = list(arguments.run(arguments))
    except (_Stopped, KeyboardInterrupt) as stopped:
        number = getattr(stopped, "number", signal.SIGINT)
        _tell("interrupted" if number == signal.SIGINT else f"stopped by {signal.Signals(number).name}")
        return 128 + number
    except Exception as error:
        if arguments.traceback:
            raise
        _tell(f"error: {_sentence(error)}")
        return 2
    for line in lines:
        _say(line, sys.stdout)
    return 0


def _sentence(error):
    """What went wrong, in one line; errors that no check of ours raised say so."""
    text = " ".join(str(error).split())
    if isinstance(error, (ValueError, OSError)) and text:
        return text
    return f"{type(error).__name__}{text and ': '}{text} (this was not expected: --traceback shows where it came from)"


def _say(line, stream):
    """Write a line in whatever the stream can encode: a finished job must not fail at a plus-minus sign."""
    try:
        encoding = stream.encoding or "utf-8"
        try:
            line.encode(encoding)
        except UnicodeEncodeError:
            line = line.encode(encoding, "backslashreplace").decode(encoding).replace("\\xb1", "+-")
        print(line, file=stream, flush=True)
    except BrokenPipeError:  # the reader has left; so that the interpreter's own flush does not complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _tell(text):
    """Write a line about the run on stderr."""
    _say(f"eegexplain: {text}", sys.stderr)


@contextlib.contextmanager
def _signals_stop():
    """Let SIGTERM, SIGHUP and Ctrl-C end a run alike: what was half done is undone."""

    def stop(number, frame):
        """Leave by an exception, so that every ``finally`` on the way runs."""
        raise _Stopped(number)

    earlier = {}
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)  # Windows knows no SIGHUP
            if number is not None and signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                earlier[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def run_demo(arguments: argparse.Namespace) -> list[str]:
    """Simulate, train, explain, and compare with what was planted.

    Parameters
    ----------
    arguments : argparse.Namespace
        As of `make_parser`.

    Returns
    -------
    list of str
        Lines to print.
    """
    from eegexplain._parallel import single_thread
    from eegexplain.datasets import make_oscillatory_eeg

    _notifier(arguments)("simulating EEG with a known answer")
    with single_thread():
        data = make_oscillatory_eeg(DEMO_TRIALS, n_subjects=6, random_state=arguments.seed)
    title = "eegexplain demo: simulated EEG"
    return _report(data, arguments, bands="eeg", title=title, group_by="subject")


def run_explain(arguments: argparse.Namespace) -> list[str]:
    """Load, train, explain.

    Parameters
    ----------
    arguments : argparse.Namespace
        As of `make_parser`.

    Returns
    -------
    list of str
        Lines to print.
    """
    from eegexplain.datasets import load_trials

    bands = parse_bands(arguments.bands)
    first, *others = arguments.data
    notify = _notifier(arguments)
    notify(f"loading {first}{f' and {len(others)} more' if others else ''}")
    cut = {"events": arguments.events, "event_id": parse_events(arguments.event_id)}
    data = load_trials(arguments.data if others else first, **cut, tmin=arguments.tmin, tmax=arguments.tmax)
    for note in data.get("notes", ()):
        _tell(f"note: {note}")
    title = f"EEG explained: {pathlib.Path(first).name}{' ...' if others else ''}"
    options = {"bands": bands, "title": title, "group_by": arguments.group_by}
    if not arguments.resume:
        return _report(data, arguments, **options)
    from eegexplain._checkpoint import Checkpoint

    out = pathlib.Path(arguments.out).absolute()
    kept = Checkpoint(out.with_name(f"{out.name}.checkpoint"))
    if kept.folder.exists():
        notify(f"going on from {kept.folder}")
    lines = _report(data, arguments, **options, checkpoint=kept.folder)
    kept.clear()
    return lines


def _report(data, arguments, **options):
    """Run the job, write the report; the lines to print."""
    from eegexplain._parallel import single_thread
    from eegexplain.report import Options, make_report  # and with it all libraries, whose threads are counted below

    options = Options(
        model=arguments.model,
        noise=arguments.noise,
        n_folds=arguments.folds,
        n_seeds=arguments.seeds,
        seed=arguments.seed,
        n_jobs=min(2, os.cpu_count() or 1) if arguments.jobs is None else arguments.jobs,
        verbose=int(sys.stderr.isatty() and not arguments.quiet),
        command=arguments.written,
        mne_report=arguments.mne_report,
        **options,
    )
    # Small batches gain nothing from threads; on a busy machine waiting for each other doubles the time.
    with single_thread():
        found = make_report(data, options, arguments.out, _notifier(arguments))
    path = pathlib.Path(arguments.out) / "report.html"
    if arguments.open and not webbrowser.open(path.absolute().as_uri()):
        _tell(f"note: no browser was found to open {path}")
    if arguments.json:
        return json.dumps({**found.summary, "report": str(path)}, indent=2).splitlines()
    answer = [f"Verdict: {found.summary.get('verdict', 'not known')}", found.conclusion]
    return [line for line in answer if line] + [*([] if arguments.quiet else found.lines), f"Report: {path}"]


def parse_bands(text: str) -> dict[str, tuple[float, float]] | str:
    """Read ``"eeg"`` or ``"name=low-high,..."``.

    Parameters
    ----------
    text : str
        As it stands on the command line; limits in Hz.

    Returns
    -------
    dict of str to (float, float), or "eeg"

    Raises
    ------
    ValueError
        For anything else.
    """
    if "=" not in text:
        return text
    bands = {}
    for item in text.split(","):
        name, _, limits = item.partition("=")
        low, _, high = limits.partition("-")
        try:
            bands[name.strip()] = (float(low), float(high))
            if not name.strip():
                raise ValueError
        except ValueError:
            raise ValueError(f"--bands must read name=low-high,... in Hz, got {item!r}") from None
    return bands


def parse_events(text: str | None) -> dict[str, str] | None:
    """Read ``"name,..."`` or ``"label=name,..."``.

    Parameters
    ----------
    text : str or None
        As it stands on the command line.

    Returns
    -------
    dict of str to str, or None

    Raises
    ------
    ValueError
        For an empty name.
    """
    if text is None:
        return None
    parts = [one.partition("=") for one in text.split(",")]
    pairs = [(label, name if equals else label) for label, equals, name in parts]
    if not all(label and name for label, name in pairs):
        raise ValueError(f"--event-id must read name,... or label=name,..., got {text!r}")
    return dict(pairs)


def _notifier(arguments):
    """What tells on stderr what is being done."""
    return (lambda message: None) if arguments.quiet else (lambda message: _tell(f"{message} ..."))


@contextlib.contextmanager
def _warnings_as_notes():
    """Show each warning once, as one line on stderr."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("default", UserWarning)
        warnings.showwarning = lambda message, *_, **__: _tell(f"note: {message}")
        yield
