import base64
import hashlib
import json
import re

from shop_r1.report.html_page import render_page
from shop_r1.report.seal import seal

EVIL = "</script></title><script>alert(1)</script>\x00"


def test_a_page_allows_its_own_script_only_and_carries_its_data_as_data() -> None:
    text = render_page("base.html.jinja", EVIL, scripts=("page_view.js",), data={"values": {EVIL: 1}})
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'; img-src data:" in text
    assert text.count("<script") == 2 and "\x00" not in text
    found = re.search(r'<script type="application/json" id="values">(.*?)</script>', text)
    assert found is not None and json.loads(found[1]) == {EVIL: 1}


def test_a_page_without_scripts_lets_none_run_and_is_sealed() -> None:
    text = render_page("base.html.jinja", "Nothing")
    assert "script-src 'none'" in text and "<script" not in text
    body, _, _ = text.rpartition("<!-- made by shop-r1")
    assert text == seal(body)
