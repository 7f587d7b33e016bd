"""Settings of relay and store, and the two counters of pace."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from fleetd.clock import VirtualClock
from fleetd.relay.pace import Allowance, Rate
from fleetd.relay.settings import Broker, RelaySettings, parse_broker
from fleetd.store.settings import StoreSettings


def test_brokers_have_default_ports_and_print_as_they_are_written() -> None:
    assert parse_broker("mqtt://127.0.0.1") == Broker("127.0.0.1", 1883, tls=False)
    assert parse_broker("mqtts://b.example") == Broker("b.example", 8883, tls=True)
    for url in ("mqtt://127.0.0.1:1", "mqtts://b.example:8884", "mqtt://[::1]:1883"):
        assert str(parse_broker(url)) == url


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"brokers": []}, "at least 1"),
        ({"brokers": ["127.0.0.1:1883"]}, "mqtt://host:port"),
        ({"brokers": ["http://h:1"]}, "mqtt://host:port"),
        ({"brokers": ["mqtt://h:70000"]}, "from 1 to 65535"),
        ({"brokers": ["mqtt://h:0"]}, "from 1 to 65535"),
        ({"brokers": ["mqtt://h:1/path"]}, "nothing more"),
        ({"brokers": ["mqtt://"]}, "nothing more"),
        ({"brokers": ["mqtt://h"], "protocol": "4"}, "'5' or '3.1.1'"),
        ({"brokers": ["mqtt://h"], "protocol": 5}, "'5' or '3.1.1'"),
        ({"brokers": ["mqtt://h"], "password": {"env": "P"}}, "needs a username"),
        ({"brokers": ["mqtt://h"], "ca_file": "ca.pem"}, "none is listed"),
        ({"brokers": ["mqtts://h"], "cert_file": "c.pem"}, "go together"),
        ({"brokers": ["mqtt://h"], "keepalive": 15}, "Extra inputs"),
        ({"brokers": ["mqtt://h"], "client_id": "a/b"}, "pattern"),
    ],
)
def test_wrong_settings_are_refused_with_a_reason(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        RelaySettings.model_validate(settings)


def test_a_password_in_a_url_is_refused_and_our_own_words_do_not_repeat_it() -> None:
    with pytest.raises(ValueError, match="holds no user or password") as caught:
        parse_broker("mqtt://user:secret@h")
    assert "secret" not in str(caught.value)


def test_the_store_has_limits() -> None:
    assert StoreSettings().path == "/var/lib/fleetd"
    with pytest.raises(ValidationError):
        StoreSettings(path="/x", max_mib=0)


def test_rate_is_over_the_last_ten_seconds() -> None:
    rate = Rate()
    assert rate.per_s(0.0) == 0.0
    for second in range(30):
        rate.note(float(second), 100 * max(0, second - 15))
    assert rate.per_s(29.0) == pytest.approx(100.0)
    assert rate.per_s(60.0) == 0.0


async def test_an_allowance_is_used_up_and_grows_again() -> None:
    clock = VirtualClock(datetime(2026, 11, 11, tzinfo=UTC))
    allowance = Allowance(clock, burst=3, per_s=2.0)
    assert [allowance.take() for _ in range(4)] == [True, True, True, False]
    await clock.advance(1.0)
    assert [allowance.take() for _ in range(3)] == [True, True, False]
    await clock.advance(100.0)
    assert [allowance.take() for _ in range(4)] == [True, True, True, False]
