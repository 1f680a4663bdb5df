"""The colours of the page, as eyes see them that lack one kind of cone, and as ink on paper."""

from __future__ import annotations

from itertools import combinations
from math import atan2, cos, degrees, exp, hypot, radians, sin, sqrt

import pytest

from bench.report.theme import COLOURS

SERIES = ("blue", "orange", "green", "purple", "red")
"""Colours that tell one thing from another in a figure."""
INKS = ("ink", "muted", *SERIES)
"""Colours in which words are set."""
SCHEMES = {"light": 0, "dark": 1}
APART = 12.0
"""CIEDE2000 between two series: side by side, 2 is just seen and 10 is seen at a glance."""

# Machado, Oliveira and Fernandes 2009, severity 1.0; over linear sRGB.
EYES = {
    "all cones": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
SRGB_TO_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
WHITE = (0.95047, 1.0, 1.08883)

Triple = tuple[float, float, float]


def times(matrix: tuple[Triple, ...], vector: Triple) -> Triple:
    x, y, z = (sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix)
    return x, y, z


def linear(colour: str) -> Triple:
    """Linear sRGB of `#rrggbb`."""
    r, g, b = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return tuple(c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (r, g, b))


def seen(colour: str, eyes: str) -> Triple:
    """CIELAB of a colour as `eyes` see it."""
    rgb = times(EYES[eyes], linear(colour))
    x, y, z = (
        value / white
        for value, white in zip(
            times(SRGB_TO_XYZ, tuple(min(max(c, 0.0), 1.0) for c in rgb)), WHITE, strict=True
        )
    )
    x, y, z = (t ** (1 / 3) if t > 216 / 24389 else t * 841 / 108 + 4 / 29 for t in (x, y, z))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def ciede2000(one: Triple, two: Triple) -> float:
    """Difference of two CIELAB colours, after Sharma, Wu and Dalal 2005."""
    (l1, a1, b1), (l2, a2, b2) = one, two
    mean = (hypot(a1, b1) + hypot(a2, b2)) / 2
    stretch = 1.5 - 0.5 * sqrt(mean**7 / (mean**7 + 25**7))
    a1, a2 = a1 * stretch, a2 * stretch
    c1, c2 = hypot(a1, b1), hypot(a2, b2)
    h1, h2 = degrees(atan2(b1, a1)) % 360, degrees(atan2(b2, a2)) % 360
    turn = (h2 - h1 + 180) % 360 - 180 if c1 * c2 else 0.0
    hue = h1 + turn / 2 if c1 * c2 else h1 + h2
    light, chroma = (l1 + l2) / 2, (c1 + c2) / 2
    t = (
        1
        - 0.17 * cos(radians(hue - 30))
        + 0.24 * cos(radians(2 * hue))
        + 0.32 * cos(radians(3 * hue + 6))
        - 0.20 * cos(radians(4 * hue - 63))
    )
    dl = (l2 - l1) / (1 + 0.015 * (light - 50) ** 2 / sqrt(20 + (light - 50) ** 2))
    dc = (c2 - c1) / (1 + 0.045 * chroma)
    dh = 2 * sqrt(c1 * c2) * sin(radians(turn / 2)) / (1 + 0.015 * chroma * t)
    lean = -2 * sqrt(chroma**7 / (chroma**7 + 25**7))
    lean *= sin(radians(60 * exp(-((((hue % 360) - 275) / 25) ** 2))))
    return sqrt(dl**2 + dc**2 + dh**2 + lean * dc * dh)


def contrast(one: str, two: str) -> float:
    """Contrast of two colours as WCAG 2 has it, 1 to 21."""
    dark, bright = sorted(times(SRGB_TO_XYZ, linear(colour))[1] for colour in (one, two))
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize(
    ("one", "two", "difference"),
    [  # rows 1, 7, 9, 14, 17, 20, 24 and 34 of the authors' own test data
        ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
        ((50.0, 0.0, 0.0), (50.0, -1.0, 2.0), 2.3669),
        ((50.0, 2.49, -0.001), (50.0, -2.49, 0.0009), 7.1792),
        ((50.0, -0.001, 2.49), (50.0, 0.0011, -2.49), 4.7461),
        ((50.0, 2.5, 0.0), (73.0, 25.0, -18.0), 27.1492),
        ((50.0, 2.5, 0.0), (58.0, 24.0, 15.0), 19.4535),
        ((50.0, 2.5, 0.0), (50.0, 3.2592, 0.335), 1.0),
        ((2.0776, 0.0795, -1.135), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_the_difference_is_that_of_its_authors(
    one: Triple, two: Triple, difference: float
) -> None:
    assert ciede2000(one, two) == pytest.approx(difference, abs=5e-5)
    assert ciede2000(two, one) == pytest.approx(difference, abs=5e-5)


def test_black_and_white_are_as_far_apart_as_can_be() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    for eyes in EYES:
        assert ciede2000(seen("#000000", eyes), seen("#ffffff", eyes)) == pytest.approx(100, 1e-3)


def test_red_and_green_are_alike_to_those_who_lack_cones_for_them() -> None:
    red, green = "#b0413e", "#6f6f2b"
    apart = {eyes: ciede2000(seen(red, eyes), seen(green, eyes)) for eyes in EYES}
    assert apart["all cones"] > 2 * apart["deuteranopia"]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("eyes", EYES)
def test_series_are_told_apart(scheme: str, eyes: str) -> None:
    looks = {role: seen(COLOURS[role][SCHEMES[scheme]], eyes) for role in SERIES}
    close = {
        (one, two): round(ciede2000(looks[one], looks[two]), 1)
        for one, two in combinations(SERIES, 2)
        if ciede2000(looks[one], looks[two]) < APART
    }
    assert close == {}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("ground", ["paper", "panel"])
def test_words_in_any_ink_can_be_read(scheme: str, ground: str) -> None:
    which = SCHEMES[scheme]
    below = COLOURS[ground][which]
    faint = {
        role: round(contrast(COLOURS[role][which], below), 2)
        for role in INKS
        if contrast(COLOURS[role][which], below) < 4.5
    }
    assert faint == {}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_axes_and_hatches_are_seen_on_paper(scheme: str) -> None:
    which = SCHEMES[scheme]
    assert contrast(COLOURS["axis"][which], COLOURS["paper"][which]) >= 3
