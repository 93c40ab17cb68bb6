"""pip, in a process that ends when the one that started it does, even where that is killed.

    python tethered.py download …          (the arguments are pip's)

Standard input has to be a pipe that the starting process holds open and never writes to: the system closes it with that
process, whatever ends it, on every system. What pip has started itself ends too, where this process leads a group.
"""

import os
import runpy
import signal
import sys
from threading import Thread


def main() -> None:
    """Run pip in this process. Nothing it starts can read from the pipe, or hold it open."""
    tether = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    Thread(target=_end_with, args=(tether,), name="tether", daemon=True).start()
    sys.argv[0] = "pip"
    runpy.run_module("pip", run_name="__main__", alter_sys=True)


def _end_with(tether: int) -> None:
    """Wait for the other end of the pipe to be closed, and end everything at once."""
    while os.read(tether, 1):
        pass
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    main()
