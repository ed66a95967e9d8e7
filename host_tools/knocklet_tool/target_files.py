"""What a gateway gets: each file with its secrets, where it goes, and its mode."""

from pathlib import Path

from . import gateway_file, places, settings
from .errors import InputError

FOLDER = "/etc/knocklet"   # mode 0700
CONFIG, KEY, AGENT = f"{FOLDER}/config.json", f"{FOLDER}/key", f"{FOLDER}/agent.json"
ALL = CONFIG, KEY, AGENT
_MODE = 0o600


def collect(name: str) -> dict[str, tuple[int, bytes]]:
    """Path on the gateway -> mode, what is in it. The configuration is what `push` sends; the agent's file is among them once
    `broker setup` has made it here. Raises InputError.
    """
    gateway = settings.load().gateway(name)
    if gateway.key is None:
        raise InputError(f"only the collector's key of {name} is known here; allowed: where knocklet gateway add {name} ran")
    found = {CONFIG: (_MODE, gateway_file.load(name).plaintext()), KEY: (_MODE, gateway.key)}
    agent = _agent(name)
    return found if agent is None else found | {AGENT: (_MODE, agent)}


def _agent(name: str) -> bytes | None:
    """As `broker setup` wrote it last."""
    folder = settings.load().broker_files
    return places.read_private(Path(folder) / f"agent-{name}.json") if folder else None
