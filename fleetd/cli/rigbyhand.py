"""The verbs of `fleetctl device` for radios and switches. Nothing here leaves a transmitter on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, get_args

from fleetd.devices import Rig, RigMode, Side, Switch
from fleetd.errors import DeviceError, Refusal

if TYPE_CHECKING:
    from fleetd.cli.byhand import Hand

LONGEST_S = 60.0
_UNKEY_WITHIN_S = 3.0


async def frequency(rig: Rig, words: Sequence[str], hand: Hand) -> dict[str, Any]:
    """Tell the frequency of each side, or set one side's and read it back."""
    if not words:
        stands = {side.value: await rig.tuned(side) for side in Side}
        for side, hz in stands.items():
            hand.tell(f"{side}: {_mhz(hz)}")
        return stands
    if len(words) != 2:
        raise Refusal("usage", "write it as 'frequency' or 'frequency main|sub HZ'")
    side, wanted = _side(words[0]), _hertz(words[1])
    rig.limits.admit(wanted)
    await rig.tune(side, wanted)
    hz = await rig.tuned(side)
    hand.tell(f"{side}: {_mhz(hz)}")
    return {"side": side.value, "asked_hz": wanted, "frequency_hz": hz}


async def mode(rig: Rig, words: Sequence[str], hand: Hand) -> dict[str, Any]:
    """Set one side's mode."""
    known = get_args(RigMode)
    if len(words) != 2 or words[1] not in known:
        raise Refusal("usage", f"write it as 'mode main|sub MODE', MODE one of {', '.join(known)}")
    side = _side(words[0])
    await rig.set_mode(side, words[1])  # type: ignore[arg-type]  # it is one of them
    hand.tell(f"{side}: {words[1]}: accepted")
    return {"side": side.value, "mode": words[1]}


async def ptt(rig: Rig, words: Sequence[str], hand: Hand) -> dict[str, Any]:
    """Tell whether it transmits, end that, or transmit for some seconds; off at the end whatever happens."""
    match list(words):
        case ["on"] | ["on", _]:
            return await _transmit(rig, words[1] if len(words) == 2 else "1", hand)
        case ["off"]:
            await rig.unkey()
        case [_, *_]:
            raise Refusal("usage", "write it as 'ptt', 'ptt off' or, with --transmit, 'ptt on SECONDS'")
    keyed = await rig.keyed()
    hand.tell("transmitting" if keyed else "not transmitting")
    if keyed and words:
        raise DeviceError("it still transmits although it has accepted the end of it: cut its power")
    return {"transmitting": keyed}


async def _transmit(rig: Rig, word: str, hand: Hand) -> dict[str, Any]:
    if not hand.transmit:
        raise Refusal(
            "transmit", "'ptt on' makes the radio transmit: say --transmit if antenna or dummy load stand that"
        )
    seconds = _seconds(word)
    try:
        await rig.key()
        keyed = await rig.keyed()
        hand.tell(f"transmitting for {seconds:g} s" if keyed else "accepted, but it says that it does not transmit")
        await hand.clock.sleep(seconds)
    finally:
        await _off(rig)
    hand.tell("not transmitting")
    return {"transmitted_s": seconds if keyed else 0.0, "transmitting": await rig.keyed()}


async def _off(rig: Rig) -> None:
    """Put it off even where whoever waits is interrupted meanwhile."""
    off = asyncio.ensure_future(rig.unkey())
    try:
        await asyncio.shield(off)
    except asyncio.CancelledError:
        with suppress(DeviceError, TimeoutError):
            async with asyncio.timeout(_UNKEY_WITHIN_S):
                await off
        raise


async def switch(device: Switch, words: Sequence[str], hand: Hand) -> dict[str, Any]:
    """Tell how it stands, or set it and read it back."""
    if len(words) > 1 or (words and words[0] not in ("on", "off")):
        raise Refusal("usage", "write it as 'switch', 'switch on' or 'switch off'")
    if words:
        await device.turn(on=words[0] == "on")
    stands = await device.is_on()
    hand.tell("on" if stands else "off")
    if words and stands is not (words[0] == "on"):
        raise DeviceError(f"it has accepted and stands {'on' if stands else 'off'} all the same")
    return {"on": stands}


def _side(word: str) -> Side:
    if word not in tuple(Side):
        raise Refusal("usage", f"{word!r} is no side: main or sub")
    return Side(word)


def _hertz(word: str) -> int:
    try:
        return int(word.replace("_", ""))
    except ValueError:
        raise Refusal("usage", f"{word!r} is no whole number of Hz, as in 145800000") from None


def _seconds(word: str) -> float:
    try:
        seconds = float(word)
    except ValueError:
        seconds = float("nan")
    if not 0 < seconds <= LONGEST_S:
        raise Refusal("usage", f"{word!r} must be a number of seconds up to {LONGEST_S:g}")
    return seconds


def _mhz(hz: int) -> str:
    return f"{hz / 1e6:.6f} MHz"
