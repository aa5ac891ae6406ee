"""Change the numeric modules in small wrong ways and see whether their tests notice.

    python tests/mutation/run_mutants.py eegexplain/sinusoid/_fit.py eegexplain/bases --sample 40 --out /tmp/found.json

The tests of the package that a module belongs to are collected once. Every mutant then runs in a fork of this process:
the code of the changed functions is replaced in memory (nothing is written to the source tree), and of the tests
those that execute the changed line run, quickest first, until one fails. Constants and defaults of a module are
replaced where it has them; what else happens at import is not mutated.
"""

import argparse
import contextlib
import gc
import hashlib
import inspect
import itertools
import json
import os
import pathlib
import random
import signal
import sys
import time
import types

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")

import pytest  # noqa: E402
from operators import mutant, mutants_of  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]


def main(argv=None):
    """Collect the tests of the modules asked for, then run their mutants."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("modules", nargs="+", help="files or folders below eegexplain/")
    parser.add_argument("--sample", type=int, default=40, help="mutants per module, drawn at random (0: all)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tests", nargs="*", help="test files or folders instead of the mirrored folder")
    parser.add_argument("--only", help="file of an earlier run: try its survivors again")
    parser.add_argument("--budget", type=float, default=30.0, help="seconds of tests per mutant, quickest tests first")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds a mutant may take beyond 3 x its tests")
    parser.add_argument("--out", default="-", help="JSON lines, one mutant each")
    options = parser.parse_args(argv)
    files = [path for name in options.modules for path in python_files(ROOT / name)]
    folders = options.tests or sorted({mirrored(path) for path in files})
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    runner = Runner(files, options)
    pytest.main([*("-o", "addopts="), "-q", "-s", "-p", "no:cacheprovider", "-p", "no:xdist", *folders], [runner])


def python_files(path):
    """Modules of a folder, or the module itself."""
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


def mirrored(path):
    """Folder (or file) of the tests of a module."""
    part = path.relative_to(ROOT / "eegexplain").parts[0]
    return f"tests/{part}" if not part.endswith(".py") else f"tests/test_{part.strip('_')}"


class Runner:
    """Pytest plugin that replaces the loop over tests by a loop over mutants."""

    def __init__(self, files, options):
        self.files, self.options, self.failed = files, options, False

    def pytest_runtest_logreport(self, report):
        """Note a failure, also of set-up."""
        self.failed |= report.failed

    def pytest_collection_modifyitems(self, items):
        """Let hypothesis stop at the first failing example."""
        from hypothesis import Phase, settings

        for item in items:
            if hasattr(item.obj, "_hypothesis_internal_use_settings"):
                function = getattr(item.obj, "__func__", item.obj)
                quick = settings(function._hypothesis_internal_use_settings, phases=(Phase.explicit, Phase.generate))
                function._hypothesis_internal_use_settings = quick

    def pytest_runtestloop(self, session):
        """Time the tests, see what they cover, run the mutants."""
        import threadpoolctl

        threadpoolctl.threadpool_limits(1)
        living = {path: functions_of(path) for path in self.files}
        covered = self.measure(session.items)
        with open(self.options.out, "a") if self.options.out != "-" else contextlib.nullcontext(sys.stdout) as out:
            for path in self.files:
                for row in self.try_module(session.items, path, living[path], covered):
                    print(json.dumps(row), file=out, flush=True)
        return True

    def try_module(self, items, path, living, covered):
        """Yield what became of each mutant of a module."""
        name, source = path.relative_to(ROOT).as_posix(), path.read_text()
        everything = list(enumerate(mutants_of(source)))
        inside = lines_of_functions(compile(source, str(path), "exec"))
        for number, (line, function, change, code) in self.choose(name, everything):
            tests = sorted(
                (seconds, k) for k, (seconds, lines) in covered.items()
                if line in lines.get(str(path), ()) or (line not in inside and str(path) in lines)
            )  # fmt: skip
            tests = within(tests, self.options.budget)
            start = time.monotonic()
            verdict = self.try_mutant(items, path, source, number, living, tests)
            yield {"module": name, "number": number, "of": len(everything), "line": line, "function": function,
                   "change": change, "code": code, "verdict": verdict, "tests": len(tests),
                   "seconds": round(time.monotonic() - start, 2)}  # fmt: skip

    def choose(self, name, everything):
        """Mutants to try: the survivors of an earlier run, or a sample."""
        if self.options.only:
            rows = [json.loads(line) for line in pathlib.Path(self.options.only).read_text().splitlines()]
            wanted = {(row["function"], row["change"], row["code"]) for row in rows
                      if row["module"] == name and row["verdict"] not in ("killed", "timeout")}  # fmt: skip
            return [(number, place) for number, place in everything if place[1:] in wanted]
        seed = int(hashlib.sha256(f"{self.options.seed} {name}".encode()).hexdigest()[:8], 16)
        size = self.options.sample or len(everything)
        return sorted(random.Random(seed).sample(everything, min(size, len(everything))))

    def measure(self, items):
        """Seconds and executed lines ``(file, line)`` of every test that passes, by its number."""

        def work(send):
            for k, item in enumerate(items):
                lines, start = set(), time.monotonic()
                sys.settrace(tracer({str(path) for path in self.files}, lines))
                passed = self.run_items([item])
                sys.settrace(None)
                send([k, time.monotonic() - start, passed, sorted(lines)])

        rows = in_fork(work, 3600)[1]
        for k, _, passed, _ in rows:
            if not passed:
                print(f"fails without a mutant, left out: {items[k].nodeid}", file=sys.stderr)
        covered = {}
        for k, seconds, passed, lines in rows:
            if passed:
                covered[k] = seconds, {}
                for file, line in lines:
                    covered[k][1].setdefault(file, set()).add(line)
        return covered

    def try_mutant(self, items, path, source, number, functions, tests):
        """Verdict on one mutant: killed, timeout, survived, uncovered or untried."""
        changed = compile(mutant(source, number), str(path), "exec")
        if not tests:
            return "uncovered"

        def work(send):
            if not replace(functions, compile(source, str(path), "exec"), changed, path):
                return send("untried")
            send("survived" if self.run_items([items[k] for _, k in tests]) else "killed")

        finished, rows = in_fork(work, self.options.limit + 3 * sum(seconds for seconds, _ in tests))
        return rows[0] if rows else "killed" if finished else "timeout"

    def run_items(self, items):
        """Whether all these tests pass; stops at the first that does not."""
        self.failed = False
        for item, following in zip(items, [*items[1:], None], strict=True):
            item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
            if self.failed:
                return False
        return True


def within(tests, budget):
    """Quickest tests that fit into the budget together, at least one."""
    ends = list(itertools.accumulate(seconds for seconds, _ in tests))
    return [test for k, test in enumerate(tests) if ends[k] <= budget or k == 0]


def tracer(files, lines):
    """Trace function that collects executed lines of these files."""

    def local(frame, event, argument):
        if event == "line":
            lines.add((frame.f_code.co_filename, frame.f_lineno))
        return local

    def enter(frame, event, argument):
        if frame.f_code.co_filename in files:
            lines.add((frame.f_code.co_filename, frame.f_lineno))
            return local
        return None

    return enter


def in_fork(work, seconds):
    """Run ``work(send)`` in a fork; whether it ended in time, and the objects it sent."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.setsid()
        os.close(read)
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        with os.fdopen(write, "w") as pipe:
            try:
                work(lambda value: print(json.dumps(value), file=pipe, flush=True))
            finally:
                pipe.flush()
                os._exit(0)
    os.close(write)
    os.set_blocking(read, False)
    data, end, finished = b"", time.monotonic() + seconds, False
    while not finished and time.monotonic() < end:
        finished = os.waitpid(child, os.WNOHANG)[0] == child
        while True:
            try:
                block = os.read(read, 2**20)
            except BlockingIOError:
                break
            data += block
            if not block:
                break
        if not finished:
            time.sleep(0.005)
    if not finished:
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
    os.close(read)
    return finished, [json.loads(line) for line in data.decode().splitlines()]


