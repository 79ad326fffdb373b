"""How to keep a ``where`` from differentiating what it discards, in the user's own words."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator

from fxad.core.source import Source

_OPERATORS = {ast.Div: ("div",), ast.Pow: ("pow", "integer_pow")}
#: What primitives are called in code, where it is not their own name.
_NAMES = {
    "acos": ("arccos", "acos"),
    "asin": ("arcsin", "asin"),
    "acosh": ("arccosh", "acosh"),
    "atanh": ("arctanh", "atanh"),
    "div": ("divide", "true_divide"),
    "pow": ("power", "float_power"),
}
#: What makes the infinities of which others make NaN: 0 * log(0).
_UNBOUNDED = ("log", "log2", "log10", "log1p", "div", "reciprocal", "rsqrt", "atanh", "exp")
#: An operand at which the slope is finite, where 1 is none.
_SAFE = {"acos": 0.0, "asin": 0.0, "atanh": 0.0, "acosh": 2.0}


def double_where(where: Source | None, line: Source | None, operation: str, on_true: bool) -> str:
    """The call of ``where`` again, with an operand of the operation that is safe when untaken.

    Args:
      where: the line of the ``where``.
      line: that of the operation in its untaken branch.
      operation: the name of the operation's primitive.
      on_true: whether that branch is the one where the condition holds.
    """
    safe = _SAFE.get(operation, 1.0)
    chosen = f"x, {safe}" if on_true else f"{safe}, x"
    general = f"fnp.where(condition, {chosen}) in the place of the operand x of {operation}"
    if where is None or line is None or not _in_one_function(where, line):
        return general
    chooser = next(_calls(where), None)
    if chooser is None or len(chooser.args) < 3:
        return general
    if isinstance(chooser.args[0], ast.List):  # np.select: several conditions
        return general
    of_op = next(_operands(chooser.args[1 if on_true else 2], operation), None)
    target: ast.expr = chooser
    if of_op is None:
        elsewhere = [e for e in _expressions(line) if next(_operands(e, operation), None)]
        if not elsewhere:
            return general
        target = min(elsewhere, key=lambda e: len(ast.unparse(e)))
        of_op = next(_operands(target, operation))
    branches = [of_op, ast.Constant(safe)] if on_true else [ast.Constant(safe), of_op]
    # Of the choosers only ``where`` takes a number beside an array.
    chooses = chooser.func if _called(chooser) == "where" else ast.Name("fnp.where")
    guarded = ast.Call(chooses, [chooser.args[0], *branches], [])
    return ast.unparse(_Replace(of_op, guarded).visit(target))


def _in_one_function(a: Source, b: Source) -> bool:
    """Whether two lines know the same variables."""
    if (a.filename, a.function) != (b.filename, b.function):
        return False
    return a.function != "<lambda>" or a.line == b.line


def safe_branch(line: Source | None, operation: str, of_infinity: bool) -> str | None:
    """The call of ``where`` on a line with the operation in a branch, its operand made safe.

    Args:
      line: the line, if it is known.
      operation: the name of the operation's primitive.
      of_infinity: whether an operand of the operation is infinite, so that what made it so is
        what must be made safe.
    """
    names = (operation, *_UNBOUNDED) if of_infinity else (operation,)
    for chooser in _calls(line) if line else ():
        for place, branch in enumerate(chooser.args[1:3]):
            for name in names:
                if next(_operands(branch, name), None) is not None:
                    return double_where(line, line, name, place == 0)
    return None


def chooses(line: Source | None) -> bool:
    """Whether a ``where`` is called on a line."""
    return line is not None and next(_calls(line), None) is not None


def unbounded_on(line: Source | None) -> str:
    """The operation on a line whose slope is infinite somewhere, as its primitive is called."""
    for expression in _expressions(line) if line else ():
        for name in (*_UNBOUNDED, "sqrt", "cbrt", "pow", "acos", "asin", "acosh"):
            if next(_operands(expression, name), None) is not None:
                return name
    return "an operation"


def _expressions(source: Source) -> Iterator[ast.expr]:
    """The expressions on a line, in the order of the file's tree."""
    try:
        tree = ast.parse("".join(linecache.getlines(source.filename)))
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.expr) and node.lineno <= source.line <= (node.end_lineno or 0):
            yield node


def _called(node: ast.AST) -> str:
    """The name of the function that an expression calls."""
    if not isinstance(node, ast.Call):
        return ""
    function = node.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _calls(source: Source) -> Iterator[ast.Call]:
    """The calls of ``where`` on a line."""
    for node in _expressions(source):
        if isinstance(node, ast.Call) and _called(node) in ("where", "select"):
            yield node


def _operands(tree: ast.expr, operation: str) -> Iterator[ast.expr]:
    """The operands of an operation that make its slope infinite, inside an expression."""
    names = (*_NAMES.get(operation, ()), operation)
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and operation in _OPERATORS.get(type(node.op), ()):
            yield node.right if operation == "div" else node.left
        elif isinstance(node, ast.Call) and _called(node) in names and node.args:
            yield node.args[1 if operation == "div" and len(node.args) > 1 else 0]


class _Replace(ast.NodeTransformer):
    """One expression in the place of another, which may stand inside it."""

    def __init__(self, old: ast.expr, new: ast.expr) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        """The new expression for the old one."""
        return self.new if node is self.old else super().visit(node)
