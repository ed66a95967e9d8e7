"""The `knocklet` command: everything an owner does from a computer.

main.py starts it; one file a subcommand, which returns data; output.py prints it; errors.py has the exit codes.
"""
