"""Drawings in place of product photographs: a sign of its kind on a ground of the product's colour."""

from base64 import b64decode

from shop_r1.store.catalogue import Product

PIXEL = b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
"""A transparent GIF of one pixel."""

_GROUNDS = {
    "Red": "#f3c6c0",
    "Blue": "#c4d8f0",
    "Green": "#c9e3c8",
    "Black": "#b9bcc2",
    "White": "#f4f4f1",
    "Grey": "#d9dbde",
    "Yellow": "#f6e7b0",
    "Pink": "#f6d3e0",
    "Brown": "#dfcdbb",
    "Orange": "#f7d7b5",
}
_PLAIN = "#e6e9e4"

# Line drawings on a 48 x 48 field.
_SIGNS = {
    "Mug": "M12 16h20v14a8 8 0 0 1-8 8h-4a8 8 0 0 1-8-8zM32 20h3a5 5 0 0 1 0 10h-3M18 6v5M24 6v5",
    "Teapot": "M14 20h20a12 9 0 0 1-4 18H18a12 9 0 0 1-4-18zM10 28L3 20M37 25a5 5 0 0 1 0 9M24 20v-4h3",
    "Pan": "M4 22h28v4a10 10 0 0 1-10 10h-8A10 10 0 0 1 4 26zM32 24h13",
    "Knife": "M5 30L30 10v16L12 34zM30 10l4-3v16l-4 3M34 13l10-8",
    "Kettle": "M14 18h20l3 22H11zM14 18a10 10 0 0 1 20 0M12 26l-7-6M34 16h6v14",
    "Bowl": "M6 20h36a18 18 0 0 1-36 0zM18 38h12",
    "Lamp": "M16 8h16l6 16H10zM24 24v14M16 40h16",
    "Rug": "M6 14h36v20H6zM12 19h24v10H12zM3 16v16M45 16v16",
    "Cushion": "M8 10q16 5 32 0-5 14 0 28-16-5-32 0 5-14 0-28z",
    "Curtain": "M5 8h38M9 8v32h8q-2-16 3-32M39 8v32h-8q2-16-3-32",
    "Clock": "M24 6a18 18 0 1 1 0 36 18 18 0 1 1 0-36zM24 14v10l7 5",
    "Vase": "M18 6h12M20 6q2 8-5 14-6 10 4 22h10q10-12 4-22-7-6-5-14",
    "Headphones": "M8 30v-6a16 16 0 0 1 32 0v6M8 28h6v12H8zM34 28h6v12h-6z",
    "Speaker": "M14 6h20v36H14zM24 12v1M24 22a7 7 0 1 1 0 14 7 7 0 1 1 0-14z",
    "Keyboard": "M4 14h40v20H4zM10 20h2M18 20h2M26 20h2M34 20h2M10 25h2M18 25h2M26 25h2M34 25h2M15 30h18",
    "Mouse": "M24 6a11 11 0 0 1 11 11v14a11 11 0 0 1-22 0V17A11 11 0 0 1 24 6zM24 12v7",
    "Charger": "M14 16h20v12a8 8 0 0 1-8 8h-4a8 8 0 0 1-8-8zM19 16V7M29 16V7M24 36v8",
    "Monitor": "M6 9h36v24H6zM24 33v7M15 41h18",
    "Shirt": "M18 8l-10 6 4 8 4-2v20h16V20l4 2 4-8-10-6a6 6 0 0 1-12 0z",
    "Jacket": "M18 7l-9 5-3 26h7l2-14v17h18V24l2 14h7l-3-26-9-5-6 6zM24 13v28",
    "Sweater": "M17 8l-9 6-2 22h7l2-12v16h18V24l2 12h7l-2-22-9-6q-7 6-14 0zM15 36h18",
    "Trousers": "M14 6h20l3 36h-9l-4-24-4 24h-9zM14 11h20",
    "Dress": "M18 6l2 8-3 6-7 22h28l-7-22-3-6 2-8M18 6q6 8 12 0",
    "Boots": "M14 6h14v20l12 6v8H14zM14 36h26",
    "Dumbbell": "M6 18v12M12 14v20M12 24h24M36 14v20M42 18v12",
    "Mat": "M6 34h30a6 6 0 1 0-6-6M6 34L16 14h20l-6 14M36 14l6 14",
    "Bottle": "M20 4h8v6l4 6v26H16V16l4-6zM16 22h16M16 34h16",
    "Tent": "M24 8L4 40h40zM24 8l-4-4M24 8l4-4M24 22l-9 18M24 22l9 18",
    "Helmet": "M6 32a18 18 0 0 1 36 0zM18 16v-2M24 14v-2M30 16v-2M4 36h40",
    "Backpack": "M14 16a10 10 0 0 1 20 0v24H14zM20 8a4 4 0 0 1 8 0M14 28h20M20 28v6h8v-6M10 24v12M38 24v12",
    "Puzzle": "M8 16h10a5 5 0 1 1 8 0h10v10a5 5 0 1 1 0 8v6H8z",
    "Train": "M6 32h36V20H26v-8H8v20M12 32a4 4 0 1 0 8 0M28 32a4 4 0 1 0 8 0M36 20v-8M12 17h9",
    "Doll": "M24 5a7 7 0 1 1 0 14 7 7 0 1 1 0-14zM24 19L12 38h24zM17 26l-8-4M31 26l8-4M20 38v5M28 38v5",
    "Blocks": "M8 26h14v14H8zM26 26h14v14H26zM17 8h14v14H17z",
    "Kite": "M28 4l12 14-20 18L14 14zM28 4l-8 32M14 14l26 4M20 36q-4 2-2 5t-6 3",
    "Robot": "M12 16h24v20H12zM24 16V8M18 24h2M28 24h2M19 31h10M12 24H7v8M36 24h5v8M18 36v6M30 36v6",
    "Notebook": "M12 6h24v36H12zM18 14h12M18 21h12M18 28h8M9 12h6M9 24h6M9 36h6",
    "Pen": "M8 40l3-11L34 6l8 8-23 23zM29 11l8 8M11 29l8 8",
    "Desk": "M4 16h40M8 16v24M40 16v24M24 16v12h16M30 22h4",
    "Chair": "M14 6v20h20M14 14h14v12M14 26v16M34 26v16M14 34h20",
    "Folder": "M5 12h14l4 5h20v21H5zM5 22h38",
    "Stapler": "M5 38h38v-5H10M8 30l32-14q4 4 2 10L10 33zM8 30v8",
    "Planter": "M14 26h20l-3 16H17zM24 26V12M24 18c-8 0-9-6-9-9 6 0 9 3 9 9zM24 16c6 0 8-4 8-8-5 0-8 2-8 8z",
    "Hose": "M22 12a14 14 0 1 1-14 14M22 19a7 7 0 1 1-7 7M22 12h16v-3h5v9h-5v-3",
    "Shovel": "M24 4v24M18 4h12M16 24h16v8q0 8-8 12-8-4-8-12z",
    "Bench": "M6 26h36M6 30h36M8 12h32M8 19h32M10 12v28M38 12v28",
    "Gloves": "M14 42V26l-5-6q2-4 6-1l3 3V8q3-3 5 0v10V6q3-3 5 0v12V8q3-3 5 0v22l-3 12z",
    "Lantern": "M16 16h16v20H16zM12 40h24M16 36l-4 4M32 36l4 4M16 16l4-6h8l4 6M24 22q5 6 0 9-5-3 0-9z",
}


def draw_product(product: Product) -> str:
    """Return an SVG picture of the product."""
    ground = next((_GROUNDS[word] for word in product.attributes if word in _GROUNDS), _PLAIN)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="100%" height="100%">'
        f'<rect width="100%" height="100%" fill="{ground}"/>'
        '<svg viewBox="0 0 48 48" y="22%" width="100%" height="56%">'
        f'<path d="{_SIGNS[product.kind]}" fill="none" stroke="#2c3a33" stroke-width="1.8" '
        'stroke-linecap="round" stroke-linejoin="round"/></svg></svg>'
    )
