"""The guard that the browser journey's server runs under: it lets nothing out, and says what tried."""

import subprocess
import sys

from tests.ui.guarded_server import GUARDING, OUTSIDE, inside

TRY = """
import socket, urllib.request
from tests.ui import guarded_server
guarded_server.guard()
attempts = (
    lambda: socket.create_connection(("192.0.2.1", 80), 1),
    lambda: urllib.request.urlopen("http://example.org", timeout=1),
)
for attempt in attempts:
    try:
        attempt()
    except OSError as error:
        print("refused", error)
"""


def test_names_and_addresses_of_this_machine_are_inside():
    assert all(map(inside, ("127.0.0.1", "localhost", "::1", "0.0.0.0")))
    assert not any(map(inside, ("example.org", "192.0.2.1", "10.0.0.1", "2001:db8::1")))


def test_what_tries_to_get_out_fails_and_is_printed():
    said = subprocess.run([sys.executable, "-c", TRY], capture_output=True, text=True, check=True).stdout
    assert GUARDING in said
    assert said.count(OUTSIDE) == 2
    assert said.count("refused") == 2
