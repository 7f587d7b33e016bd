"""What a site may say about people: their keys, their users on this machine, their roles, and what each role may do."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from fleetd.settings import Name, PositiveSeconds, Settings

EVERYTHING = "*"

Act = Annotated[str, Field(pattern=r"^(\*|[a-z][a-z0-9_/-]{0,63})$", examples=["send", "open_door", "antennas/point"])]
"""An action of the robots, an act of the control API such as antennas/point, or * for all of them."""


def _is_key(text: str) -> str:
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error:
        raw = b""
    if len(raw) != 32:
        raise ValueError("this is no Ed25519 public key: 32 bytes in base64, as 'fleetctl keys new' prints them")
    return text


PublicKey = Annotated[str, AfterValidator(_is_key)]


class PersonSettings(Settings):
    """One person, or one program that acts for itself."""

    roles: tuple[Name, ...] = ()
    """What the person may do: all that these roles may."""
    uids: tuple[Annotated[int, Field(ge=0, le=4_294_967_294)], ...] = ()
    """Users of this machine that are this person, when they ask over the control socket."""
    keys: dict[Name, PublicKey] = Field(default_factory=dict)
    """Public keys, by the key id that stands in a signed command; `fleetctl keys new` makes a pair."""


class AccessSettings(Settings):
    """Who may do what. With no people listed, whoever reaches the socket or the broker's topics may do everything."""

    roles: dict[Name, tuple[Act, ...]] = Field(default_factory=dict)
    """Each role and the acts that it allows; what no role of a person allows is refused."""

    people: dict[Name, PersonSettings] = Field(default_factory=dict)
    """As soon as one is listed, roles are enforced, and hazardous acts take a second person."""

    vda5050_roles: tuple[Name, ...] = ()
    """Roles of the master control that speaks VDA 5050, which knows no signatures; the broker must keep others out."""

    signed_within_s: Annotated[float, Field(gt=0, le=3600)] = 5.0
    """A signed command that was issued longer ago is refused; a stop never is."""

    confirm_within_s: PositiveSeconds = 60.0
    """How long a hazardous command waits for its second person."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for name, roles in (*((name, each.roles) for name, each in self.people.items()), ("", self.vda5050_roles)):
            for role in roles:
                if role not in self.roles:
                    known = ", ".join(sorted(self.roles)) or "none"
                    raise ValueError(f"{name or 'vda5050_roles'}: there is no role {role!r}; there are {known}")
        self._each_once("key", [key for each in self.people.values() for key in each.keys])
        self._each_once("uid", [uid for each in self.people.values() for uid in each.uids])
        public = [key for each in self.people.values() for key in each.keys.values()]
        if len(set(public)) < len(public):
            raise ValueError("one public key stands under two key ids; each person needs a key of his own")
        return self

    @staticmethod
    def _each_once(what: str, given: list[str] | list[int]) -> None:
        for each in given:
            if given.count(each) > 1:  # type: ignore[arg-type]
                raise ValueError(f"the {what} {each} belongs to two people; it must tell them apart")
