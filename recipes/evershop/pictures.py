"""Pictures of products, drawn here: a PNG for each kind of product and colour, without a library.

A picture is a list of shapes on light grey; each is filled row by row.
"""

import math
import struct
import zlib
from collections.abc import Iterable, Sequence

SIZE = 640
Colour = tuple[int, int, int]
Point = tuple[float, float]
Shape = tuple[float, Sequence[Point]]
"""How light (1: the product's colour, 0: black, 2: white), and the corners, 0 to 1 from the top left."""

_GROUND: Colour = (244, 244, 242)


def _box(left: float, top: float, right: float, bottom: float) -> list[Point]:
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def _oval(x: float, y: float, width: float, height: float) -> list[Point]:
    turns = [2 * math.pi * step / 64 for step in range(64)]
    return [(x + width / 2 * math.cos(turn), y + height / 2 * math.sin(turn)) for turn in turns]


SHAPES: dict[str, list[Shape]] = {
    "cup": [
        (0.8, _oval(0.7, 0.5, 0.26, 0.26)),
        (2.0, _oval(0.7, 0.5, 0.15, 0.15)),
        (1, [(0.25, 0.3), (0.7, 0.3), (0.64, 0.75), (0.31, 0.75)]),
    ],
    "bowl": [
        (1, [(0.12, 0.42), (0.88, 0.42), (0.68, 0.74), (0.32, 0.74)]),
        (0.7, _oval(0.5, 0.42, 0.76, 0.14)),
    ],
    "flask": [
        (1, _box(0.37, 0.28, 0.63, 0.88)),
        (0.5, _box(0.41, 0.12, 0.59, 0.28)),
        (1.4, _box(0.41, 0.34, 0.45, 0.8)),
    ],
    "pot": [
        (1, [(0.24, 0.34), (0.76, 0.34), (0.66, 0.82), (0.34, 0.82)]),
        (0.75, _box(0.2, 0.26, 0.8, 0.36)),
    ],
    "holder": [
        (1, _box(0.34, 0.4, 0.66, 0.86)),
        (0.6, _box(0.42, 0.14, 0.46, 0.4)),
        (0.6, _box(0.54, 0.2, 0.58, 0.4)),
    ],
    "lamp": [
        (0.4, _box(0.48, 0.4, 0.52, 0.84)),
        (0.4, _oval(0.5, 0.86, 0.36, 0.08)),
        (1, [(0.38, 0.14), (0.62, 0.14), (0.76, 0.46), (0.24, 0.46)]),
    ],
    "book": [
        (1, _box(0.26, 0.16, 0.74, 0.84)),
        (0.6, _box(0.26, 0.16, 0.33, 0.84)),
        (1.5, _box(0.42, 0.28, 0.66, 0.36)),
    ],
    "stand": [
        (1, _box(0.14, 0.4, 0.86, 0.5)),
        (0.7, _box(0.18, 0.5, 0.26, 0.7)),
        (0.7, _box(0.74, 0.5, 0.82, 0.7)),
    ],
    "shirt": [
        (
            1,
            [
                (0.36, 0.18),
                (0.64, 0.18),
                (0.9, 0.34),
                (0.8, 0.5),
                (0.7, 0.44),
                (0.7, 0.84),
                (0.3, 0.84),
                (0.3, 0.44),
                (0.2, 0.5),
                (0.1, 0.34),
            ],
        ),
        (2.0, _oval(0.5, 0.18, 0.2, 0.12)),
    ],
    "jacket": [
        (
            1,
            [
                (0.34, 0.16),
                (0.66, 0.16),
                (0.86, 0.3),
                (0.86, 0.78),
                (0.74, 0.78),
                (0.72, 0.44),
                (0.72, 0.86),
                (0.28, 0.86),
                (0.28, 0.44),
                (0.26, 0.78),
                (0.14, 0.78),
                (0.14, 0.3),
            ],
        ),
        (0.5, _box(0.49, 0.16, 0.51, 0.86)),
    ],
    "scarf": [
        (1, _box(0.22, 0.2, 0.78, 0.38)),
        (0.8, _box(0.28, 0.3, 0.46, 0.84)),
        (1.2, _box(0.52, 0.3, 0.68, 0.7)),
    ],
    "socks": [
        (1, [(0.28, 0.14), (0.46, 0.14), (0.46, 0.62), (0.66, 0.74), (0.62, 0.86), (0.3, 0.82)]),
        (0.7, [(0.54, 0.14), (0.72, 0.14), (0.72, 0.56), (0.88, 0.68), (0.84, 0.8), (0.56, 0.72)]),
    ],
    "bag": [
        (0.6, _oval(0.5, 0.22, 0.26, 0.2)),
        (2.0, _oval(0.5, 0.22, 0.14, 0.1)),
        (1, _box(0.26, 0.22, 0.74, 0.86)),
        (0.75, _box(0.32, 0.54, 0.68, 0.8)),
    ],
    "tote": [
        (0.7, _oval(0.5, 0.4, 0.34, 0.5)),
        (2.0, _oval(0.5, 0.4, 0.26, 0.42)),
        (1, [(0.2, 0.4), (0.8, 0.4), (0.74, 0.86), (0.26, 0.86)]),
    ],
    "holdall": [
        (0.6, _oval(0.5, 0.42, 0.4, 0.3)),
        (2.0, _oval(0.5, 0.42, 0.3, 0.2)),
        (1, _box(0.12, 0.42, 0.88, 0.78)),
    ],
    "sleeve": [(1, _box(0.14, 0.28, 0.86, 0.74)), (0.7, _box(0.14, 0.28, 0.86, 0.36))],
    "can": [
        (1, _box(0.34, 0.4, 0.7, 0.82)),
        (0.8, [(0.36, 0.62), (0.12, 0.36), (0.18, 0.32), (0.38, 0.5)]),
        (0.6, _box(0.4, 0.3, 0.64, 0.34)),
    ],
    "gloves": [
        (1, [(0.18, 0.3), (0.42, 0.3), (0.46, 0.56), (0.42, 0.84), (0.22, 0.84), (0.14, 0.56)]),
        (0.8, [(0.56, 0.3), (0.8, 0.3), (0.86, 0.56), (0.78, 0.84), (0.58, 0.84), (0.54, 0.56)]),
    ],
    "feeder": [
        (0.7, [(0.5, 0.12), (0.84, 0.38), (0.16, 0.38)]),
        (1, _box(0.28, 0.38, 0.72, 0.74)),
        (0.3, _oval(0.5, 0.56, 0.2, 0.2)),
    ],
    "lights": [
        (0.3, _box(0.1, 0.3, 0.9, 0.32)),
        *[(1.2, _oval(0.2 + 0.2 * light, 0.42, 0.12, 0.18)) for light in range(4)],
    ],
}
"""By kind of product."""


