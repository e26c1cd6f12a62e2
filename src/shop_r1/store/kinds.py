"""What the demo store sells: departments, kinds of product, their attribute words, options and prices.

Data only. The words are few on purpose (48 nouns, about 60 attribute words), so that a tiny tokenizer
trained on the store's pages knows them all; brands are the only words that change with the seed.
"""

from dataclasses import dataclass

OPTION_VALUES = {"Size": ("Small", "Medium", "Large"), "Pack": ("Single", "Pair", "Set")}
COLOURS = ("Red", "Blue", "Green", "Black", "White", "Grey", "Yellow", "Pink", "Brown", "Orange")
DEPARTMENTS = ("Kitchen", "Home", "Electronics", "Clothing", "Sports", "Toys", "Office", "Garden")
BRANDS_PER_DEPARTMENT = 6


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of product."""

    noun: str
    """Last word of its products' titles."""
    department: str
    """One of `DEPARTMENTS`."""
    slots: tuple[tuple[str, ...], ...]
    """Attribute words of titles in the order of English (Large Red Ceramic): mostly what is special about it,
    its colours (also the values of a Colour option where a title has none), mostly what it is made of."""
    option: str
    """A second option's name, `Size` or `Pack`, or empty for none."""
    cheapest_cents: int
    """Low end of the usual price range, in cents."""
    dearest_cents: int
    """High end of the usual price range, in cents."""


