"""EverShop, a real open-source shop, on this machine: installed, filled, built and started."""

import hashlib
import http.server
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from recipes.evershop.catalogue import write_seed
from recipes.evershop.postgres import USER, Cluster

PACKAGES = (
    "@evershop/evershop@2.2.1",
    "concat-stream@2.0.0",
)  # the second is used by the first, not declared
_SEEDS = ("--attributes", "--categories", "--collections", "--products", "--pages")
_HERE = Path(__file__).parent
_HOST = "127.0.0.1"
_FILLED, _DATABASE = "filled", "evershop"
"""The database as it was filled, and the copy of it that the shop works on."""
_START_S, _STOP_S = 120.0, 15.0


class EverShop:
    """The shop of one folder: `shop` (the program), `pg` (the database), `pictures`, `log`, and what runs."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder.resolve(), port
        self.url = f"http://{_HOST}:{port}/"
        self._program = self.folder / "shop"
        self._cluster = Cluster(self.folder / "pg", port + 1)

    # Once

    def prepare(self) -> None:
        """Do what has not been done yet: minutes the first time, nothing later."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._once("install", self._install, *PACKAGES, "without limits")
        self._once("fill", self._fill, str(self.port), *(path.read_text("utf-8") for path in _inputs()))
        self._once("build", self._build, str(self.port), *PACKAGES)

    def _once(self, name: str, do: Callable[[], None], *made_of: str) -> None:
        """Do something unless it was done already, of the same inputs."""
        mark = self.folder / f".{name}"
        digest = hashlib.sha256("\0".join(made_of).encode()).hexdigest()
        if mark.exists() and mark.read_text("utf-8") == digest:
            return
        began = time.monotonic()
        print(f"{name} …", file=sys.stderr, flush=True)
        do()
        mark.write_text(digest, "utf-8")
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)

    def _install(self) -> None:
        for folder in ("config", "media", "public"):
            (self._program / folder).mkdir(parents=True, exist_ok=True)
        # npm's default type, commonjs, breaks the shop's build.
        package = {"name": "realshop", "private": True, "type": "module"}
        (self._program / "package.json").write_text(json.dumps(package), "utf-8")
        self._run("npm", "install", "--no-audit", "--no-fund", "--save-exact", *PACKAGES)
        self._lift_limits()

    def _lift_limits(self) -> None:
        """Let shoppers, who all have one address, ask for more than 300 things a minute, pictures too."""
        file = self._program / "node_modules/@evershop/evershop/dist/modules/base/services/rateLimit.js"
        # Those that are lifted already are found too: an earlier installation may have been ended after this.
        lifted, count = re.subn(r"\blimit: (?:300|120|1e9)\b", "limit: 1e9", file.read_text("utf-8"))
        if count != 2:
            sys.exit(f"{file}: found {count} of the 2 limits of requests a minute")
        file.write_text(lifted, "utf-8")

    def _configure(self) -> None:
        values = {
            "DB_HOST": _HOST,
            "DB_PORT": self.port + 1,
            "DB_NAME": _DATABASE,
            "DB_USER": USER,
            "DB_PASSWORD": "x",
            "DB_SSLMODE": "disable",
            "PORT": self.port,
        }
        lines = "".join(f"{name}={value}\n" for name, value in values.items())
        (self._program / ".env").write_text(lines, "utf-8")
        home = self.url.rstrip("/")
        shop = {"homeUrl": home, "language": "en", "currency": "USD", "timezone": "UTC", "weightUnit": "kg"}
        (self._program / "config" / "default.json").write_text(json.dumps({"shop": shop}), "utf-8")

    def _fill(self) -> None:
        """Migrate an empty database, fill it with the shop's own command, and keep it to be copied."""
        self.stop()
        self._configure()
        self._cluster.create()
        self._cluster.start()
        self._cluster.query("postgres", f"create database {_DATABASE}")
        (self._program / "migrate.mjs").write_text((_HERE / "migrate.mjs").read_text("utf-8"), "utf-8")
        self._run("node", "migrate.mjs")
        pictures = self.folder / "pictures"
        pictures.mkdir(exist_ok=True)
        with _served_folder(pictures) as address:
            write_seed(
                self._program / "node_modules/@evershop/evershop/dist/bin/seed/data", pictures, address
            )
            self._run("npx", "--no-install", "evershop", "seed", *_SEEDS)
        self._cluster.run_file(_DATABASE, _HERE / "extra.sql")
        self._cluster.copy_database(_FILLED, _DATABASE)

    def _build(self) -> None:
        self._cluster.start()
        self._run("nice", "npx", "--no-install", "evershop", "build")

    # Each time

    def start(self) -> bool:
        """Start the shop as it was filled, with no cart and no order, and wait for its home page.

        Return whether it was started: one that runs is left as it is.
        """
        if self._is_running() and self.answers():
            return False
        if self.answers():
            sys.exit(f"{self.url} answers already; stop what runs there, or take another --port")
        self.prepare()
        self._cluster.start()
        self._cluster.copy_database(_DATABASE, _FILLED)
        with (self.folder / "log").open("w") as log:
            process = subprocess.Popen(
                ["npx", "--no-install", "evershop", "start"],
                cwd=self._program,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._running.write_text(str(process.pid), "utf-8")
        end = time.monotonic() + _START_S
        while not self.answers():
            if process.poll() is not None or time.monotonic() > end:
                self.stop()
                sys.exit(f"the shop did not start; its last words:\n{self._last_words()}")
            time.sleep(0.2)
        return True

    def stop(self) -> None:
        """Stop the shop and its database, where they run."""
        if self._is_running():
            _end_group(int(self._running.read_text("utf-8")))
        self._running.unlink(missing_ok=True)
        self._cluster.stop()

    def answers(self) -> bool:
        """Return whether a page comes from the shop's address."""
        try:
            with urllib.request.urlopen(self.url, timeout=20) as response:
                return bool(response.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    def _is_running(self) -> bool:
        if not self._running.exists():
            return False
        leader = self._running.read_text("utf-8")
        command = ("ps", "-o", "args=", "-p", leader)  # another program may have that number by now
        return "evershop start" in subprocess.run(command, capture_output=True, text=True, check=False).stdout

    @property
    def _running(self) -> Path:
        return self.folder / "pid"

    def _run(self, *command: str) -> None:
        log = self.folder / "log"
        with log.open("w") as stream:
            done = subprocess.run(
                command,
                cwd=self._program,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                check=False,
            )
        if done.returncode:
            sys.exit(f"{' '.join(command)} failed:\n{self._last_words()}")

    def _last_words(self) -> str:
        return (self.folder / "log").read_text("utf-8", "replace")[-2000:]


def _inputs() -> list[Path]:
    return [_HERE / name for name in ("catalogue.py", "pictures.py", "extra.sql", "migrate.mjs")]


def _end_group(leader: int) -> None:
    """End a process and those that it started: politely, then not."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(leader, number)
            end = time.monotonic() + _STOP_S
            while time.monotonic() < end:
                os.killpg(leader, 0)
                time.sleep(0.1)
        except ProcessLookupError:
            return


@contextmanager
def _served_folder(folder: Path) -> Iterator[str]:
    """Serve a folder's files on this machine meanwhile; yields their address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer((_HOST, 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://{_HOST}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
