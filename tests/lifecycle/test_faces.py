"""The ports for other programs over real sockets: who may, what is refused and written down, Hamlib's own clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from contact_bench import Bench, bench
from pydantic import ValidationError
from structlog.testing import capture_logs
from test_contact_radio import Station, station

from fleetd.contact.hold import Hold
from fleetd.devices import AzEl, Side
from fleetd.errors import ConfigError
from fleetd.faces.port import Behind, serve_faces
from fleetd.faces.settings import FaceSettings
from fleetd.settings import Secret
from fleetd.store.audit import AuditEntry
from fleetd.store.store import Store


class Client:
    """A program at a port. Each answer is what one read of 128 bytes gets, as gpredict reads."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, line: str) -> str:
        self.writer.write(f"{line}\n".encode())
        return await self.heard()

    async def heard(self) -> str:
        return (await asyncio.wait_for(self.reader.read(128), 5.0)).decode()

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):  # it may have been thrown out
            await self.writer.wait_closed()


@dataclass
class Hall:
    """Ports before an antenna and its radio."""

    bench: Bench
    store: Store
    ports: list[int]
    station: Station | None = None

    @asynccontextmanager
    async def client(self, number: int = 0) -> AsyncIterator[Client]:
        made = Client(*await asyncio.open_connection("127.0.0.1", self.ports[number]))
        try:
            yield made
        finally:
            await made.close()

    async def written(self) -> list[AuditEntry]:
        return await self.store.audit.tail()

    def sent(self) -> list[AzEl]:
        return [to for verb, to in self.bench.rotator.heard if verb == "point" and to is not None]


@asynccontextmanager
async def hall(tmp_path: Path, *faces: FaceSettings, **changes: object) -> AsyncIterator[Hall]:
    chosen = faces or (FaceSettings(speaks="rotctld", antenna="dish", port=0),)
    async with (
        bench(**changes) as made,  # type: ignore[arg-type]
        Store.open(tmp_path, node="test", clock=made.clock) as store,
        serve_faces(chosen, Behind({"dish": made.antenna}, {}, store.audit)) as ports,
    ):
        yield Hall(made, store, ports)


@asynccontextmanager
async def radio_hall(tmp_path: Path) -> AsyncIterator[Hall]:
    face = FaceSettings(speaks="rigctld", antenna="dish", port=0)
    async with station() as site, Store.open(tmp_path, node="test", clock=site.bench.clock) as store:
        behind = Behind({"dish": site.bench.antenna}, {"dish": site.radio}, store.audit)
        async with serve_faces([face], behind) as ports:
            yield Hall(site.bench, store, ports, site)


# Turning


async def test_a_client_turns_reads_stops_and_parks(tmp_path: Path) -> None:
    async with hall(tmp_path) as made, made.client() as client:
        assert await client.ask("P 123.45 23.00") == "RPRT 0\n"  # as gpredict writes it
        await made.bench.advance(30.0)
        assert await client.ask("p") == "123.00\n23.00\n"  # both lines in one read
        assert await client.ask("+\\get_pos") == "get_pos:\nAzimuth: 123.00\nElevation: 23.00\nRPRT 0\n"
        assert await client.ask("S") == "RPRT 0\n"
        assert await client.ask("K") == "RPRT 0\n"
        assert made.sent() == [AzEl(123.0, 23.0), AzEl(0.0, 90.0)]
        entries = [(entry.act, entry.outcome) for entry in await made.written()]
        assert entries == [
            ("dish: set_pos 123.45 23.00", "accepted"),
            ("dish: stop", "accepted"),
            ("dish: park", "accepted"),
        ]
        assert {entry.who.rpartition(":")[0] for entry in await made.written()} == {"rotctld:127.0.0.1"}


@pytest.mark.parametrize(
    "words",
    ["nan 10", "inf 10", "-inf 10", "10 nan", "451 10", "-1 10", "10 91", "10 -5", "1e400 3", "ten 20", "10", ""],
)
async def test_what_is_no_direction_or_out_of_reach_never_reaches_the_rotator(tmp_path: Path, words: str) -> None:
    async with hall(tmp_path) as made, made.client() as client:
        assert await client.ask(f"P {words}") == "RPRT -1\n"
        assert made.sent() == []
        assert await client.ask("p") == "0.00\n90.00\n"


async def test_every_motion_passes_the_interlock(tmp_path: Path) -> None:
    async with hall(tmp_path) as made, made.client() as client:
        made.bench.antenna.interlock.wind = "gusts of 25 m/s"
        assert await client.ask("P 10 20") == "RPRT -9\n"
        assert made.sent() == []
        (entry,) = await made.written()
        assert (entry.outcome, "gusts" in entry.detail) == ("refused: wind", True)


