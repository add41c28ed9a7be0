"""Starts and stops one redis-server or holdfast-server in a temp folder on a free loopback port.

Used by every black-box harness and by bench/compare.py. Processes are stopped by their own id:
SIGTERM first, SIGKILL after a timeout. Nothing here guesses the state of the server from time: it
is ready when it answers PING.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from resp import Client, ConnectionLost, Status, encode

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
REDIS_SERVER = shutil.which("redis-server") or "/usr/bin/redis-server"
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def holdfast_server():
    """Path of our server: $HOLDFAST_SERVER, else of $HOLDFAST_BUILD, else of the first preset that
    is built; None if there is none."""
    given = os.environ.get("HOLDFAST_SERVER")
    if given:
        return given
    folders = [os.environ["HOLDFAST_BUILD"]] if os.environ.get("HOLDFAST_BUILD") else [
        os.path.join(REPOSITORY, "build", preset)
        for preset in ("release", "debug", "asan-ubsan", "tsan")]
    builds = [os.path.join(folder, "server", "holdfast-server") for folder in folders]
    found = [path for path in builds if os.access(path, os.X_OK)]
    return found[0] if found else None


def built(*path):
    """Path of what was built with the server; None if absent."""
    server = holdfast_server()
    if not server:
        return None
    path = os.path.join(os.path.dirname(os.path.dirname(server)), *path)
    return path if os.access(path, os.X_OK) else None


def aof_check():
    """Path of our log checker: $AOF_CHECK, else the one built beside the server; None if absent."""
    return os.environ.get("AOF_CHECK") or built("tools", "aof-check")


def add_server_argument(parser):
    parser.add_argument("--server", default=None,
                        help="server under test (default: the built holdfast-server)")


def server_under_test(arguments):
    """The path from --server or the build; ends the program with a clear line if there is none."""
    path = arguments.server or holdfast_server()
    if not path or not os.access(path, os.X_OK):
        sys.exit("no server to test: build holdfast-server or give --server PATH (found: %s)"
                 % path)
    return path


def is_redis(path):
    return os.path.basename(path).startswith("redis")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class ServerFailed(Exception):
    """The server did not start; carries what it printed."""


class ServerProcess:
    """One server. `folder` is kept if it was given, else removed by stop(remove=True)."""

    def __init__(self, binary, flags=(), folder=None, wrapper=(), start=True, ready_timeout_s=60,
                 password=None):
        self.binary = binary
        self.flags = [str(flag) for flag in flags]
        self.owns_folder = folder is None
        self.folder = folder or tempfile.mkdtemp(prefix="holdfast-test-")
        self.wrapper = list(wrapper)
        self.ready_timeout_s = ready_timeout_s
        self.password = password
        self.process = None
        self.port = None
        self.log_path = os.path.join(self.folder, "server-output.txt")
        if start:
            self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        """Starts it (again, on the same folder) and waits until it answers PING."""
        for attempt in range(5):
            self.launch()
            try:
                self.wait_ready()
                return self
            except ServerFailed:
                self.kill()
                if attempt == 4 or "in use" not in self.output().lower():
                    raise
        return self

    def launch(self):
        """Starts it and does not wait: it may still be loading."""
        self.port = free_port()
        self._spawn()

    def _spawn(self):
        command = self.wrapper + [self.binary, "--port", str(self.port), "--bind", "127.0.0.1",
                                  "--dir", self.folder] + self.flags
        with open(self.log_path, "ab") as log:
            self.log_start = log.tell()
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT,
                                            stdin=subprocess.DEVNULL, cwd=self.folder)

    def wait_ready(self):
        deadline = time.monotonic() + self.ready_timeout_s
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise ServerFailed("%s exited with %d:\n%s"
                                   % (self.binary, self.process.returncode, self.output()))
            try:
                with Client(self.port, timeout_s=self.ready_timeout_s) as client:
                    reply = client.command("PING")
                    if reply == Status("PONG") or str(reply).startswith("NOAUTH"):
                        return
            except (OSError, ConnectionLost):
                pass
            time.sleep(0.005)
        raise ServerFailed("%s did not answer PING within %d s:\n%s"
                           % (self.binary, self.ready_timeout_s, self.output()))

    def output(self, last_bytes=4000):
        """What the newest start printed, for messages."""
        with open(self.log_path, "rb") as log:
            log.seek(self.log_start)
            return log.read()[-last_bytes:].decode("utf-8", "replace")

    @property
    def pid(self):
        """The server's own id, also when a wrapper (strace, taskset) stands before it."""
        if not self.wrapper:
            return self.process.pid
        name = os.path.basename(os.path.realpath(self.binary))[:15]
        for child in descendants(self.process.pid):
            if process_name(child) == name or process_name(child) == \
                    os.path.basename(self.binary)[:15]:
                return child
        return self.process.pid

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """SIGKILL, as a crash."""
        if self.alive():
            os.kill(self.pid, signal.SIGKILL)
            self.process.wait()
        return self.process.returncode

    def terminate(self, timeout_s=60):
        """SIGTERM and wait; SIGKILL after the timeout. Returns the exit status."""
        if self.alive():
            os.kill(self.pid, signal.SIGTERM)
            try:
                self.process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.process.returncode

    def stop(self, remove=True):
        if self.process is not None:
            self.terminate(timeout_s=20)
        if remove and self.owns_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def connect(self, protocol=2, timeout_s=20.0):
        client = Client(self.port, timeout_s=timeout_s)
        if self.password:
            client.must("AUTH", self.password)
        if protocol == 3:
            client.must("HELLO", "3")
        return client

    def cpu_seconds(self):
        """User and system time of all its threads so far."""
        return self._stat_seconds(11)

    def ended_children_seconds(self):
        """The same of its children that have ended."""
        return self._stat_seconds(13)

    def _stat_seconds(self, first):
        with open("/proc/%d/stat" % self.pid, "rb") as stat:
            fields = stat.read().rsplit(b")", 1)[1].split()
        return (int(fields[first]) + int(fields[first + 1])) / TICKS_PER_S

    def rss_bytes(self):
        with open("/proc/%d/statm" % self.pid, "rb") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def peak_rss_bytes(self):
        with open("/proc/%d/status" % self.pid) as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
        return self.rss_bytes()


def descendants(pid):
    """Ids of all child processes, parents first."""
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid)) as children:
            direct = [int(child) for child in children.read().split()]
    except OSError:
        return []
    found = []
    for child in direct:
        found.append(child)
        found += descendants(child)
    return found


def process_name(pid):
    try:
        with open("/proc/%d/comm" % pid) as comm:
            return comm.read().strip()
    except OSError:
        return ""


def memory_only(binary, extra=()):
    """Flags of a server without persistence."""
    return ["--save", "", "--appendonly", "no"] + list(extra)


def logged(policy, extra=()):
    """Flags of a server with the log on."""
    return ["--save", "", "--appendonly", "yes", "--appendfsync", policy] + list(extra)


def dropping(binary):
    """Flags of ours that make it a store without a cold tier, as Redis is one."""
    return [] if is_redis(binary) else ["--eviction-action", "drop"]


__all__ = ["REDIS_SERVER", "REPOSITORY", "ServerFailed", "ServerProcess", "add_server_argument",
           "aof_check", "dropping", "encode", "free_port", "holdfast_server", "is_redis", "logged",
           "memory_only", "server_under_test"]
