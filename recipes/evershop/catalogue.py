"""What the shop sells, as EverShop's own `seed` command reads it.

6 categories, and 72 products in 24 groups of variants.
"""

import json
import random
from pathlib import Path
from typing import Any

from recipes.evershop.pictures import Colour, draw

COLOURS: dict[str, Colour] = {
    "White": (232, 226, 212),
    "Black": (40, 40, 44),
    "Red": (190, 50, 48),
    "Blue": (52, 88, 160),
    "Green": (60, 130, 84),
    "Yellow": (232, 190, 60),
    "Gray": (140, 142, 146),
    "Navy": (26, 38, 84),
}
"""Those that EverShop's attribute `color` has."""
KINDS: dict[str, list[tuple[str, int, str]]] = {
    "Kitchen": [
        ("Ceramic Coffee Cup", 15, "cup"),
        ("Stoneware Bowl", 18, "bowl"),
        ("Steel Thermos", 35, "flask"),
        ("Tea Pot", 42, "pot"),
    ],
    "Desk": [
        ("Pen Holder", 12, "holder"),
        ("Desk Lamp", 59, "lamp"),
        ("Leather Notebook", 24, "book"),
        ("Monitor Stand", 49, "stand"),
    ],
    "Clothing": [
        ("Cotton T-Shirt", 19, "shirt"),
        ("Rain Jacket", 89, "jacket"),
        ("Wool Scarf", 29, "scarf"),
        ("Running Socks", 9, "socks"),
    ],
    "Bags": [
        ("City Backpack", 69, "bag"),
        ("Canvas Tote", 22, "tote"),
        ("Weekend Holdall", 95, "holdall"),
        ("Laptop Sleeve", 33, "sleeve"),
    ],
    "Garden": [
        ("Plant Pot", 14, "pot"),
        ("Watering Can", 27, "can"),
        ("Garden Gloves", 11, "gloves"),
        ("Bird Feeder", 31, "feeder"),
    ],
    "Lighting": [
        ("Floor Lamp", 129, "lamp"),
        ("Bedside Lamp", 45, "lamp"),
        ("String Lights", 21, "lights"),
        ("Candle Holder", 17, "holder"),
    ],
}
"""By category: product, price in dollars, what it is."""


def write_seed(seed_folder: Path, pictures: Path, pictures_url: str) -> None:
    """Write categories, products and their pictures; the same each time."""
    rng = random.Random(1)
    products: list[dict[str, Any]] = []
    for category, kinds in KINDS.items():
        for title, price, what in kinds:
            colours = rng.sample(sorted(COLOURS), 3)
            is_featured = rng.random() < 0.4
            for index, colour in enumerate(colours):
                picture = f"{what}-{colour.lower()}.png"
                (pictures / picture).write_bytes(draw(what, COLOURS[colour]))
                product = _product(category, title, price + index, what, colour)
                product["sku"] = f"{_slug(title)[:6]}-{len(products):03d}-{colour[:3]}".upper()
                product["images"] = [{"url": f"{pictures_url}/{picture}", "isMain": True}]
                product["collections"] = ["homepage"] if is_featured and index == 0 else []
                products.append(product)
    (seed_folder / "categories.json").write_text(json.dumps([_category(name) for name in KINDS], indent=1))
    (seed_folder / "products.json").write_text(json.dumps(products, indent=1))


def _category(name: str) -> dict[str, Any]:
    key = name.lower()
    return {
        "name": name,
        "url_key": key,
        "description": _text(key, f"Everything for {key}."),
        "meta_title": name,
        "meta_description": f"Our {key} range",
        "meta_keywords": key,
        "status": 1,
    }


def _product(category: str, title: str, price: int, what: str, colour: str) -> dict[str, Any]:
    slug = f"{_slug(title)}-{colour.lower()}"
    made = f"A {colour.lower()} {what} made to last."
    return {
        "type": "simple",
        "visibility": True,
        "status": True,
        "name": f"{title} - {colour}",
        "url_key": slug,
        "price": price,
        "weight": 300,
        "meta_title": title,
        "meta_description": f"{title} in {colour.lower()}",
        "meta_keywords": what,
        "description": _text(slug.replace("-", "_"), made, "Free returns within 30 days."),
        "qty": 100,
        "manage_stock": True,
        "stock_availability": True,
        "category": category.lower(),
        "variant_group": _slug(title),
        "attributes": [{"attribute_code": "color", "value": colour}],
    }


def _slug(title: str) -> str:
    return title.lower().replace(" ", "-")


def _text(key: str, *paragraphs: str) -> list[dict[str, Any]]:
    """Return a description as EverShop's editor writes it: rows of columns of blocks."""
    blocks = [
        {"id": f"{key}_{index}", "type": "paragraph", "data": {"text": paragraph}}
        for index, paragraph in enumerate(paragraphs)
    ]
    data = {"time": 1729900000000, "blocks": blocks, "version": "2.31.0"}
    column = {"size": 1, "id": f"c__{key}", "data": data}
    return [{"id": f"r__{key}", "columns": [column], "size": 1, "className": "md:grid-cols-1"}]
