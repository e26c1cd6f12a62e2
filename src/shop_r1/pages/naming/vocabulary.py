"""Words that names are told by: of searches, carts, addresses and classes, in the languages of shops."""

from typing import Final

# Names of query fields as shops write them, when neither type=search nor role=search says so.
SEARCH_FIELDS: Final = frozenset({
    "q", "query", "search", "keyword", "keywords", "searchterm", "search_query", "searchquery",
    "search_field", "searchtext", "s",
})  # fmt: skip

# A field without such a name is where one types a query, too, if its label only says that: "Search products".
SEARCH_WORDS: Final = frozenset({
    "search", "suche", "suchen", "recherche", "rechercher", "buscar", "busca", "busqueda", "búsqueda",
    "ricerca", "cerca", "zoek", "zoeken", "szukaj", "sök", "поиск", "搜索", "検索",
})  # fmt: skip
SEARCH_LABEL_WORDS: Final = SEARCH_WORDS | {
    "for", "in", "on", "by", "the", "our", "this", "a", "an", "all", "here", "now", "and", "or", "entire",
    "whole", "store", "shop", "site", "website", "catalog", "catalogue", "product", "products", "item",
    "items", "anything", "everything", "keyword", "keywords", "term", "terms", "query", "input", "field",
    "bar", "box", "nach", "produkten", "produkte", "artikeln", "un", "produit", "produits", "productos",
    "prodotti", "naar", "producten",
}  # fmt: skip
# What a search within a filter's options says of itself.
FILTER_WORDS: Final = frozenset({
    "option", "options", "filter", "filters", "filtern", "refine", "facet", "facets", "narrow", "within",
})  # fmt: skip

# What shops count beside its name, in the words of their links and buttons.
COUNTED_WORDS: Final = frozenset({
    "cart", "basket", "bag", "trolley", "wishlist", "wish", "favorites", "favourites", "favorite", "saved",
    "compare", "comparison", "notification", "notifications", "message", "messages", "inbox", "warenkorb",
    "einkaufswagen", "merkzettel", "wunschliste", "panier", "carrito", "cesta", "carrello", "winkelwagen",
    "winkelmand", "koszyk", "sepet", "kundvagn", "varukorg", "kurv", "handlekurv", "корзина",
})  # fmt: skip
# Words that go with the number: units and what joins it to the name.
COUNT_WORDS: Final = frozenset({
    "item", "items", "product", "products", "article", "articles", "artikel", "thing", "things", "pieces",
    "pcs", "produkt", "produkte", "produit", "produits", "producto", "productos", "prodotti", "usd", "eur",
    "gbp", "with", "contains", "containing", "has", "have", "of", "you", "there", "are", "is", "in",
    "currently", "new", "unread", "total", "subtotal", "count", "quantity", "mit",
})  # fmt: skip
# Words that may stand around both and stay.
COUNTED_AROUND: Final = frozenset({
    "view", "open", "show", "see", "go", "to", "my", "your", "the", "shopping", "mini", "list", "menu",
    "toggle", "shop", "checkout", "side", "drawer", "lists", "s",
})  # fmt: skip

# Words that a label may not end with once the item's title has been cut out of it ("reviews of", "add to").
DANGLING_WORDS: Final = frozenset({
    "a", "an", "the", "of", "for", "to", "from", "on", "in", "by", "with",
})  # fmt: skip

# Words of addresses that say nothing of where they lead.
SLUG_NOISE: Final = frozenset({
    "html", "htm", "php", "asp", "aspx", "jsp", "index", "www", "com", "http", "https", "do", "cgi",
})  # fmt: skip

# Words of class names that say how a thing looks, not what it does.
CLASS_NOISE: Final = frozenset({
    "a", "btn", "button", "link", "icon", "ico", "img", "image", "js", "css", "left", "right", "top",
    "bottom", "small", "large", "big", "md", "lg", "sm", "xs", "col", "row", "active", "first", "last", "no",
    "has", "is", "primary", "secondary", "default", "visible", "hidden", "inline", "block", "clearfix",
    "wrapper",
})  # fmt: skip

# Classes of utility frameworks (Tailwind, Bootstrap): each says one thing about the looks. Families whose
# words shops use for other things, such as `list-view` or `select-size`, need a value that is one.
UTILITY_CLASS: Final = r"""
    .*[:\[\]()/!@%*,].*
    | (?:bg|text|border|rounded|shadow|ring|font|transition|duration|ease|animate|opacity|cursor|leading
      |tracking|justify|items|gap(?:-[xy])?|space-[xy]|overflow|whitespace|pointer-events|translate(?:-[xy])?
      |outline|(?:min|max)-[wh]|divide|inset(?:-[xy])?|placeholder|backdrop|align-items|align-self|d
      |decoration|underline|antialiased|drop-shadow|blur|will-change|appearance)(?:-.+)?
    | -?(?:[mp][trblxyse]?|[wh]|size|top|left|right|bottom|start|end|z|order|col(?:-span|-start|-end)?
      |row(?:-span)?|flex|grid(?:-cols|-rows|-flow)?|grow|shrink|basis|scale|rotate|delay|line-clamp|columns
      |indent|self|content|object|origin|select|float|list|aspect|fill|stroke|fs|fw|g[xy]?|inline|table
      |place-items|place-content)(?:-(?:sm|md|lg|xl|xxl))?
      -(?:-?\d+(?:[._]\d+)?|px|auto|full|screen|none|min|max|fit|xs|sm|md|lg|xl|\dxl|start|end|center|between
      |around|evenly|stretch|baseline|left|right|top|bottom|middle|cover|contain|text|row|col|column|wrap
      |nowrap|reverse|inside|outside|disc|square|video|current|block|flex|grid|cell|bold|first|last)
    | flex|grid|block|inline|contents|hidden|visible|invisible|static|fixed|absolute|relative|sticky
    | truncate|italic|uppercase|lowercase|capitalize|sr-only|not-sr-only|group|peer|container|transform
    | grow|shrink|isolate|visually-hidden|pull-(?:left|right)
"""
# Classes that a program gave a component's style.
GENERATED_CLASS: Final = r"""
    (?:css|jsx|jss|svelte|emotion|tss|makeStyles)-?(?=[\w-]*\d)[\w-]{3,}
    | sc-(?=[a-zA-Z-]*[A-Z0-9])[\w-]{4,}
"""
