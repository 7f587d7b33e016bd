# ruff: noqa: E501  # a fault is one line, however long
"""Each kind of broken site file, and the exact line, column, path and words with which it is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetd.config.site import load_site
from fleetd.errors import ConfigError

BASE = """\
site: test
station: {latitude_deg: 30.0, longitude_deg: 120.0, altitude_m: 20.0}
store: {path: store}
relay: {brokers: ["mqtt://127.0.0.1:1883"]}
satellites:
  - name: tin
    norad_id: 999100101
    elements: [tin.json]
antennas:
  - name: dish
    rotator: turner
    azimuth_limits_deg: [0.0, 450.0]
    elevation_limits_deg: [0.0, 90.0]
    slew_deg_s: {azimuth: 6.0, elevation: 3.0}
    park: {azimuth_deg: 0.0, elevation_deg: 90.0}
devices:
  - {name: turner, driver: gs232b, link: "serial:///dev/ttyUSB0?baud=9600"}
  - name: donkey
    driver: little-donkey
    link: modbus+tcp://10.0.0.1
    settings: {unit: 7}
"""

BROKEN = [
    (
        "unknown key at the top",
        "site: test\n",
        "site: test\nsattelites: []\n",
        [
            "2:1: sattelites: unknown key, perhaps satellites; known are site, station, store, archive, control, relay, satellites, downlink, elements, antennas, contacts, access, vda5050, robots, alarms, devices, faces, guard, log"
        ],
    ),
    (
        "wind by what is no sensor",
        "    rotator: turner\n",
        "    rotator: turner\n    wind: {sensor: donkey, limit: 20.0}\n",
        ["12:20: antennas.0.wind.sensor: the device donkey is a robot; no device is a sensor"],
    ),
    (
        "a wind that its sensor does not measure",
        "devices:\n",
        "    wind: {sensor: weather, value: wind_gust_ms, limit: 20.0}\ndevices:\n  - {name: weather, driver: weather-station, link: modbus+tcp://10.0.0.2, settings: {unit: 1}}\n",
        [
            "16:36: antennas.0.wind.value: weather measures no number 'wind_gust_ms', perhaps wind_gust_m_s; by its map value may be one of humidity_percent, pressure_hpa, rain_intensity_mm_h, rain_mm, temperature_c, wind_direction_deg, wind_gust_m_s, wind_speed_average_m_s"
        ],
    ),
    (
        "no word of what the sensor measures, which is no wind",
        "devices:\n",
        "    wind: {sensor: ups, limit: 20.0}\ndevices:\n  - {name: ups, driver: modbus-sensor, link: modbus+tcp://10.0.0.2, settings: {unit: 1, map: ups}}\n",
        [
            "16:11: antennas.0.wind: ups measures no number 'wind_gust_m_s'; by its map value may be one of battery_charge_percent, battery_voltage_v, load_percent, minutes_left_min, temperature_c"
        ],
    ),
    (
        "a calm above the limit",
        "    rotator: turner\n",
        "    rotator: turner\n    wind: {sensor: donkey, limit: 20.0, calm: 25.0}\n",
        [
            "12:11: antennas.0.wind: calm: 25 is above the limit, 20",
            "12:20: antennas.0.wind.sensor: the device donkey is a robot; no device is a sensor",
        ],
    ),
    (
        "maintenance that ends before it begins",
        "    rotator: turner\n",
        "    rotator: turner\n    maintenance: [{begin: 2026-12-01T08:00:00Z, end: 2026-12-01T07:00:00Z, why: paint}]\n",
        ["12:19: antennas.0.maintenance.0: it must begin before it ends"],
    ),
    (
        "maintenance without a zone",
        "    rotator: turner\n",
        '    rotator: turner\n    maintenance: [{begin: "2026-12-01T08:00:00", end: 2026-12-01T09:00:00Z, why: paint}]\n',
        ["12:27: antennas.0.maintenance.0.begin: '2026-12-01T08:00:00' has no zone; end it with 'Z' for UTC"],
    ),
    (
        "a park below the mask",
        "    rotator: turner\n",
        "    rotator: turner\n    mask_deg: [[0.0, 5.0]]\n    stow: {azimuth_deg: 0.0, elevation_deg: 2.0}\n",
        ["10:5: antennas.0: stow: azimuth 0.0, elevation 2.0 is below the mask there, 5.0 degrees"],
    ),
    (
        "unknown key below",
        "rotator: turner",
        "rotater: turner",
        [
            "10:5: antennas.0.rotator: is missing; add it",
            "11:5: antennas.0.rotater: unknown key, perhaps rotator; known are ...",
        ],
    ),
    (
        "unknown key in settings",
        "{unit: 7}",
        "{unit: 7, pol_s: 1.0}",
        ["21:25: devices.1.settings.pol_s: unknown key, perhaps poll_s; known are ..."],
    ),
    (
        "unknown key of an inline mapping",
        "altitude_m: 20.0}",
        "altitude_m: 20.0, height: 3}",
        ["2:71: station.height: unknown key; known are ..."],
    ),
    (
        "key given twice",
        "site: test\n",
        "site: test\nsite: other\n",
        ["2:1: site: the key is given twice, first on line 1; keep one"],
    ),
    (
        "key given twice below",
        "    driver: little-donkey\n",
        "    driver: little-donkey\n    driver: gs232b\n",
        ["20:5: devices.1.driver: the key is given twice, first on line 19; keep one"],
    ),
    (
        "horizon that goes back",
        "altitude_m: 20.0}",
        "altitude_m: 20.0, horizon_deg: [[10.0, 1.0], [5.0, 2.0]]}",
        [
            "2:84: station.horizon_deg: a horizon needs at least one point, with azimuths that rise from 0 to below 360 degrees"
        ],
    ),
    ("section missing", "store: {path: store}\n", "", ["1:1: store: is missing; add it"]),
    (
        "decoder that is not installed",
        "    elements: [tin.json]\n",
        "    elements: [tin.json]\n    decoder: {name: xcte}\n",
        ["9:21: satellites.0.decoder.name: unknown decoder 'xcte', perhaps xtce; installed are ..."],
    ),
    (
        "decoder settings",
        "    elements: [tin.json]\n",
        "    elements: [tin.json]\n    decoder: {name: xtce, settings: {reference: candy-tin, checksum: crc8}}\n",
        ["9:70: satellites.0.decoder.settings.checksum: must be ..."],
    ),
    (
        "decoder database missing",
        "    elements: [tin.json]\n",
        "    elements: [tin.json]\n    decoder: {name: xtce, settings: {database: tin.xml}}\n",
        [
            "9:48: satellites.0.decoder.settings.database: there is no file {folder}/tin.xml; put it there or correct the path"
        ],
    ),
    ("field missing", "    norad_id: 999100101\n", "", ["6:5: satellites.0.norad_id: is missing; add it"]),
    (
        "field missing in a device",
        "    link: modbus+tcp://10.0.0.1\n",
        "",
        ["18:5: devices.1.link: is missing; add it"],
    ),
    (
        "text for a number",
        "latitude_deg: 30.0",
        'latitude_deg: "30.0"',
        ["2:25: station.latitude_deg: must be a number, not text"],
    ),
    (
        "number for text",
        "site: test",
        "site: 17",
        ["1:7: site: must be text, not 17; put it in quotes if it is meant as text"],
    ),
    (
        "no stays text where a truth value belongs",
        "    rotator: turner\n",
        "    rotator: turner\n    require_synced_clock: no\n",
        ["12:27: antennas.0.require_synced_clock: must be true or false, not text"],
    ),
    (
        "time stays text where seconds belong",
        "site: test\n",
        "site: test\ncontacts: {replan_every_s: 12:30:00}\n",
        ["2:28: contacts.replan_every_s: must be a number, not text"],
    ),
    (
        "fraction for a whole number",
        "norad_id: 999100101",
        "norad_id: 999100101.5",
        ["7:15: satellites.0.norad_id: must be a whole number, not 999100101.5"],
    ),
    (
        "latitude out of range",
        "latitude_deg: 30.0",
        "latitude_deg: 91.0",
        ["2:25: station.latitude_deg: must be at most 90.0, not 91.0"],
    ),
    (
        "longitude out of range",
        "longitude_deg: 120.0",
        "longitude_deg: -200.0",
        ["2:46: station.longitude_deg: must be at least -180.0, not -200.0"],
    ),
    ("not a number", "altitude_m: 20.0", "altitude_m: .nan", ["2:65: station.altitude_m: must be a number, not text"]),
    ("infinite", "altitude_m: 20.0", "altitude_m: 1e999", ["2:65: station.altitude_m: must be a finite number"]),
    (
        "catalogue number too long",
        "norad_id: 999100101",
        "norad_id: 1234567890",
        ["7:15: satellites.0.norad_id: must be at most 999999999, not 1234567890"],
    ),
    ("unit out of range", "{unit: 7}", "{unit: 256}", ["21:22: devices.1.settings.unit: must be at most 255, not 256"]),
    ("unit as text", "{unit: 7}", '{unit: "7"}', ["21:22: devices.1.settings.unit: must be a whole number, not text"]),
    (
        "settings are a list",
        "settings: {unit: 7}",
        "settings: [7]",
        ["21:15: devices.1.settings: must be a mapping of keys to values, not a list"],
    ),
    (
        "list for a mapping",
        "store: {path: store}",
        "store: [store]",
        ["3:8: store: must be a mapping of keys to values, not a list"],
    ),
    (
        "mapping for a list",
        "elements: [tin.json]",
        "elements: {a: tin.json}",
        ["8:15: satellites.0.elements: must be a list, not a mapping"],
    ),
    (
        "empty list of elements",
        "elements: [tin.json]",
        "elements: []",
        ["8:15: satellites.0.elements: must hold at least 1, not 0"],
    ),
    (
        "file that is not there",
        "elements: [tin.json]",
        "elements: [tin.json, tan.json]",
        ["8:26: satellites.0.elements.1: there is no file {folder}/tan.json; put it there or correct the path"],
    ),
    (
        "elements from neither a path nor the web",
        "elements: [tin.json]",
        'elements: ["ftp://host/tin.json"]',
        [
            "8:16: satellites.0.elements.0: 'ftp://host/tin.json' is neither a path nor an address such as https://host/query?CATNR=…"
        ],
    ),
    (
        "password in an address of elements",
        "elements: [tin.json]",
        'elements: ["https://me:secret@host/tin.json"]',
        [
            "8:16: satellites.0.elements.0: an address of elements holds no user and password: they would stand in logs and events"
        ],
    ),
    (
        "requests more often than publishers allow",
        "store: {path: store}",
        "store: {path: store}\nelements: {request_every_h: 1.0}",
        ["4:29: elements.request_every_h: must be at least 2.0, not 1.0"],
    ),
    (
        "name with capitals",
        "name: donkey",
        "name: Donkey",
        ["18:11: devices.1.name: must match ^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$, unlike 'Donkey'"],
    ),
    (
        "name of a topic",
        "name: donkey",
        "name: alarm",
        ["18:11: devices.1.name: alarm is an MQTT topic of the site itself; choose another name"],
    ),
    (
        "device name twice",
        "name: donkey",
        "name: turner",
        ["18:11: devices.1.name: turner is taken by devices.0 already; each needs its own name"],
    ),
    (
        "unknown driver",
        "driver: little-donkey",
        "driver: little-monkey",
        ["19:13: devices.1.driver: unknown driver 'little-monkey', perhaps little-donkey; installed are ..."],
    ),
    (
        "driver is a number",
        "driver: little-donkey",
        "driver: 5",
        ["19:13: devices.1.driver: must be text, not 5; put it in quotes if it is meant as text"],
    ),
    (
        "unknown scheme",
        "modbus+tcp://10.0.0.1",
        "usb://1",
        [
            "20:11: devices.1.link: unknown scheme 'usb'; known are serial://, modbus+rtu://, tcp://, modbus+tcp://, modbus+rtuovertcp://"
        ],
    ),
    (
        "scheme of another driver",
        "modbus+tcp://10.0.0.1",
        "tcp://10.0.0.1:502",
        [
            "20:11: devices.1.link: the driver little-donkey cannot use tcp://; it takes modbus+tcp://, modbus+rtu://, modbus+rtuovertcp://"
        ],
    ),
    (
        "unknown link option",
        "?baud=9600",
        "?bauds=9600",
        ["17:42: devices.0.link: unknown option 'bauds'; known are baud, bits, parity, stop, rts, dtr"],
    ),
    (
        "baud is no number",
        "?baud=9600",
        "?baud=fast",
        ["17:42: devices.0.link: baud=fast must be a whole number from 50 to 4000000"],
    ),
    (
        "port out of range",
        "modbus+tcp://10.0.0.1",
        "modbus+tcp://10.0.0.1:99999",
        ["20:11: devices.1.link: write it as modbus+tcp://host:port with a port from 1 to 65535"],
    ),
    (
        "rotator is no device",
        "rotator: turner",
        "rotator: turnip",
        [
            "11:14: antennas.0.rotator: there is no device 'turnip', perhaps turner; rotators among the devices are turner"
        ],
    ),
    (
        "rotator is a robot",
        "rotator: turner",
        "rotator: donkey",
        ["11:14: antennas.0.rotator: the device donkey is a robot; rotators among the devices are turner"],
    ),
    (
        "rig is a rotator",
        "rotator: turner",
        "rotator: turner\n    rig: turner",
        ["12:10: antennas.0.rig: the device turner is a rotator; no device is a rig"],
    ),
    (
        "the switch before the preamplifier is no device",
        "rotator: turner",
        "rotator: turner\n    radio: {preamp: bypass}",
        ["12:21: antennas.0.radio.preamp: there is no device 'bypass'; no device is a switch"],
    ),
    (
        "transmitting without a rig",
        "rotator: turner",
        "rotator: turner\n    transmit: true",
        ["10:5: antennas.0: transmit: needs a rig: without one nobody knows the frequency on which it would transmit"],
    ),
    (
        "both sides the same",
        "rotator: turner",
        "rotator: turner\n    radio: {uplink_side: main}",
        ["12:12: antennas.0.radio: downlink_side and uplink_side are both main: each needs its own"],
    ),
    (
        "a port for other programs before no antenna",
        "site: test\n",
        "site: test\nfaces:\n  - {speaks: rotctld, antenna: dosh, port: 4533}\n",
        ["3:32: faces.0.antenna: there is no antenna 'dosh', perhaps dish; there are dish"],
    ),
    (
        "a port for other programs before an antenna without radio",
        "site: test\n",
        "site: test\nfaces:\n  - {speaks: rigctld, antenna: dish, port: 4532}\n",
        ["3:32: faces.0.antenna: dish has no rig that could be tuned; set antennas[].rig"],
    ),
    (
        "a port for other programs beyond this machine without a token",
        "site: test\n",
        "site: test\nfaces:\n  - {speaks: rotctld, antenna: dish, host: 0.0.0.0, port: 4533}\n",
        ["3:5: faces.0: host 0.0.0.0 can be reached from elsewhere: set a token, or listen on 127.0.0.1"],
    ),
    (
        "limits the wrong way round",
        "[0.0, 450.0]",
        "[450.0, 0.0]",
        ["10:5: antennas.0: azimuth_limits_deg: the lowest, 450, must be below the highest, 0"],
    ),
    (
        "limits are three",
        "[0.0, 450.0]",
        "[0.0, 450.0, 500.0]",
        ["12:25: antennas.0.azimuth_limits_deg: must hold at most 2, not 3"],
    ),
    (
        "park outside the limits",
        "park: {azimuth_deg: 0.0,",
        "park: {azimuth_deg: 500.0,",
        ["10:5: antennas.0: park.azimuth_deg: 500 is outside azimuth_limits_deg 0 to 450"],
    ),
    ("slew of zero", "azimuth: 6.0", "azimuth: 0", ["14:27: antennas.0.slew_deg_s.azimuth: must be above 0.0, not 0"]),
    (
        "broker of another kind",
        "mqtt://127.0.0.1:1883",
        "http://127.0.0.1",
        ["4:19: relay.brokers.0: 'http://127.0.0.1': write it as mqtt://host:port, or mqtts://host:port for TLS"],
    ),
    (
        "password in the broker's URL",
        "mqtt://127.0.0.1:1883",
        "mqtt://me:hunter2@127.0.0.1",
        ["4:19: relay.brokers.0: a broker's URL holds no user or password; use username and password beside it"],
    ),
    (
        "secret inline",
        'brokers: ["mqtt://127.0.0.1:1883"]',
        'brokers: ["mqtt://127.0.0.1:1883"], username: me, password: hunter2',
        ["4:69: relay.password: must be a mapping of keys to values, not text"],
    ),
    (
        "secret from two places",
        'brokers: ["mqtt://127.0.0.1:1883"]',
        'brokers: ["mqtt://127.0.0.1:1883"], username: me, password: {env: A, file: b}',
        ["4:69: relay.password: name exactly one of file, credential and env"],
    ),
    (
        "secret file not there",
        'brokers: ["mqtt://127.0.0.1:1883"]',
        'brokers: ["mqtt://127.0.0.1:1883"], username: me, password: {file: pw}',
        ["4:76: relay.password.file: there is no file {folder}/pw; put it there or correct the path"],
    ),
    (
        "MQTT version as a number",
        'brokers: ["mqtt://127.0.0.1:1883"]',
        'brokers: ["mqtt://127.0.0.1:1883"], protocol: 5',
        ["4:55: relay.protocol: must be '5' or '3.1.1', not 5"],
    ),
    ("no broker", '["mqtt://127.0.0.1:1883"]', "[]", ["4:18: relay.brokers: must hold at least 1, not 0"]),
    (
        "log level",
        "site: test\n",
        "site: test\nlog: {level: loud}\n",
        ["2:14: log.level: must be 'debug', 'info', 'warning' or 'error', not 'loud'"],
    ),
    (
        "place without a stop",
        "site: test\n",
        "site: test\nrobots: {places: {depot: {latitude_deg: 1.0, longitude_deg: 2.0}}}\n",
        ["2:26: robots.places.depot.stop: is missing; add it"],
    ),
    (
        "place with a bad name",
        "site: test\n",
        "site: test\nrobots: {places: {The Depot: {stop: 1, latitude_deg: 1.0, longitude_deg: 2.0}}}\n",
        ["2:19: robots.places.The Depot: must match ^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$, unlike 'The Depot'"],
    ),
    (
        "zone of two corners",
        "site: test\n",
        "site: test\nrobots: {zones: {yard: {corners: [[30.0, 120.0], [30.1, 120.1]]}}}\n",
        ["2:34: robots.zones.yard.corners: must hold at least 3, not 2"],
    ),
    (
        "zone that refuses what nobody does",
        "site: test\n",
        "site: test\nrobots: {zones: {yard: {corners: [[1.0, 1.0], [1.0, 2.0], [2.0, 2.0]], refuses: [fly]}}}\n",
        ["2:82: robots.zones.yard.refuses.0: no robot of this site knows 'fly'"],
    ),
    ("not YAML", "site: test\n", "site: [test\n", ["2:8: is not YAML: did not find expected ',' or ']'"]),
    ("tab", "  - name: tin\n", "\t- name: tin\n", ["6:1: is not YAML: found character that cannot start any token"]),
    (
        "tag",
        "site: test",
        "site: !!python/object:os.system test",
        ["1:7: site: the tag tag:yaml.org,2002:python/object:os.system is not taken; quote the value if text is meant"],
    ),
    (
        "anchor and alias",
        "site: test\nstation:",
        "site: &s test\nlog: *s\nstation:",
        [
            "1:7: site: the anchor &s is not taken; write the value out where it is used",
            "2:6: log: the alias *s is not taken; write the value out",
        ],
    ),
    (
        "catalogue number of zero",
        "norad_id: 999100101",
        "norad_id: 0",
        ["7:15: satellites.0.norad_id: must be at least 1, not 0"],
    ),
    ("nothing but spaces", BASE, "\n", ["1:1: must be a mapping of keys to values, not nothing"]),
    ("a list at the top", BASE, "- site: test\n", ["1:1: must be a mapping of keys to values, not a list"]),
    (
        "several at once",
        "  - name: donkey\n    driver: little-donkey",
        "  - name: turner\n    drivr: little-donkey",
        [
            "18:5: devices.1.driver: is missing; add it",
            "18:11: devices.1.name: turner is taken by devices.0 already; each needs its own name",
            "19:5: devices.1.drivr: unknown key, perhaps driver; known are ...",
        ],
    ),
    (
        "second document",
        "site: test\n",
        "site: test\n---\n",
        ["2:1: a second document begins here; keep one document a file"],
    ),
    (
        "second satellite with the same number",
        "antennas:",
        "  - {name: tan, norad_id: 999100101, elements: [tin.json]}\nantennas:",
        ["9:27: satellites.1.norad_id: 999100101 is taken by satellites.0 already; each needs its own norad_id"],
    ),
    (
        "second device on a private link",
        "  - name: donkey",
        '  - {name: spare, driver: gs232b, link: "serial:///dev/ttyUSB0?baud=9600"}\n  - name: donkey',
        ["18:41: devices.1.link: turner has this link already, and only Modbus units can share one"],
    ),
    (
        "same port at another speed",
        "  - name: donkey",
        '  - {name: spare, driver: gs232b, link: "serial:///dev/ttyUSB0?baud=1200"}\n  - name: donkey',
        ["18:41: devices.1.link: turner has this link already, and only Modbus units can share one"],
    ),
    (
        "unit twice on a line",
        "settings: {unit: 7}",
        "settings: {unit: 7}\n  - {name: second, driver: little-donkey, link: modbus+tcp://10.0.0.1, settings: {unit: 7}}",
        ["22:89: devices.2.settings.unit: unit 7 on this line is donkey already"],
    ),
    (
        "shared line written in two ways",
        "settings: {unit: 7}",
        "settings: {unit: 7}\n  - {name: second, driver: little-donkey, link: modbus+tcp://10.0.0.1:502, settings: {unit: 8}}",
        [
            "22:49: devices.2.link: donkey uses the same line as modbus+tcp://10.0.0.1; a shared line needs the same link everywhere"
        ],
    ),
    (
        "two antennas on one rotator",
        "devices:\n",
        "  - {name: mast, rotator: turner, azimuth_limits_deg: [0, 360], elevation_limits_deg: [0, 90], slew_deg_s: {azimuth: 6, elevation: 3}, park: {azimuth_deg: 0, elevation_deg: 90}}\ndevices:\n",
        ["16:27: antennas.1.rotator: turner is taken by antennas.0 already; each needs its own rotator"],
    ),
]
"""What the case is called, a passage of BASE, what stands there instead, and the faults. Where one ends in '...' stands a
list that other rooms may lengthen."""


def faults_of(folder: Path, text: str) -> list[str]:
    (folder / "tin.json").write_text("[]")
    file = folder / "site.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_site(file)
    prefix = f"{file}:"
    assert all(problem.startswith(prefix) for problem in caught.value.problems)
    return [problem.removeprefix(prefix) for problem in caught.value.problems]


def test_the_unbroken_file_is_fine(tmp_path: Path) -> None:
    (tmp_path / "tin.json").write_text("[]")
    (tmp_path / "site.yaml").write_text(BASE)
    assert load_site(tmp_path / "site.yaml").site == "test"


@pytest.mark.parametrize(("old", "new", "expected"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_broken_file_is_refused_with_every_fault_at_its_place(
    tmp_path: Path, old: str, new: str, expected: list[str]
) -> None:
    assert BASE.count(old) == 1, "a case must name one passage of the file"
    found = faults_of(tmp_path, BASE.replace(old, new))
    wanted = [line.replace("{folder}", str(tmp_path)) for line in expected]
    assert [_cut(line, like) for line, like in zip(found, wanted, strict=True)] == wanted


def _cut(line: str, like: str) -> str:
    return line[: len(like) - 3] + "..." if like.endswith("...") else line


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"site\.yaml: No such file or directory$"):
        load_site(tmp_path / "site.yaml")


def test_a_folder_and_bytes_that_are_no_text_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Is a directory$"):
        load_site(tmp_path)
    (tmp_path / "site.yaml").write_bytes(b"site: \xff\n")
    with pytest.raises(ConfigError, match=r"byte 6 is not UTF-8 text$"):
        load_site(tmp_path / "site.yaml")


def test_faults_come_in_the_order_of_the_file_each_once(tmp_path: Path) -> None:
    text = BASE.replace("rotator: turner", "rotator: turnip").replace("unit: 7", "unit: seven").replace("test", "Test")
    places = [line.split(": ")[0] for line in faults_of(tmp_path, text)]
    assert places == ["1:7", "11:14", "21:22"]


def test_what_was_meant_as_a_secret_is_not_repeated(tmp_path: Path) -> None:
    for inline in ("password: hunter2", "password: {file: b, text: hunter2}", "username: me, password: [hunter2]"):
        text = BASE.replace('1883"]', f'1883"], {inline}')
        assert "hunter2" not in "\n".join(faults_of(tmp_path, text))
