"""Who may do what: the whole matrix, signatures against a published vector, and settings that cannot be meant."""

from __future__ import annotations

import base64
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fleetd.access.matrix import VDA5050, Access
from fleetd.access.settings import AccessSettings, PersonSettings
from fleetd.access.signature import new_pair, read_token, sign
from fleetd.errors import Refusal

# RFC 8037, appendix A.2 and A.4: the public key and the signed message, line breaks taken out.
RFC_PUBLIC = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
RFC_MESSAGE = (
    b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
    b"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
)

ROLES = {
    "keeper": ("send", "hold", "dock"),
    "shift-lead": ("send", "hold", "resume", "open_door"),
    "admin": ("*",),
    "screen": (),
}
ACTS = ("send", "hold", "dock", "resume", "open_door", "set_speed_limit", "antennas/point", "no_such_thing")


def site(**more: Any) -> Access:
    people = {
        role: PersonSettings(roles=(role,), uids=(1000 + index,), keys={f"{role}-key": new_pair()[1]})
        for index, role in enumerate(ROLES)
    }
    return Access(AccessSettings(roles=ROLES, people=people, **more))


def allowed(access: Access, issuer: str, act: str) -> bool:
    try:
        access.judge(issuer, act)
    except Refusal as refusal:
        if refusal.rule != "role":
            raise
        return False
    return True


def test_every_cell_of_the_matrix_is_as_the_site_says() -> None:
    access = site(vda5050_roles=("keeper",))
    for (index, (role, acts)), act in itertools.product(enumerate(ROLES.items()), ACTS):
        wanted = act in acts or "*" in acts
        assert allowed(access, f"uid:{1000 + index}(somebody)", act) is wanted, (role, act)
        assert allowed(access, f"uid:{1000 + index}", act) is wanted, (role, act)
        assert allowed(access, f"key:{role}-key", act) is wanted, (role, act)
        assert allowed(access, VDA5050, act) is (act in ROLES["keeper"]), act
        for stranger in (
            "uid:0(root)",
            "uid:42",
            "key:nobody",
            "mqtt",
            "mqtt:uid:1002(admin)",
            "mqtt:key:admin-key",
            "",
        ):
            assert not allowed(access, stranger, act), (stranger, act)


@pytest.mark.parametrize("issuer", ["uid:1003", "key:screen-key", "uid:0(root)", "mqtt", "mqtt:x", "", VDA5050])
def test_a_stop_is_for_everybody(issuer: str) -> None:
    assert allowed(site(), issuer, "stop")


def test_a_site_that_names_nobody_lets_everybody_do_everything() -> None:
    access = Access(AccessSettings())
    assert not access.enforced
    assert all(allowed(access, issuer, act) for issuer in ("mqtt", "uid:1000(li)") for act in ACTS)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"people": {"li": {"roles": ("pilot",)}}}, "there is no role 'pilot'; there are none"),
        ({"vda5050_roles": ("pilot",)}, "vda5050_roles: there is no role 'pilot'"),
        ({"people": {"li": {"uids": (7,)}, "wang": {"uids": (7,)}}}, "the uid 7 belongs to two people"),
        ({"people": {"li": {"keys": {"k": "AAAA"}}}}, "no Ed25519 public key"),
        ({"people": {"li": {"keys": {"k": "not base64!"}}}}, "no Ed25519 public key"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        AccessSettings.model_validate(settings)


def test_one_key_cannot_stand_for_two_people() -> None:
    public = new_pair()[1]
    for ids in (("k", "k"), ("k", "other")):
        people = {who: PersonSettings(keys={key: public}) for who, key in zip(("li", "wang"), ids, strict=True)}
        with pytest.raises(ValidationError, match=r"belongs to two people|under two key ids"):
            AccessSettings(people=people)


def test_the_published_signature_of_rfc_8037_is_genuine() -> None:
    """Its header names no key, so it is put together by hand here; ours adds `kid` and is as strict otherwise."""
    from fleetd.access.signature import Token

    head, payload, signature = RFC_MESSAGE.split(b".")
    token = Token("", b"", head + b"." + payload, base64.urlsafe_b64decode(signature + b"=="))
    public = base64.b64encode(base64.urlsafe_b64decode(RFC_PUBLIC + "=")).decode()
    assert token.is_genuine(public)
    assert not token.is_genuine(new_pair()[1])
    with pytest.raises(Refusal, match="kid"):
        read_token(RFC_MESSAGE)


def test_what_is_signed_is_read_back_and_genuine() -> None:
    pem, public = new_pair()
    token = read_token(sign(pem, "li-2026", b'{"id": "c1"}'))
    assert (token.key, token.payload) == ("li-2026", b'{"id": "c1"}')
    assert token.is_genuine(public)


@given(st.data())
def test_no_changed_byte_goes_unseen(data: st.DataObject) -> None:
    pem, public = KEPT
    text = bytearray(sign(pem, "li-2026", b'{"id": "c1", "action": "open_door"}'))
    at = data.draw(st.integers(0, len(text) - 1))
    text[at] ^= data.draw(st.integers(1, 255))
    try:
        genuine = read_token(bytes(text)).is_genuine(public)
    except Refusal:
        return
    assert not genuine


KEPT = new_pair()


@given(st.binary(max_size=400))
def test_no_bytes_do_more_than_be_refused(noise: bytes) -> None:
    with pytest.raises(Refusal):
        read_token(noise)


@pytest.mark.parametrize(
    "header", [b'{"alg":"none","kid":"k"}', b'{"alg":"HS256","kid":"k"}', b'{"alg":"EdDSA","kid":"k","jwk":{}}', b"[]"]
)
def test_no_other_algorithm_and_no_key_of_the_sender_s_own_is_taken(header: bytes) -> None:
    rest = sign(KEPT[0], "k", b"{}").split(b".", 1)[1]
    with pytest.raises(Refusal, match="header"):
        read_token(base64.urlsafe_b64encode(header).rstrip(b"=") + b"." + rest)
