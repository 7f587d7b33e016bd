"""One thing that a test has broken, and how it is mended."""

from __future__ import annotations

from typing import Self

from fleetd_hil.scenario.world import World


class Breakage:
    """Broken from the moment it is made; mended by `clear`, or where its `with` ends. Raises ConfigError."""

    def __init__(self, world: World, device: str, spec: str, at_s: float) -> None:
        world.inject(device, spec, at_s)
        self._world, self._device = world, device
        self._name = spec.partition("+")[0].partition("=")[0]

    def clear(self) -> None:
        """Mend it."""
        self._world.clear(self._device, self._name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()
