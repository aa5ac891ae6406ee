"""The house rules: layers, lazy imports, sizes, documentation, cost of importing, one install command."""

import ast
import functools
import importlib
import inspect
import pathlib
import pkgutil
import re
import subprocess
import sys

import pytest

import eegexplain

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "eegexplain"
FILES = sorted(PACKAGE.rglob("*.py"))

LAYERS = {
    **dict.fromkeys(("_arrays", "_lazy", "_levels", "_text", "_validation", "_scale", "_seeds", "_settings"), 0),
    **dict.fromkeys(("_answers", "_bands", "_meta", "_explanation", "_inner", "_module", "_outputs", "_torch",
                     "_parallel", "_io", "_nets", "_held", "_layout", "_pipelines", "_trained", "_containers",
                     "_readers", "_batches", "_folders", "_many", "_reading", "_calibration", "_judge", "_bits",
                     "_stages", "_ensemble", "_exchange", "_forward", "_subspace", "_total", "_units", "_means",
                     "_checkpoint", "_cluster", "_heap", "_digest"), 1),
    **dict.fromkeys(("bases", "datasets", "models"), 2),
    **dict.fromkeys(
        ("perturbation", "reverse_correlation", "sinusoid", "attribution", "encoding", "timecourse", "information",
         "intervention", "_timecourse_solvers"), 3
    ),
    "inspection": 4,
    "plotting": 5,
    **dict.fromkeys(("report", "cli", "__main__", "__init__"), 6),
}  # fmt: skip
# Imports that the layers do not allow, each with its reason.
ALLOWED = {
    ("_inner", "models"),  # default_estimator: the one upward call
    ("_io", "_validation"),
    ("inspection", "plotting"),  # the plot() of a result, which makes its display
}
LIBRARIES_AT_MODULE_LEVEL = {"numpy", "scipy", "sklearn", "eegexplain", *sys.stdlib_module_names}
# Heavy libraries imported at module level, and where.
HEAVY = {
    "torch": ("_batches.py", "_ensemble.py", "_held.py", "_layout.py", "_module.py", "_pipelines.py", "_torch.py",
              "_trained.py", "_stages.py", "models/", "attribution/", "intervention/",
              "reverse_correlation/_tracing.py"),
    "skorch": ("_ensemble.py", "_held.py", "models/"),
    "joblib": ("_units.py", "_digest.py", "_cluster.py"),
    "threadpoolctl": ("_parallel.py",),
    "tqdm": ("_parallel.py", "models/_training.py"),
}  # fmt: skip
MAX_MODULE_LINES = 400
MAX_BODY_LINES = 60
MAX_POSITIONAL = 7
# Signatures inherited from earlier tools, kept to the letter.
INHERITED_SIGNATURES = {
    "SyncNet.__init__",
    "SPMHRFModel.__init__",
    "spectral_perturbation_correlation",
    "ax_scalp",
    "attribute",
}


def relative(path):
    return path.relative_to(PACKAGE).as_posix()


def part(path):
    name = relative(path).split("/")[0]
    return name.removesuffix(".py")


@functools.cache
def imports(path):
    """Triples (node, dotted module, inside a function) of every import."""
    tree, found = parse(path), []
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found.append((node, alias.name, id(node) in inside))
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in line {node.lineno}"
            for alias in node.names if node.module == "eegexplain" else [None]:
                module = node.module if alias is None else f"eegexplain.{alias.name}"
                found.append((node, module, id(node) in inside))
    return found


