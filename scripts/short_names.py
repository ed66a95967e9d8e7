"""Short names for what only the package names: a name costs a router its letters and two bytes, in each file that has it.

Public names are short in the same way in all modules, private ones (`_table`) and those of imported modules each in its module
alone. Arguments, too: MicroPython keeps their names. These stay: names that MicroPython has (an attribute may be a socket's),
and those that any call gives an argument by. A name as a text would not be found any more: `getattr` and its like are refused.
"""

import ast
import builtins
import collections
import itertools

from name_places import BY_NUMBER, NO_EXCEPTIONS, cost, found, letters, made, places, rename

_BY_TEXT = ("getattr", "setattr", "hasattr", "delattr", "vars", "globals", "locals", "eval", "exec", "__import__")
_FUNCTIONS = (ast.FunctionDef, ast.Lambda)
_BUILTINS = set(dir(builtins))


def refuse_names_as_text(module, tree):
    """Only modules of MicroPython may be asked for an attribute by its name as a text."""
    theirs = {alias.asname or alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _BY_TEXT:
            if not (node.args and isinstance(node.args[0], ast.Name) and node.args[0].id in theirs):
                raise SystemExit("%s: found %s; allowed: no name as a text, it will be another" % (module, ast.unparse(node)))


def is_private(name):
    return name[0] == "_" and name[:2] != "__" and len(name) > 2


def given_by_name(trees):
    """The names that any call gives an argument by."""
    return {node.arg for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.keyword)}


def not_ours(trees):
    """Names that have a meaning of their own where they stand alone: builtins, and what is imported from elsewhere."""
    names = {*_BUILTINS, "self"}
    for node in (node for tree in trees.values() for node in ast.walk(tree)):
        if isinstance(node, ast.Global | ast.Nonlocal):
            names.update(node.names)
        elif isinstance(node, ast.Import | ast.ImportFrom) and not getattr(node, "level", 0):
            names.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.module:
            names.update(alias.name for alias in node.names if not alias.asname)
    return names


def inheriting(trees):
    """The modules with a class whose parent is of another module, and those with a class of the parent's name."""
    classes = [(module, node) for module in trees for node in ast.walk(trees[module]) if isinstance(node, ast.ClassDef)]
    across = set()
    for module, node in classes:
        here = {other.name for place, other in classes if place == module} | _BUILTINS
        for parent in node.bases:
            name = parent.attr if isinstance(parent, ast.Attribute) else parent.id
            if isinstance(parent, ast.Attribute) or name not in here:
                across |= {module} | {place for place, other in classes if other.name == name}
    return across


def shared(trees):
    """The private names that several modules may mean: imported ones, of classes that inherit across, not asked of `self`."""
    names = set().union(*(found(trees[module], True) for module in inheriting(trees)))
    for node in (node for tree in trees.values() for node in ast.walk(tree)):
        if isinstance(node, ast.Attribute) and not (isinstance(node.value, ast.Name) and node.value.id == "self"):
            names.add(node.attr)
        elif isinstance(node, ast.ImportFrom) and node.level:
            names.update(alias.name for alias in node.names)
    return {name for name in names if is_private(name)}


def shorten_public(trees, known, by_name, of_several):
    """The shortest names for what is in most modules."""
    count = collections.Counter()
    for tree in trees.values():
        count.update(found(tree, False) | found(tree, True))
    attributes = set().union(*(found(tree, True) for tree in trees.values()))
    globals_made = set().union(*(made(tree, False) for tree in trees.values()))
    attributes_made = set().union(*(made(tree, True) for tree in trees.values()))
    ours = {name for name in globals_made | attributes_made if len(name) > 2 and name[:2] != "__"}
    ours = {name for name in ours if not is_private(name) or name in of_several}
    ours -= known(ours & attributes)
    alone = ours - not_ours(trees) - by_name
    # An attribute may be a global of a module: then both change or none.
    after_a_dot = alone | ours - globals_made
    of_objects = (alone | after_a_dot) & attributes_made
    order = sorted(of_objects, key=lambda name: (-count[name], name))
    short = dict(zip(order, letters(count, first=BY_NUMBER)))
    for tree in trees.values():
        rename(tree, *({name: short[name] for name in kind & of_objects} for kind in (alone, after_a_dot)))
    shorten_globals(trees, alone - of_objects)


