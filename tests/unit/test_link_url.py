"""Link URLs: what they mean, and what a wrong one is told."""

from __future__ import annotations

import pytest

from fleetd.errors import ConfigError
from fleetd.link.url import SerialLine, TcpEnd, parse_link


def test_a_serial_url_gives_the_line_with_its_pins_down() -> None:
    url = parse_link("serial:///dev/serial/by-id/usb-FTDI-1?baud=600&parity=E&stop=2&bits=7")
    assert url.end == SerialLine("/dev/serial/by-id/usb-FTDI-1", 600, 7, "E", 2, rts=False, dtr=False)


def test_pins_rise_only_when_asked_for() -> None:
    end = parse_link("serial:///dev/ttyS0?rts=on").end
    assert isinstance(end, SerialLine)
    assert (end.rts, end.dtr) == (True, False)


def test_character_time_counts_start_data_parity_and_stop() -> None:
    end = parse_link("modbus+rtu:///dev/ttyUSB1?baud=19200&parity=E").end
    assert isinstance(end, SerialLine)
    assert end.character_s == pytest.approx(11 / 19200)  # protocols: 0.573 ms a character at 19200 baud, 11 bits


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("tcp://127.0.0.1:4533", TcpEnd("127.0.0.1", 4533)),
        ("tcp://[::1]:4533", TcpEnd("::1", 4533)),
        ("modbus+tcp://gateway", TcpEnd("gateway", 502)),
        ("modbus+rtuovertcp://gateway:4001", TcpEnd("gateway", 4001)),
    ],
)
def test_tcp_urls(text: str, end: TcpEnd) -> None:
    assert parse_link(text).end == end


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("usb://x", "unknown scheme 'usb'; known are serial://"),
        ("/dev/ttyUSB0", "unknown scheme ''"),
        ("serial://ttyUSB0", "three slashes"),
        ("serial:///dev/ttyUSB0?speed=9600", "unknown option 'speed'; known are baud"),
        ("serial:///dev/ttyUSB0?baud=fast", "baud=fast must be a whole number from 50"),
        ("serial:///dev/ttyUSB0?baud=9", "from 50 to 4000000"),
        ("serial:///dev/ttyUSB0?parity=X", "parity 'X' must be N, E or O"),
        ("serial:///dev/ttyUSB0?rts=1", "rts=1 must be on or off"),
        ("tcp://[::1:4533", "is no URL"),
        ("tcp://host", "with a port from 1 to 65535"),
        ("tcp://host:70000", "with a port from 1 to 65535"),
        ("tcp://:4533", "write it as tcp://host:port"),
        ("tcp://host:4533/x", "nothing may follow the port"),
    ],
)
def test_a_wrong_url_is_told_which_part_and_what_would_be_right(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint.replace("?", r"\?")):
        parse_link(text)
