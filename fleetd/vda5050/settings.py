"""What a site may say about VDA 5050: who the robots are to the master control, and what it may know of their build."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from fleetd.settings import Name, PositiveSeconds, Settings

Level = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,64}$", examples=["0001"])]
"""A level of a topic, in the characters that VDA 5050 allows."""

Metres = Annotated[float, Field(gt=0, le=100)]


class BuildSettings(Settings):
    """Figures of the factsheet. Those of the reference robot are assumed, for its maker has published none."""

    speed_max_m_s: Annotated[float, Field(gt=0, le=50)] = 5.556
    acceleration_max_m_s2: Annotated[float, Field(gt=0, le=50)] = 1.0
    deceleration_max_m_s2: Annotated[float, Field(gt=0, le=50)] = 1.5
    max_load_kg: Annotated[float, Field(ge=0)] = 100.0
    length_m: Metres = 2.1
    width_m: Metres = 0.9
    height_m: Metres = 1.2
    kinematic: Literal["DIFF", "OMNI", "THREEWHEEL"] = "THREEWHEEL"


class Vda5050Settings(Settings):
    """The robots for which fleetd speaks VDA 5050 2.1.0. Their nodes are the site's places, by name."""

    interface: Level = "uagv"
    """First level of the topics, as in uagv/v2/<manufacturer>/<serial>/order."""
    manufacturer: Level
    robots: Annotated[dict[Name, Level], Field(min_length=1)]
    """Robots by their configured names, and the serial number of each."""
    series_name: str = "little-donkey"
    map_id: str = "site"
    """Name of the map in which positions are given: metres east and north of the site's station."""
    state_interval_s: Annotated[float, Field(ge=1, le=30)] = 30.0
    """The longest silence between two states."""
    min_state_interval_s: Annotated[float, Field(ge=0.05, le=10)] = 0.5
    """The shortest time between two states of a robot; events closer together share one."""
    try_again_s: PositiveSeconds = 5.0
    """How long to wait before an errand that was refused is tried again, while its order stands."""
    build: BuildSettings = Field(default_factory=BuildSettings)

    @field_validator("robots")
    @classmethod
    def _serials_differ(cls, robots: dict[str, str]) -> dict[str, str]:
        if len(set(robots.values())) < len(robots):
            raise ValueError("two robots have one serial number; the master control would take them for one")
        return robots
