"""`shop-r1 simulate --ray` on two raylets of this machine: the single process's records, whoever dies."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import ray
from ray.cloudpickle import register_pickle_by_value
from ray.cluster_utils import Cluster
from tests.endpoints.serving import ModelServer

from shop_r1.cli.pipeline.stores import create_store
from shop_r1.drivers.in_process import InProcessDriver
from shop_r1.jsonl import read_records
from shop_r1.prompts.render import render_completion
from shop_r1.ray_cluster import joined
from shop_r1.records.actions import terminate, type_and_submit
from shop_r1.records.sessions import Page, Step
from shop_r1.records.visits import SESSIONS_FILE, STEPS_FILE, VISITS_FILE, VisitEnd
from shop_r1.simulation.cluster.pool import BEGINS_MAX, ShopperPool
from shop_r1.simulation.cluster.shared_bounds import BoundsDesk, SharedRate, SharedRobots
from shop_r1.simulation.cluster.shopper_actor import Ended, VisitSetup
from shop_r1.simulation.loop import Limits, Visit
from shop_r1.simulation.shards import gather_shards

LIMIT_S = 300.0
KEY = "sk-secret-key-of-a-test-0123456789"
SEARCH = render_completion("I need a mug.", type_and_submit("search_input", "mug"))
LEAVE = render_completion("Nothing for me.", terminate())


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of two raylets with two CPUs each, which count processes."""
    node = {"num_cpus": 2, "object_store_memory": 80_000_000}
    found = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    found.add_node(**node)
    yield found.address
    found.shutdown()


