"""Check of the platform's port before anything starts."""

import errno
import socket

from deploy.embedded.errors import EmbeddedError, PortTakenError
from deploy.embedded.processes import listener


def require_free(port: int, command: str = "make up", variable: str = "QUARTET_PORT") -> None:
    """
    Check that *port* can be listened on.

    Raises:
        PortTakenError: another program listens there; the message names it, if known, and a command with a free port.
        EmbeddedError: this user may not listen there.
    """
    try:
        _bind(port)
    except PermissionError:
        raise EmbeddedError(
            f"port {port} needs administrator rights; use another one: {variable}={_next_free(1024)} {command}"
        ) from None
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        holder = listener(port)
        by = f" by {holder}" if holder else ""
        raise PortTakenError(
            f"port {port} is taken{by}. Stop it, or use another port: {variable}={_next_free(port)} {command}"
        ) from None


def _bind(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))


def _next_free(port: int) -> int:
    for candidate in range(port + 1, min(port + 100, 65536)):
        try:
            _bind(candidate)
        except OSError:
            continue
        return candidate
    return 8081