@functools.cache
def parse(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def broken(rule):
    """What `rule` yields for each file: a test per file costs more than its rule."""
    return "\n".join(f"{relative(path)}: {told}" for path in FILES for told in rule(path))


def forbidden_layers(path):
    own = part(path)
    if own not in LAYERS:
        yield f"{own} has no layer: add it to LAYERS"
        return
    for node, module, _ in imports(path):
        if not module.startswith("eegexplain."):
            continue
        other = module.split(".")[1]
        if other not in LAYERS or other == own or (own, other) in ALLOWED:
            continue
        upward = LAYERS[other] > LAYERS[own]
        sideways = LAYERS[other] == LAYERS[own] and LAYERS[own] in (2, 3)
        analysis_on_models = other in ("models", "datasets") and LAYERS[own] in (3, 4, 5)
        drawing_on_analysis = LAYERS[own] in (4, 5) and LAYERS[other] in (3, 4)
        if upward or sideways or analysis_on_models or drawing_on_analysis:
            yield f"line {node.lineno} ({own}, layer {LAYERS[own]}) imports {module} (layer {LAYERS[other]})"


def test_layers():
    assert not broken(forbidden_layers)


def heavy_imports(path):
    for node, module, inside in imports(path):
        library = module.split(".")[0]
        if inside or library in LIBRARIES_AT_MODULE_LEVEL:
            continue
        if not relative(path).startswith(tuple(HEAVY.get(library, ()))):
            yield f"line {node.lineno} imports {library} at module level: import it inside the function"


def test_heavy_imports_stay_inside_functions():
    assert not broken(heavy_imports)


def too_many_lines(path):
    n_lines = len(path.read_text(encoding="utf-8").splitlines())
    if n_lines > MAX_MODULE_LINES:
        yield f"{n_lines} lines: is it two ideas?"


def test_module_size():
    assert not broken(too_many_lines)


def functions(tree, prefix=""):
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield prefix + node.name, node
            yield from functions(node, prefix + node.name + ".")
        elif isinstance(node, ast.ClassDef):
            yield from functions(node, prefix + node.name + ".")


def body_lines(node):
    has_docstring = ast.get_docstring(node) and len(node.body) > 1
    start = node.body[1].lineno if has_docstring else node.body[0].lineno
    return node.end_lineno - start + 1


def too_large_functions(path):
    for name, node in functions(parse(path)):
        if body_lines(node) > MAX_BODY_LINES:
            yield f"{name} has {body_lines(node)} lines"
        positional = [a.arg for a in node.args.posonlyargs + node.args.args if a.arg not in ("self", "cls")]
        if len(positional) > MAX_POSITIONAL and name not in INHERITED_SIGNATURES:
            yield f"{name} takes {len(positional)} positional arguments"


def test_function_size_and_arguments():
    assert not broken(too_large_functions)


def asserts_and_prints(path):
    if "utils" in path.name:
        yield "say what it holds"
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Assert):
            yield f"assert in line {node.lineno}: raise an error"
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print" and path.name != "cli.py":
            yield f"print in line {node.lineno}"


def test_no_assert_no_print_no_utils():
    assert not broken(asserts_and_prints)


TESTS = ROOT / "tests"
# Public modules whose tests stand elsewhere, and tests of no single module, each with its reason.
TESTED_TOGETHER = {
    "bases/spatial.py": "bases/test_bases.py",  # one set of laws (adjoint, completeness) holds for every basis
    "bases/spectral.py": "bases/test_bases.py",
    "bases/timefrequency.py": "bases/test_bases.py",
    "datasets/uci.py": "datasets/test_loaders.py",  # one loader opens all formats
    "encoding/models/double_gamma.py": "encoding/models/test_hrf.py",  # the curve behind the SPM response
    "encoding/models/linear.py": "encoding/models/test_base.py",  # the plainest model is what the base is tried on
    "plotting/displays/kernels.py": "plotting/displays/test_encoding.py",
}
OF_NO_MODULE = {
    "inspection/test_resume.py",  # every long call, interrupted and begun again
    "perturbation/test_truth.py",  # trained networks against planted truths
    "reverse_correlation/test_simulated.py",
    "plotting/test_displays.py",  # what all displays share
    "plotting/test_names.py",
    "report/test_report.py",  # the whole report, as a reader opens it
    "plotting/motion/test_player.py",  # moving maps as a browser shows them
    "report/test_browser.py",  # pages as a browser shows them
}


