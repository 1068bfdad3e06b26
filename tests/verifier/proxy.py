"""A proxy between clients and Kafka's brokers that knows requests and answers, and spoils what it is told to spoil:
`proxy.py BROKER[,BROKER...] [--port P]`.

Each broker gets a port of 127.0.0.1, P, P+1, ... or any that is free, and answers that name brokers are changed so that
clients come here. The first line of the output says where: `{"event": "listening", "bootstrap": ..., ...}`; every line is
JSON and tells what was done. Commands are lines of the standard input; each is answered by a line with `"event": "done"`
or `"refused"`. When the standard input ends, the proxy ends.

    hold-end-txn PATTERN WHICH [attempts=N|all] [keep|close]
        Holds the request EndTxn of matching transactional ids back, of the transactions that WHICH says: `nth=5` the fifth
        of an id, `every=5` every fifth; the first attempt or so many. The client's connection is closed, or kept. The
        request goes to the broker when that transaction is over in another way and the next one of the same id has begun
        to produce; what the broker answers is told by `"event": "released"`.
    drop-end-txn-answer PATTERN WHICH [keep|close]
        Lets the request through and swallows the broker's answer.
    delay API MILLISECONDS
        Every request of this kind waits so long, and with it what comes after it on its connection. 0 ends it.
    hide-brokers
        Answers to Metadata name no broker, as those of a broker that has just started.
    drop-connections
        Closes all connections; clients may come again.
    clear
        Ends all of the above. Held requests stay where they are.
    status
        Tells how many transactions there were, of which id, and what is held.
"""

import argparse
import asyncio
import fnmatch
import json
import socket
import struct
import sys
from collections import Counter

import frames

HOST = "127.0.0.1"
# Frames that are larger are no Kafka: brokers take 100 MiB.
FRAME_MAX = 128 << 20
# How long a broker may take to answer a request that is let go late, seconds.
ANSWER_SECONDS = 30


class Refused(Exception):
    """A command that makes no sense."""


class Rule:
    """Which transactions' EndTxn is meant."""

    def __init__(self, pattern, which, attempts=1, closes=False):
        self.pattern, self.attempts, self.closes = pattern, attempts, closes
        how, _, number = which.partition("=")
        if how not in ("nth", "every") or not number.isdigit() or int(number) < 1:
            raise Refused(f"{which!r} is neither nth=N nor every=N")
        self.every, self.number = how == "every", int(number)

    def means(self, transactional, number, attempt):
        if not fnmatch.fnmatchcase(transactional, self.pattern) or attempt > self.attempts:
            return False
        return number % self.number == 0 if self.every else number == self.number


class Transactions:
    """What is known of one transactional id."""

    def __init__(self):
        self.number, self.attempt, self.open = 0, 0, False
        # A request that waits, and whether its transaction is over in another way.
        self.held, self.over = None, False

    def asked(self, key):
        """A request has come. Counts transactions: one begins with what belongs to it, and ends once."""
        if key == frames.END_TRANSACTION:
            self.number, self.attempt = (self.number + 1, 1) if self.open else (self.number, self.attempt + 1)
            self.open = False
        elif key == frames.INIT_PRODUCER_ID:
            self.open = False
        else:
            self.open = True


class Held:
    def __init__(self, broker, asked, frame, number):
        self.broker, self.asked, self.frame, self.number = broker, asked, frame, number


