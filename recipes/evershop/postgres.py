"""A PostgreSQL of the shop's own: a cluster in a folder, on a port of this machine; no system service."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_SPEED = ("fsync=off", "full_page_writes=off", "synchronous_commit=off")
"""What is lost when the machine falls over is made anew."""
_HOST = "127.0.0.1"
USER = "postgres"


def find_programs() -> Path:
    """Return the folder of the newest PostgreSQL's programs; Debian's is installed where there is none."""
    for _ in range(2):
        if found := list(_folders()):
            return max(found, key=_version)
        if shutil.which("apt-get") is None:
            break
        root = [] if os.geteuid() == 0 else ["sudo", "-n"]
        run = [*root, "apt-get", "-qq", "-y"]
        subprocess.run([*run, "update"], check=False)
        subprocess.run([*run, "install", "--no-install-recommends", "postgresql"], check=False)
    sys.exit("PostgreSQL was not found; install it (Debian: apt-get install postgresql)")


def _folders() -> Iterator[Path]:
    yield from (path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if initdb := shutil.which("initdb"):
        yield Path(initdb).parent


def _version(programs: Path) -> int:
    text = subprocess.check_output([programs / "postgres", "--version"], text=True)
    found = re.search(r"\d+", text)
    return int(found[0]) if found else 0


class Cluster:
    """One cluster; `template` is a database that others are copied from."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder, self._port, self._programs = folder, port, find_programs()

    def create(self) -> None:
        """Make the cluster anew."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            shutil.chown(self._folder, USER, USER)
            if subprocess.run(
                ["runuser", "-u", USER, "--", "test", "-w", self._folder], check=False
            ).returncode:
                sys.exit(
                    f"{self._folder}: user {USER} cannot get there; take a DIR such as /var/tmp/evershop"
                )
        self._run("initdb", "-D", self._folder, "-A", "trust", "-U", USER, "--no-sync", "-E", "UTF8")

    def start(self) -> None:
        """Start it, where it does not run."""
        if self.is_running():
            return
        settings = (f"listen_addresses={_HOST}", "unix_socket_directories=", *_SPEED)
        options = " ".join([f"-p {self._port}", *(f"-c {setting}" for setting in settings)])
        self._run("pg_ctl", "-D", self._folder, "-w", "-l", self._folder / "log", "-o", options, "start")

    def stop(self) -> None:
        """Stop it, where it runs."""
        if self.is_running():
            self._run("pg_ctl", "-D", self._folder, "-w", "-m", "fast", "stop")

    def is_running(self) -> bool:
        """Return whether it runs."""
        return (self._folder / "postmaster.pid").exists() and self._run(
            "pg_ctl", "-D", self._folder, "status", check=False
        ) == 0

    def copy_database(self, name: str, template: str) -> None:
        """Make a database anew as a copy of another."""
        self.query("postgres", f'drop database if exists "{name}" with (force)')
        self.query("postgres", f'create database "{name}" template "{template}"')

    def query(self, database: str, command: str) -> None:
        """Run a command of SQL."""
        self._psql(database, "-c", command)

    def run_file(self, database: str, path: Path) -> None:
        """Run a file of SQL."""
        self._psql(database, "-f", "-", given=path.read_text("utf-8"))

    def _psql(self, database: str, *arguments: str, given: str | None = None) -> None:
        where = ("-h", _HOST, "-p", str(self._port), "-U", USER, "-d", database)
        self._run("psql", *where, "-q", "-v", "ON_ERROR_STOP=1", *arguments, given=given)

    def _run(self, program: str, *arguments: str | Path, given: str | None = None, check: bool = True) -> int:
        """Run one of PostgreSQL's programs; what it says is shown where it failed."""
        command = [str(self._programs / program), *map(str, arguments)]
        if os.geteuid() == 0:
            command = ["runuser", "-u", USER, "--", *command]
        # pg_ctl's server keeps the files of its output open for as long as it runs: so no pipe.
        log = self._folder.with_suffix(".log")
        with log.open("w") as stream:
            done = subprocess.run(
                command, input=given, text=True, stdout=stream, stderr=stream, cwd="/", check=False
            )
        if check and done.returncode:
            sys.exit(f"{program} failed:\n{log.read_text('utf-8')[-2000:]}")
        return done.returncode
