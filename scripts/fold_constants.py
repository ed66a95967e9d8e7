"""Before compiling: marks the private whole-number constants of a module with const(), so that they cost the device nothing.

    fold_constants.py SOURCE_FOLDER TARGET_FOLDER

`_NLMSG_DONE = 3` at the top of a module becomes `_NLMSG_DONE = const(3)`: the compiler then writes 3 wherever the name stood and
leaves the name out. In the source it stays plain, since const exists on MicroPython only. Line numbers do not change.
"""

import ast
import sys
from pathlib import Path


def stores(tree):
    """How often each name is bound anywhere in the module."""
    count = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            count[node.id] = count.get(node.id, 0) + 1
    return count


def assignments(node):
    """The (name, value node) pairs of `A = 1` and of `A, B = 1, 2`; none for anything else."""
    if not isinstance(node, ast.Assign) or len(node.targets) != 1 or node.lineno != node.end_lineno:
        return []
    target = node.targets[0]
    if isinstance(target, ast.Name):
        return [(target.id, node.value)]
    if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
        return [(name.id, value) for name, value in zip(target.elts, node.value.elts, strict=True)]
    return []


def whole_number(node, known):
    """The int that an expression of numbers and known constants is, or None."""
    if any(isinstance(part, ast.Call | ast.Attribute | ast.Subscript) for part in ast.walk(node)):
        return None
    if any(isinstance(part, ast.Name) and part.id not in known for part in ast.walk(node)):
        return None
    value = eval(compile(ast.Expression(node), "constant", "eval"), {"__builtins__": {}}, dict(known))  # noqa: S307
    return value if type(value) is int else None


def folded(source):
    tree = ast.parse(source)
    lines = source.split("\n")
    bound = stores(tree)
    known = {}
    for node in tree.body:
        pairs = [(name, whole_number(value, known)) for name, value in assignments(node)]
        if pairs and all(name[0] == "_" and bound[name] == 1 and value is not None for name, value in pairs):
            known.update(pairs)
            lines[node.lineno - 1] = "; ".join(f"{name} = const({value})" for name, value in pairs)
    return "\n".join(lines)


def main(source, target):
    for path in sorted(source.rglob("*.py")):
        new = target / path.relative_to(source)
        new.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(folded(path.read_text()))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