def start(out: Path, *words: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "shop_r1", "simulate", "--out", str(out), *map(str, words)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OPENAI_API_KEY": KEY}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=subprocess.STDOUT, text=True, env=environment)


def finish(process: "subprocess.Popen[str]", code: int = 0) -> str:
    said, _ = process.communicate(timeout=LIMIT_S)
    assert process.returncode == code, said
    return " ".join(said.split())


def wait(holds: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    end = time.monotonic() + LIMIT_S
    while not holds():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)


def sharded_visits(out: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in out.glob(f"shards/*/{VISITS_FILE}"))


def shopper_processes() -> list[psutil.Process]:
    found = psutil.Process().children(recursive=True)
    return [each for each in found if "ShopperActor" in " ".join(each.cmdline())]


def ends(out: Path) -> list[dict[str, Any]]:
    """Return how visits ended, but for times."""
    lines = (out / VISITS_FILE).read_text("utf-8").splitlines()
    return [
        {key: value for key, value in json.loads(line).items() if key not in ("started", "seconds")}
        for line in lines
    ]


def assert_equal_records(out: Path, single: Path) -> None:
    assert (out / SESSIONS_FILE).read_bytes() == (single / SESSIONS_FILE).read_bytes()
    assert ends(out) == ends(single)
    assert sorted((out / STEPS_FILE).open("rb")) == sorted((single / STEPS_FILE).open("rb"))
    assert not (out / "shards").exists()


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty visits in one process."""
    out = tmp_path_factory.mktemp("single") / "run"
    finish(start(out, "--shoppers", 60, "--seed", 4))
    return out


def test_the_records_are_a_single_processs_though_an_actor_is_killed(
    cluster: str, single: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    running = start(out, "--shoppers", 60, "--seed", 4, "--ray", cluster, "--actors", 2)
    wait(lambda: sharded_visits(out) > 5, running)
    first, second = shopper_processes()
    assert first.ppid() != second.ppid()  # one on each raylet
    first.send_signal(signal.SIGKILL)
    said = finish(running)
    assert "2 actors on 1 machine" in said
    assert "1 actor died and was replaced" in said
    assert "60 sessions" in said
    assert_equal_records(out, single)


def test_a_run_whose_command_was_killed_goes_on(cluster: str, single: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = ("--shoppers", 60, "--seed", 4, "--ray", cluster, "--actors", 2, "--concurrency", 2)
    running = start(out, *words)
    wait(lambda: sharded_visits(out) > 5, running)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    left = sharded_visits(out)
    assert 5 < left < 60
    said = finish(start(out, *words, "--resume"))
    assert "of 60 visits are finished" in said
    assert_equal_records(out, single)


def test_a_checkpoint_in_a_process_of_its_own_decides_as_in_one_process(cluster: str, tmp_path: Path) -> None:
    who = tmp_path / "who.toml"
    who.write_text(
        '[[persona]]\nname = "a"\nwho = "A student."\n\n[[persona]]\nname = "b"\nwho = "A nurse."\n'
    )
    words = ("--policy", "base", "--shoppers", 8, "--seed", 2, "--persona", who, "bf16=false")
    single, out = tmp_path / "single", tmp_path / "run"
    # The base checkpoint has not learnt the form of a response; the ends quote what it wrote instead.
    finish(start(single, *words), code=2)
    said = finish(start(out, *words, "--ray", cluster, "--actors", 1, "--replicas", 2), code=2)
    assert "in 2 processes, many at once" in said
    assert ends(out) == ends(single)
    assert len({end["reason"] for end in ends(out)}) > 3


def test_one_budget_holds_for_all_actors_and_nothing_is_paid_for_twice(cluster: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    price = ("price.input_usd=1", "price.output_usd=1")
    completion: Callable[[Mapping[str, Any]], str] = lambda body: (  # noqa: E731
        LEAVE if "Page 3:" in str(body["messages"]) else SEARCH
    )
    with ModelServer(completion=completion) as server:
        words = ("--policy", server.name("openai"), "--shoppers", 8, *price, "--ray", cluster, "--actors", 2)
        said = finish(start(out, *words, "--max-cost", 0.012))
        assert "the budget of 0.012 USD is spent" in said
        found = list(read_records(out / VISITS_FILE, VisitEnd))
        assert 0 < sum(end.outcome == "stopped" for end in found) < 8
        assert sum(end.cost_usd or 0 for end in found) <= 0.012
        sent = len(server.tries)
        said = finish(start(out, *words, "--max-cost", 9, "--resume"))
        assert [end["outcome"] for end in ends(out)] == ["terminate"] * 8
        # Three requests a visit: what was paid for in the first run comes from the cache.
        assert len(server.tries) == 8 * 3 > sent
    texts = [path.read_text("utf-8") for path in out.rglob("*") if path.is_file()]
    assert not any(KEY in text for text in texts)


def test_turns_at_a_host_and_its_robots_txt_are_one_for_all_processes(cluster: str) -> None:
    async def do() -> tuple[list[str], float]:
        desk = ray.remote(BoundsDesk).options(num_cpus=0, max_concurrency=100).remote(20.0)
        asked: list[str] = []

        async def fetch(address: str) -> tuple[int | None, str]:
            asked.append(address)
            await asyncio.sleep(0.05)
            return 200, "User-agent: *\nDisallow: /cart"

        each = [SharedRobots("shop-r1", desk) for _ in range(3)]
        await asyncio.gather(*(robots.ask("http://shop.example/", fetch) for robots in each))
        assert all(robots.allows("http://shop.example/mugs") for robots in each)
        assert not any(robots.allows("http://shop.example/cart") for robots in each)
        began = time.monotonic()
        await asyncio.gather(*(SharedRate(desk).wait("shop.example") for _ in range(5)))
        return asked, time.monotonic() - began

    with joined(cluster):
        asked, seconds = asyncio.run(do())
    assert asked == ["http://shop.example/robots.txt"]
    assert seconds >= 4 * 0.05


class Script:
    """Searches and leaves; in the visit `poison` its process dies, in `slow` it takes its time."""

    def __init__(self, visit: Visit) -> None:
        self._name = visit.session_id

    async def act(self, history: Sequence[Step], page: Page, rng: random.Random) -> Step:
        if self._name == "poison":
            os.kill(os.getpid(), signal.SIGKILL)
        return Step(page=page, action=terminate() if history else type_and_submit("search_input", "mug"))


@asynccontextmanager
async def open_setup() -> AsyncIterator[VisitSetup]:
    app = create_store("focused", 0, 6)
    yield VisitSetup(Script, lambda _: InProcessDriver(app), Limits())


class Notes:
    def __init__(self) -> None:
        self.ends: dict[str, VisitEnd] = {}
        self.begun: list[str] = []
        self.written: set[str] = set()

    async def begin(self, visit: Visit) -> None:
        self.begun.append(visit.session_id)

    async def end(self, visit: Visit, ended: Ended) -> None:
        assert ended.end is not None
        self.ends[visit.session_id] = ended.end
        if ended.is_written:
            self.written.add(visit.session_id)

    async def news(self, found: Mapping[str, Any]) -> None:
        pass


def test_a_visit_that_kills_its_process_each_time_is_given_up_and_the_others_end(
    cluster: str, tmp_path: Path
) -> None:
    names = ["one", "poison", "two", "three"]
    notes = Notes()
    shards = tmp_path / "shards"
    shards.mkdir()

    async def do() -> ShopperPool:
        pool = ShopperPool(open_setup, actors=2, concurrency=1)
        await pool.open()
        await pool.run([Visit(name, name) for name in names], shards, notes)
        await pool.close()
        return pool

    register_pickle_by_value(sys.modules[__name__])  # its processes cannot import this file
    with joined(cluster):
        pool = asyncio.run(do())
    others = {"one", "two", "three"}
    assert {name: notes.ends[name].outcome for name in others} == dict.fromkeys(others, "terminate")
    end = notes.ends["poison"]
    assert (end.outcome, end.steps) == ("no step", 0)
    assert f"has died {BEGINS_MAX} times" in (end.reason or "")
    assert notes.begun.count("poison") == BEGINS_MAX == pool.died
    assert pool.repeated == BEGINS_MAX - 1
    assert notes.written == others
    gather_shards(tmp_path)
    assert {end["session_id"] for end in ends(tmp_path)} == others
