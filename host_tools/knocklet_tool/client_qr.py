"""`knocklet client qr`: a client's fwknop keys as a QR code that phone apps read (fwknop2 for Android)."""

import io
from pathlib import Path
from typing import Annotated

import segno
import typer

from . import clients, output, places
from .client_description import Fwknop
from .client_fwknoprc import access, keys_of
from .options import ClientName, MaybeDescribed
from .output import Output

_BORDER = 4   # modules of quiet zone, as the standard has it
_PIXELS = 6   # a module of the picture
# Light modules are drawn, dark ones left out: right on a black terminal even without colours. Two rows a line.
_BLOCKS = {(0, 0): "█", (0, 1): "▀", (1, 0): "▄", (1, 1): " "}
_STYLE = "bright_white on black"

_Svg = Annotated[Path | None, typer.Option(metavar="FILE", help="Into a picture instead of onto the screen.")]
_Png = Annotated[Path | None, typer.Option(metavar="FILE", help="The same as PNG.")]


def qr(name: ClientName, gateway: MaybeDescribed = None, svg: _Svg = None, png: _Png = None) -> None:
    """Show the fwknop keys as a QR code for a phone. It is a secret.

    knocklet client qr oldphone
    """
    client, at = clients.find(name, gateway)
    code = segno.make_qr(_text(keys_of(client)), error="m")
    told = Output()
    for path, kind in ((svg, "svg"), (png, "png")):
        if path is not None:
            picture = io.BytesIO()
            code.save(picture, kind=kind, border=_BORDER, scale=_PIXELS, light="white")
            places.write(path, picture.getvalue())
            told.message(f"{path} is the secret of {client.name}: whoever sees it can knock.")
    if svg is None and png is None:
        told.message(f"This is the secret of {client.name}: whoever sees it can knock.")
        for line in _lines(code):
            output.line(line, _STYLE)
    told.message(
        f"To be typed in the app: server {at.host}, port {at.fwknop_port}, access ports {access(client, at)}, allow source IP."
    )


def _lines(code: segno.QRCode) -> list[str]:
    rows = list(code.matrix_iter(border=_BORDER))
    rows += [bytearray(len(rows[0]))] * (len(rows) % 2)
    return ["".join(_BLOCKS[pair] for pair in zip(*two)) for two in zip(rows[::2], rows[1::2])]


def _text(keys: Fwknop) -> str:
    """As the apps take it apart: at spaces, then at colons; nothing else may stand there."""
    fields = keys.as_json()
    return f"KEY_BASE64:{fields['key']} HMAC_KEY_BASE64:{fields['hmac_key']}"