class Proxy:
    def __init__(self, brokers, port):
        self.port, self.places, self.servers = port, {}, []
        self.connections, self.transactions, self.counts = set(), {}, Counter()
        self.holds, self.drops, self.delays, self.hides = [], [], {}, False
        self.work = set()
        for broker in brokers:
            self.place(*broker)

    def tell(self, event, **facts):
        print(json.dumps({"event": event, **facts}), flush=True)

    def spawn(self, work):
        task = asyncio.ensure_future(work)
        self.work.add(task)
        task.add_done_callback(self.work.discard)
        return task

    def place(self, host, port):
        """Where clients reach a broker; from the first time on that its address is seen."""
        broker = host, port
        if broker not in self.places:
            listener = socket.create_server((HOST, self.port + len(self.places) if self.port else 0))
            self.places[broker] = HOST, listener.getsockname()[1]
            self.spawn(self.listen(broker, listener))
        return self.places[broker]

    async def listen(self, broker, listener):
        serve = lambda reader, writer: self.serve(broker, reader, writer)
        self.servers.append(await asyncio.start_server(serve, sock=listener))

    def of(self, transactional):
        return self.transactions.setdefault(transactional, Transactions())

    async def serve(self, broker, reader, writer):
        connection = Connection(self, broker, reader, writer)
        self.connections.add(connection)
        self.counts["connections"] += 1
        try:
            await connection.run()
        except asyncio.CancelledError:
            # The proxy ends.
            connection.close()
        finally:
            self.connections.discard(connection)

    async def release(self, transactional, held):
        """Lets a held request go, on a connection of its own, as if it had been long on its way."""
        facts = {"id": transactional, "transaction": held.number, "commits": held.asked.commits}
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                reader, writer = await asyncio.open_connection(*held.broker)
                write(writer, held.frame)
                answer = await read(reader)
                writer.close()
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            self.tell("not-released", why=repr(error), **facts)
            return
        self.counts["released"] += 1
        self.tell("released", error=frames.error(held.asked, answer), **facts)

    def drop_connections(self):
        for connection in list(self.connections):
            connection.close()

    # Commands

    def command(self, line):
        name, *arguments = line.split()
        commands = {
            "hold-end-txn": self.hold,
            "drop-end-txn-answer": self.drop,
            "delay": self.delay,
            "hide-brokers": self.hide_brokers,
            "drop-connections": self.drop_connections,
            "clear": self.clear,
            "status": self.status,
        }
        if name not in commands:
            raise Refused(f"there is no command {name!r}")
        try:
            return commands[name](*arguments) or {}
        except TypeError as error:
            raise Refused(f"{name}: {error}") from error

    def hold(self, pattern, which, *options):
        self.holds.append(rule(pattern, which, options))

    def drop(self, pattern, which, *options):
        self.drops.append(rule(pattern, which, options))

    def delay(self, api, milliseconds):
        if api not in frames.NAMES or not milliseconds.isdigit():
            raise Refused(f"delay wants one of {', '.join(frames.NAMES)} and milliseconds")
        self.delays[frames.NAMES[api]] = int(milliseconds) / 1000

    def hide_brokers(self):
        self.hides = True

    def clear(self):
        self.holds, self.drops, self.delays, self.hides = [], [], {}, False

    def status(self):
        numbers = {name: one.number for name, one in self.transactions.items()}
        held = sorted(name for name, one in self.transactions.items() if one.held)
        return {"transactions": numbers, "held": held, "counts": dict(self.counts), "open": len(self.connections)}


def rule(pattern, which, options):
    attempts, closes = 1, False
    for option in options:
        if option in ("keep", "close"):
            closes = option == "close"
        elif option == "attempts=all":
            attempts = float("inf")
        elif option.startswith("attempts=") and option[9:].isdigit():
            attempts = int(option[9:])
        else:
            raise Refused(f"there is no option {option!r}")
    return Rule(pattern, which, attempts, closes)


