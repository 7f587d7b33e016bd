"""Which alarms the elements of a satellite raise: none to use, too old, one held, decayed."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from fleetd.elements.kept import Kept
from fleetd.orbit.settings import Age
from fleetd.records import Severity, Value

MISSING, TOO_OLD, WAITING, DECAYED = "elements-missing", "elements-age", "elements-held", "elements-decayed"
_MEANS = {
    Age.WARN: "its passes drift from what is booked",
    Age.NO_TRANSMIT: "contacts are receive only",
    Age.NO_BOOKING: "no contact is booked",
}


class Register(Protocol):
    """Where alarms are raised and cleared."""

    def raise_(
        self, device: str, name: str, severity: Severity, text: str, *, value: Value = None, limit: Value = None
    ) -> None: ...

    def clear(self, device: str, name: str) -> None: ...


def raise_all(register: Register, kept: Kept, now: datetime) -> None:
    """Raise what holds of a satellite now and clear what does not."""
    _age(register, kept, now)
    for name, severity, text in (
        (MISSING, Severity.CRITICAL, _missing(kept)),
        (WAITING, Severity.WARNING, _waiting(kept)),
        (DECAYED, Severity.CRITICAL, kept.failure),
    ):
        if text:
            register.raise_(kept.name, name, severity, text)
        else:
            register.clear(kept.name, name)


def _age(register: Register, kept: Kept, now: datetime) -> None:
    age = kept.age(now)
    if kept.used is None or age is Age.FRESH:
        register.clear(kept.name, TOO_OLD)
        return
    days, limit = kept.used.elements.age_days(now), kept.settings.element_age.limit(age)
    text = f"the elements of {kept.name} are {abs(days):.1f} days from their epoch, more than {limit:g}: {_MEANS[age]}"
    severity = Severity.CRITICAL if age is Age.NO_BOOKING else Severity.WARNING
    register.raise_(kept.name, TOO_OLD, severity, text, value=round(days, 2), limit=limit)


def _missing(kept: Kept) -> str:
    return "" if kept.used else f"there are no elements of {kept.name} to use: it has no passes"


def _waiting(kept: Kept) -> str:
    if kept.held is None:
        return ""
    cure = f"see 'fleetctl elements', then 'fleetctl elements accept {kept.name}' or reject"
    return f"a newer set of {kept.name} waits for a decision: {kept.held.reason}; {cure}"
