"""What is measured, one after the other: each stage has a server of its own."""

import dataclasses
import json
import time
import typing

import tools
from lab import Missing
from world import FORGED, OUTER, PROVEN, watch

# What returns is up within a minute, or does not count; a little longer is waited to say how long.
RETURN = 300
# Seconds after the last client has come until nothing is left of its coming.
SETTLE = 10
FLOOD_INTERVAL = 10
# Seconds after a flood until its handshakes are over and the server has given their memory back.
EBB = 60


@dataclasses.dataclass
class Stage:
    key: str
    title: str
    # The figures that it gives.
    figures: list
    # Takes the world; gives values by figure, or says why there are none. What it had before it
    # failed it has already given to `add`.
    measure: typing.Callable
    # Seconds.
    cost: float
    rounds: int = 1


def ramp(clients):
    """The longest that so many may take to come: at a hundred a second."""
    return 60 + clients / 100


def connect(world, options, group, add):
    """As many clients, one after the other's coming, as both sides get through on these cores."""
    server = world.serve(options.connects)
    try:
        before = server.cpu()
        load = world.load(options.connects, "--dh", group, "--at-once", options.at_once,
                          "--hold", "3s")
        load.held(ramp(options.connects))
        used = server.cpu() - before
        report = load.leave()
        add(f"rate-{group}", report["connects"]["per_second"])
        add(f"cpu-{group}", 1000 * used / options.connects)
        add(f"time-{group}", report["milliseconds"]["total"]["p50"])
    finally:
        load_ends(world)
        server.stop()


def hold(world, options, clients, name, add):
    """Sessions that do nothing but stay."""
    server = world.serve(clients)
    try:
        empty = server.memory()
        load = world.load(clients, "--dh", "ecp256", "--at-once", options.at_once, "--hold", "1d")
        load.held(ramp(clients))
        add(f"ramp-{name}", load.now()["seconds"])
        time.sleep(SETTLE)
        cpu, start = server.cpu(), time.monotonic()
        memory = max(watch(options.idle, server.memory))
        add(f"idle-{name}", 100 * (server.cpu() - cpu) / (time.monotonic() - start))
        add(f"memory-{name}", memory / 2 ** 20)
        add(f"per-session-{name}", (memory - empty) / clients / 1024)
        line = load.now()
        sessions = server.totals()["held"]["sessions"]
        if line["lost"] or sessions < line["up"]:
            raise Missing(f"{line['lost']:,} of {clients:,} sessions were lost while idle; the server "
                          f"has {sessions:,}")
        add(f"held-{name}", sessions)
    finally:
        load_ends(world)
        server.kill()


def load_ends(world):
    """Nobody is left, and nobody has said goodbye."""
    for process in list(world.lab.processes):
        if process.log.name.endswith("-load.log"):
            process.stop(0.1)
            world.lab.processes.remove(process)


def storm(world, options, add):
    """The server is killed, and its clients with it; all of them dial when it is there again."""
    server = world.serve(options.clients)
    try:
        load = world.load(options.clients, "--dh", "modp2048", "--at-once", options.at_once,
                          "--hold", "1d")
        load.held(ramp(options.clients))
        server.kill()
        load.stop()
        server.start()
        load = world.load(options.clients, "--dh", "modp2048", "--at-once", options.clients,
                          "--hold", "1d", "--redial")
        returned(load, options, "storm", add, first=0, lost=0)
    finally:
        load_ends(world)
        server.kill()


def restart(world, options, way, add):
    """Clients that are up, and dial again by themselves."""
    server = world.serve(options.clients)
    try:
        load = world.load(options.clients, "--dh", "modp2048", "--at-once", options.clients,
                          "--hold", "1d", "--redial")
        before = load.until(lambda line: line["up"] >= options.clients, RETURN, "the coming of all")
        if way == "kill":
            server.kill()
        else:
            server.stop()
        server.start()
        again = time.monotonic()
        # They find out by their own questions: LCP echo, HELLO, dead peer detection.
        load.until(lambda line: line["begun"] > before["begun"], RETURN, "the first dial")
        # Not those that have not found out yet that the server has gone.
        returned(load, options, way, add, before["begun"], before["lost"] + options.clients)
        add(f"since-restart-{way}", time.monotonic() - again)
    finally:
        load_ends(world)
        server.kill()


def returned(load, options, name, add, first, lost):
    """Seconds from the first dial, of which there were `first` before, until `lost` sessions have been
    lost in all and everybody has one."""
    load.until(lambda line: line["begun"] > first, 30, "the first dial")
    # Those who were told that the server ends have dialled before it was there again.
    dialled = next(line for line in load.lines() if line["begun"] > first)
    begin, failed = dialled["seconds"], dialled["failed"]
    try:
        line = load.until(lambda line: line["up"] >= options.clients and line["lost"] >= lost, RETURN,
                          "the return of all")
    except Missing as reason:
        raise Missing(f"{reason}; {load.now()['up']:,} of {options.clients:,} are up") from None
    # A line of progress comes every second.
    add(f"return-{name}", max(1.0, line["seconds"] - begin))
    add(f"again-{name}", line["failed"] - failed)