def public_modules_without_tests(path):
    own = pathlib.Path(relative(path))
    if "/_" in f"/{own.as_posix()}":
        return
    mirrored = own.with_name(f"test_{own.name}").as_posix()
    found = TESTED_TOGETHER.get(own.as_posix(), mirrored)
    if not (TESTS / found).exists():
        yield f"no tests/{found}"
    if found != mirrored and (TESTS / mirrored).exists():
        yield f"{mirrored} is there: take it out of TESTED_TOGETHER"


def test_every_public_module_has_its_tests():
    assert not broken(public_modules_without_tests)


def test_every_test_stands_beside_what_it_tests():
    modules = {relative(path) for path in FILES}
    together = {*TESTED_TOGETHER.values(), *OF_NO_MODULE}
    assert all((PACKAGE / module).exists() for module in TESTED_TOGETHER)
    assert all((TESTS / file).exists() for file in together)
    for path in TESTS.rglob("*/test_*.py"):
        own = path.relative_to(TESTS)
        name = own.name.removeprefix("test_")
        tested = {own.with_name(name).as_posix(), own.with_name(f"_{name}").as_posix()}
        assert tested & modules or own.as_posix() in together, f"tests/{own.as_posix()} tests no module of that name"


# What tests of other files take from the private parts of the package beside what CONTRIBUTING shows to everybody, each
# with its reason. A test of `_path.py` stands in `test_path.py` and takes what it likes from there; all other behavior
# is asked for by public names.
PRIVATE_IMPORTS = {
    "_batches": {"attribution/test_engine.py": "memory that a trial takes, made up"},
    "_bits": {
        "information/test_controls.py": "a judge of trials",
        "information/test_testing.py": "a judge of trials",
    },
    "_arrays": {"test_validation.py": "blocks made small, so that several are read"},
    "_bands": {
        "bases/test_bases.py": "Parseval's law with the weights of one-sided spectra",
        "perturbation/test_kinds.py": "bins whose phase is fixed",
    },
    "_checkpoint": {"test_cluster.py": "what is kept when a unit is named"},
    "_digest": {"test_checkpoint.py": "the names of units are digests"},
    "_exchange": {"information/test_testing.py": "the permutations that a naive loop goes through"},
    "_io": {
        "attribution/test_flex.py": "an explanation is the same after saving",
        "damage.py": "files are written as the package writes them, then damaged",
        "test_damaged_files.py": "and read as the package reads them",
    },
    "_lazy": {"datasets/test_continuous.py": "trials of several sources, made by hand"},
    "_levels": {"inspection/test_decoding.py": "pairs of levels, counted by hand"},
    "_module": {
        "models/eegnet/test_module.py": "outputs of layers",
        "models/syncnet/test_closed.py": "outputs of layers",
        "models/syncnet/test_trend.py": "outputs of layers",
        "models/test_patterns.py": "outputs of layers",
        "test_torch.py": "the context managers around a wrapped network",
    },
    "_reading": {
        "damage.py": "the length of a seal",
        "test_damaged_files.py": "the doors that damaged files meet, one by one",
    },
    "_text": {"plotting/test_names.py": "how a name that no font has is written"},
    "_outputs": {"test_batches.py": "a model without passes"},
    "_torch": {
        "attribution/test_engine.py": "the mode in which gradients are taken",
        "attribution/test_path.py": "the gradient at one point, which the path integral must sum up",
        "attribution/test_population.py": "gradients are counted",
        "intervention/test_rest.py": "a network, and what follows one of its layers",
        "models/syncnet/test_estimators.py": "activations of each pool",
        "test_batches.py": "batches that a network is given",
        "test_layout.py": "the layout of a layer, asked of the network",
        "test_pipelines.py": "a Pipeline's network is compared with it alone",
        "test_outputs.py": "the network's side of the table of responses",
        "test_stages.py": "a network divided in two is compared with the network",
    },
    "_units": {
        "attribution/test_population.py": "what each round sends",
        "test_checkpoint.py": "what is kept are units",
        "test_cluster.py": "what a cluster runs are units",
    },
    "_validation": {"test_scale.py": "bands that only warn"},
    "attribution._baselines": {"attribution/test_engine.py": "an engine is put together from its parts"},
    "attribution._methods": {"attribution/test_engine.py": "an engine is put together from its parts"},
    "bases._basis": {"bases/test_bases.py": "one set of laws holds for every basis"},
    "encoding.weights._bands": {"encoding/weights/test_paths.py": "a task is put together from its parts"},
    "encoding.weights._criteria": {"encoding/weights/test_paths.py": "a task is put together from its parts"},
    "encoding.weights._sums": {"encoding/weights/test_paths.py": "a task is put together from its parts"},
    "information._asked": {
        "information/test_rotations.py": "functions instead of decoders",
        "information/test_hybrids.py": "functions instead of decoders",
    },
    "information._cells": {"information/test_hybrids.py": "cells that share parts of trials"},
    "information._coordinates": {"information/test_rotations.py": "what is turned"},
    "information._question": {"information/test_rotations.py": "functions instead of decoders"},
    "information._game": {"information/test_mapper.py": "a game of few players is played as one of many"},
    "information._hybrids": {"information/test_mapper.py": "memory made small, so that nothing is kept"},
    "information._partners": {
        "information/test_mapper.py": "the partners that a naive loop goes through",
        "information/test_hybrids.py": "the effects of all hybrids at once",
    },
    "intervention._donors": {"intervention/test_effects.py": "pairs as they are drawn"},
    "intervention._sites": {"intervention/test_rest.py": "where a rest begins"},
    "perturbation._blocks": {"perturbation/test_sums.py": "sums over blocks are those over all trials"},
    "perturbation._changes": {"perturbation/test_sums.py": "sums over blocks are those over all trials"},
    "perturbation._gradient": {"perturbation/test_sums.py": "sums over blocks are those over all trials"},
    "perturbation._influence": {"perturbation/test_gradient.py": "influence by the formula against leaving out"},
    "perturbation._noise": {"perturbation/test_kinds.py": "what a kind changes, without a model"},
    "perturbation._sampling": {"perturbation/test_sums.py": "sums over blocks are those over all trials"},
    "perturbation._spectra": {
        "perturbation/test_gradient.py": "gradients along spectra, by explicit sums",
        "perturbation/test_kinds.py": "what a kind changes, without a model",
    },
    "plotting.motion._scene": {"plotting/motion/test_animation.py": "pictures as palette indices"},
    "plotting.motion._smooth": {"plotting/motion/test_animation.py": "maps over time against explicit weights"},
    "plotting._look": {"plotting/scalp/test_maps.py": "how large axes are"},
    "plotting._waves": {"plotting/displays/test_templates.py": "waveforms between their samples"},
    "report._analyses": {"report/test_conclusion.py": "maps made by hand"},
    "report._page": {
        "report/test_browser.py": "a page around an explorer",
        "report/test_mne_report.py": "a page made by hand",
    },
    "report._trust": {"report/test_browser.py": "lines of the panel", "report/test_page.py": "lines of the panel"},
    "report._polarity": {
        "report/test_conclusion.py": "jobs made by hand",
        "report/test_trust.py": "jobs made by hand",
        "report/test_waveforms.py": "jobs made by hand",
    },
    "report._filters": {"report/test_report.py": "a share of a logit against a filter set to zero"},
    "report._models": {
        "report/test_findings.py": "networks that train for no time",
        "report/test_report.py": "networks that train for few epochs",
    },
    "report._trials": {
        "report/test_filters.py": "filters of prepared trials",
        "report/test_models.py": "models of prepared trials",
    },
    "report._writing": {"report/test_report.py": "a job is looked at before and after it is written"},
    "reverse_correlation._correlate": {"reverse_correlation/test_errors.py": "errors of sums by the jackknife"},
    "reverse_correlation._envelopes": {"reverse_correlation/test_envelope.py": "windows cut by hand"},
}

