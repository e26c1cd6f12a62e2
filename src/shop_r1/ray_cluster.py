"""Ray: a cluster is joined, or started on this machine, for as long as a command runs."""

import os
import re
import signal
import threading
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from shop_r1.errors import ConfigError

LOCAL = "local"
"""As an address: Ray is started on this machine for the command alone."""
_ADDRESS = re.compile(r"auto|local|[^\s/:]+:\d+|\[[0-9a-fA-F:]+\]:\d+")

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DISABLE_FAILURE_SIGNAL_HANDLER": "1",  # which prints a stack at SIGTERM
}

ResultT = TypeVar("ResultT")


def check_address(address: str) -> None:
    """Make sure that a text is the address of a cluster.

    Raises:
        ConfigError: it is none.
    """
    if not _ADDRESS.fullmatch(address):
        raise ConfigError(
            f"{address!r} is no address of a Ray cluster; expected HOST:PORT of its head, auto for the one "
            f"that this machine belongs to, or {LOCAL} to start one here"
        )


@contextmanager
def joined(address: str, environment: Mapping[str, str] | None = None, **start: Any) -> Iterator[None]:
    """Join the cluster, or start one here for `local`, and leave it at the end.

    Args:
        address: `HOST:PORT`, `auto` or `local`; this machine has to belong to the cluster.
        environment: of the cluster's processes for this command, beside their own.
        start: what `ray.init` is given where Ray is started here.

    Raises:
        ConfigError: Ray is not installed, or there is no cluster at the address.
    """
    check_address(address)
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError:
        raise ConfigError(
            "--ray needs the package ray, which is not installed: pip install 'shop-r1[ray]'"
        ) from None

    where: dict[str, Any] = {"address": address}
    if address == LOCAL:
        where |= {"include_dashboard": False, **start}
    if environment:
        where["runtime_env"] = {"env_vars": dict(environment)}
    try:
        with _kept_sigterm():
            ray.init(**where, log_to_driver=False, logging_level="error")
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        found = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ConfigError(
            f"the Ray cluster {address} cannot be joined ({found}); ray start --head starts one, and "
            "ray start --address=HOST:PORT lets this machine join it. One that was started where there is a "
            "token (~/.ray/auth_token) asks for it: set RAY_AUTH_MODE=token"
        ) from None
    # Else Ray prints a paragraph of its own about each process that dies, amid what the command prints.
    ray._private.worker._worker_logs_enabled = False
    try:
        yield
    finally:
        with suppress(KeyboardInterrupt):
            ray.shutdown()


@contextmanager
def _kept_sigterm() -> Iterator[None]:
    """Keep this process's handler of SIGTERM; Ray puts one in its place that ends it with another code."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)


def cause_of_death(error: Exception) -> str:
    """Return what Ray says of a process that has died, on one line: the last where it failed by itself."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return (lines[-1] if failed_to_begin(error) else lines[0]).rstrip(".")


def failed_to_begin(error: Exception) -> bool:
    """Return whether a process has died since it could not be made, also the next time."""
    return "creation task" in str(error)


async def result_of(running: Awaitable[ResultT]) -> ResultT:
    """Return what a call in the cluster returned, or raise what it raised there.

    Raises:
        RayActorError: its process has died, or cannot be reached.
    """
    from ray.exceptions import RayTaskError

    try:
        return await running
    except RayTaskError as error:
        raise error.cause from None
