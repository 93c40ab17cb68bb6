"""Streamlit's command line with the way out of this machine barred: `python -m tests.ui.guarded_server run …`.

What the process tries to reach or look up beyond the loopback addresses fails, and is printed for the test to find.
"""

import ipaddress
import socket
import sys
from typing import Any

GUARDING = "guarding every connection"
OUTSIDE = "tried to leave this machine:"
_connect, _connect_ex, _look_up = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo


def inside(host: str) -> bool:
    """Is this a name or an address of this machine?"""
    if host in ("localhost", socket.gethostname()):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def barred(where: object) -> OSError:
    """Says what was tried, and is the error that the caller gets."""
    print(OUTSIDE, where, flush=True)
    return OSError(f"{where} is not on this machine")


def guard() -> None:
    """From now on this process reaches itself alone."""

    def checked(connect: Any) -> Any:
        def call(self: socket.socket, address: Any) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6) and not inside(address[0]):
                raise barred(address)
            return connect(self, address)

        return call

    def look_up(host: Any, *rest: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name is not None and not inside(name):
            raise barred(name)
        return _look_up(host, *rest, **options)

    socket.socket.connect = checked(_connect)
    socket.socket.connect_ex = checked(_connect_ex)
    socket.getaddrinfo = look_up
    print(GUARDING, flush=True)


if __name__ == "__main__":
    from streamlit.web.cli import main

    guard()
    sys.argv[0] = "streamlit"
    main()
