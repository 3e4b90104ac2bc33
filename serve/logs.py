"""What the service's processes say: a line for each event, readable or JSON, and a line for each request if wanted."""

import json
import logging
import time
from logging import Formatter, Handler, LogRecord
from pathlib import Path
from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from harken.config import Section
from serve.log_file import LogFileHandler
from serve.settings import MEBIBYTE

_ROOT = "harken"
_ACCESS = "harken.access"
_NEVER = logging.CRITICAL + 1


class LogSettings(Section):
    """What is told of the service's own work.

    No line holds keys, texts or names that clients choose, and of terms none but that which a build failed on.
    """

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="of the lines that are told")
    format: Literal["text", "json"] = Field("text", description="'json' is an object a line, for collectors of logs")
    access: bool = Field(False, description="tell every request: route, status, seconds, bytes, seconds of audio")
    file: Path | None = Field(
        None, description="lines are added to it; None: standard error of each process, which Ray keeps and forwards"
    )
    file_bytes: PositiveInt = Field(
        10 * MEBIBYTE, description="of `file`: one that is full is put aside as FILE.1, and another begun"
    )
    files_kept: NonNegativeInt = Field(4, description="files put aside that stay: FILE.1, the newest, to FILE.4")


def configure(settings: LogSettings, part: str) -> None:
    """Send what this process logs where the settings say; called once by every process, `part` is its name."""
    handler: Handler = logging.StreamHandler()
    if settings.file is not None:
        settings.file.parent.mkdir(parents=True, exist_ok=True)
        handler = LogFileHandler(settings.file.absolute(), settings.file_bytes, settings.files_kept)
    handler.setFormatter(JsonFormatter(part) if settings.format == "json" else TextFormatter())
    logger = logging.getLogger(_ROOT)
    for old in list(logger.handlers):
        logger.removeHandler(old)
        old.close()
    logger.addHandler(handler)
    logger.setLevel(settings.level.upper())
    logger.propagate = False
    logging.getLogger(_ACCESS).setLevel(logging.INFO if settings.access else _NEVER)


class TextFormatter(Formatter):
    """``12:03:44 message``, with the level where it is one to look at."""

    def format(self, record: LogRecord) -> str:
        level = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        told = f"{time.strftime('%H:%M:%S', time.localtime(record.created))} {level}{record.getMessage()}"
        return f"{told}\n{self.formatException(record.exc_info)}" if record.exc_info else told


class JsonFormatter(Formatter):
    """An object a line: time (seconds since 1970), level, part, message; of a request its fields instead of one."""

    def __init__(self, part: str) -> None:
        super().__init__()
        self._part = part

    def format(self, record: LogRecord) -> str:
        told = {"time": round(record.created, 3), "level": record.levelname.lower(), "part": self._part}
        told |= getattr(record, "fields", None) or {"message": record.getMessage()}
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return json.dumps(told, ensure_ascii=False)


def ray_logging(settings: LogSettings) -> dict[str, object]:
    """Of Serve's own parts, as its ``logging_config``: warnings, or everything where we tell everything too."""
    return {
        "log_level": "INFO" if settings.level == "debug" else "WARNING",
        "encoding": settings.format.upper(),
        "enable_access_log": False,
    }
