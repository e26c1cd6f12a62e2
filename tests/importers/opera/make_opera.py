"""Parquet files laid out and filled as OPeRA's are, every column a string: what SCHEMA of the data set says.

The people, goods and pages are made up here; the quirks are those seen in real rows.
"""

import json
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

FILTERED = (
    "session_id",
    "action_id",
    "timestamp",
    "action_type",
    "click_type",
    "semantic_id",
    "mouse_position",
    "element_meta",
    "url",
    "window_size",
    "page_meta",
    "simplified_html",
    "rationale",
    "products",
    "input_text",
    "image",
)
FULL = (*FILTERED, "navigation_type", "simplified_html_new_page", "scroll_detail", "target", "image_new_page")

Row = dict[str, str | None]


def session_id(user: str, minute: int) -> str:
    return f"{user}_2025-04-14T21:{minute:02}:46.756000Z_2025-04-14T21:{minute + 3:02}:50.785000Z"


def html(*names: str, more: str = "") -> str:
    """Return a page with these names, on one line as the recorder wrote it."""
    elements = "".join(f'<div name="{name}">{name}</div>' for name in names)
    return (
        f'<html><head></head><body><div name="nav_bar" role="navigation">{elements}</div>{more}</body></html>'
    )


def row(session: str | None, second: float, kind: str, name: str | None = None, **values: str | None) -> Row:
    """Return a row of an action table; its page holds the name unless `simplified_html` says otherwise."""
    minute, rest = divmod(second, 60)
    made: Row = dict.fromkeys(FULL)
    made |= {
        "session_id": session,
        "action_id": f"{session}-{second}",
        "timestamp": f"2025-04-14T21:{int(minute):02}:{rest:06.3f}Z",
        "action_type": kind,
        "semantic_id": name,
        "url": "https://www.shop.example/URL_MASKED",
        "window_size": '{"width": 1920, "height": 934}',
        "page_meta": "{}",
        "simplified_html": html("nav_bar.search_input", *([name] if name else [])),
        "image": "",
    }
    return made | values


def click(session: str, second: float, name: str, click_type: str, **values: str | None) -> Row:
    return row(session, second, "click", name, click_type=click_type, **values)


def typed(session: str, second: float, text: str) -> Row:
    return row(session, second, "input", "nav_bar.search_input", input_text=text)


def survey(**changes: Any) -> str:
    return json.dumps(
        {
            "Demographic Information": {"Age": "25 - 34 years old", "City": "", "Gender": "Female"},
            "Self Description": {"Two sentence description": "I like  tea.\nI read much."},
            "Shopping Preference": {
                "Amazon Prime membership": True,
                "To what extent do you agree with the following statements": {
                    "I look for the best value.": "Strongly agree",
                    "I buy the first brand.": None,
                },
            },
            "Personality": {"Big Five Scores": {"Openness": 3.5, "Neuroticism": 2}},
        }
        | changes
    )


def users(*rows: tuple[str | None, str | None]) -> list[Row]:
    blank = dict.fromkeys(("raw_survey", "interview_transcript", "interview_transcript_processed"))
    return [{"user_id": user, "survey": said} | blank for user, said in rows]


def write_table(path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> None:
    """Write a table of strings; a column in which nothing is given still has the type string."""
    pa, pq = import_module("pyarrow"), import_module("pyarrow.parquet")
    names = list(columns or rows[0])
    schema = pa.schema([(name, pa.string()) for name in names])
    table = pa.Table.from_pylist([{name: row.get(name) for name in names} for row in rows], schema=schema)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)


def write_actions(folder: Path, rows: Sequence[Row], variant: str = "filtered", split: str = "train") -> Path:
    """Write the actions over two files, as the hub's repository has them, and return the folder."""
    columns = FILTERED if variant == "filtered" else FULL
    place = folder / f"OPeRA_{variant}" / "action"
    half = max(1, len(rows) // 2)
    for number, part in enumerate((rows[:half], rows[half:])):
        write_table(place / f"{split}-{number:05}-of-00002.parquet", part, columns)
    return folder


def write_opera(
    folder: Path,
    rows: Sequence[Row],
    people: Sequence[Row] = (),
    variant: str = "filtered",
    split: str = "train",
) -> Path:
    """Write actions, the session table that goes with them, and users."""
    write_actions(folder, rows, variant, split)
    root = folder / f"OPeRA_{variant}"
    sessions = sorted({row["session_id"] or "" for row in rows} - {""})
    write_table(
        root / "session" / split / f"{split}.parquet",
        [{"session_id": name, "user_id": name.split("_")[0], "action_count": "3"} for name in sessions],
        ("session_id", "user_id", "action_count"),
    )
    if people:
        write_table(root / "user" / split / f"{split}.parquet", people)
    return folder
