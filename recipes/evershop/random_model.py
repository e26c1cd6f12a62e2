"""A model that answers with plausible actions, drawn from the names on the page that it is shown."""

import json
import random
import re
from typing import Any

_ELEMENT = re.compile(r'<(a|button|input|option|textarea|select) name="([^"]+)"([^>]*)>')
_PAGE = "<page>"
_QUERIES = ("lamp", "pot", "red", "backpack", "nothing like it")
_WANTED = re.compile(r"add_to_cart|checkout|view_cart|shipping|delivery|place_order|apply|remove")
_TYPED = {
    "email": "jo@shop.example",
    "full_name": "Jo Example",
    "telephone": "5550100",
    "postcode": "99501",
    "quantity": "2",
}


class RandomModel:
    """The model; called with the body of a request it returns the completion."""

    def __init__(self, seed: int = 0) -> None:
        self._rng = random.Random(seed)

    def __call__(self, body: dict[str, Any]) -> str:
        """Return another completion each time, as a model does that samples."""
        page = str(body["messages"][-1]["content"]).rpartition(_PAGE)[2]
        action = _choose(page, self._rng)
        where = action.get("name", "this shop")
        return json.dumps({"rationale": f"I go on with {where}.", "action": action})


def _choose(page: str, rng: random.Random) -> dict[str, str]:
    found = [each for each in _ELEMENT.findall(page) if " disabled" not in each[2]]
    if not found or rng.random() < 0.04:
        return {"type": "terminate"}
    if rng.random() < 0.05:
        return {"type": rng.choice(("scroll", "back"))}
    wanted = [each for each in found if _WANTED.search(each[1])]
    tag, name, rest = rng.choice(wanted if wanted and rng.random() < 0.3 else found)
    if tag in ("input", "textarea") and not re.search(r'type="(?:checkbox|radio|range)"', rest):
        if "search" in name:
            return {"type": "type_and_submit", "name": name, "text": rng.choice(_QUERIES)}
        return {"type": "input", "name": name, "text": _TYPED.get(name.rpartition(".")[2], "Example")}
    return {"type": "click", "name": name}
