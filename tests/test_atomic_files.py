"""Modes, owners and links of files that are written."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shop_r1.atomic_files import file_mode, replacing_file
from shop_r1.errors import DataError
from shop_r1.jsonl import write_text


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def umask() -> Iterator[None]:
    """Whatever a test sets the umask to, it is afterwards what it was."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.parametrize(("mask", "expected"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664), (0, 0o666)])
def test_a_new_file_obeys_the_umask(tmp_path: Path, umask: None, mask: int, expected: int) -> None:
    os.umask(mask)
    write_text(tmp_path / "new.txt", "x")
    assert mode(tmp_path / "new.txt") == file_mode(tmp_path / "new.txt") == expected
    assert file_mode(tmp_path / "none.txt") == expected
    assert os.umask(mask) == mask  # looking at it has not changed it


@pytest.mark.parametrize("before", [0o640, 0o600, 0o664, 0o755, 0o666])
def test_a_replaced_file_keeps_its_mode(tmp_path: Path, umask: None, before: int) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")
    path.chmod(before)
    write_text(path, "new")
    assert (path.read_text(), mode(path)) == ("new", before)


def test_what_replaces_a_private_file_is_private_while_it_is_written(tmp_path: Path, umask: None) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")
    path.chmod(0o600)
    with replacing_file(path) as stream:
        (beside,) = (each for each in tmp_path.iterdir() if each != path)
        assert mode(beside) == 0o600
        stream.write(b"new")
    assert path.read_bytes() == b"new"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_replaced_file_keeps_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")
    os.chown(path, 1234, 4321)
    write_text(path, "new")
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 4321)


def test_a_link_stays_and_its_target_is_replaced_in_its_own_folder(tmp_path: Path) -> None:
    store, work = tmp_path / "store", tmp_path / "work"
    store.mkdir()
    work.mkdir()
    (store / "real.txt").write_text("old")
    (work / "second.txt").symlink_to(Path("..", "store", "real.txt"))
    link = work / "first.txt"
    link.symlink_to("second.txt")
    with replacing_file(link) as stream:
        assert len(list(store.iterdir())) == 2 and len(list(work.iterdir())) == 2
        stream.write(b"new")
    assert link.is_symlink() and (work / "second.txt").is_symlink()
    assert (store / "real.txt").read_text() == "new"
    assert [each.name for each in store.iterdir()] == ["real.txt"]


def test_a_link_to_what_is_not_there_yet_makes_it_there(tmp_path: Path) -> None:
    (tmp_path / "link.txt").symlink_to(tmp_path / "later" / "real.txt")
    write_text(tmp_path / "link.txt", "new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "later" / "real.txt").read_text() == "new"


def test_links_in_a_circle_and_devices_are_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(DataError, match=r"a: cannot be written \(Too many levels"):
        write_text(tmp_path / "a", "x")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="it is a device or a pipe"):
        write_text(tmp_path / "pipe", "x")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a", "b", "pipe"]


def test_a_failure_leaves_the_old_file_its_mode_and_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")
    path.chmod(0o640)
    with pytest.raises(DataError, match="No space left"), replacing_file(path) as stream:
        stream.write(b"half")
        raise OSError(28, "No space left on device")
    assert (path.read_text(), mode(path)) == ("old", 0o640)
    assert [each.name for each in tmp_path.iterdir()] == ["file.txt"]


def test_a_name_as_long_as_the_system_allows_can_be_written(tmp_path: Path) -> None:
    write_text(tmp_path / ("x" * 255), "long")
    assert (tmp_path / ("x" * 255)).read_text() == "long"


AS_NOBODY = """
import os, sys
from pathlib import Path
from shop_r1.errors import DataError
from shop_r1.jsonl import write_text
if os.geteuid() == 0:
    os.setuid(65534)
for name in sys.argv[1:]:
    try:
        write_text(Path(name), "new")
    except DataError as error:
        print(error)
"""


def test_a_write_protected_file_and_folder_are_refused_in_a_sentence(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    (place / "file.txt").write_text("old")
    (place / "file.txt").chmod(0o444)
    place.chmod(0o777)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    for folder in (tmp_path, *tmp_path.parents[:3]):
        if os.geteuid() == 0 and folder.stat().st_uid == 0 and "pytest" in str(folder):
            folder.chmod(0o755)
    words = [str(place / "file.txt"), str(closed / "new.txt")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, *words], env=environment, capture_output=True, text=True, check=True
    )
    protected, locked = done.stdout.splitlines()
    assert "file.txt: cannot be written (Permission denied: the file there is write-protected)" in protected
    assert "new.txt: cannot be written (Permission denied)" in locked
    assert (place / "file.txt").read_text() == "old"
    assert [each.name for each in place.iterdir()] == ["file.txt"]