async def test_two_clients_fight_and_the_second_is_told(tmp_path: Path) -> None:
    async with hall(tmp_path) as made, made.client() as first, made.client() as second:
        assert await first.ask("P 10 20") == "RPRT 0\n"
        with capture_logs() as logs:
            for _ in range(3):
                assert await second.ask("P 200 20") == "RPRT -14\n"
        told = [entry for entry in logs if entry["event"] == "a client is refused"]
        assert len(told) == 1
        assert "is held by rotctld:127.0.0.1" in told[0]["reason"]
        assert await second.ask("p") != "RPRT -14\n"  # looking is free
        assert made.sent() == [AzEl(10.0, 20.0)]
        assert [entry.outcome for entry in await made.written()] == ["accepted", "refused: in-use"]
        await made.bench.advance(made.bench.antenna.settings.operator_lease_s + 1)
        assert await second.ask("P 200 20") == "RPRT 0\n"  # the lease has run out
        assert await first.ask("P 10 20") == "RPRT -14\n"


async def test_a_client_that_leaves_holds_nothing_any_longer(tmp_path: Path) -> None:
    async with hall(tmp_path) as made:
        async with made.client() as first:
            assert await first.ask("P 10 20") == "RPRT 0\n"
        async with made.client() as second:
            for _ in range(50):
                if (said := await second.ask("P 200 20")) == "RPRT 0\n":
                    break
                await asyncio.sleep(0.01)
            assert said == "RPRT 0\n"


async def test_a_contact_has_precedence(tmp_path: Path) -> None:
    async with hall(tmp_path) as made, made.client() as client:
        assert await client.ask("P 10 20") == "RPRT 0\n"
        with made.bench.antenna.hold.by_contact("candy-tin-1"):
            assert await client.ask("P 11 20") == "RPRT -14\n"
            assert await client.ask("K") == "RPRT -14\n"
        assert made.sent() == [AzEl(10.0, 20.0)]


async def test_a_rotator_that_is_away_is_reported(tmp_path: Path) -> None:
    async with hall(tmp_path) as made, made.client() as client:
        made.bench.rotator.broken = True
        await made.bench.advance(10.0)
        assert await client.ask("p") == "RPRT -6\n"
        assert await client.ask("P 10 20") == "RPRT -6\n"


# Who may


async def test_beyond_this_machine_only_with_a_token() -> None:
    with pytest.raises(ValidationError, match="can be reached from elsewhere: set a token"):
        FaceSettings(speaks="rotctld", antenna="dish", host="0.0.0.0", port=4533)
    FaceSettings(speaks="rotctld", antenna="dish", host="::1", port=4533)
    FaceSettings(speaks="rotctld", antenna="dish", host="0.0.0.0", port=4533, token=Secret(env="X"))


async def test_with_a_token_nothing_is_done_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACE", "open sesame")
    face = FaceSettings(speaks="rotctld", antenna="dish", port=0, token=Secret(env="FACE"))
    async with hall(tmp_path, face) as made:
        async with made.client() as client:
            for line in ("p", "P 10 20", "S", "\\dump_state"):
                assert await client.ask(line) == "RPRT -19\n"
            assert await client.ask("\\password open sesame") == "RPRT 0\n"
            assert await client.ask("P 10 20") == "RPRT 0\n"
        async with made.client() as client:
            assert await client.ask("\\password wrong") == "RPRT -19\n"
            assert await client.heard() == ""  # it hangs up
        assert made.sent() == [AzEl(10.0, 20.0)]
        written = await made.written()
        assert [(entry.act, entry.outcome) for entry in written] == [
            ("dish: set_pos 10 20", "accepted"),
            ("dish: password", "refused: wrong token"),
        ]
        assert "wrong" not in written[1].act + written[1].detail


async def test_hostile_clients_harm_nobody(tmp_path: Path) -> None:
    async with hall(tmp_path) as made, made.client() as good:
        for data in (b"\xff\xfe\x00\n", b"P " * 100_000, b"\\" * 600 + b"\n", b"\n" * 2_000, b"P 1 2 3\nM 1 1\nR 1\n"):
            async with made.client() as bad:
                bad.writer.write(data)
                await asyncio.sleep(0.01)
        assert await good.ask("P 10 20") == "RPRT 0\n"
        assert made.sent() == [AzEl(10.0, 20.0)]


async def test_too_many_clients_are_turned_away(tmp_path: Path) -> None:
    async with hall(tmp_path) as made:
        clients = [Client(*await asyncio.open_connection("127.0.0.1", made.ports[0])) for _ in range(9)]
        await asyncio.sleep(0.02)
        said = [client.ask("p") for client in clients]
        answers = await asyncio.gather(*said, return_exceptions=True)
        assert sum(answer == "0.00\n90.00\n" for answer in answers) == 8
        for client in clients:
            client.writer.close()


async def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    async with hall(tmp_path) as made:
        face = FaceSettings(speaks="rotctld", antenna="dish", port=made.ports[0])
        with pytest.raises(ConfigError, match="cannot be listened on"):
            async with serve_faces([face], Behind({"dish": made.bench.antenna}, {}, made.store.audit)):
                pass


async def test_a_radio_port_without_a_radio_is_refused(tmp_path: Path) -> None:
    async with hall(tmp_path) as made:
        face = FaceSettings(speaks="rigctld", antenna="dish", port=0)
        with pytest.raises(ConfigError, match="needs a radio"):
            async with serve_faces([face], Behind({"dish": made.bench.antenna}, {}, made.store.audit)):
                pass


