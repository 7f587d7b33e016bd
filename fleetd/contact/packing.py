"""The choice of greatest total weight where some exclude each other: a small integer programme, solved by HiGHS.

Pure, and slow enough to belong in a thread: the library alone takes a tenth of a second to import. Decision 0015 says
why this one.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from highspy import Highs

TIME_LIMIT_S = 20.0
_OPTIONS = {
    "output_flag": False, "threads": 1, "mip_rel_gap": 0.0, "mip_abs_gap": 1e-9, "time_limit": TIME_LIMIT_S,
}  # fmt: skip


class Choice(NamedTuple):
    """The numbers of what was chosen, and whether it is proved that nothing is better."""

    chosen: list[int]
    proved: bool


def best_choice(weights: Sequence[float], exclusive: Sequence[Sequence[int]]) -> Choice:
    """Of items with these weights, at most one of each group of `exclusive`: those of the greatest total weight.

    One call at a time.
    """
    import highspy

    if not weights:
        return Choice([], proved=True)
    highs = _solver()
    highs.clearModel()
    for weight in weights:
        highs.addCol(-weight, 0.0, 1.0, 0, [], [])
    whole = np.full(len(weights), int(highspy.HighsVarType.kInteger), dtype=np.uint8)
    highs.changeColsIntegrality(len(weights), np.arange(len(weights), dtype=np.int32), whole)
    for group in exclusive:
        highs.addRow(-highspy.kHighsInf, 1.0, len(group), list(group), [1.0] * len(group))
    highs.run()
    values = highs.getSolution().col_value
    chosen = [index for index, value in enumerate(values) if value > 0.5]
    proved = highs.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return Choice(_allowed(chosen, exclusive), proved)


@cache
def _solver() -> Highs:
    """The one solver of this process, used again for every plan."""
    import highspy

    highs = highspy.Highs()  # type: ignore[no-untyped-call]  # its stubs leave that out
    for name, value in _OPTIONS.items():
        highs.setOptionValue(name, value)
    return highs


def _allowed(chosen: Sequence[int], exclusive: Sequence[Sequence[int]]) -> list[int]:
    """What was chosen, held against the rules once more: a solver out of time may return what breaks them."""
    taken = set(chosen)
    for group in exclusive:
        for extra in itertools.islice((each for each in group if each in taken), 1, None):
            taken.discard(extra)
    return sorted(taken)
