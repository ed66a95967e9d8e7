"""What a board says of itself, boards/*/board.toml key by key: boards/README.md tells what each means."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from . import dependency, toml_lines
from .errors import InputError

FORMATS = "ipk", "apk", "deb"

_Text = Annotated[str, Field(min_length=1)]
_Path = Annotated[str, Field(pattern=r"^(/[A-Za-z0-9_.@-]+)+$")]
_PathOrFolder = Annotated[str, Field(pattern=r"^(/[A-Za-z0-9_.@-]+)+/?$")]
_PackageName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9+.-]+$")]
_Dependency = Annotated[str, Field(pattern=dependency.PATTERN)]
_WithFile = Annotated[str, Field(pattern=r"\{file\}")]
_WithName = Annotated[str, Field(pattern=r"^/.*\{name\}")]
_WithFolder = Annotated[str, Field(pattern=r"\{folder\}")]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Detect(_Table):
    file: _Path
    text: _Text


class Format(_Table):
    manager: _Text
    depends: list[_Dependency]
    prepare: _Text
    install: _WithFile
    reinstall: _WithFile | None = None
    remove: _Text


class Packages(_Table):
    private: list[_PathOrFolder] = []
    config_files: list[_Path] = []
    ipk: Format | None = None
    apk: Format | None = None
    deb: Format | None = None

    @property
    def formats(self) -> dict[str, Format]:
        return {name: found for name in FORMATS if (found := getattr(self, name))}


class MicroPython(_Table):
    package: _PackageName


class Service(_Table):
    enable: _Text
    disable: _Text
    start: _Text
    stop: _Text
    restart: _Text
    running: _Text


class Firewall(_Table):
    backends: Annotated[list[Annotated[str, Field(pattern="^(ipset|nft)$")]], Field(min_length=1)]
    zone: Annotated[str, Field(pattern="^(drop|reject|accept)$")]


class Engine(_Table):
    heap: Annotated[str, Field(pattern="^[1-9][0-9]*[KM]$")]
    interfaces: _Text


class Paths(_Table):
    settings: _Path | None = None


class Console(_Table):
    baud: Annotated[int, Field(ge=1200, le=4_000_000)]
    how: _Text


class Image(_Table):
    secrets: _WithName
    enable: Annotated[list[_Text], Field(min_length=2, max_length=2)]
    build: _WithFolder


class BoardModel(_Table):
    title: _Text
    detect: Detect
    package: Packages
    micropython: MicroPython
    service: Service
    firewall: Firewall
    engine: Engine
    paths: Paths
    console: Console
    image: Image | None = None


def read(data: bytes, where: str) -> BoardModel:
    """Raises InputError with the line of the first mistake."""
    values = toml_lines.parse(data, where)
    try:
        model = BoardModel.model_validate(values)
    except ValidationError as error:
        text = data.decode()
        found = [(toml_lines.line_of(text, each["loc"]), each) for each in error.errors()]
        line, first = min(found, key=lambda each: each[0])
        raise InputError(f"{where}:{line}: {'.'.join(map(str, first['loc']))}: {_told(first)}") from None
    if not model.package.formats:
        raise InputError(f"{where}: package: no format; allowed: one or more of {', '.join(FORMATS)}")
    return model


def _told(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return "unknown key; allowed: those of boards/README.md"
    if error["type"] == "missing":
        return "missing; boards/README.md tells what it is"
    allowed = error["msg"].partition(" should ")[2] or error["msg"]
    return f"found {repr(error['input'])[:60]}; it should {allowed}"
