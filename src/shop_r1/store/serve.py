"""Runs the demo store on a port of this machine."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import uvicorn
from starlette.types import ASGIApp

from shop_r1.errors import StoreError, Terminated


def serve(port: int, app: ASGIApp, host: str = "127.0.0.1") -> None:
    """Serve the store until interrupted.

    Raises:
        StoreError: the port cannot be had.
    """
    # Bound before uvicorn starts: it would log a trace and exit where we can say what is wrong.
    with bind(host, port) as listener:
        config = uvicorn.Config(app, log_level="warning", server_header=False)
        try:
            uvicorn.Server(config).run(sockets=[listener])
        except Terminated:
            raise
        except KeyboardInterrupt:
            return  # the way to stop it, not an error


@contextmanager
def served(app: ASGIApp) -> Iterator[int]:
    """Serve the app from a thread of its own, on a free port of this machine, which is what is yielded.

    Raises:
        StoreError: no port can be had.
    """
    with bind("127.0.0.1", 0) as listener:
        config = uvicorn.Config(
            app,
            log_config=None,  # its own would close the handlers of the process that it is a guest in
            log_level="error",
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        thread = Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


def bind(host: str, port: int) -> socket.socket:
    """Return a socket bound to the address; port 0 picks a free one.

    Raises:
        StoreError: the port is out of range, taken or not ours to use, or the host is not this machine's.
    """
    if not 0 <= port <= 65_535:
        raise StoreError(f"port {port}: expected 0 to 65535")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise StoreError(
            f"{host}:{port} cannot be used ({error.strerror}); stop what runs there or choose another port"
        ) from None
    return listener
