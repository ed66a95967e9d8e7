"""Knocks with Debian's `fwknop` program. Its keys go there in a file for the owner alone, never on a command line."""

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from . import places
from .client_description import Client
from .client_fwknoprc import stanza
from .errors import NetworkError
from .gateway_description import GatewayDescription, Service
from .resolve import Target

_PROGRAM = "fwknop"
_LIMIT_S = 10


def is_installed() -> bool:
    return shutil.which(_PROGRAM) is not None


class FwknopSender:
    waits_s = (0.3, 0.6, 0.9)   # as of signed knocks
    warning = ""

    def __init__(
        self, client: Client, gateway: GatewayDescription, service: Service, ttl_s: int, stated: str | None
    ) -> None:
        self._stanza = stanza(client, gateway)
        self._words = [_PROGRAM, "--no-save-args", "-n", gateway.name]
        self._words += ["-A", f"{service.protocol_name}/{service.port}"]
        self._words += ["-a", stated] if stated else []
        self._words += ["-f", str(ttl_s)] if ttl_s else []

    def send(self, targets: list[Target]) -> dict[Target, float | OSError]:
        """For each target the monotonic time in seconds when the program had ended. Raises NetworkError."""
        with tempfile.TemporaryDirectory(dir=places.config_dir()) as directory:   # 0700
            file = Path(directory) / "fwknoprc"
            places.write(file, self._stanza.encode())
            return {target: self._run(target, file) for target in targets}

    def _run(self, target: Target, file: Path) -> float:
        words = [*self._words, "--rc-file", str(file), "-D", target.address]
        try:
            subprocess.check_output(words, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT, timeout=_LIMIT_S)
        except subprocess.CalledProcessError as error:
            lines = error.output.decode(errors="replace").strip().splitlines()
            raise NetworkError(f"{_PROGRAM}: {lines[0][:200] if lines else f'exit code {error.returncode}'}") from None
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NetworkError(f"{_PROGRAM}: {getattr(error, 'strerror', None) or 'it does not end'}") from None
        return time.monotonic()
