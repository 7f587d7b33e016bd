"""Who asks, and whether they may: the site's matrix of roles, deny by default.

An issuer is how a request came in, and nobody else can write it: `uid:1000(li)` from the control socket, `key:li-2026`
for a signed command, `mqtt` or `mqtt:NAME` for one that only says so, `vda5050` for the master control.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from fleetd.access.settings import EVERYTHING, AccessSettings
from fleetd.errors import Refusal

VDA5050 = "vda5050"
STOP = "stop"
_UID = re.compile(r"uid:(\d+)(\(.*\))?")


class Access:
    """The matrix of one site."""

    def __init__(self, settings: AccessSettings) -> None:
        self.settings = settings
        self._by_uid = {uid: name for name, each in settings.people.items() for uid in each.uids}
        self._by_key = {key: name for name, each in settings.people.items() for key in each.keys}

    @property
    def enforced(self) -> bool:
        """Whether roles are asked for, and a second person for hazardous acts."""
        return bool(self.settings.people)

    @property
    def signed_only(self) -> bool:
        """Whether commands over MQTT must be signed; a stop never must."""
        return bool(self._by_key)

    @property
    def keys(self) -> Mapping[str, str]:
        """Public keys by their ids."""
        return {key: public for each in self.settings.people.values() for key, public in each.keys.items()}

    def person(self, issuer: str) -> str | None:
        """Which person an issuer is; None for nobody that the site knows. Master control counts as one."""
        if issuer == VDA5050:
            return VDA5050
        if issuer.startswith("key:"):
            return self._by_key.get(issuer.removeprefix("key:"))
        match = _UID.fullmatch(issuer)
        return self._by_uid.get(int(match[1])) if match else None

    def judge(self, issuer: str, act: str) -> str:
        """The person who asks, if he may; the issuer itself where roles are not enforced. Raises Refusal."""
        if not self.enforced or act == STOP:
            return self.person(issuer) or issuer
        person = self.person(issuer)
        if person is None:
            raise Refusal("role", f"{issuer} is nobody whom this site lets {act}; list uid or key under access.people")
        if not any(self._allows(role, act) for role in self._roles(person)):
            allow = sorted(role for role in self.settings.roles if self._allows(role, act))
            raise Refusal("role", f"{person} has no role that allows {act}; it takes {' or '.join(allow) or 'none'}")
        return person

    def _roles(self, person: str) -> tuple[str, ...]:
        if person in self.settings.people:
            return self.settings.people[person].roles
        return self.settings.vda5050_roles

    def _allows(self, role: str, act: str) -> bool:
        acts = self.settings.roles[role]
        return act in acts or EVERYTHING in acts
