"""Network namespaces, the links between them, and the processes in them.

The whole benchmark has a mount namespace of its own, in which /run is empty: names of namespaces and
sockets that programs make there are not seen outside, and are gone with it. A network namespace
goes with its last process, and every process is killed by the kernel when this one ends, however it
ends (those that processes of ours start are in a process namespace of their own).
"""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

MARK = "ADIT_BENCH_NAMESPACE"


class Missing(Exception):
    """Why a figure cannot be had, in words for the table."""


def enter_mounts():
    """Runs this program again with mounts of its own."""
    if not os.environ.get(MARK):
        os.environ[MARK] = "yes"
        command = ["unshare", "--mount", "--propagation", "private", "--"]
        os.execvp(command[0], [*command, sys.executable, *sys.argv])


def hide_run():
    """From here on /run is ours. Programs that resolve names, such as cargo, may need the host's."""
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)


class Process:
    """A command in a namespace, in the background."""

    def __init__(self, namespace, command, log, **options):
        # The namespace is entered last, so that the process id is the command's own.
        death = ["setpriv", "--pdeathsig", "KILL"]
        inside = ["ip", "netns", "exec", namespace.name]
        self.name = pathlib.Path(str(command[0])).name
        self.log = log
        with open(log, "ab") as output:
            options.setdefault("stdout", output)
            self.popen = subprocess.Popen(
                [*death, *inside, *map(str, command)], stdin=subprocess.DEVNULL,
                stderr=output, **options)
        self.pid = self.popen.pid

    def alive(self):
        return self.popen.poll() is None

    def wait(self, seconds):
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Missing(f"{self.name} did not end after {seconds:.0f} s") from None

    def stop(self, patience=10):
        if self.alive():
            self.popen.terminate()
            try:
                self.popen.wait(patience)
            except subprocess.TimeoutExpired:
                self.popen.kill()
        self.popen.wait()

    def last_words(self):
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1].strip()[:200] if lines else "no output"


class Namespace:
    def __init__(self, lab, name):
        self.lab = lab
        self.name = name
        lab.ip("netns", "add", name)
        self.ip("link", "set", "lo", "up")

    def ip(self, *arguments):
        return self.lab.ip("-n", self.name, *arguments)

    def run(self, command, seconds):
        """Runs a command to its end. Returns its output."""
        inside = ["setpriv", "--pdeathsig", "KILL", "ip", "netns", "exec", self.name]
        try:
            done = subprocess.run([*inside, *map(str, command)], stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, timeout=seconds)
        except subprocess.TimeoutExpired:
            raise Missing(f"{command[0]} did not end after {seconds:.0f} s") from None
        if done.returncode != 0:
            words = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()
            raise Missing(f"{pathlib.Path(str(command[0])).name}: {words[-1].strip()[:200]}")
        return done.stdout

    def start(self, name, command, **options):
        process = Process(self, command, self.lab.folder / f"{self.name}-{name}.log", **options)
        self.lab.processes.append(process)
        return process

    def pids(self):
        return [int(pid) for pid in self.lab.ip("netns", "pids", self.name).split()]

    def kill(self, names=""):
        """All processes, or those whose names begin like this."""
        for pid in self.pids():
            try:
                if pathlib.Path(f"/proc/{pid}/comm").read_text().startswith(names):
                    os.kill(pid, signal.SIGKILL)
            except (FileNotFoundError, ProcessLookupError):
                pass

    def has_address(self, interface):
        """An IPv4 address."""
        try:
            return "inet " in self.ip("-4", "-o", "address", "show", "dev", interface)
        except Missing:
            return False

    def has_link(self, interface):
        try:
            return bool(self.ip("-o", "link", "show", "dev", interface))
        except Missing:
            return False

    def listens(self, protocol, port):
        """Whether a socket is bound to this port: with "tcp", one that listens."""
        only = ["--listening"] if protocol == "tcp" else ["--all"]
        command = ["ss", "-H", "-n", f"--{protocol}", *only, f"sport = :{port}"]
        return bool(self.run(command, 10).strip())


class Lab:
    """All of them. As a context manager it leaves nothing behind."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.processes = []
        self.namespaces = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            if process.alive():
                process.popen.terminate()
        for process in self.processes:
            process.stop(3)
        for name in list(self.namespaces):
            self.remove(name)

    def ip(self, *arguments):
        done = subprocess.run(["ip", *map(str, arguments)], capture_output=True, text=True)
        if done.returncode != 0:
            raise Missing(f"ip {' '.join(map(str, arguments))}: {done.stderr.strip()}")
        return done.stdout

    def namespace(self, name):
        self.namespaces[name] = Namespace(self, name)
        return self.namespaces[name]

    def remove(self, name):
        if namespace := self.namespaces.pop(name, None):
            # What a process has left behind; nobody else's processes are in there.
            namespace.kill()
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)

    def join(self, left, left_end, right, right_end):
        """A veth pair; an end is an interface's name and its address with the prefix length."""
        self.ip("link", "add", "name", left_end[0], "netns", left.name, "type", "veth",
                "peer", "name", right_end[0], "netns", right.name)
        for namespace, (interface, address) in ((left, left_end), (right, right_end)):
            namespace.ip("address", "add", address, "dev", interface)
            namespace.ip("link", "set", interface, "up")

    def pair(self, name):
        """server 192.0.2.1 --- 192.0.2.2 client"""
        server, client = self.namespace(f"{name}-server"), self.namespace(f"{name}-client")
        self.join(server, ("eth0", "192.0.2.1/24"), client, ("eth0", "192.0.2.2/24"))
        return server, client

    def write(self, name, text):
        """A file that programs read, which may be a secret. Returns its path."""
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o600)
        return path


def until(true, seconds, what, process=None):
    """Waits until something is true; gives up when the time is up or the process has ended."""
    end = time.monotonic() + seconds
    while not true():
        if process is not None and not process.alive():
            raise Missing(f"{process.name} has ended: {process.last_words()}")
        if time.monotonic() > end:
            words = f": {process.last_words()}" if process else ""
            raise Missing(f"{what} did not come within {seconds:.0f} s{words}")
        time.sleep(0.05)


def need(*commands, package):
    for command in commands:
        if shutil.which(command) is None:
            raise Missing(f"{command} is not there: apt install {package}")
