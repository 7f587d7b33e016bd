"""Register maps as files: those that ship are sound, and each fault of a bad one is told with its place."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fleetd.errors import ConfigError
from fleetd.registers.check import sample_cells, sample_decoded
from fleetd.registers.codec import encode_all
from fleetd.registers.loader import MAPS, load_map, map_names, map_path, map_schema
from fleetd.registers.model import RegisterMap
from fleetd.strictyaml import load_strict, parse_strict, validate

CONFIGS = Path(__file__).parents[2] / "configs"
GOOD = """\
name: thing
title: A thing
about: made up
values:
  - {name: mode, table: input, address: 0, type: u16, enum: {0: off, 1: on_duty}}
  - {name: speed, table: input, address: 1, type: i32, scale: 0.1}
  - {name: go, table: coil, address: 0}
samples:
  - {about: at work, input: {0: [1, 0, 25]}, values: {mode: on_duty, speed: 2.5}}
"""


def load(text: str, tmp_path: Path) -> RegisterMap:
    path = tmp_path / "thing.yaml"
    path.write_text(text, encoding="utf-8")
    return load_map(path)


def faults(text: str, tmp_path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(text, tmp_path)
    return [line.removeprefix(f"{tmp_path}/") for line in caught.value.problems]


def test_the_shipped_maps_are_those_of_configs() -> None:
    assert {"little-donkey", "weather-station"} <= set(map_names())
    assert MAPS.resolve() == (CONFIGS / "register-maps").resolve()


@pytest.mark.parametrize("name", map_names())
def test_a_shipped_map_loads_under_its_name(name: str) -> None:
    register_map = load_map(name)
    assert register_map.name == name
    assert load_map(map_path(name)) is register_map


def test_what_is_assumed_is_said_where_a_user_meets_it() -> None:
    assert "own making" in load_map("little-donkey").about
    assert "assumed" in load_map("weather-station").about


@pytest.mark.parametrize("name", map_names())
def test_golden_samples_decode_and_encode_as_they_say(name: str) -> None:
    register_map = load_map(name)
    for sample in register_map.samples:
        decoded = sample_decoded(register_map, sample)
        assert {key: decoded.values[key] for key in sample.values} == pytest.approx(dict(sample.values), nan_ok=False)
        assert {key: decoded.absent[key] for key in sample.absent} == dict(sample.absent)
        cells = {table: {} for table in ("coil", "discrete", "input", "holding")} | encode_all(
            register_map, decoded.values
        )
        for table, runs in sample_cells(sample).items():
            for address, run in runs.items():
                assert [cells[table].get(at, 0) for at in range(address, address + len(run))] == list(run)


def test_the_committed_schema_is_what_the_model_says_and_the_maps_fit_it() -> None:
    committed = (CONFIGS / "register-map.schema.json").read_text(encoding="utf-8")
    assert committed == map_schema(), "fleetctl registers schema > configs/register-map.schema.json"
    schema = yaml.safe_load(committed)
    jsonschema.Draft202012Validator.check_schema(schema)
    for name in map_names():
        jsonschema.validate(load_strict(map_path(name))[0], schema)
        assert map_path(name).read_text(encoding="utf-8").startswith("# yaml-language-server: $schema=")


def test_a_good_map_loads_and_is_loaded_anew_when_its_file_changes(tmp_path: Path) -> None:
    first = load(GOOD, tmp_path)
    assert first is load_map(tmp_path / "thing.yaml")
    (tmp_path / "thing.yaml").unlink()
    second = load(GOOD.replace("A thing", "Another thing"), tmp_path)
    assert (first.title, second.title) == ("A thing", "Another thing")


def test_a_map_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(ConfigError, match=r"No such file or directory; shipped are little-donkey, "):
        load_map("big-donkey")


BROKEN = [
    ("type: i32, scale: 0.1", "type: i33, scale: 0.1", "thing.yaml:6:51: values.1.type: must be 'bool', 'u16'"),
    ("scale: 0.1", "scale: 0", "thing.yaml:6:63: values.1.scale: must be above 0"),
    ("scale: 0.1", "skale: 0.1", "thing.yaml:6:56: values.1.skale: unknown key, perhaps scale"),
    ("address: 1,", "address: 65535,", "values.1: speed: 2 registers from 65535 reach beyond address 65535"),
    ("address: 1,", "address: 0,", "6:42: values.1.address: speed at input 0 overlaps mode, which ends at 0"),
    ("name: speed", "name: mode", "thing.yaml:6:5: values.1: mode is taken by mode; choose another name"),
    ("table: coil", "table: coil, type: u16", "values.2: go: a coil holds a bool, not u16; take the type out"),
    ("type: i32, ", "", "values.1: speed: type is missing; input registers hold u16, i32, f32, bits…"),
    ("type: i32, scale: 0.1", "type: string", "values.1: speed: a string, and nothing else, has a length"),
    ("type: i32,", "type: i32, access: rw,", "values.1: speed: the input table can only be read"),
    ("type: i32,", "type: i32, minimum: 2, maximum: 1,", "values.1: speed: minimum 2.0 is above maximum 1.0"),
    ("1: on_duty", "1: off", "values.0: mode: an enum has each word once"),
    ("type: i32,", "type: i32, absent: {x: bad},", "absent code 'x' is neither a number, nor a range"),
    ("type: i32,", 'type: i32, absent: {"0..99999": bad},', "absent code '0..99999' must name 1 to 4096 codes"),
    ("name: thing", "name: thing\ngroups: {slow: {every: 9}}", "status is no poll group; known are slow, never"),
    ("name: thing", "name: thing\nblock_cap: 1", "values.1: speed takes 2 registers, above the block cap"),
    ("name: thing", "name: thing\nidentity: {value: id, equals: 1}", "identity.value: id is no value that can be read"),
    ("name: thing", "name: thing\nforbidden: [{table: input, first: 2, last: 9, why: x}]",
     "0: speed stands at input 1, which is forbidden"),
    ("name: thing", "name: thing\nstop: {write: mode, verify: {mode: off}}", "mode is no coil that can be written"),
    ("name: thing", "name: thing\nheartbeat: {write: go, timeout_ms: go}", "go is no u16 that can be written"),
    ("name: thing", "name: thing\nactions: [{name: a, code: 1, help: x}]", "actions: actions need a command section"),
    ("table: coil", "table: coil, verify: speed", "verify: speed is no bool that can be read"),
    ("type: i32,", "type: i32, idempotent: true,", "values.1: speed: idempotent belongs to what can be written"),
    ("speed: 2.5", "speed: 2.6", "9:77: samples.0.values.speed: decodes to 2.5, and the sample says 2.6"),
    ("mode: on_duty", "mode: off", "samples.0.values.mode: decodes to 'on_duty', and the sample says 'off'"),
    ("[1, 0, 25]", "[9, 0, 25]", "mode: decodes to None (unknown code 9), and the sample says 'on_duty'"),
    ("[1, 0, 25]", "[1, 0, 70000]", "samples.0.input.0.2: must be at most 65535, not 70000"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "fault"), BROKEN, ids=[row[2][-40:] for row in BROKEN])
def test_a_fault_is_told_at_its_place(old: str, new: str, fault: str, tmp_path: Path) -> None:
    assert GOOD.count(old) == 1
    assert any(fault in line for line in faults(GOOD.replace(old, new), tmp_path)), faults(
        GOOD.replace(old, new), tmp_path
    )


def test_all_faults_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("table: coil", "table: cool").replace("type: u16", "type: u15").replace("title: A thing\n", "")
    assert len(faults(text, tmp_path)) == 3


def test_a_sample_whose_bits_no_field_covers_is_found_out(tmp_path: Path) -> None:
    text = GOOD.replace(
        "  - {name: go,",
        "  - {name: flags, table: holding, address: 0, type: bits, fields: {up: {bit: 0}}}\n  - {name: go,",
    )
    text = text.replace("input: {0: [1, 0, 25]}", "input: {0: [1, 0, 25]}, holding: {0: [3]}")
    assert "flags stands as [3] and encodes to [1]" in faults(text, tmp_path)[0]


DONKEY = map_path("little-donkey").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("  done: done", "  done: finished", "command: finished is no word of last_command_result"),
        ("  crc: command_crc", "  crc: route_id", "route_id must be the holding register behind command_argument_2"),
        ("  crc: command_crc", "  crc: checksum", "command: checksum: no such value"),
        ("help: The stop's number}]", "help: x}, {name: b, minimum: 1, maximum: 2}, {name: c, minimum: 1, maximum: 2}]",
         "actions.0.arguments: the command block has room for 2 arguments"),
        ("name: hold, code: 2", "name: hold, code: 1", "actions.0: action send with code 1 is not the only one"),
        ("verify: {stop_latched: true}", "verify: {stopped: true}", "stopped: stopped is no value that can be read"),
        ("0x25C5]", "0x25C6]", "samples.2.values.command_crc: decodes to 9670"),
    ],
)  # fmt: skip
def test_faults_of_commands_and_stops_are_found(old: str, new: str, fault: str, tmp_path: Path) -> None:
    assert DONKEY.count(old) == 1
    assert any(fault in line for line in faults(DONKEY.replace(old, new), tmp_path))


@given(st.integers(0, 400), st.integers(0, 400))
def test_overlaps_are_found_wherever_they_are(first: int, second: int) -> None:
    text = f"""
name: thing
title: t
about: a
values:
  - {{name: a, table: holding, address: {first}, type: u64}}
  - {{name: b, table: holding, address: {second}, type: u32}}
samples: [{{about: none}}]
"""
    from fleetd.registers.check import faults as found_in

    data, positions = parse_strict(text, "f")
    overlap = first < second + 2 and second < first + 4
    assert bool(found_in(validate(RegisterMap, data, positions))) is overlap