def shorten_globals(trees, ours):
    """What is only found in modules is as short as it can be in those that know it: other modules may call others the same.

    Each becomes what costs least, one after the other; in the module that makes it no attribute is called so, for tracebacks.
    """
    there = {module: found(tree, False) | found(tree, True) for module, tree in trees.items()}
    taken = {module: found(tree, False) | made(tree, True) for module, tree in trees.items()}
    knowing = {name: [module for module in trees if name in there[module]] for name in ours}
    candidates = list(itertools.islice(letters((), first=NO_EXCEPTIONS), 52 * 6))
    short = {}
    for name in sorted(ours, key=lambda name: (-len(knowing[name]), name)):
        free = [one for one in candidates if not any(one in taken[module] for module in knowing[name])]
        short[name] = min(free, key=lambda one: sum(cost(one) for module in knowing[name] if one not in there[module]))
        for module in knowing[name]:
            there[module].add(short[name])
            taken[module].add(short[name])
    for tree in trees.values():
        rename(tree, short, short)


def shorten_private(trees, keep):
    """Letters that are free in the module; no two functions in it have the same, so that a traceback can be read."""
    for tree in trees.values():
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]
        modules = {alias.asname for node in imports for alias in node.names if alias.asname and not node.module}
        modules -= {alias.name for node in imports for alias in node.names} | _BUILTINS
        names, attributes = found(tree, False), found(tree, True)
        alone = ({name for name in names if is_private(name)} | modules) - keep
        after_a_dot = {name for name in attributes if is_private(name)} - keep
        functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)} & (alone | after_a_dot)
        short = dict(zip(sorted(functions), letters(names | attributes, first=BY_NUMBER)))
        taken = set(short.values())
        rename(
            tree,
            short | dict(zip(sorted(alone - functions), letters(names | taken, there=attributes, first=NO_EXCEPTIONS))),
            short | dict(zip(sorted(after_a_dot - functions), letters(attributes | taken, there=names, first=BY_NUMBER))),
        )


def shorten_arguments(tree, keep):
    """In functions that have no others in them."""
    for function in [node for node in ast.walk(tree) if isinstance(node, _FUNCTIONS)]:
        inside = [node for node in ast.walk(function) if node is not function]
        if any(isinstance(node, (*_FUNCTIONS, ast.Global)) for node in inside):
            continue
        taken = {node.id for node in inside if isinstance(node, ast.Name)} | {arg.arg for arg in function.args.args}
        there = found(tree, False) | found(tree, True)
        ours = [arg.arg for arg in function.args.args if arg.arg not in keep]
        short = dict(zip(ours, letters(taken, there=there, first=BY_NUMBER)))
        for node in inside:
            if isinstance(node, ast.Name):
                node.id = short.get(node.id, node.id)
            elif isinstance(node, ast.arg):
                node.arg = short.get(node.arg, node.arg)


def shorten(trees, known):
    """trees: module -> its tree, changed in place; known: those of a set of names that MicroPython has.

    Gives the set of (module, "def" or "name", short, long): what a traceback shows.
    """
    for module in trees:
        refuse_names_as_text(module, trees[module])
    by_name = given_by_name(trees)
    before = [(module, *place, getattr(*place[:2])) for module in trees for place in places(trees[module])]
    of_several = shared(trees)
    shorten_public(trees, known, by_name, of_several)
    shorten_private(trees, of_several | by_name)
    changed = {
        (module, "def" if isinstance(node, ast.FunctionDef) else "name", getattr(node, field), long)
        for module, node, field, _, long in before
        if getattr(node, field) != long
    }
    for tree in trees.values():
        shorten_arguments(tree, by_name)
    return changed
