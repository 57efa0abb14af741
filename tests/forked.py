"""Command lines in processes that need not import TensorFlow: that is most of what they take.

They are forked from a server that has imported it, which starts no thread and runs nothing.
"""

import multiprocessing
import os
import runpy
import signal
import sys
import threading

FORKSERVER = multiprocessing.get_context("forkserver")
FORKSERVER.set_forkserver_preload(["tensorflow", "PIL.Image"])
TRAIN_WITH_FEW_SAMPLES = """
from tf2gan.training import evaluation
evaluation.SCORED = 64  # a twentieth
from tf2gan.cli import train
train.main()
"""
HIDDEN = []  # modules that a forked process shall not find, kept from their end


class Forked:
    """Runs `python SCRIPT ARGS`, `-c CODE ARGS` or `-m MODULE ARGS`; used as `Popen` is.

    Args:
      *words: what follows `python`.
      cwd: where it runs.
      no_tensorflow: whether importing TensorFlow shall fail after all.
      terminal: the path of a terminal that it is started from; by default its output is piped.
      **environment: variables that it has beside those of the tests.
    """

    def __init__(self, *words, cwd, no_tensorflow=False, terminal=None, **environment):
        (out, to_out), (err, to_err) = (FORKSERVER.Pipe(duplex=False) for _ in range(2))
        words = [str(word) for word in words]
        environment = {**os.environ, **environment}
        args = (words, str(cwd), environment, no_tensorflow)
        self._process = FORKSERVER.Process(target=_run, args=(to_out, to_err, terminal, *args))
        self._process.start()
        self.pid = self._process.pid
        self.stdout, self.stderr = (open(os.dup(end.fileno())) for end in (out, err))
        for end in (out, to_out, err, to_err):
            end.close()

    @property
    def returncode(self):
        return self._process.exitcode

    def poll(self):
        return self._process.exitcode

    def wait(self, timeout=200):
        self._process.join(timeout)
        assert self.returncode is not None, "the process does not end"
        return self.returncode

    def communicate(self, timeout=200):
        """Waits for the end; returns what is left to read of stdout and stderr."""
        texts = {}
        readers = [
            threading.Thread(target=lambda file=file: texts.update({file: file.read()}))
            for file in (self.stdout, self.stderr)
        ]
        for reader in readers:
            reader.start()
        try:
            self.wait(timeout)
        finally:
            self.kill()
            for reader in readers:
                reader.join()
            self._close()
        return texts[self.stdout], texts[self.stderr]

    def send_signal(self, number):
        os.kill(self.pid, number)

    def kill(self):
        self._process.kill()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if exception[0]:
            self.kill()
        self.wait()
        self._close()

    def _close(self):
        self.stdout.close()
        self.stderr.close()


def _run(stdout, stderr, terminal, words, cwd, environment, no_tensorflow):
    """What the forked process does."""
    if terminal:
        os.setsid()  # the terminal that is opened next is then the one whose Ctrl-C it gets
        os.dup2(os.open(terminal, os.O_RDWR), 0)
        # A shell that starts the tests in the background has them ignore it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.dup2(0 if terminal else stdout.fileno(), 1)
    os.dup2(0 if terminal else stderr.fileno(), 2)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    if no_tensorflow:
        for name in [name for name in sys.modules if name.startswith(("tensorflow", "keras"))]:
            HIDDEN.append(sys.modules.pop(name))
        sys.modules["tensorflow"] = sys.modules["keras"] = None
    first, *args = words
    if first in ("-c", "-m"):
        what, *args = args
        sys.path.insert(0, cwd)
    sys.argv = [first, *args]
    if first == "-c":
        exec(compile(what, "-c", "exec"), {"__name__": "__main__"})
    elif first == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        sys.path.insert(0, os.path.dirname(first))
        runpy.run_path(first, run_name="__main__")
