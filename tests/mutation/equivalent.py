"""Mutants that do the same as the file they are made of, each with the reason: no test can tell them from it."""

EQUIVALENT = {
}
