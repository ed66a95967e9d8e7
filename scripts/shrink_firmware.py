"""Before compiling: takes out of the source what only people need, since names and texts cost a router flash and memory.

    shrink_firmware.py SOURCE_FOLDER TARGET_FOLDER MICROPYTHON NAMES

Constants: a module-level `NAME = 3` that nothing else in the module binds. Its uses, those in other modules of the
package too (`from .packet import TCP`, `verdict.COMPLETE`), become the number. Assignments and imports that are then of no
use go, and so do docstrings, and the `__init__.py` of a package where nothing is left then: MicroPython needs none.
Private constants that are texts or tuples of them are written in, too. Functions and classes that nothing uses go.
Modules come into one folder, by short names (flat_package.py); short become names in them, too (short_names.py), but those
that MICROPYTHON has. What was changed goes to the file NAMES: read_traceback.py makes a traceback readable with it.
The source stays as people read it, and runs as it is.
"""

import ast
import copy
import sys
from pathlib import Path

import flat_package
import known_names
import short_names

_NUMERIC = (ast.Constant, ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop, ast.Name, ast.expr_context)
_SCOPES = (ast.Module, ast.FunctionDef, ast.ClassDef)


class Module:
    """One source file. name: "knocklet.edge.nft", "knocklet" for the package itself; own: its constants, name -> int.

    names: constants that can be used by name in it; modules: local name of another module -> its `own`.
    texts: private constants that are no numbers, name -> node.
    """

    def __init__(self, path, source):
        parts = path.relative_to(source).with_suffix("").parts
        self.is_package = parts[-1] == "__init__"
        self.name = ".".join(parts[:-1] if self.is_package else parts)
        self.path = path.relative_to(source)
        self.tree = ast.parse(path.read_text())
        self.own = {}
        self.names = {}
        self.texts = {}
        self.modules = {}

    def origin(self, node):
        """The module that a relative import reads from."""
        base = self.name.split(".")
        up = node.level - self.is_package
        return ".".join(base[: len(base) - up] + (node.module.split(".") if node.module else []))


def bindings(tree):
    """How often each name is bound in the module, in whatever scope."""
    count = {}
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names = [node.id]
        elif isinstance(node, ast.arg):
            names = [node.arg]
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names = [node.name]
        elif isinstance(node, ast.Global):
            names = node.names * 2
        for name in names:
            count[name] = count.get(name, 0) + 1
    return count


def assigned(node):
    """The (name, value node) pairs of `A = 1` and of `A, B = 1, 2`; none for anything else."""
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target, value = node.targets[0], node.value
        if isinstance(target, ast.Name):
            return [(target.id, value)]
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            return [(name.id, part) for name, part in zip(target.elts, value.elts, strict=True)]
    return []


def whole_number(node):
    """The int that an expression of numbers is, or None."""
    if not all(isinstance(part, _NUMERIC) for part in ast.walk(node)):
        return None
    expression = ast.fix_missing_locations(ast.Expression(node))
    try:
        value = eval(compile(expression, "constant", "eval"), {"__builtins__": {}})
    except NameError:
        return None
    return value if type(value) is int else None


def is_text(node):
    """A text, bytes, or a tuple of such and of numbers: MicroPython keeps one of each in a module, however often it is used."""
    if isinstance(node, ast.Tuple):
        return all(is_text(part) or whole_number(part) is not None for part in node.elts)
    return isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)


class WriteIn(ast.NodeTransformer):
    def __init__(self, module):
        self.module = module

    def visit_Name(self, node):
        if not isinstance(node.ctx, ast.Load):
            return node
        if node.id in self.module.names:
            return ast.Constant(self.module.names[node.id])
        return copy.deepcopy(self.module.texts.get(node.id, node))

    def visit_Attribute(self, node):
        known = self.module.modules.get(node.value.id, {}) if isinstance(node.value, ast.Name) else {}
        return ast.Constant(known[node.attr]) if node.attr in known else self.generic_visit(node)


def fold(module, all_modules):
    """Find the module's constants and write them in. What it imports from has been shrunk before."""
    bound = bindings(module.tree)
    body = []
    for node in module.tree.body:
        if isinstance(node, ast.ImportFrom) and node.level:
            origin = module.origin(node)
            for alias in node.names:
                name = alias.asname or alias.name
                child = all_modules.get(f"{origin}.{alias.name}".lstrip("."))
                if name not in bound and child:
                    module.modules[name] = child.own
                elif name not in bound and alias.name in getattr(all_modules.get(origin), "own", ()):
                    module.names[name] = all_modules[origin].own[alias.name]
        node = WriteIn(module).visit(node)
        pairs = [(name, whole_number(value)) for name, value in assigned(node)]
        if pairs and all(value is not None and bound[name] == 1 for name, value in pairs):
            module.own.update(pairs)
            module.names.update(pairs)
        elif pairs and all(is_text(value) and bound[name] == 1 and name[0] == "_" for name, value in assigned(node)):
            module.texts.update(assigned(node))
        else:
            body.append(node)
    module.tree.body = body


def tidy(module):
    """Take away imported names that nothing uses now, and docstrings."""
    used = {node.id for node in ast.walk(module.tree) if isinstance(node, ast.Name)}
    for node in module.tree.body:
        if isinstance(node, ast.ImportFrom) and node.level:
            node.names = [alias for alias in node.names if (alias.asname or alias.name) in used]
    module.tree.body = [node for node in module.tree.body if not isinstance(node, ast.ImportFrom) or node.names]
    for node in ast.walk(module.tree):
        if isinstance(node, _SCOPES) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or ([] if isinstance(node, ast.Module) else [ast.Pass()])


def drop_unused(modules):
    """Take away functions and classes that nothing in any module names: those that only the host tool uses."""
    named = {"main"}
    for node in (node for module in modules for node in ast.walk(module.tree)):
        if isinstance(node, ast.Name):
            named.add(node.id)
        elif isinstance(node, ast.Attribute):
            named.add(node.attr)
    for module in modules:
        kept = [node for node in module.tree.body if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name in named]
        if len(kept) < len(module.tree.body):
            module.tree.body = kept
            return True
    return False


def in_import_order(modules):
    """Every module after those that it imports from."""
    done = []

    def visit(module):
        if module in done:
            return
        for node in module.tree.body:
            if isinstance(node, ast.ImportFrom) and node.level:
                origin = module.origin(node)
                for name in [origin] + [f"{origin}.{alias.name}".lstrip(".") for alias in node.names]:
                    if name in modules and name != module.name:
                        visit(modules[name])
        done.append(module)

    for name in sorted(modules):
        visit(modules[name])
    return done


def main(source, target, interpreter, names):
    modules = {module.name: module for module in (Module(path, source) for path in source.rglob("*.py"))}
    for module in in_import_order(modules):
        fold(module, modules)
    while drop_unused(modules.values()):
        pass
    for module in modules.values():
        tidy(module)
    modules = {name: module for name, module in modules.items() if not module.is_package or module.tree.body}
    flat_package.flatten(modules)
    changed = short_names.shorten(
        {module.path.stem: module.tree for module in modules.values()}, lambda some: known_names.known(interpreter, some)
    )
    for module in modules.values():
        path = target / module.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(ast.unparse(ast.fix_missing_locations(module.tree)) + "\n")
    files = {(module.path.stem, module.name) for module in modules.values()}
    names.write_text("".join(" ".join(words) + "\n" for words in sorted(files | changed)))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
