"""Frames of the reference satellites through their databases, and databases that cannot be used."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from framesof import ONBOARD_S, beacon, frame, housekeeping, packet

from fleetd.downlink.decoder import Decoded, decoder_names, load_decoder
from fleetd.downlink.xtce import SHIPPED, XtceDecoder, XtceSettings
from fleetd.errors import ConfigError

BEACON = {
    "mode": "idle",
    "battery_v": 7.89,
    "battery_percent": 95.0,
    "temperature_c": -3.5,
    "uptime_s": 1234,
    "last_command": 17,
    "beacon_period_s": 30,
}


async def decode(data: bytes, **settings: object) -> Decoded:
    given = {"reference": "tmall-international", "source": "TMALL-11", **settings}
    return await XtceDecoder(XtceSettings.model_validate(given)).decode(data)


def rules(decoded: Decoded) -> list[str]:
    return [flaw.rule for flaw in decoded.flaws]


async def test_a_beacon_in_engineering_and_raw_values() -> None:
    assert "xtce" in decoder_names()
    assert load_decoder("xtce").settings is XtceSettings
    decoded = await decode(frame(beacon(5)))
    (found,) = decoded.packets
    assert not decoded.flaws
    assert (found.name, found.apid, found.sequence_count) == ("beacon", 16, 5)
    assert found.values == BEACON
    assert [type(value) for value in found.values.values()] == [str, float, float, float, int, int, int]
    assert found.raw == {"mode": 1, "battery_v": 7890, "battery_percent": 190, "temperature_c": -35}
    assert found.units["battery_v"] == "V"
    assert {type(text) for text in found.units.values()} == {str}
    assert found.onboard_at == datetime.fromtimestamp(ONBOARD_S, UTC)


async def test_several_packets_in_one_frame() -> None:
    decoded = await decode(frame(beacon(5), housekeeping(9, eclipse=1)))
    assert [found.name for found in decoded.packets] == ["beacon", "housekeeping"]
    values = decoded.packets[1].values
    assert (values["eclipse"], values["solar_current_a"], values["frames_sent"]) == (True, 0.812, 70_000)


async def test_a_value_outside_its_range_is_absent_and_kept_raw() -> None:
    (found,) = (await decode(frame(beacon(battery_mv=65_535)))).packets
    assert found.values["battery_v"] is None
    assert found.raw["battery_v"] == 65_535
    assert found.absent == {"battery_v": "65.535 is above the valid range, which ends at 10"}
    assert found.values["battery_percent"] == 95.0


async def test_a_value_without_a_name_is_no_packet() -> None:
    """An enumeration that does not know a value, and a kind of packet that the database does not know."""
    assert rules(await decode(frame(beacon(mode=9)))) == ["no-container"]
    assert rules(await decode(frame(packet(99, 0, b"12345")))) == ["no-container"]


@pytest.mark.parametrize("length", [5, 17])
async def test_a_packet_shorter_or_longer_than_its_container(length: int) -> None:
    assert rules(await decode(frame(packet(16, 0, bytes(length))))) == ["no-container"]


async def test_a_packet_longer_than_its_frame() -> None:
    decoded = await decode(frame(beacon(1), beacon(2)[:-3]))
    assert [found.sequence_count for found in decoded.packets] == [1]
    assert rules(decoded) == ["ccsds-length"]


async def test_one_damaged_packet_spoils_no_other() -> None:
    damaged = bytearray(beacon(2))
    damaged[12] ^= 1
    decoded = await decode(frame(beacon(1), bytes(damaged), beacon(3)))
    assert [found.sequence_count for found in decoded.packets] == [1, 3]
    assert rules(decoded) == ["checksum"]


async def test_frames_of_others_are_passed_over() -> None:
    assert rules(await decode(frame(beacon(), source="N0CALL"))) == ["other-station"]
    assert rules(await decode(frame(beacon(), pid=0xCF))) == ["ax25-protocol"]
    assert rules(await decode(b"noise")) == ["ax25-short"]


async def test_a_clock_in_1970_is_told_and_changes_nothing() -> None:
    (found,) = (await decode(frame(beacon(at_s=12.25)))).packets
    assert found.onboard_at == datetime(1970, 1, 1, 0, 0, 12, 250_000, tzinfo=UTC)
    assert found.values == BEACON


async def test_a_clock_that_counts_from_elsewhere() -> None:
    epoch = datetime(2018, 10, 25, tzinfo=UTC)
    (found,) = (await decode(frame(beacon(at_s=90)), time_epoch=epoch)).packets
    assert found.onboard_at == epoch + timedelta(seconds=90)
    (found,) = (await decode(frame(beacon(at_s=90)), time_s=None)).packets
    assert found.onboard_at is None


async def test_bare_packets_and_other_checksums() -> None:
    bare = beacon()
    assert len((await decode(bare, link_layer="none")).packets) == 1
    assert rules(await decode(bare, link_layer="none", checksum="crc16")) == ["checksum"]


@pytest.mark.parametrize("reference", ["candy-tin", "tmall-international"])
def test_the_reference_databases_say_whose_they_are(reference: str) -> None:
    text = (SHIPPED / f"{reference}.xml").read_text()
    assert "It is fleetd's own" in text
    XtceDecoder(XtceSettings.model_validate({"reference": reference}))


# Damage


async def test_no_damaged_packet_is_believed() -> None:
    """Cut, flipped, overwritten: within what the checksum covers, nothing passes. The full count is the benchmark's."""
    decoder = XtceDecoder(XtceSettings(reference="tmall-international", link_layer="none"))
    draw = random.Random(42)
    whole = [beacon(5), housekeeping(6)]
    for number in range(3_000):
        data = bytearray(whole[number % 2])
        for _ in range(draw.randint(1, 8)):
            data[draw.randrange(len(data))] ^= draw.randrange(1, 256)
        if draw.random() < 0.2:
            del data[draw.randrange(len(data)) :]
        if bytes(data) not in whole:
            assert not (await decoder.decode(bytes(data))).packets


