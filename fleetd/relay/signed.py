"""Signed commands: believed only with a known key, for this very topic, fresh, with a counter above all before it.

What costs least is looked at first, so that a flood of forgeries costs little. A counter that was believed is on disk
before its command goes on, so that no restart lets it through a second time.
"""

from __future__ import annotations

import msgspec

from fleetd.access.matrix import Access
from fleetd.access.signature import Token, read_token
from fleetd.clock import Clock
from fleetd.errors import Refusal
from fleetd.records import Command
from fleetd.relay.commands import SignedWish, UnreadableCommand, device_of, read_signed
from fleetd.relay.pace import Allowance
from fleetd.store.counters import Counters

_CHECKS_AT_ONCE, _CHECKS_PER_S = 200, 500.0  # at 0.1 ms each at most a twentieth of a core


class Signatures:
    """Judges the signed commands of one site."""

    def __init__(
        self, site: str, access: Access, counters: Counters, clock: Clock, highest: dict[str, int] | None = None
    ) -> None:
        self._site = site
        self._access = access
        self._keys = access.keys
        self._counters = counters
        self._clock = clock
        self._highest = dict(highest or {})
        self._checks = Allowance(clock, burst=_CHECKS_AT_ONCE, per_s=_CHECKS_PER_S)

    @classmethod
    async def known(cls, site: str, access: Access, counters: Counters, clock: Clock) -> Signatures | None:
        """With the counters that earlier runs have seen; None for a site that lists no keys. Raises StoreError."""
        return cls(site, access, counters, clock, await counters.highest()) if access.signed_only else None

    def read(self, topic: str, payload: bytes, *, retained: bool) -> tuple[Command, int]:
        """The command in a signed message, its issuer its key, and its counter. Raises UnreadableCommand."""
        device = device_of(topic)
        try:
            token = read_token(payload)
        except Refusal as refusal:
            raise UnreadableCommand(refusal.rule, refusal.reason, device=device) from None
        wish = read_signed(topic, token.payload, retained=retained, now=self._clock.now())
        try:
            self._judge(token, wish)
        except Refusal as refusal:
            facts = {"device": device, "id": wish.command.id, "action": wish.command.action}
            raise UnreadableCommand(refusal.rule, refusal.reason, **facts) from None
        self._highest[token.key] = wish.counter
        return msgspec.structs.replace(wish.command, issuer=f"key:{token.key}"), wish.counter

    async def keep(self, command: Command, counter: int) -> None:
        """Note the counter of a command that was believed. Raises Refusal if one as high was noted, and StoreError."""
        if not await self._counters.raise_to(command.issuer.removeprefix("key:"), counter):
            raise Refusal("replayed", f"counter {counter} of {command.issuer} was used before")

    def _judge(self, token: Token, wish: SignedWish) -> None:
        public = self._keys.get(token.key)
        if public is None:
            raise Refusal("unknown-key", f"no person of this site has a key {token.key!r}")
        if (wish.site, wish.device) != (self._site, wish.command.device):
            said = f"{wish.site[:64]}/{wish.device[:64]}"
            raise Refusal("other-topic", f"signed for {said}, sent to {self._site}/{wish.command.device}")
        highest = self._highest.get(token.key, -1)
        if wish.counter <= highest:
            raise Refusal("replayed", f"counter {wish.counter} of {token.key} is not above {highest}")
        age_s = (self._clock.now() - wish.command.issued_at).total_seconds()
        limit_s = self._access.settings.signed_within_s
        if age_s > limit_s:
            raise Refusal("too-old", f"issued {age_s:.1f} s ago, above the limit of {limit_s:g} s; sign it anew")
        if not self._checks.take():
            raise Refusal("too-many", "too many signed commands at once; send it again later")
        if not token.is_genuine(public):
            raise Refusal("bad-signature", f"the signature is not that of the key {token.key}")