# --- flood ----------------------------------------------------------------------------------------

def number_of_logins(options):
    return round(options.login_rate * options.login_seconds)


def logins(world, options):
    """Clients that come at a rate, whatever becomes of them."""
    load = world.load(number_of_logins(options), "--dh", "modp2048", "--rate", options.login_rate,
                      "--hold", "0s")
    report = load.finish(options.login_seconds + 120)
    connects = report["connects"]
    return {"share": 100 * connects["up"] / max(1, connects["begun"]),
            "time": report["milliseconds"]["total"]["p50"],
            # One that failed before it sent anything has no stage.
            "causes": ", ".join(f"{failure['count']} {failure.get('stage', 'start')}: {failure['cause']}"
                                for failure in report["failures"][:3])}


def start_flood(world, options, seconds):
    output = world.lab.folder / "flood.json"
    command = [tools.OWN, "flood", OUTER, "--rate", options.flood_rate, "--seconds", seconds,
               "--forged", FORGED, "--own", ",".join(PROVEN)]
    with open(output, "wb") as file:
        return world.client_host.start("flood", command, stdout=file), output


def flood(world, options, add, say):
    """Logins without a flood, logins under one, and what of an hour of it stays in memory."""
    server = world.serve(number_of_logins(options))
    process = None
    try:
        normal = logins(world, options)
        if normal["share"] < 100:
            say(f"without a flood: {normal['causes']}")
        server.wait_until_empty()
        before = server.memory()
        seconds = max(60 * options.flood_minutes, options.login_seconds + 60)
        process, output = start_flood(world, options, seconds)
        begin = time.monotonic()
        time.sleep(3)
        during = logins(world, options)
        add("flood-share", during["share"], during["causes"])
        add("flood-time", during["time"] / normal["time"])
        add("flood-time-normal", normal["time"])
        add("flood-time-during", during["time"])
        memory = watch_flood(server, process, begin, seconds)
        process.wait(30)
        report = json.loads(output.read_text())
        add("flood-rate", report["rate"])
        add("flood-exchanges", report["exchanges"] / report["seconds"])
        time.sleep(EBB)
        server.wait_until_empty()
        after = server.memory()
        add("flood-most", max([*memory, after]) / 2 ** 20)
        add("flood-memory", (after - before) / 2 ** 20)
        if len(memory) > 60 / FLOOD_INTERVAL:
            first_minute = memory[int(60 / FLOOD_INTERVAL)]
            add("flood-later", (memory[-1] - first_minute) / 2 ** 20)
    finally:
        if process:
            process.stop(1)
            world.lab.processes.remove(process)
        load_ends(world)
        server.kill()


def watch_flood(server, process, begin, seconds):
    """Resident memory, every ten seconds until the flood ends."""
    values = []
    while process.alive() and time.monotonic() < begin + seconds + 10:
        values.append(server.memory())
        time.sleep(FLOOD_INTERVAL)
    return values


# --- all of it ------------------------------------------------------------------------------------

GROUPS = ("modp2048", "ecp256")


def everything(options, say):
    """In the order in which it is measured."""
    return_cost = options.clients / 300 + 30
    stages = [
        Stage(f"connect-{group}", f"full connects, {group}",
              [f"rate-{group}", f"cpu-{group}", f"time-{group}"],
              lambda world, add, group=group: connect(world, options, group, add),
              options.connects / 400 + 8, options.rounds)
        for group in GROUPS
    ]
    for name, clients in (("some", options.clients), ("many", options.sessions)):
        stages.append(Stage(
            f"hold-{name}", f"{clients:,} sessions held",
            [f"held-{name}", f"memory-{name}", f"per-session-{name}", f"idle-{name}",
             f"ramp-{name}"],
            lambda world, add, name=name, clients=clients: hold(world, options, clients, name, add),
            clients / 500 + options.idle + SETTLE + 8))
    stages += [
        Stage("return-storm", "all dial at once after a restart",
              ["return-storm", "again-storm"],
              lambda world, add: storm(world, options, add), 2 * return_cost),
        *(Stage(f"return-{way}", f"clients return after a restart, {words}",
                [f"return-{way}", f"again-{way}", f"since-restart-{way}"],
                lambda world, add, way=way: restart(world, options, way, add),
                2 * return_cost + wait)
          for way, words, wait in (("polite", "with goodbyes", 0), ("kill", "killed", 120))),
        Stage("flood", "logins and memory during a flood",
              ["flood-share", "flood-time", "flood-memory", "flood-later", "flood-most",
               "flood-rate", "flood-exchanges", "flood-time-normal", "flood-time-during"],
              lambda world, add: flood(world, options, add, say),
              60 * options.flood_minutes + options.login_seconds + EBB + 90),
    ]
    return stages
