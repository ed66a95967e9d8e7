"""Where names are in the source of a module, and which short ones are free."""

import ast
import itertools
import keyword
import string

# Names that every MicroPython has by number: in a file they take one byte, or two, whatever their length. They go with version
# 6 of the format (static_qstr_list of py/makeqstrdata.py). Not among them: what messages call types, what exceptions have
# (args, value), and what the compiler knows (const).
BY_NUMBER = """
    ArithmeticError AssertionError AttributeError BaseException EOFError Ellipsis Exception GeneratorExit ImportError
    IndentationError IndexError KeyError KeyboardInterrupt LookupError MemoryError NameError NotImplementedError OSError
    OverflowError RuntimeError StopIteration SyntaxError SystemExit TypeError ValueError ZeroDivisionError abs all any append
    builtins

    bytecode callable chr classmethod clear close copy count dir divmod end endswith extend find format from_bytes get hash id
    index insert isalpha isdigit isinstance islower isspace issubclass isupper items iter join key keys len little lower lstrip
    main next open ord pop popitem pow print read readinto readline remove replace repr reverse rfind rindex round rsplit
    rstrip send sep setdefault sort sorted split start startswith staticmethod step stop strip sum throw to_bytes update upper
    values write
""".split()

_IN_ONE_BYTE = BY_NUMBER[: BY_NUMBER.index("builtins") + 1]
NO_EXCEPTIONS = [name for name in BY_NUMBER if name.islower()]


def cost(name):
    """Bytes in each file that has it."""
    return (1 if name in _IN_ONE_BYTE else 2) if name in BY_NUMBER else len(name) + 2


def places(tree):
    """(node, field, is it an attribute) for each name in the module that is neither a module's nor a keyword of a call."""
    of_class = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            of_class |= {part for part in node.body if isinstance(part, ast.FunctionDef)}
            plain = [part for part in node.body if not isinstance(part, ast.FunctionDef | ast.ClassDef)]
            names = [name for part in plain for name in ast.walk(part) if isinstance(name, ast.Name)]
            bound = {name.id for name in names if isinstance(name.ctx, ast.Store)}
            of_class |= {name for name in names if name.id in bound}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node, "attr", True
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node, "name", node in of_class
        elif isinstance(node, ast.Name):
            yield node, "id", node in of_class
        elif isinstance(node, ast.arg):
            yield node, "arg", False
        elif isinstance(node, ast.ExceptHandler) and node.name:
            yield node, "name", False
        elif isinstance(node, ast.ImportFrom) and node.level:
            for alias in node.names:
                if node.module:
                    yield alias, "name", False
                if alias.asname:
                    yield alias, "asname", False


def found(tree, attributes):
    """The names of attributes in the module, or all others."""
    return {getattr(node, field) for node, field, is_attribute in places(tree) if is_attribute == attributes}


def made(tree, attributes):
    """Those of them that it makes: by assignment, `def` or `class`. Of the others only globals, which other modules can see."""
    top = [part for part in tree.body if isinstance(part, ast.FunctionDef | ast.ClassDef)]
    top += [name for part in tree.body if isinstance(part, ast.Assign) for name in ast.walk(part)]
    return {
        getattr(node, field)
        for node, field, is_attribute in places(tree)
        if is_attribute == attributes and (attributes or node in top) and not isinstance(getattr(node, "ctx", None), ast.Load)
    }


def rename(tree, names, attributes):
    """names, attributes: old -> new."""
    for node, field, is_attribute in places(tree):
        name = getattr(node, field)
        setattr(node, field, (attributes if is_attribute else names).get(name, name))


def letters(taken, of=string.ascii_letters, there=(), first=()):
    """Names that are not among those taken: short ones that are there already first, since they cost nothing; then `first`,
    then new ones."""
    there = [name for name in sorted(there) if (len(name) <= 2 or name in first) and name[0] != "_"]
    some = ("".join(one) for length in (1, 2, 3) for one in itertools.product(of, repeat=length))
    new = (name for name in itertools.chain(first, some) if name not in there)
    return (name for name in itertools.chain(there, new) if name not in taken and not keyword.iskeyword(name))
