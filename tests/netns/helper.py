#!/usr/bin/env python3
"""What tests/netns/run would rather not do in shell.

helper.py echo ADDRESS PORT         answers each datagram with its source, as "address port"
helper.py ask ADDRESS PORT LOCAL    sends a datagram from the port LOCAL and prints the answer
helper.py garbage ADDRESS COUNT     sends COUNT datagrams of nonsense to ports 500, 4500 and 1701
helper.py nobody USER               whether no session of the status report on standard input is of USER
helper.py nothing-held              whether the status report on standard input says that the server holds
                                    nothing of anybody; prints what else
helper.py contains TEXT...          whether each TEXT is in some string of the JSON document on
                                    standard input, an address also with a port behind it
helper.py notified PATH             prints, a line each, what is told through the socket PATH as
                                    through systemd's
helper.py hold PATH COUNT WORDS     makes COUNT connections to the Unix socket PATH, sends WORDS (unread: many
                                    whole requests), says "held" and reads nothing
helper.py stuck PATH                opens the pipe PATH, makes it as short as can be, and reads nothing
helper.py full PATH                 whether so much waits in that pipe that no more fits into it
helper.py stream-in ADDRESS PORT      takes one TCP connection, and says what arrived: a digest
helper.py stream-out ADDRESS PORT     sends it a stream, always the same, and prints the digest if it is right
helper.py datagrams-in ADDRESS PORT   takes datagrams from one sender, and says what arrived: a digest
helper.py datagrams-out ADDRESS PORT  sends it datagrams of many lengths, always the same, and prints how
                                    many, and the digest if it is right
helper.py round-trips               the shortest round trip of the report on standard input
helper.py load CLIENTS KEY=NUMBER...  whether the report of `adit load --json` on standard input holds together,
                                    is of so many clients, all of them well, and says these numbers
helper.py rate                      what iperf3 --json on standard input says was received
"""

import fcntl
import hashlib
import json
import os
import random
import socket
import struct
import sys
import termios
import time


def echo(address, port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind((address, int(port)))
        while True:
            _, source = s.recvfrom(2048)
            s.sendto(f"{source[0]} {source[1]}".encode(), source)


def ask(address, port, local):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("", int(local)))
        s.settimeout(0.5)
        for _ in range(10):
            s.sendto(b"who am I?", (address, int(port)))
            try:
                print(s.recvfrom(2048)[0].decode())
                return 0
            except TimeoutError:
                continue
    return 1


def notified(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(path)
        while True:
            print(s.recv(4096).decode().replace("\n", " "), flush=True)


def hold(path, count, words):
    unread = b'{"verb":"status"}\n' * 4000
    held = []
    for _ in range(int(count)):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.connect(path)
        s.setblocking(False)
        try:
            s.send(unread if words == "unread" else words.encode())
        except (BlockingIOError, ConnectionError):
            pass  # nobody has accepted it yet, or it has had to go already
        held.append(s)
    print("held", flush=True)
    time.sleep(300)


def stuck(path):
    with open(path, "rb", 0) as pipe:
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 4096)
        time.sleep(300)


def full(path):
    pipe = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    waiting = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))[0]
    room = fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ)
    print(f"{waiting} bytes wait in a pipe of {room}")
    return 0 if waiting > room // 2 else 1


def stream_in(address, port):
    with socket.create_server((address, int(port))) as server:
        s, _ = server.accept()
    with s:
        digest = hashlib.sha256()
        while piece := s.recv(1 << 16):
            digest.update(piece)
        s.sendall(digest.digest())


def stream_out(address, port):
    """32 MiB, in pieces of many lengths, so that segments are of many lengths, too."""
    rng = random.Random(2)
    digest = hashlib.sha256()
    with socket.create_connection((address, int(port)), 30) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        left = 32 << 20
        while left:
            piece = rng.randbytes(min(left, rng.choice([1, 100, 1000, 1 << 14, 1 << 18])))
            left -= len(piece)
            digest.update(piece)
            s.sendall(piece)
        s.shutdown(socket.SHUT_WR)
        return verdict(s.recv(100, socket.MSG_WAITALL), digest.digest(), "32 MiB")


