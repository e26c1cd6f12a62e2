"""`simulate --watch`: a person at the page, who stops a shopper and sees the end."""

import json
import urllib.request
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.shell import Shell


class Person:
    """Opens the page as a browser does, stops shopper 2 at once, and watches until all is over."""

    def __init__(self) -> None:
        self.address = ""
        self.seen: list[dict[str, Any]] = []
        self._watching = Thread(target=self._watch)

    def open(self, address: str) -> bool:
        self.address = address
        parts = urlsplit(address)
        origin = {"Origin": f"{parts.scheme}://{parts.netloc}"}
        asked = urllib.request.Request(f"{address}stop/2", method="POST", headers=origin)
        with urllib.request.urlopen(asked, timeout=10) as response:
            assert response.status == 204
        self._watching.start()
        return True

    def _watch(self) -> None:
        with urllib.request.urlopen(f"{self.address}events", timeout=30) as response:
            self.seen += [json.loads(line[6:]) for line in response if line.startswith(b"data: ")]

    def last(self) -> dict[str, Any]:
        self._watching.join(30)
        return self.seen[-1]


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> Person:
    """One who sits at this machine's screen."""
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    person = Person()
    monkeypatch.setattr("webbrowser.open", person.open)
    return person


def test_a_person_watches_stops_a_shopper_and_goes_on_later(
    shell: Shell, person: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, text, err = shell("simulate", "--watch", "--shoppers", 4, "--seed", 3)
    assert code == 0, err
    assert f"watch at {person.address}" in text.splitlines()
    totals = person.last()["totals"]
    assert (totals["state"], totals["planned"], totals["begun"]) == ("finished", 4, 3)
    assert totals["command"] == "shop-r1 report runs/simulation" and "has_pictures" in totals
    told = "1 of 4 visits were stopped; to go on with them, give the same command with --resume"
    assert told in " ".join(err.split())
    sessions = Path("runs/simulation/sessions.jsonl")
    assert len(sessions.read_text("utf-8").splitlines()) == 3
    monkeypatch.delenv("DISPLAY")
    code, text, err = shell("simulate", "--watch", "--shoppers", 4, "--seed", 3, "--resume")
    assert code == 0 and "visits were stopped" not in err
    assert len(sessions.read_text("utf-8").splitlines()) == 4


def test_the_next_command_that_the_page_shows_is_quoted_for_a_shell(
    shell: Shell, person: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, text, err = shell("simulate", "--watch", "--shoppers", 2, "--out", "my $run")
    assert code == 0, err
    command = person.last()["totals"]["command"]
    assert command == "shop-r1 report 'my $run'" and f"Next: {command}" in text.splitlines()


def test_over_ssh_the_way_to_the_page_is_told(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.1 50000 192.0.2.2 22")
    _, text, err = shell("simulate", "--watch", "--shoppers", 1, "--out", tmp_path / "run")
    (line,) = [line for line in text.splitlines() if line.startswith("watch at ")]
    port = urlsplit(line.removeprefix("watch at ")).port
    assert f"ssh -L {port}:127.0.0.1:{port} THIS_MACHINE" in err


def test_a_port_without_the_page_means_nothing(shell: Shell, tmp_path: Path) -> None:
    code, _, err = shell("simulate", "--watch-port", 8123, "--shoppers", 1, "--out", tmp_path / "run")
    assert code == 2 and "--watch-port is of the page that --watch opens; add --watch" in err
