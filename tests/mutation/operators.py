"""Small wrong changes to a syntax tree, numbered in the order in which they stand in the source."""

import ast

COMPARISONS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
ARITHMETIC = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
PAIRS = [("min", "max"), ("minimum", "maximum"), ("argmin", "argmax"), ("sin", "cos"), ("floor", "ceil"),
         ("any", "all"), ("zeros", "ones"), ("zeros_like", "ones_like"), ("real", "imag"), ("mean", "sum")]  # fmt: skip
NAMES = dict(PAIRS) | {right: left for left, right in PAIRS}
REMOVABLE = {"abs", "sqrt", "conj", "conjugate", "log", "exp", "maximum", "minimum", "clip", "square", "sorted"}
# Dropping these changes speed, precision or words at most.
IDLE_KEYWORDS = {"strict", "dtype", "copy", "order", "verbose", "total", "desc", "optimize", "check_finite",
                 "overwrite_a", "overwrite_b", "out", "stacklevel"}  # fmt: skip


class Mutator(ast.NodeTransformer):
    """Count the mutants of a tree and apply the one numbered `target` (None: only count).

    Messages (raise statements, warnings, f-strings), docstrings, decorators and annotations are left alone.
    """

    def __init__(self, target=None):
        self.target, self.found, self.function, self.place = target, [], [], None

    def offer(self, node, what, build):
        """Register a mutant of `node`; return the changed node where it is the one asked for."""
        number = len(self.found)
        self.found.append((node.lineno, ".".join(self.function), what, ast.unparse(node).replace("\n", " ")[:100]))
        return ast.copy_location(build(), node) if number == self.target else None

    def visit(self, node):
        if isinstance(node, (ast.Raise, ast.JoinedStr)) or _is_message(node):
            return node
        if isinstance(node, ast.keyword) and node.arg in IDLE_KEYWORDS:
            return node
        for what, build in mutations(node):
            changed = self.offer(node, what, build)
            if changed is not None:
                return changed
        return self.generic_visit(node)

    def visit_function(self, node):
        self.function.append(node.name)
        if isinstance(node, ast.ClassDef):
            node.body = [self.visit(child) for child in node.body]
        else:
            node.args.defaults = [self.visit(child) for child in node.args.defaults]
            node.args.kw_defaults = [child and self.visit(child) for child in node.args.kw_defaults]
            node.body = [self.visit(child) for child in node.body]
        self.function.pop()
        return node

    def generic_visit(self, node):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            return self.visit_function(node)
        if isinstance(node, ast.AnnAssign):
            node.value = node.value and self.visit(node.value)
            return node
        return super().generic_visit(node)


def _is_message(node):
    if not isinstance(node, ast.Expr):
        return False
    if isinstance(node.value, ast.Constant):  # a docstring
        return True
    return isinstance(node.value, ast.Call) and "warn" in ast.unparse(node.value.func)


def mutations(node):
    """Yield (description, function that builds the changed node) for one node."""
    for rule in RULES.get(type(node), ()):
        yield from rule(node)


def _compare(node):
    for k, operator in enumerate(node.ops):
        other = COMPARISONS[type(operator)]
        operators = [other() if i == k else op for i, op in enumerate(node.ops)]
        what = f"{type(operator).__name__} -> {other.__name__}"
        yield what, lambda operators=operators: ast.Compare(node.left, operators, node.comparators)


def _binary(node):
    other = ARITHMETIC.get(type(node.op))
    text = any(isinstance(side, (ast.JoinedStr, ast.List, ast.Tuple)) or _is_text(side)
               for side in (node.left, node.right))  # fmt: skip
    if other and not text:
        yield f"{type(node.op).__name__} -> {other.__name__}", lambda: ast.BinOp(node.left, other(), node.right)


def _is_text(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _augmented(node):
    other = ARITHMETIC.get(type(node.op))
    if other:
        what = f"{type(node.op).__name__}= -> {other.__name__}="
        yield what, lambda: ast.AugAssign(node.target, other(), node.value)


def _boolean(node):
    other = ast.Or if isinstance(node.op, ast.And) else ast.And
    yield f"-> {other.__name__}", lambda: ast.BoolOp(other(), node.values)


def _unary(node):
    if not isinstance(node.operand, ast.Constant) or isinstance(node.op, ast.Not):
        yield f"without {type(node.op).__name__}", lambda: node.operand


def _constant(node):
    value = node.value
    if isinstance(value, bool):
        yield "flipped", lambda: ast.Constant(not value)
    elif isinstance(value, int):
        yield "+ 1", lambda: ast.Constant(value + 1)
    elif isinstance(value, float):
        yield "* 2", lambda: ast.Constant(2 * value if value else 1.0)


def _call(node):
    name = getattr(node.func, "attr", getattr(node.func, "id", None))
    if name in NAMES:
        yield f"-> {NAMES[name]}", lambda: ast.Call(_renamed(node.func, NAMES[name]), node.args, node.keywords)
    if name in REMOVABLE:
        library = isinstance(node.func, ast.Name) or getattr(node.func.value, "id", "") in ("np", "torch")
        kept = node.args[0] if library and node.args else getattr(node.func, "value", None)
        if kept is not None and (node.args or not library):
            yield f"without {name}", lambda: kept
    for k, keyword in enumerate(node.keywords):
        if keyword.arg and keyword.arg not in IDLE_KEYWORDS:
            fewer = node.keywords[:k] + node.keywords[k + 1 :]
            yield f"without {keyword.arg}=", lambda fewer=fewer: ast.Call(node.func, node.args, fewer)
        if keyword.arg in ("axis", "dim"):
            yield from _axis(node, k)


def _axis(node, k):
    """Sums over another axis: the last for the first, the first for any other."""
    old = ast.unparse(node.keywords[k].value)
    new = ast.Constant(0) if old != "0" else ast.UnaryOp(ast.USub(), ast.Constant(1))
    keywords = [ast.keyword(word.arg, new) if i == k else word for i, word in enumerate(node.keywords)]
    yield f"axis -> {ast.unparse(new)}", lambda: ast.Call(node.func, node.args, keywords)


def _renamed(function, name):
    if isinstance(function, ast.Name):
        return ast.Name(name, ast.Load())
    return ast.Attribute(function.value, name, ast.Load())


def _condition(node):
    def build():
        fields = {name: getattr(node, name) for name in node._fields}
        return type(node)(**fields | {"test": ast.UnaryOp(ast.Not(), node.test)})

    if not isinstance(node.test, ast.Compare) or len(node.test.ops) > 1:  # a comparison has its own mutants
        yield "condition negated", build


def _attribute(node):
    if node.attr in ("real", "imag"):
        yield f"-> {NAMES[node.attr]}", lambda: ast.Attribute(node.value, NAMES[node.attr], node.ctx)


RULES = {
    ast.Compare: (_compare,), ast.BinOp: (_binary,), ast.AugAssign: (_augmented,), ast.BoolOp: (_boolean,),
    ast.UnaryOp: (_unary,), ast.Constant: (_constant,), ast.Call: (_call,), ast.If: (_condition,),
    ast.IfExp: (_condition,), ast.While: (_condition,), ast.Attribute: (_attribute,),
}  # fmt: skip


def mutants_of(source):
    """(line, function, change, expression) of every mutant of a module's source, in order."""
    counter = Mutator()
    counter.visit(ast.parse(source))
    return counter.found


def mutant(source, number):
    """Syntax tree with mutant `number` applied."""
    return ast.fix_missing_locations(Mutator(number).visit(ast.parse(source)))