NOT_LISTED_YET = ("models.", "inspection.")  # modules whose tests are still on the move


def private_imports(path):
    """Names that a test takes from private modules: pairs of module (within the package) and name."""
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "eegexplain":
            for alias in node.names:
                pieces = [*node.module.split(".")[1:], alias.name]
                private = [number for number, piece in enumerate(pieces) if piece.startswith("_")]
                if private and pieces != ["__version__"]:
                    yield ".".join(pieces[: private[0] + 1]), alias.name


def test_tests_ask_by_public_names():
    shown = re.findall(r"^from eegexplain\.(_\w+) import (.+)$", (ROOT / "CONTRIBUTING.md").read_text(), re.M)
    shown = {(module, name) for module, names in shown for name in names.split(", ")}
    found = {}
    for path in TESTS.rglob("*.py"):
        own = path.relative_to(TESTS)
        beside = ".".join([*own.parts[:-1], own.stem.replace("test_", "_", 1)])
        for module, name in private_imports(path):
            if module != beside and (module, name) not in shown and not module.startswith(NOT_LISTED_YET):
                found.setdefault(module, set()).add(own.as_posix())
    listed = {module: set(files) for module, files in PRIVATE_IMPORTS.items()}
    assert found == listed, "ask by a public name, or move the test beside the module"


