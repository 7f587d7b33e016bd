"""What a site may say about an antenna, and the sentence that it gets for what it may not."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from fleetd.contact.settings import AntennaSettings, ContactsSettings

GOOD = {
    "name": "dish",
    "rotator": "dish-rotator",
    "azimuth_limits_deg": (0.0, 450.0),
    "elevation_limits_deg": (0.0, 90.0),
    "slew_deg_s": {"azimuth": 6.0, "elevation": 3.0},
    "park": {"azimuth_deg": 0.0, "elevation_deg": 90.0},
}


def test_the_least_that_must_be_said() -> None:
    settings = AntennaSettings.model_validate(GOOD)
    assert settings.tracking_period_s == 1.0
    assert settings.pre_position_s == 120.0
    assert settings.park_policy == "after-pass"
    assert ContactsSettings().look_ahead_h == 24.0


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"azimuth_limits_deg": (450.0, 0.0)}, "the lowest, 450, must be below the highest, 0"),
        ({"park": {"azimuth_deg": 0.0, "elevation_deg": 95.0}}, r"95 is outside elevation_limits_deg 0 to 90"),
        ({"tracking_period_s": 0.01}, "greater than or equal to 0.05"),
        ({"tracking_period_s": 11.0}, "less than or equal to 10"),
        ({"slew_deg_s": {"azimuth": 0.0, "elevation": 3.0}}, "greater than 0"),
        ({"azimuth_limits_deg": (0.0, float("nan"))}, "finite number"),
        ({"azimuth_limits_deg": ("0", 450.0)}, "valid number"),
        (
            {"mask_deg": ((10.0, 5.0), (0.0, 5.0))},
            "mask_deg: a horizon needs at least one point, with azimuths that rise",
        ),
        ({"mask_deg": ((0.0, 95.0),)}, "mask_deg: the elevations of a horizon lie within"),
        (
            {"mask_deg": ((0.0, 5.0),), "park": {"azimuth_deg": 0.0, "elevation_deg": 2.0}},
            r"park: azimuth 0\.0, elevation 2\.0 is below the mask there, 5\.0 degrees",
        ),
        ({"name": "Dish 1"}, "should match pattern"),
        ({"parking": "never"}, "Extra inputs are not permitted"),
    ],
)
def test_what_cannot_be_is_refused_in_words(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        AntennaSettings.model_validate(GOOD | changes)