class Connection:
    """A client's connection and the one to its broker."""

    def __init__(self, proxy, broker, reader, writer):
        self.proxy, self.broker, self.reader, self.writer = proxy, broker, reader, writer
        self.upstream = None
        # Number -> request that was sent on, whether its answer is to be dropped, and whether it came after what is held.
        self.waiting = {}

    async def run(self):
        try:
            reader, self.upstream = await asyncio.open_connection(*self.broker)
        except OSError as error:
            self.proxy.tell("unreachable", broker=f"{self.broker[0]}:{self.broker[1]}", why=str(error))
            self.close()
            return
        pumps = [asyncio.ensure_future(self.requests()), asyncio.ensure_future(self.answers(reader))]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        self.close()
        for pump in pumps:
            pump.cancel()
        for error in await asyncio.gather(*pumps, return_exceptions=True):
            if isinstance(error, Exception) and not isinstance(error, (OSError, asyncio.IncompleteReadError)):
                self.proxy.tell("failed", why=repr(error))

    def close(self):
        for writer in (self.writer, self.upstream):
            if writer is not None:
                writer.close()

    async def requests(self):
        while True:
            frame = await read(self.reader)
            asked = frames.request(frame)
            delay = self.proxy.delays.get(asked.key)
            if delay:
                await asyncio.sleep(delay)
            if self.pass_on(asked, frame):
                write(self.upstream, frame)
                await self.upstream.drain()

    def pass_on(self, asked, frame):
        """Notes a request, and says whether it goes on to the broker."""
        dropped = late = False
        if asked.transactional is not None:
            known = self.proxy.of(asked.transactional)
            known.asked(asked.key)
            late = known.held is not None and known.over
            if asked.key == frames.END_TRANSACTION:
                if self.hold(known, asked, frame):
                    return False
                dropped = self.meant(self.proxy.drops, known, asked)
        self.waiting[asked.number] = asked, dropped, late
        return True

    def meant(self, rules, known, asked):
        return next((one for one in rules if one.means(asked.transactional, known.number, known.attempt)), None)

    def hold(self, known, asked, frame):
        meant = self.meant(self.proxy.holds, known, asked)
        if meant is None or known.held is not None:
            return False
        known.held, known.over = Held(self.broker, asked, frame, known.number), False
        self.proxy.counts["held"] += 1
        facts = {"id": asked.transactional, "transaction": known.number, "attempt": known.attempt}
        self.proxy.tell("held", commits=asked.commits, epoch=asked.epoch, **facts)
        if meant.closes:
            self.close()
        return True

    async def answers(self, reader):
        while True:
            frame = await read(reader)
            asked, dropped, late = self.waiting.pop(frames.number(frame), (None, None, False))
            if asked is None:
                self.proxy.tell("unknown-answer", number=frames.number(frame))
                continue
            self.heard(asked, frame, late)
            if dropped:
                self.proxy.counts["dropped"] += 1
                error = frames.error(asked, frame)
                self.proxy.tell("dropped", id=asked.transactional, commits=asked.commits, error=error)
                if dropped.closes:
                    return
                continue
            if self.proxy.hides and asked.key == frames.METADATA:
                self.proxy.counts["hidden"] += 1
            write(self.writer, frames.rewritten(asked, frame, self.proxy.place, self.proxy.hides))
            await self.writer.drain()

    def heard(self, asked, frame, late):
        """Notes what an answer says of a transaction whose end is held."""
        known = self.proxy.transactions.get(asked.transactional)
        if known is None or known.held is None:
            return
        if asked.key in (frames.END_TRANSACTION, frames.INIT_PRODUCER_ID) and frames.error(asked, frame) == 0:
            known.over = True
        elif asked.key == frames.PRODUCE and late:
            self.proxy.spawn(self.proxy.release(asked.transactional, known.held))
            known.held, known.over = None, False


async def read(reader):
    """One frame, without its length."""
    (length,) = struct.unpack(">i", await reader.readexactly(4))
    if not 0 <= length <= FRAME_MAX:
        raise OSError(f"a frame of {length} bytes")
    return await reader.readexactly(length)


def write(writer, frame):
    writer.write(struct.pack(">i", len(frame)) + frame)


async def run(options):
    brokers = [(host, int(port)) for host, port in (one.rsplit(":", 1) for one in options.brokers.split(","))]
    proxy = Proxy(brokers, options.port)
    bootstrap = ",".join(f"{host}:{port}" for host, port in proxy.places.values())
    proxy.tell("listening", bootstrap=bootstrap)
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while line := (await commands.readline()).decode().strip():
        try:
            proxy.tell("done", command=line, **proxy.command(line))
        except Refused as refused:
            proxy.tell("refused", command=line, why=str(refused))


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("brokers", help="HOST:PORT, several with commas between")
    arguments.add_argument("--port", type=int, default=0, help="the first port to listen on; 0: any that are free")
    asyncio.run(run(arguments.parse_args()))


if __name__ == "__main__":
    main()
