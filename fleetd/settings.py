"""How a room states what may be configured: frozen pydantic models that refuse what they do not know.

Each room and each driver keeps its own `Settings` beside the code that obeys them; `config` only composes them into one
site. Secrets never stand in a settings file: a `Secret` says where one is kept and is read when it is needed.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from fleetd.errors import ConfigError

Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$", examples=["robot-17"])]
"""A name that is safe in an MQTT topic, a file name and a command line: lower case, digits, inner hyphens."""

PositiveSeconds = Annotated[float, Field(gt=0, le=86_400 * 366)]


class Settings(BaseModel):
    """Frozen and strict: no unknown key, no text where a number belongs, no NaN."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class Secret(Settings):
    """Where a secret is kept: exactly one of a file, a systemd credential and an environment variable."""

    file: str | None = None
    """Path of a file whose whole text, less the final newline, is the secret."""
    credential: str | None = None
    """Name of a credential under $CREDENTIALS_DIRECTORY, as LoadCredential= in the unit puts it there."""
    env: str | None = None
    """Name of an environment variable."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(source is not None for source in (self.file, self.credential, self.env)) != 1:
            raise ValueError("name exactly one of file, credential and env")
        return self

    def read(self) -> str:
        """The secret itself. Raises ConfigError naming the place, never the content."""
        if self.env is not None:
            value = os.environ.get(self.env)
            if value is None:
                raise ConfigError(f"the environment variable {self.env} that holds a secret is not set")
            return value
        try:
            return self._path().read_text(encoding="utf-8").rstrip("\n")
        except OSError as error:
            raise ConfigError(f"secret file {self._path()}: {error.strerror}") from None

    def _path(self) -> Path:
        if self.file is not None:
            return Path(self.file)
        folder = os.environ.get("CREDENTIALS_DIRECTORY")
        if folder is None:
            raise ConfigError(
                f"credential {self.credential}: $CREDENTIALS_DIRECTORY is not set; is this a systemd unit?"
            )
        return Path(folder, str(self.credential))
