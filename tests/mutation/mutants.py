"""The mutants of a source file: each has one check less than it, or one that is off by one.

    an `if`                          never true
    a condition that is a call       True without the call; also equal() wherever it stands
    a comparison                     its boundary shifted, or turned round where it has none
    an operand of `and`, `or`        left out
    `not`                            left out
    a returned condition             True
    a statement that is only a call  left out
    an `x if y else z`               always x, always z
"""

import ast

_SHIFTED = {
    ast.Lt: (ast.LtE,), ast.LtE: (ast.Lt,), ast.Gt: (ast.GtE,), ast.GtE: (ast.Gt,),
    ast.Eq: (ast.LtE, ast.GtE), ast.NotEq: (ast.Lt, ast.Gt),
    ast.In: (ast.NotIn,), ast.NotIn: (ast.In,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
}  # fmt: skip
_CHECKS = {"equal"}  # functions whose answer is a check wherever it stands
_CONDITIONS = (ast.Compare, ast.BoolOp)


def mutants(path, source):
    """Yields (key, tree) of each: the tree is the file's code, changed until the next one is asked for.

    key: "core/gate.py Gate.look: count != 88 -> count < 88"; it stays the same as long as the source there does.
    """
    tree = ast.parse(source)
    seen = {}
    for where, node, field, index in list(_places(tree)):
        old = _get(node, field, index)
        for new in _changed(old, node, field):
            key = f"{path} {where}: {_text(old)} -> {_text(new)}"
            seen[key] = seen.get(key, 0) + 1
            _put(node, field, index, new)
            yield key if seen[key] == 1 else f"{key} ({seen[key]})", ast.fix_missing_locations(tree)
            _put(node, field, index, old)


def _places(tree, where="module"):
    """(name of the function, node, field, index or None) of everything that stands in another node, in the source's order."""
    for field, value in ast.iter_fields(tree):
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.AST):
                yield where, tree, field, index
                below = where
                if isinstance(child, (ast.FunctionDef, ast.ClassDef)):
                    below = child.name if where == "module" else f"{where}.{child.name}"
                yield from _places(child, below)


def _changed(old, parent, field):
    """What may stand in the place of a node."""
    if isinstance(old, ast.If):
        yield ast.If(ast.Constant(False), old.body, old.orelse)
    elif isinstance(old, ast.IfExp):
        yield old.body
        yield old.orelse
    elif isinstance(old, ast.Compare):
        for at, operator in enumerate(old.ops):
            for other in _SHIFTED[type(operator)]:
                yield ast.Compare(old.left, old.ops[:at] + [other()] + old.ops[at + 1 :], old.comparators)
    elif isinstance(old, ast.BoolOp):
        for at in range(len(old.values)):
            rest = old.values[:at] + old.values[at + 1 :]
            yield ast.BoolOp(old.op, rest) if len(rest) > 1 else rest[0]
    elif isinstance(old, ast.UnaryOp) and isinstance(old.op, ast.Not):
        yield old.operand
    elif isinstance(old, ast.Expr) and isinstance(old.value, ast.Call):
        yield ast.Pass()
    elif isinstance(old, ast.Call) and (_is_condition(parent, field) or getattr(old.func, "id", "") in _CHECKS):
        yield ast.Constant(True)
    if isinstance(parent, ast.Return) and isinstance(old, _CONDITIONS):
        yield ast.Constant(True)


def _is_condition(parent, field):
    negated = isinstance(parent, ast.UnaryOp) and isinstance(parent.op, ast.Not)
    return isinstance(parent, (ast.If, ast.IfExp)) and field == "test" or isinstance(parent, ast.BoolOp) or negated


def _get(node, field, index):
    value = getattr(node, field)
    return value if index is None else value[index]


def _put(node, field, index, new):
    if index is None:
        setattr(node, field, new)
    else:
        getattr(node, field)[index] = new


def _text(node):
    """One line of it."""
    return f"if {ast.unparse(node.test)}" if isinstance(node, ast.If) else ast.unparse(node)