# Tuning


async def test_a_client_tunes_both_sides_as_gpredict_does(tmp_path: Path) -> None:
    async with radio_hall(tmp_path) as made, made.client() as client:
        rig = made.station.rig  # type: ignore[union-attr]
        assert await client.ask("S 1 Sub") == "RPRT 0\n"
        assert await client.ask("F  437525000") == "RPRT 0\n"
        assert await client.ask("I  145900000") == "RPRT 0\n"
        assert await client.ask("f") == "437525000\n"
        assert await client.ask("i") == "145900000\n"
        assert await client.ask("M USB 2400") == "RPRT 0\n"
        assert rig.stands == {Side.MAIN: 437_525_000, Side.SUB: 145_900_000}
        assert rig.modes == {Side.MAIN: "usb"}
        assert await client.ask("AOS") == await client.ask("LOS") == "RPRT 0\n"
        assert await client.ask("S 1 Main") == "RPRT 0\n"  # now Main transmits
        assert await client.ask("I 437000000") == "RPRT 0\n"
        assert rig.stands[Side.MAIN] == 437_000_000
        acts = [entry.act for entry in await made.written()]
        assert "dish: set_freq 437525000" in acts
        assert "dish: set_split_freq 145900000" in acts


async def test_a_client_never_transmits(tmp_path: Path) -> None:
    async with radio_hall(tmp_path) as made, made.client() as client:
        assert await client.ask("T 1") == "RPRT -9\n"
        assert await client.ask("t") == "0\n"
        assert await client.ask("T 0") == "RPRT 0\n"
        assert "key" not in made.station.notes  # type: ignore[union-attr]
        assert [entry.outcome for entry in await made.written()] == ["refused: transmit", "accepted"]


@pytest.mark.parametrize("line", ["F nan", "F inf", "F -5", "F 5", "F x", "F", "M XYZ 0", "V Third", "F 1e30"])
async def test_what_is_no_frequency_or_mode_never_reaches_the_radio(tmp_path: Path, line: str) -> None:
    async with radio_hall(tmp_path) as made, made.client() as client:
        rig = made.station.rig  # type: ignore[union-attr]
        before = dict(rig.stands)
        assert (await client.ask(line)).startswith("RPRT -")
        assert rig.stands == before
        assert rig.modes == {}


async def test_the_radio_gives_way_to_a_contact_and_to_whoever_came_first(tmp_path: Path) -> None:
    async with radio_hall(tmp_path) as made, made.client() as first, made.client() as second:
        assert await first.ask("F 437525000") == "RPRT 0\n"
        assert await second.ask("F 437000000") == "RPRT -14\n"
        with made.bench.antenna.hold.by_contact("candy-tin-1"):
            assert await first.ask("F 437000000") == "RPRT -14\n"
        assert await first.ask("F 437000000") == "RPRT 0\n"


def test_a_hold_names_its_contact() -> None:
    hold = Hold("dish", None, 60.0)  # type: ignore[arg-type]
    assert hold.contact is None
    with hold.by_contact("x"):
        assert hold.contact == "x"


# Hamlib's own clients, which nobody here wrote


async def hamlib(program: str, port: int, *words: str) -> list[str]:
    process = await asyncio.create_subprocess_exec(
        *(program, "-m", "2", "-r", f"127.0.0.1:{port}", *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(process.communicate(), 20)
    return said.decode().split()


@pytest.mark.peer("rotctl")
async def test_hamlibs_rotctl_turns_the_antenna(tmp_path: Path) -> None:
    async with hall(tmp_path) as made:
        port = made.ports[0]
        assert await hamlib("rotctl", port, "p") == ["0.00", "90.00"]
        assert await hamlib("rotctl", port, "P", "20", "30") == []
        await made.bench.advance(30.0)
        assert await hamlib("rotctl", port, "p", "_") == ["20.00", "30.00", "fleetd,", "antenna", "dish"]
        assert await hamlib("rotctl", port, "S", "K") == []
        assert made.sent() == [AzEl(20.0, 30.0), AzEl(0.0, 90.0)]
        await hamlib("rotctl", port, "P", "nan", "30")  # which the client itself lets pass
        await hamlib("rotctl", port, "P", "500", "30")
        assert made.sent() == [AzEl(20.0, 30.0), AzEl(0.0, 90.0)]


@pytest.mark.peer("rigctl")
async def test_hamlibs_rigctl_tunes_the_radio(tmp_path: Path) -> None:
    async with radio_hall(tmp_path) as made:
        port, rig = made.ports[0], made.station.rig  # type: ignore[union-attr]
        assert await hamlib("rigctl", port, "F", "437525000", "f") == ["437525000"]
        assert await hamlib("rigctl", port, "M", "USB", "0", "m") == ["USB", "15000"]
        await hamlib("rigctl", port, "S", "1", "Sub", "I", "145900000")
        assert rig.stands == {Side.MAIN: 437_525_000, Side.SUB: 145_900_000}
        assert "error" in " ".join(await hamlib("rigctl", port, "T", "1"))
        assert await hamlib("rigctl", port, "t") == ["0"]
        assert not rig.on