async def test_64_kib_of_noise() -> None:
    draw = random.Random(43)
    assert not (await decode(draw.randbytes(65_536))).packets
    assert not (await decode(draw.randbytes(65_536), link_layer="none")).packets


# Databases


HEAD = '<xtce:SpaceSystem name="x" xmlns:xtce="http://www.omg.org/spec/XTCE/20180204"><xtce:TelemetryMetaData>'
TAIL = "</xtce:TelemetryMetaData></xtce:SpaceSystem>"
BROKEN = {
    "no xml": "this is no XML",
    "empty": HEAD + TAIL,
    "refers to nothing": HEAD
    + '<xtce:ParameterTypeSet/><xtce:ParameterSet><xtce:Parameter name="a" parameterTypeRef="gone"/>'
    + "</xtce:ParameterSet><xtce:ContainerSet/>"
    + TAIL,
    "container of nothing": HEAD
    + "<xtce:ParameterTypeSet/><xtce:ParameterSet/><xtce:ContainerSet>"
    + '<xtce:SequenceContainer name="CCSDSPacket"><xtce:EntryList><xtce:ParameterRefEntry parameterRef="gone"/>'
    + "</xtce:EntryList></xtce:SequenceContainer></xtce:ContainerSet>"
    + TAIL,
    "another root": HEAD
    + "<xtce:ParameterTypeSet/><xtce:ParameterSet/><xtce:ContainerSet>"
    + '<xtce:SequenceContainer name="Other"><xtce:EntryList/></xtce:SequenceContainer></xtce:ContainerSet>'
    + TAIL,
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_database_that_cannot_be_used_is_named_in_one_line(name: str, tmp_path: Path) -> None:
    path = tmp_path / "own.xml"
    path.write_text(BROKEN[name])
    with pytest.raises(ConfigError) as caught:
        XtceDecoder(XtceSettings(database=path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_database_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.xml"):
        XtceDecoder(XtceSettings(database=tmp_path / "gone.xml"))


@pytest.mark.parametrize("given", [{}, {"database": "x.xml", "reference": "candy-tin"}], ids=["none", "both"])
def test_one_database_is_named(given: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="exactly one of database and reference"):
        XtceSettings.model_validate_json(json.dumps(given))
