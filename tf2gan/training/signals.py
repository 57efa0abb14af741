"""Stopping politely: SIGINT (Ctrl-C) and SIGTERM end a run after its window."""

import os
import signal
import socket
import sys
import threading
import time

SIGNALS = (signal.SIGINT, signal.SIGTERM)
TOGETHER = (
    0.3  # seconds; `timeout` and other launchers pass on what the whole process group gets too
)


class StopSignals:
    """While entered, notes the first SIGINT or SIGTERM in `received`; a second ends the process.

    One within `TOGETHER` seconds of the first is its copy, and does nothing.

    Python calls a signal's handler between two of its own instructions, so not before the window in
    the graph is over. The wake-up descriptor is written to at once, and a thread reads it.

    Attributes:
      received: the number of the signal, or None. It stays None outside the main thread, where
        Python lets nobody handle signals.
    """

    def __init__(self):
        self.received = None

    def __enter__(self):
        self._active = threading.current_thread() is threading.main_thread()
        if self._active:
            self._reader, self._writer = socket.socketpair()
            self._writer.setblocking(False)
            self._descriptor = signal.set_wakeup_fd(self._writer.fileno())
            self._handlers = {number: signal.signal(number, _ignore) for number in SIGNALS}
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *exception):
        if self._active:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(self._descriptor)
            self._writer.close()  # ends the thread
            self._thread.join()
            self._reader.close()

    def _watch(self):
        first = 0.0  # when the first one came
        while byte := self._reader.recv(1):
            if byte[0] not in SIGNALS:
                continue
            if self.received:
                if time.monotonic() > first + TOGETHER:
                    os._exit(128 + byte[0])
                continue
            self.received, first = byte[0], time.monotonic()
            name = signal.Signals(byte[0]).name
            print(
                f"\n{name}: finishing the window, then saving; once more to stop at once",
                file=sys.stderr,
                flush=True,
            )


def _ignore(number, frame):
    """In place of Python's own handler, which would raise KeyboardInterrupt anywhere."""