# Asks what has arrived.
WHAT = b"what?"
UDP_SEGMENT = 103


def datagrams_in(address, port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind((address, int(port)))
        s.settimeout(30)
        count, digest = 0, hashlib.sha256()
        while True:
            datagram, source = s.recvfrom(1 << 16)
            if datagram == WHAT:
                s.sendto(struct.pack(">I", count) + digest.digest(), source)
            elif not datagram:
                return
            else:
                count += 1
                digest.update(struct.pack(">H", len(datagram)) + datagram)


def datagrams_out(address, port):
    """Bursts of datagrams of one length, with a shorter one at the end: cut by the kernel, or by
    whom it leaves that to; and the same one by one."""
    rng = random.Random(3)
    count, digest = 0, hashlib.sha256()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect((address, int(port)))
        s.settimeout(10)
        for _ in range(200):
            length = rng.choice([1, 2, 64, 65, 127, 500, 1000, 1200, rng.randrange(6, 1200)])
            last = rng.choice([0, 1, length // 2, length])
            burst = rng.randbytes(length * rng.randrange(1, 40) + last)
            datagrams = [burst[at : at + length] for at in range(0, len(burst), length)]
            if WHAT in datagrams:
                continue
            for datagram in datagrams:
                count += 1
                digest.update(struct.pack(">H", len(datagram)) + datagram)
            if rng.randrange(2):
                s.sendmsg([burst], [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("=H", length))])
            else:
                for datagram in datagrams:
                    s.send(datagram)
            # Nothing is lost for want of room: the next burst waits until this one is there.
            s.send(WHAT)
            answer = s.recv(100)
            if answer != struct.pack(">I", count) + digest.digest():
                arrived = struct.unpack(">I", answer[:4])[0]
                print(f"{arrived} datagrams have arrived of {count}, of {length} bytes the last")
                return 1
        s.send(b"")
    return verdict(answer[4:], digest.digest(), f"{count} datagrams")


def verdict(arrived, sent, what):
    if arrived != sent:
        print(f"{what}: {arrived.hex()} arrived, {sent.hex()} was sent")
        return 1
    print(f"{what}, {sent.hex()[:16]}")
    return 0


def nonsense(rng, port):
    """Bytes that get a little further than noise does: something like an ISAKMP header, an SPI,
    or an L2TP header, with lengths that are wrong as often as not."""
    noise = rng.randbytes(rng.choice([0, 1, 3, 4, 8, 27, 28, 60, 200, 1400]))
    length = rng.choice([len(noise) + 28, 0, 27, 0xFFFFFFFF])
    kind = rng.randrange(4)
    if kind == 0:
        return noise
    if kind == 1:
        cookies = rng.randbytes(8) + rng.choice([bytes(8), rng.randbytes(8)])
        exchange = rng.choice([2, 4, 5, 32, 34])
        rest = struct.pack(">BBBBII", rng.randrange(16), 0x10, exchange, 0, 0, length)
        return (bytes(4) if port == 4500 else b"") + cookies + rest + noise
    if kind == 2:
        return struct.pack(">II", rng.getrandbits(32), rng.getrandbits(32)) + noise
    flags = rng.choice([0xC802, 0x0002, 0x4002, 0xCA02])
    return struct.pack(">HHHHHH", flags, length & 0xFFFF, 0, 0, 0, 0) + noise


def garbage(address, count):
    rng = random.Random(1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for _ in range(int(count)):
            port = rng.choice([500, 4500, 1701])
            try:
                s.sendto(nonsense(rng, port), (address, port))
            except ConnectionError:
                pass  # nobody listens on 1701, and the kernel says so
    return 0


def strings(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from strings(inner)
    elif isinstance(value, str):
        yield value


def contains(*texts):
    found = list(strings(json.load(sys.stdin)))
    missing = [
        text
        for text in texts
        if not any(s == text or s.startswith((text + ":", text + "/")) for s in found)
    ]
    for text in missing:
        print(f"{text} is not among {found}")
    return 1 if missing else 0


def nobody(user):
    sessions = [s for s in json.load(sys.stdin)["sessions"] if s["user"] == user]
    for session in sessions:
        print(f"{user} is still there: {session}")
    return 1 if sessions else 0


def nothing_held():
    held = {what: count for what, count in json.load(sys.stdin)["held"].items() if count}
    print(held)
    return 1 if held else 0


def numbers(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from numbers(inner)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield value


def fields(value):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key, inner
            yield from fields(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from fields(inner)


def round_trips():
    trips = [
        number
        for key, value in fields(json.load(sys.stdin))
        if "round_trip" in key
        for number in numbers(value)
    ]
    if not trips or min(trips) <= 0:
        print(f"no round trips: {trips}")
        return 1
    print(f"{min(trips):.1f} ms")
    return 0


def rate():
    received = json.load(sys.stdin)["end"]["sum_received"]
    print(f"{received['bits_per_second'] / 1e6:.0f} Mbit/s")
    return 0 if received["bytes"] > 0 else 1


def load(clients, *wanted):
    report = json.load(sys.stdin)
    connects, sessions, traffic = report["connects"], report["sessions"], report["traffic"]
    wrong = []

    def check(what, holds):
        if not holds:
            wrong.append(what)

    check("not ok", report["ok"] and not report["interrupted"])
    check("clients", report["clients"] == sessions["up"] == sessions["most"] == int(clients))
    check("failures", connects["begun"] == connects["up"] + connects["failed"])
    check(
        "who came, and who was there",
        connects["up"] == sessions["up"] + sessions["left"] + sessions["lost"],
    )
    for kind, number in [("failures", connects["failed"]), ("losses", sessions["lost"])]:
        check(kind, sum(reason["count"] for reason in report[kind]) == number)
    stages = report["milliseconds"]
    check(
        "stages",
        list(stages)
        == ["phase1", "phase2", "tunnel", "session", "lcp", "authentication", "ipcp", "total"],
    )
    for name, times in stages.items():
        check(f"count of {name}", times["count"] == connects["up"])
    percentiles = [*stages.values(), report["return_milliseconds"], traffic["milliseconds"]]
    for times in percentiles:
        values = [times[key] for key in ["p50", "p90", "p99", "max"]]
        check(f"percentiles {values}", values == sorted(values))
    check("no time at all", stages["total"]["p50"] > 0)
    check("returned", report["return_milliseconds"]["count"] == sessions["returned"])
    check("answers", traffic["answered"] == traffic["milliseconds"]["count"] <= traffic["sent"])
    if sessions["lost"] == 0:
        check("unanswered pings", traffic["answered"] >= traffic["sent"] * 0.95)
    for text in wanted:
        key, number = text.split("=")
        value = report
        for part in key.split("."):
            value = value[part]
        check(f"{key} is {value}", value == int(number))
    if wrong:
        print("; ".join(wrong))
        return 1
    print(f"{connects['up']} connects, p50 {stages['total']['p50']:.0f} ms")
    return 0


COMMANDS = {
    "echo": echo,
    "ask": ask,
    "garbage": garbage,
    "contains": contains,
    "nobody": nobody,
    "nothing-held": nothing_held,
    "notified": notified,
    "stuck": stuck,
    "full": full,
    "hold": hold,
    "stream-in": stream_in,
    "stream-out": stream_out,
    "datagrams-in": datagrams_in,
    "datagrams-out": datagrams_out,
    "round-trips": round_trips,
    "load": load,
    "rate": rate,
}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        sys.exit(__doc__)
    sys.exit(COMMANDS[sys.argv[1]](*sys.argv[2:]))
