"""What may be configured about the ports for other programs. There are none unless they are listed."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from fleetd.settings import Name, Secret, Settings


class FaceSettings(Settings):
    """One TCP port that speaks as one of Hamlib's servers does."""

    speaks: Literal["rotctld", "rigctld"]
    """rotctld turns the antenna, rigctld tunes its radio."""
    antenna: Name
    """Name of the antenna."""
    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """Address to listen on. Beyond this machine only with a token."""
    port: Annotated[int, Field(ge=0, le=65_535)]
    """Port to listen on; Hamlib's own are 4533 (rotctld) and 4532 (rigctld). 0 lets the kernel choose."""
    token: Secret | None = None
    """Where the token is kept that a client must give in its first line, as in `\\password TOKEN`."""

    @property
    def loopback(self) -> bool:
        """Whether only programs on this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        if self.token is None and not self.loopback:
            raise ValueError(f"host {self.host} can be reached from elsewhere: set a token, or listen on 127.0.0.1")
        return self
