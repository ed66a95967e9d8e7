"""One folder of modules with short names, in place of layers that only people need: each import costs the name of its module.

`from ..core.errors import KnockletError` becomes `from .a import KnockletError`. What nothing in the package imports keeps its
name: launchers ask for it.
"""

import ast
import collections
import string
from pathlib import Path

from name_places import NO_EXCEPTIONS, letters


class Flatten(ast.NodeTransformer):
    """Writes the relative imports of a module anew. short: Module -> the short name of each that is imported."""

    def __init__(self, module, modules, short):
        self.module, self.modules, self.short = module, modules, short

    def visit_ImportFrom(self, node):
        if not node.level:
            return node
        places = {}
        for alias, module, is_whole in imported(self.module, node, self.modules):
            if is_whole:
                places.setdefault(None, []).append(ast.alias(self.short[module], alias.asname or alias.name))
            else:
                places.setdefault(self.short.get(module), []).append(alias)
        return [ast.ImportFrom(name, names, 1) for name, names in places.items()]


def imported(module, node, modules):
    """(alias, Module, is it imported as a whole, or from it) for each name of a relative import."""
    origin = module.origin(node)
    wholes = [(alias, modules.get(f"{origin}.{alias.name}")) for alias in node.names]
    return [(alias, whole or modules[origin], whole is not None) for alias, whole in wholes]


def flatten(modules):
    """Give each module its new `path` and imports. modules: name -> Module, without packages in which there is nothing."""
    count = collections.Counter()
    for module in modules.values():
        imports = [node for node in ast.walk(module.tree) if isinstance(node, ast.ImportFrom) and node.level]
        count.update({one for node in imports for _, one, _ in imported(module, node, modules) if not one.is_package})
    # Small letters: some file systems do not know a.mpy from A.mpy.
    names = letters((), string.ascii_lowercase, first=NO_EXCEPTIONS)
    short = dict(zip(sorted(count, key=lambda module: (-count[module], module.name)), names))
    for module in modules.values():
        Flatten(module, modules, short).visit(module.tree)
        if module in short:
            module.path = Path(module.path.parts[0], short[module] + ".py")
