"""A signed command on the wire: JWS compact serialization (RFC 7515) with Ed25519 (RFC 8037). Pure functions.

    BASE64URL(header) . BASE64URL(payload) . BASE64URL(signature)      header = {"alg": "EdDSA", "kid": "<key id>"}

The signature covers header and payload as they stand on the wire, so nothing needs a canonical form. One algorithm is
taken and no other; a header that says anything else is refused.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from fleetd.errors import Refusal

_SIGNATURE_BYTES = 64


class _Header(msgspec.Struct, forbid_unknown_fields=True):
    alg: Literal["EdDSA"]
    kid: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[!-~]+$")]


_header = msgspec.json.Decoder(_Header)


@dataclass(frozen=True, slots=True)
class Token:
    """A command that says whose it is; nothing in it is to be believed before `is_genuine`."""

    key: str
    payload: bytes
    signed: bytes
    signature: bytes

    def is_genuine(self, public: str) -> bool:
        """Whether the holder of the private key to `public` (base64) signed this."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(base64.b64decode(public)).verify(self.signature, self.signed)
        except (InvalidSignature, ValueError):
            return False
        return True


def is_token(payload: bytes) -> bool:
    """Whether a payload looks like a signed command, as JSON never does."""
    return payload[:1] == b"e"


def read_token(text: bytes) -> Token:
    """Take a signed command apart. Raises Refusal when it is none."""
    parts = text.strip().split(b".")
    if len(parts) != 3:
        raise Refusal("bad-signature", "a signed command is three parts joined by dots (JWS compact serialization)")
    try:
        header = _header.decode(_decoded(parts[0]))
        payload, signature = _decoded(parts[1]), _decoded(parts[2])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal("bad-signature", f'the header must be {{"alg":"EdDSA","kid":"<key id>"}}: {error}') from None
    except (binascii.Error, ValueError):
        raise Refusal("bad-signature", "a part of it is no base64url without padding") from None
    if len(signature) != _SIGNATURE_BYTES:
        raise Refusal("bad-signature", f"an Ed25519 signature has {_SIGNATURE_BYTES} bytes, not {len(signature)}")
    return Token(header.kid, payload, parts[0] + b"." + parts[1], signature)


def sign(private_pem: bytes, key: str, payload: bytes) -> bytes:
    """A signed command. Raises ValueError or TypeError when `private_pem` holds no plain Ed25519 private key."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    private = load_pem_private_key(private_pem, password=None)
    if not isinstance(private, Ed25519PrivateKey):
        raise TypeError("the file holds another kind of key than Ed25519")
    header = msgspec.json.encode(_Header(alg="EdDSA", kid=key))
    signed = _encoded(header) + b"." + _encoded(payload)
    return signed + b"." + _encoded(private.sign(signed))


def new_pair() -> tuple[bytes, str]:
    """A new private key (PEM, PKCS 8) and its public key (base64)."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    raw = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return pem, base64.b64encode(raw).decode()


def _encoded(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def _decoded(text: bytes) -> bytes:
    """Strictly: one spelling for each content, so that a token cannot be respelt."""
    raw = base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if _encoded(raw) != text:
        raise ValueError("not canonical")
    return raw