LOOPS = (ast.For, ast.While, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
# Models without any seed (those with one are spawned); encoding models, whose seed draws divisions to choose from.
CLONED_IN_LOOPS = {"encoding/_crossfit.py", "timecourse/_fit.py"}


def test_refits_in_loops_spawn_their_seeds():
    """A plain ``clone(...)`` in a loop gives all refits one start: `spawn_seeds` gives each its own."""
    found = set()
    for path in FILES:
        loops = [node for node in ast.walk(parse(path)) if isinstance(node, LOOPS)]
        calls = (node for loop in loops for node in ast.walk(loop) if isinstance(node, ast.Call))
        if any(isinstance(call.func, ast.Name) and call.func.id == "clone" for call in calls):
            found.add(path.relative_to(PACKAGE).as_posix())
    assert found - {"report/_job.py"} == CLONED_IN_LOOPS


def public_objects():
    names = [m.name for m in pkgutil.walk_packages(eegexplain.__path__, "eegexplain.") if "__main__" not in m.name]
    for name in names:
        if any(piece.startswith("_") for piece in name.split(".")):
            continue
        module = importlib.import_module(name)
        yield name, module
        for key, value in vars(module).items():
            own = getattr(value, "__module__", None) == name
            if own and not key.startswith("_") and (inspect.isclass(value) or inspect.isfunction(value)):
                yield f"{name}.{key}", value
                if inspect.isclass(value):
                    for method, function in vars(value).items():
                        if inspect.isfunction(function) and not method.startswith("_"):
                            yield f"{name}.{key}.{method}", function


@pytest.mark.filterwarnings("default")
def test_public_objects_are_documented():
    missing = [name for name, value in public_objects() if not inspect.getdoc(value)]
    assert not missing


def test_every_public_name_resolves():
    for name in eegexplain.__all__:
        assert getattr(eegexplain, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'SyncNett'"):
        eegexplain.SyncNett  # noqa: B018


def test_import_is_lazy():
    code = (
        "import sys, time, torch, sklearn, skorch; start = time.process_time(); import eegexplain; "
        "print(time.process_time() - start, *[m for m in ('mne', 'matplotlib', 'captum', 'xarray', 'pandas') "
        "if m in sys.modules and m not in before])"
    )
    code = code.replace("start = ", "before = set(sys.modules); start = ")
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    cost, *loaded = out.split()
    assert float(cost) < 1.0
    assert not loaded


def test_readme_and_ci_run_the_same_test_command():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    setup = 'python3 -m venv .venv && .venv/bin/pip install -c constraints.txt -e ".[test]"'
    command = f"{setup} && .venv/bin/python -m pytest"
    assert command in readme.splitlines()
    assert command in ci.splitlines()


def test_pins_cover_the_dependencies():
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    pins = {line.split("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line}
    block = re.search(r"\ndependencies = \[(.*?)\n\]", project, re.S).group(1)
    named = {re.split(r"[>=<]", name)[0].lower() for name in re.findall(r'"([^"]+)"', block)}
    assert named <= pins
