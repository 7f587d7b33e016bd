"""The relay over TLS: let in by the right authority, kept out and patient with a wrong one or a wrong name."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from brokers import Mosquitto, mosquitto_in
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fleetd.clock import ScaledClock
from fleetd.hub import Hub
from fleetd.records import Command, Event
from fleetd.relay.relay import Relay
from fleetd.relay.settings import RelaySettings
from fleetd.relay.status import RelayStatus
from fleetd.store.store import Store

pytestmark = pytest.mark.peer("mosquitto", "openssl")

NOW = datetime(2026, 11, 11, 12, 0, tzinfo=UTC)


def openssl(folder: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def authority(folder: Path, name: str) -> None:
    openssl(
        folder,
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"),
        *("-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem"),
    )


def certificate(folder: Path, name: str, alternative: str) -> None:
    openssl(
        folder,
        *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}"),
        *("-addext", f"subjectAltName={alternative}", "-keyout", f"{name}.key", "-out", f"{name}.csr"),
    )
    openssl(
        folder,
        *("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "1"),
        *("-copy_extensions", "copy", "-out", f"{name}.pem"),
    )


@dataclass
class Tls:
    broker: Mosquitto
    folder: Path

    @property
    def url(self) -> str:
        return f"mqtts://127.0.0.1:{self.broker.port}"


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tls]:
    """A mosquitto that asks for client certificates."""
    folder = tmp_path_factory.mktemp("tls")
    authority(folder, "ca")
    authority(folder, "other")
    certificate(folder, "broker", "IP:127.0.0.1")
    certificate(folder, "client", "DNS:fleetd")
    lines = f"allow_anonymous true\ncafile {folder}/ca.pem\ncertfile {folder}/broker.pem\nkeyfile {folder}/broker.key\n"
    with mosquitto_in(folder / "mosquitto", f"{lines}require_certificate true") as broker:
        yield Tls(broker, folder)


async def status_with(tls: Tls, tmp_path: Path, **settings: object) -> RelayStatus:
    """How a relay with one event stands once it has got through, or been refused."""

    async def nobody(command: Command) -> None:
        raise TypeError(command)

    clock, hub = ScaledClock(NOW, datetime.now(UTC), 20.0), Hub()
    asked = RelaySettings.model_validate({"brokers": [tls.url], **settings})
    async with Store.open(tmp_path / "store", node="node-1", clock=clock) as store:
        relay = Relay(asked, store, hub, clock, "hangzhou", nobody)
        task = asyncio.create_task(relay.run())
        await asyncio.sleep(0)
        hub.publish(Event(at=NOW, source="test", name="door", text="door opened"))
        while relay.status().produced < 2:  # noqa: ASYNC110  # a status is read, not heard
            await asyncio.sleep(0.01)
        while not (relay.status().last_error or (relay.status().connected and not relay.status().backlog)):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        status = relay.status()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        return status


def own(folder: Path) -> dict[str, str]:
    return {"cert_file": str(folder / "client.pem"), "key_file": str(folder / "client.key")}


async def test_the_right_authority_and_our_own_certificate_let_us_in(tls: Tls, tmp_path: Path) -> None:
    status = await status_with(tls, tmp_path, ca_file=str(tls.folder / "ca.pem"), **own(tls.folder))
    assert status.connected
    assert status.backlog == 0


@pytest.mark.parametrize("ca", ["other.pem", None], ids=["wrong authority", "system's authorities"])
async def test_row_36_a_broker_that_nobody_vouches_for_gets_nothing(tls: Tls, tmp_path: Path, ca: str | None) -> None:
    settings = {"ca_file": str(tls.folder / ca)} if ca else {}
    status = await status_with(tls, tmp_path, **settings, **own(tls.folder))
    assert not status.connected
    assert status.backlog == 1
    assert "certificate verify failed" in status.last_error.lower()


async def test_row_36_a_broker_by_another_name_gets_nothing(tls: Tls, tmp_path: Path) -> None:
    by_name = Tls(tls.broker, tls.folder)
    settings = {"brokers": [by_name.url.replace("127.0.0.1", "localhost")], "ca_file": str(tls.folder / "ca.pem")}
    status = await status_with(tls, tmp_path, **settings, **own(tls.folder))
    assert not status.connected
    assert "localhost" in status.last_error


async def test_a_missing_authority_file_is_named_and_tried_again(tls: Tls, tmp_path: Path) -> None:
    status = await status_with(tls, tmp_path, ca_file=str(tls.folder / "nowhere.pem"))
    assert not status.connected
    assert "nowhere.pem" in status.last_error


def expired(folder: Path) -> None:
    """A certificate of our own authority that ended yesterday."""
    key = ec.generate_private_key(ec.SECP256R1())
    authority_key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), password=None)
    issuer = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes()).subject
    today = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "old")]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today - timedelta(days=2))
        .not_valid_after(today - timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(authority_key, hashes.SHA256())  # type: ignore[arg-type]  # openssl made it for an elliptic curve
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / "old.pem").write_bytes(made.public_bytes(pem))
    (folder / "old.key").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))


@asynccontextmanager
async def listener(context: ssl.SSLContext | None) -> AsyncIterator[str]:
    """Somebody who takes connections as this context has it, and says nothing in MQTT; gives its mqtts URL."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            heard.append(await reader.read(1000))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield f"mqtts://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0.01)
    assert not any(b"MQTT" in said for said in heard), "nothing was said to it"


def serving(folder: Path, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    return context


async def test_row_36_a_certificate_that_has_expired_gets_nothing(tls: Tls, tmp_path: Path) -> None:
    expired(tls.folder)
    async with listener(serving(tls.folder, "old")) as url:
        status = await status_with(tls, tmp_path, brokers=[url], ca_file=str(tls.folder / "ca.pem"))
    assert (status.connected, status.backlog) == (False, 1)
    assert "certificate has expired" in status.last_error


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
async def test_row_36_a_broker_that_speaks_an_old_version_only_gets_nothing(tls: Tls, tmp_path: Path) -> None:
    context = serving(tls.folder, "broker")
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with listener(context) as url:
        status = await status_with(tls, tmp_path, brokers=[url], ca_file=str(tls.folder / "ca.pem"))
    assert (status.connected, status.backlog) == (False, 1)
    assert "same version of TLS" in status.last_error or "TLS: " in status.last_error


async def test_row_36_one_that_speaks_no_tls_gets_nothing(tls: Tls, tmp_path: Path) -> None:
    async with listener(None) as url:
        status = await status_with(tls, tmp_path, brokers=[url], ca_file=str(tls.folder / "ca.pem"))
    assert (status.connected, status.backlog) == (False, 1)
    assert "TLS" in status.last_error
