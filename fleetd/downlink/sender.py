"""`Sender`: one order's frame, handed to the TNC while the transmitter is kept on for as long as the frame takes."""

from __future__ import annotations

from fleetd.devices import Tnc, TncFrame
from fleetd.downlink import ax25, telecommand
from fleetd.downlink.ax25 import Address, UiFrame
from fleetd.downlink.orderjournal import OrderJournal
from fleetd.downlink.orders import ORDERS
from fleetd.downlink.replies import Replies
from fleetd.downlink.scene import Transmit
from fleetd.downlink.uplinksettings import UplinkSettings
from fleetd.errors import DeviceError, Refusal
from fleetd.records import Command


class Sender:
    """Puts orders on the air; `key` seals them."""

    def __init__(self, settings: UplinkSettings, key: bytes, journal: OrderJournal, replies: Replies) -> None:
        self._settings = settings
        self._key = key
        self._journal = journal
        self._replies = replies

    async def send(self, command: Command, counter: int, tnc: Tnc, transmit: Transmit) -> bool | None:
        """Send one order; whether its frame was handed over, and None where nobody knows: the TNC failed meanwhile.

        Why it was not is in the journal's `held_up`. What the satellite said before counts no more.
        """
        frame = self._frame(command, counter)
        handed: bool | None = False
        try:
            async with transmit.open(f"order {command.id}"):
                with tnc.gate.opened(transmit.holder, transmit.still):
                    handed = await self._handed(command, tnc, frame)
                    await self._journal.clock.sleep(len(frame) * 8 / self._settings.baud + self._settings.lead_s)
        except (Refusal, DeviceError) as no:  # the gate's; once the frame is with the TNC, it is on its way
            self._journal.hold_up(command, str(no))
        self._replies.begin_anew()
        return handed

    async def _handed(self, command: Command, tnc: Tnc, frame: bytes) -> bool | None:
        try:
            await tnc.send(TncFrame(frame))
        except Refusal as no:
            self._journal.hold_up(command, no.reason)
            return False
        except DeviceError as error:
            self._journal.hold_up(command, str(error))
            return None
        return True

    def _frame(self, command: Command, counter: int) -> bytes:
        order = ORDERS[self._settings.orders][command.action]
        packet = telecommand.order(counter, order.code, order.body(command.args), self._key)
        to, ours = (Address.parse(text) for text in (self._settings.callsign, self._settings.station))
        return ax25.encode(UiFrame(to, ours, packet))
