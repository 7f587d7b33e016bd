"""The client's side of the control API: one HTTP request over the daemon's Unix socket, one JSON answer.

The standard library's blocking client serves here and not aiohttp, which takes half a second to import: `fleetctl stop`
must not wait for that.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from fleetd.errors import FleetError, Refusal

ANSWER_WITHIN_S = 10.0


class Unreachable(FleetError):
    """No daemon answers on the control socket; the message names it and what to do."""


class Daemon:
    """A running fleetd, asked through its control socket. Each call is a connection of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def get(self, *parts: str, **query: object) -> Any:
        """The JSON answer to GET /v1/<parts>. Raises Unreachable, and Refusal when the daemon says no."""
        return self._ask("GET", _target(parts, query), None, ANSWER_WITHIN_S)

    def post(self, *parts: str, body: Mapping[str, Any] | None = None, wait_s: float = 0.0) -> Any:
        """The JSON answer to POST /v1/<parts>, which the daemon may take `wait_s` seconds to give. Raises as `get`."""
        return self._ask("POST", _target(parts, {}), dict(body or {}), ANSWER_WITHIN_S + wait_s)

    def stream(self, *parts: str, **query: object) -> Iterator[Any]:
        """The JSON values, one a line, that GET /v1/<parts> sends until the daemon ends. Raises as `get`."""
        with closing(_UnixConnection(self.path, ANSWER_WITHIN_S)) as connection:
            response = self._respond(connection, "GET", _target(parts, query), None)
            _refuse_unless_fine(response)
            # From here on silence is normal: nothing may happen for hours.
            connection.wait_for_ever()
            try:
                for line in response:
                    if line.strip():
                        yield json.loads(line)
            except (OSError, HTTPException, ValueError) as error:
                raise Unreachable(
                    f"the daemon at {self.path} broke off: {str(error) or type(error).__name__}"
                ) from None

    def _ask(self, method: str, target: str, body: object, within_s: float) -> Any:
        with closing(_UnixConnection(self.path, within_s)) as connection:
            response = self._respond(connection, method, target, body)
            _refuse_unless_fine(response)
            return _json_of(response)

    def _respond(self, connection: _UnixConnection, method: str, target: str, body: object) -> HTTPResponse:
        content = None if body is None else json.dumps(body)
        try:
            connection.request(method, target, content, {"Content-Type": "application/json", "Accept": "*/*"})
            return connection.getresponse()
        except TimeoutError:
            raise Unreachable(
                f"the daemon at {self.path} did not answer in time; see 'systemctl status fleetd'"
            ) from None
        except (OSError, HTTPException) as error:
            raise Unreachable(_cure(self.path, error)) from None


class _UnixConnection(HTTPConnection):
    """HTTP to a Unix socket."""

    def __init__(self, path: Path, within_s: float) -> None:
        super().__init__("fleetd", timeout=within_s)
        self._path = path
        self._within_s = within_s

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self._within_s)
        self.sock.connect(str(self._path))

    def wait_for_ever(self) -> None:
        """Take the deadline off what is still to be read."""
        if self.sock is not None:
            self.sock.settimeout(None)


def _target(parts: tuple[str, ...], query: Mapping[str, object]) -> str:
    path = "/v1/" + "/".join(quote(part, safe="") for part in parts)
    return f"{path}?{urlencode(query)}" if query else path


def _cure(path: Path, error: Exception) -> str:
    match error:
        case FileNotFoundError():
            why = "there is no such socket; start it with 'systemctl start fleetd', or name another with --socket"
        case PermissionError():
            why = "permission denied; join its group ('sudo usermod -aG fleetd $USER', then log in again)"
        case ConnectionRefusedError():
            why = "nobody listens there any more; start it with 'systemctl start fleetd'"
        case _:
            why = f"{str(error) or type(error).__name__}; see 'systemctl status fleetd'"
    return f"the daemon is not reachable at {path}: {why}"


def _refuse_unless_fine(response: HTTPResponse) -> None:
    if response.status < 400:
        return
    try:
        answer = _json_of(response)
    except Refusal:
        answer = {}
    text = answer.get("error") if isinstance(answer, dict) else None
    rule = answer.get("rule") if isinstance(answer, dict) else None
    raise Refusal(str(rule or response.status), str(text or f"the daemon answered {response.status} {response.reason}"))


def _json_of(response: HTTPResponse) -> Any:
    try:
        return json.loads(response.read())
    except (OSError, HTTPException, ValueError):
        raise Refusal("bad-answer", "the daemon's answer is no JSON; do its version and fleetctl's differ?") from None