def draw(kind: str, colour: Colour) -> bytes:
    """Return a picture of this kind of product in this colour, as a PNG of `SIZE` by `SIZE` pixels."""
    rows = [bytearray(bytes(_GROUND) * SIZE) for _ in range(SIZE)]
    for light, corners in SHAPES[kind]:
        _fill(rows, corners, _shade(colour, light))
    return _png(rows)


def _shade(colour: Colour, light: float) -> bytes:
    if light >= 2:
        return bytes(_GROUND)
    return bytes(round(part * light if light <= 1 else part + (255 - part) * (light - 1)) for part in colour)


def _fill(rows: Sequence[bytearray], corners: Sequence[Point], colour: bytes) -> None:
    """Colour what lies within the corners, by the even-odd rule."""
    edges = list(zip(corners, [*corners[1:], corners[0]], strict=True))
    for y, row in enumerate(rows):
        height = (y + 0.5) / SIZE
        crossings = sorted(
            ax + (height - ay) / (by - ay) * (bx - ax)
            for (ax, ay), (bx, by) in edges
            if (ay <= height) != (by <= height)
        )
        for left, right in zip(crossings[::2], crossings[1::2], strict=True):
            first, last = round(left * SIZE), round(right * SIZE)
            row[3 * first : 3 * last] = colour * (last - first)


def _png(rows: Iterable[bytearray]) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", SIZE, SIZE, 8, 2, 0, 0, 0)  # 8 bits each of red, green and blue
    pixels = zlib.compress(b"".join(b"\0" + bytes(row) for row in rows), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
