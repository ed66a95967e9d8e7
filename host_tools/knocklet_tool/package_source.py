"""Firmware as text without its comments and docstrings, which are half of it. Every line keeps its number, for tracebacks."""

import ast
import io
import tokenize

_WITH_DOCSTRING = ast.Module, ast.ClassDef, ast.FunctionDef


def bare(text: str) -> str:
    lines = text.split("\n")
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, _WITH_DOCSTRING) and ast.get_docstring(node, clean=False) is not None:
            first = node.body[0]
            last = first.end_lineno or first.lineno
            lines[first.lineno - 1 : last] = [" " * first.col_offset + '""', *[""] * (last - first.lineno)]
    return "\n".join(lines)
