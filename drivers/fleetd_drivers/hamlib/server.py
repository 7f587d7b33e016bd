"""One of Hamlib's servers at the end of a link: a question, and the answer that is held to it."""

from __future__ import annotations

from collections.abc import Collection

from fleetd.errors import BadReply, Declined
from fleetd.link.turns import Turns
from fleetd.link.words import LastWords
from fleetd_drivers.hamlib import net


class Server:
    """`name` is the program's, for messages; `commands` are those that are ever written."""

    def __init__(self, name: str, commands: Collection[str], turns: Turns, within_s: float) -> None:
        self._name = name
        self._commands = commands
        self._turns = turns
        self._within_s = within_s

    def last_words(self, command: str, *arguments: str) -> LastWords | None:
        """The same command for somebody else to send when the daemon no longer can."""
        return self._turns.last_words(net.ask(command, *arguments))

    async def ask(self, command: str, *arguments: str, urgent: bool = False) -> net.Answer:
        """Write one command and wait for its answer. Raises Declined if the server says no, else DeviceError."""
        written = net.ask(command, *arguments)
        asked = written.decode("ascii").strip()
        async with self._turns.exchange(asked, self._within_s, urgent=urgent) as exchange:
            await exchange.write(written)
            decoder = net.Decoder(self._commands)
            answer = None
            while answer is None:
                try:
                    answers = list(decoder.feed(await exchange.read_some()))
                except ValueError as error:
                    raise BadReply(f"the server sent {error}") from error
                if any(not each.command for each in answers):
                    heard = ", ".join(exchange.heard.decode("ascii", "backslashreplace").split("\n")[:-1])
                    text = f"the server does not say what it answers to; is it {self._name}?"
                    raise BadReply(text, answered=heard)
                answer = next((each for each in answers if each.command == command), None)
        if answer.report:
            meaning = net.ERRORS.get(-answer.report, "an error of no known meaning")
            text, answered = f"{self._name} reports {meaning}", f"RPRT {answer.report}"
            raise Declined(text, code=-answer.report, asked=asked, answered=answered)
        return answer
