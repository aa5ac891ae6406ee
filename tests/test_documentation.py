"""Every public function, method and class documents its parameters, what it returns and what it raises.

A section may stand at a base class of the package: a method that overrides a documented one need not repeat it.
"""

import ast
import importlib
import inspect
import pathlib
import pkgutil
import re
import textwrap
import warnings

import eegexplain

SECTION = re.compile(r"^(\w[\w ]*)\n-{3,}$", re.M)
# Functions that refuse bad input: calling one is raising.
DOORS = re.compile(r"^_?(check|validate|refuse|require)_|^(lookup|as_basis|positive_int)$")

# Objects that need not document everything, each with its reason.
EXEMPT = {}


def public_modules():
    """Every module whose path has no underscore, by name."""
    for found in pkgutil.walk_packages(eegexplain.__path__, "eegexplain."):
        if not any(piece.startswith("_") for piece in found.name.split(".")):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what their libraries deprecate is no matter here
                module = importlib.import_module(found.name)
            yield found.name, module


def public_objects():
    """Every public function and class by its public name, and each class's methods, inherited ones at the first."""
    seen = set()
    for name, module in public_modules():
        exported = set(getattr(module, "__all__", ()))
        for key, value in sorted(vars(module).items()):
            own = getattr(value, "__module__", None) == name or key in exported
            if key.startswith("_") or not own or not (inspect.isclass(value) or inspect.isfunction(value)):
                continue
            if value not in seen and is_ours(value):
                seen.add(value)
                yield f"{name}.{key}", value, None
                for method, function in methods(value) if inspect.isclass(value) else ():
                    if function not in seen:
                        seen.add(function)
                        yield f"{name}.{key}.{method}", function, value


def is_ours(value):
    return (getattr(value, "__module__", None) or "").startswith((__name__, "eegexplain"))


def methods(owner):
    """Public methods of a class and of its private bases in the package, but those that it overrides."""
    found = {}
    for base in filter(is_ours, owner.__mro__):
        for method, function in vars(base).items():
            function = getattr(function, "__func__", function)  # class methods
            if inspect.isfunction(function) and not method.startswith("_"):
                found.setdefault(method, function)
    yield from found.items()


def sections(documentation):
    """Text of each section of a docstring in numpydoc's format."""
    parts = SECTION.split(documentation or "")
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def documented_names(text):
    """Names of a section: ``a, b : type`` documents two."""
    heads = [line.split(" : ")[0] for line in text.splitlines() if line[:1].strip()]
    return [name.strip(" *") for head in heads for name in head.split(",")]


def parameters(function):
    """Names in a signature that a caller may give."""
    if inspect.isclass(function) and function.__init__ is object.__init__:
        return []
    return [name for name in inspect.signature(function).parameters if name not in ("self", "cls")]


def tree_of(function):
    return ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]


def own_nodes(tree):
    """Nodes of a function, those of functions inside it left out."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, (ast.FunctionDef, ast.Lambda, ast.ClassDef)):
            yield node
            yield from own_nodes(node)


def returns_something(function):
    """Whether a value other than ``self`` comes back (``fit`` returns ``self`` everywhere in scikit-learn)."""
    values = [node.value for node in own_nodes(tree_of(function)) if isinstance(node, ast.Return)]
    return any(value is not None and getattr(value, "id", getattr(value, "value", 0)) not in ("self", None)
               for value in values)  # fmt: skip


def refuses(function):
    """Whether its own body raises, or asks a door that does."""
    if not parameters(function):
        return False
    for node in own_nodes(tree_of(function)):
        if isinstance(node, ast.Raise) and node.exc is not None:
            return "NotImplementedError" not in ast.unparse(node.exc)
        if isinstance(node, ast.Call):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if DOORS.search(called) and called != "check_is_fitted":
                return True
    return False


def sources(value, owner):
    """Sections that count for an object: its own, and those of what it inherits or overrides."""
    if inspect.isclass(value):
        documented = value.__mro__
    elif owner is None:
        documented = [value]
    else:
        documented = [vars(base).get(value.__name__) for base in owner.__mro__]
    return [sections(inspect.getdoc(each)) for each in documented if is_ours(getattr(each, "__func__", each))]


def gaps(value, owner):
    """What is missing or wrong in the documentation of one object."""
    found = sources(value, owner)
    own = documented_names(found[0].get("Parameters", ""))
    given = parameters(value)
    known = {name for part in found for name in documented_names(part.get("Parameters", ""))}
    if set(own) - set(given):
        yield f"documents {sorted(set(own) - set(given))}, which it does not take"
    if set(given) - known:
        yield f"does not document {sorted(set(given) - known)}"
    if inspect.isclass(value):
        return
    if returns_something(value) and not any({"Returns", "Yields"} & set(part) for part in found):
        yield "does not say what it returns"
    if refuses(value) and not any("Raises" in part for part in found):
        yield "does not say what it raises"


def untyped(value, owner):
    """Parameters without a type hint: of functions, constructors and ``fit``; and "return" of functions."""
    if owner is not None and value.__name__ != "fit":
        return
    function = value.__init__ if inspect.isclass(value) else value
    if not is_ours(function) or hasattr(value, "__dataclass_fields__"):  # a field cannot be without
        return
    given = inspect.signature(function).parameters.values()  # a facade's has what its bases take
    hints = {each.name for each in given if each.annotation is not each.empty} | {*function.__annotations__}
    wanted = parameters(function) + (["return"] if owner is None and not inspect.isclass(value) else [])
    if missing := [name for name in wanted if name not in hints]:
        yield f"has no type hint for {missing}"


def told(gaps):
    """Gaps of everything public."""
    objects = [(name, value, owner) for name, value, owner in public_objects() if name not in EXEMPT]
    assert len(objects) > 100
    return "\n".join(f"{name} {gap}" for name, value, owner in objects for gap in gaps(value, owner))


def test_documentation_is_complete():
    assert not told(gaps)


def test_public_signatures_have_types():
    assert not told(untyped)


def test_types_travel_with_the_package():
    assert (pathlib.Path(eegexplain.__path__[0]) / "py.typed").exists()


def test_exemptions_are_needed():
    """An exemption of an object that is gone or complete hides the next one."""
    objects = {name: gaps(value, owner) for name, value, owner in public_objects()}
    assert all(list(objects[name]) for name in EXEMPT)


class Example:
    """A class whose documentation is wrong in each way.

    Parameters
    ----------
    size, gone : int
        One that exists and one that does not.
    """

    def __init__(self, size, color):
        self.size = size

    def grow(self, by):
        """Grow."""
        if by < 0:
            raise ValueError("it only grows")
        return self.size + by


def test_gaps_are_found():
    assert list(gaps(Example, None)) == ["documents ['gone'], which it does not take", "does not document ['color']"]
    assert list(gaps(Example.grow, Example)) == [
        "does not document ['by']", "does not say what it returns", "does not say what it raises"
    ]  # fmt: skip
    assert list(untyped(Example, None)) == ["has no type hint for ['size', 'color']"]
    assert not list(untyped(Example.grow, Example))
