"""What `lint` finds in a file that is to be pushed: in short, but for what may lock its owner out."""

from . import config_history, lint_rules, store_files
from .gateway_file import GatewayFile
from .lint import LintReport
from .output import Output
from .toml_lines import line_of


def may_lock_out(files: list[GatewayFile], output: Output) -> bool:
    """Tells what is found. Raises InputError."""
    secrets = store_files.read().secrets
    told = [_tell(file, secrets.get(file.name, {}), output) for file in files]
    return any(told)


def _tell(file: GatewayFile, secrets: dict[str, dict[str, str]], output: Output) -> bool:
    last = config_history.last(file.name)
    clients, _ = file.clients(secrets)
    locked = list(lint_rules.lock_out(file, clients, last))
    if locked:
        for line, _ in LintReport({file: [(line_of(file.text, each.path), each) for each in locked]}).as_lines():
            output.message(line)
    if count := len(list(lint_rules.warnings(file, secrets, last))) - len(locked):
        choices = "choice" if count == 1 else "choices"
        output.remark(f"{file.name}: {count} weak {choices}; knocklet lint {file.name} tells more")
    return bool(locked)