def code_objects(code):
    """Code objects of a module, outermost first, in the order of the source."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from code_objects(constant)


def lines_of_functions(code, inside=False):
    """Lines that run when a function is called, not when the module is imported."""
    lines = {line for *_, line in code.co_lines()} if inside else set()
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):  # bodies of functions are optimised, those of classes not
            lines |= lines_of_functions(constant, inside or bool(constant.co_flags & inspect.CO_OPTIMIZED))
    return lines


def identity(code):
    """What tells one code object of a file from the others."""
    return code.co_qualname, code.co_firstlineno, tuple(code.co_positions())


def functions_of(path):
    """Living functions of a module by the identity of their code."""
    module = __import__(".".join(path.relative_to(ROOT).with_suffix("").parts), fromlist=["_"])
    found = {}
    for thing in gc.get_objects():
        if type(thing) is types.FunctionType and thing.__code__.co_filename == str(path):
            found.setdefault(identity(thing.__code__), []).append(thing)
    return module, found


def replace(living, original, changed, path):
    """Give the living functions of a module their changed code, defaults and constants; whether anything changed."""
    module, functions = living
    done = False
    for old, new in zip(code_objects(original), code_objects(changed), strict=True):
        for function in functions.get(identity(old), ()):
            if old != new:
                function.__code__, done = new, True
    return done or replace_constants(module, original, changed)


def replace_constants(module, original, changed):
    """Run both modules afresh and carry over constants and defaults that differ."""
    spaces = []
    for code in (original, changed):
        space = {"__name__": module.__name__, "__package__": module.__package__, "__file__": module.__file__}
        exec(code, space)
        spaces.append(space)
    done = False
    for name, old in spaces[0].items():
        new = spaces[1].get(name)
        if isinstance(old, (int, float, tuple, dict, str)) and repr(old) != repr(new) and not name.startswith("__"):
            for other in [m for n, m in list(sys.modules.items()) if n.startswith("eegexplain")]:
                if repr(getattr(other, name, None)) == repr(old):
                    setattr(other, name, new)
                    done = True
        done |= replace_defaults(getattr(module, name, None), old, new)
    return done


def replace_defaults(living, old, new):
    """Carry over defaults of a function, or of the methods of a class."""
    if isinstance(old, type) and isinstance(new, type):
        pairs = [(vars(living).get(name), value, vars(new).get(name)) for name, value in vars(old).items()]
        return any([replace_defaults(*pair) for pair in pairs if isinstance(pair[1], types.FunctionType)])
    if not all(isinstance(thing, types.FunctionType) for thing in (living, old, new)):
        return False
    same = (old.__defaults__, old.__kwdefaults__) == (new.__defaults__, new.__kwdefaults__)
    living.__defaults__, living.__kwdefaults__ = new.__defaults__, new.__kwdefaults__
    return not same


if __name__ == "__main__":
    main()