# noun | colours | materials | features | option | usual price range in dollars
_TABLES = {
    "Kitchen": """
        Mug     | Red Blue White Black    | Ceramic Glass Steel   | Large Small Classic    | Pack | 6 25
        Teapot  | Green White Blue Red    | Ceramic Glass Iron    | Classic Modern Round   | Size | 18 60
        Pan     | Black Grey Red Green    | Iron Steel Copper     | Deep Flat Light        | Size | 20 90
        Knife   | Black White Brown Grey  | Steel Ceramic Wooden  | Sharp Folding Slim     | Pack | 9 70
        Kettle  | Black White Red Grey    | Steel Glass Plastic   | Electric Quiet Compact | Size | 20 80
        Bowl    | White Blue Green Yellow | Ceramic Wooden Bamboo | Deep Round Small       | Pack | 8 35""",
    "Home": """
        Lamp    | White Black Yellow Grey | Wooden Steel Glass    | Bright Tall Modern     |      | 15 95
        Rug     | Grey Blue Red Brown     | Wool Cotton Bamboo    | Striped Soft Round     | Size | 30 180
        Cushion | Pink Green Grey Yellow  | Linen Silk Cotton     | Soft Striped Square    | Pack | 9 40
        Curtain | White Grey Blue Green   | Linen Cotton Silk     | Long Warm Striped      | Pack | 15 75
        Clock   | Black White Brown Red   | Wooden Steel Plastic  | Quiet Modern Round     |      | 12 60
        Vase    | White Blue Green Pink   | Glass Ceramic Copper  | Tall Slim Modern       | Size | 10 55""",
    "Electronics": """
        Headphones | Black White Blue Red  | Wireless Folding Light    | Padded Soft Quiet        | | 25 240
        Speaker    | Black Grey Blue Red   | Wireless Portable Compact | Waterproof Round Wooden  | | 20 160
        Keyboard   | Black White Grey Pink | Wireless Slim Folding     | Quiet Compact Waterproof | | 18 120
        Mouse      | Black White Grey Red  | Wireless Slim Ergonomic   | Quiet Small Light        | | 9 70
        Charger    | Black White Grey Green | Wireless Fast Portable  | Magnetic Compact Slim | Pack | 8 50
        Monitor    | Black White Grey Brown | Curved Slim Flat | Bright Large Tall | | 90 420""",
    "Clothing": """
        Shirt    | White Blue Black Green | Cotton Linen Silk    | Slim Striped Classic  | Size | 15 70
        Jacket   | Black Brown Green Blue | Leather Wool Denim   | Warm Waterproof Light | Size | 45 220
        Sweater  | Grey Red Green Blue    | Wool Cotton Linen    | Warm Soft Striped     | Size | 25 110
        Trousers | Black Brown Grey Blue  | Cotton Linen Denim   | Slim Classic Warm     | Size | 22 95
        Dress    | Red Black Blue Yellow  | Silk Cotton Linen    | Long Short Striped    | Size | 28 150
        Boots    | Brown Black Grey Green | Leather Rubber Wool  | Warm Waterproof Tall  | Size | 35 190""",
    "Sports": """
        Dumbbell | Black Grey Blue Pink   | Rubber Iron Steel    | Heavy Light Round      | Pack | 12 80
        Mat      | Blue Green Pink Black  | Rubber Cotton Bamboo | Soft Long Folding      | Size | 14 60
        Bottle   | Blue Red Black White   | Steel Glass Plastic  | Insulated Classic Slim | Size | 8 40
        Tent     | Green Orange Grey Blue | Cotton Nylon Canvas  | Tall Waterproof Light  | Size | 60 300
        Helmet   | Black White Red Yellow | Light Padded Plastic | Bright Slim Classic    | Size | 25 130
        Backpack | Black Green Grey Red   | Leather Nylon Canvas | Waterproof Slim Padded | Size | 25 140""",
    "Toys": """
        Puzzle | Red Blue Green Yellow  | Wooden Paper Magnetic | Large Small Bright    | | 7 35
        Train  | Red Blue Green Black   | Wooden Plastic Steel  | Electric Classic Fast | Pack | 15 90
        Doll   | Pink Blue Red Yellow   | Cotton Wooden Wool    | Soft Small Classic    | | 10 50
        Blocks | Red Blue Green Yellow  | Wooden Plastic Rubber | Magnetic Large Bright | | 12 60
        Kite   | Red Yellow Orange Blue | Nylon Paper Silk      | Large Striped Light   | | 9 45
        Robot  | Black White Orange Grey | Plastic Steel Wooden | Electric Small Fast   | | 20 130""",
    "Office": """
        Notebook | Black Blue Red Brown   | Leather Paper Linen   | Slim Large Classic      | Pack | 5 30
        Pen      | Black Blue Red Green   | Steel Wooden Plastic  | Slim Classic Sharp      | Pack | 3 45
        Desk     | White Brown Black Grey | Wooden Steel Bamboo   | Folding Tall Compact    | | 80 420
        Chair    | Black Grey Brown White | Leather Wooden Plastic | Padded Ergonomic Folding | | 45 320
        Folder   | Blue Green Red Yellow  | Paper Plastic Leather | Slim Large Striped      | Pack | 3 22
        Stapler  | Black Grey Red Blue    | Steel Plastic Copper  | Electric Small Heavy    | | 6 40""",
    "Garden": """
        Planter | Green Brown White Black | Ceramic Wooden Plastic | Tall Round Square      | Size | 9 70
        Hose    | Green Yellow Blue Black | Rubber Nylon Plastic   | Long Light Flat        | | 15 65
        Shovel  | Black Green Red Orange  | Steel Wooden Iron      | Folding Heavy Long     | | 12 55
        Bench   | Brown White Grey Green  | Wooden Iron Steel      | Folding Long Classic   | | 70 310
        Gloves  | Green Brown Grey Yellow | Leather Rubber Cotton  | Padded Waterproof Soft | Size | 5 30
        Lantern | Black White Red Orange  | Glass Copper Steel     | Bright Wireless Round  | Pack | 10 60""",
}


def _read_kind(department: str, row: str) -> Kind:
    noun, colours, materials, features, option, prices = (cell.strip() for cell in row.split("|"))
    slots = tuple(tuple(words.split()) for words in (features, colours, materials))
    cheapest, dearest = (int(dollars) * 100 for dollars in prices.split())
    return Kind(noun, department, slots, option, cheapest, dearest)


KINDS = tuple(
    _read_kind(department, row)
    for department in DEPARTMENTS
    for row in _TABLES[department].strip().splitlines()
)

USES = {
    "Kitchen": ("Made for daily cooking", "Good for a busy kitchen", "Sized for a family"),
    "Home": ("Fits most rooms", "Calm and simple design", "Made for the living room"),
    "Electronics": ("Sets up in a minute", "Works with most devices", "Made for long days"),
    "Clothing": ("Cut for daily wear", "Easy to match", "Made for cool days"),
    "Sports": ("Made for training", "Ready for the outdoors", "Good for beginners"),
    "Toys": ("For ages three and up", "Made for rainy days", "A gift that lasts"),
    "Office": ("Made for long work days", "Tidy and simple", "Good for small desks"),
    "Garden": ("Made for all seasons", "Good for small gardens", "Stands rain and sun"),
}
CARE = ("easy to clean", "two year warranty", "ships in plain packaging", "made to last", "simple to store")
