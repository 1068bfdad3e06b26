"""The proxy before a real broker: `proxy_on_broker.py BOOTSTRAP TOOLS`, as on_broker.py."""

import json
import select
import subprocess
import sys
import unittest
import uuid
from pathlib import Path

import messages
from client import Client, by_markers
from transactional import Producer
from wire import Connection, Gone

TOOL_SECONDS = 120
HOUR_MS = 3_600_000
# Errors of a late request.
INVALID_STATE, FENCED, OLD_EPOCH = 48, 90, 47


class Running:
    """A proxy as a process."""

    def __init__(self, bootstrap):
        script = Path(__file__).with_name("proxy.py")
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen([sys.executable, "-B", script, bootstrap], **pipes)
        self.told = []
        self.bootstrap = self.until("listening")["bootstrap"]

    def until(self, event):
        """The next line about this; lines before it are kept."""
        while line := self.process.stdout.readline():
            said = json.loads(line)
            self.told.append(said)
            if said["event"] == event:
                return said
        raise AssertionError(f"the proxy ended before it told of {event!r}: {self.told}")

    def say(self, command):
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()
        return self.until("done")

    def end(self):
        self.process.stdin.close()
        self.process.stdout.read()
        return self.process.wait()


class Proxied(unittest.TestCase):
    bootstrap = tools = None

    def setUp(self):
        self.proxy = Running(self.bootstrap)
        self.addCleanup(self.proxy.process.stdout.close)
        self.addCleanup(self.proxy.end)
        self.cluster = Client(self.proxy.bootstrap)
        self.addCleanup(self.cluster.close)
        self.topic = f"proxy-{uuid.uuid4().hex[:12]}"
        self.cluster.create_topics({self.topic: 1}, retention_ms="-1")

    def values(self):
        """Committed, aborted and undecided values."""
        batches, _ = self.cluster.batches(self.topic, 0, isolation=0)
        return [[record.value for record in kind] for kind in by_markers(batches)]

    def send(self, producer, value):
        producer.send(self.topic, 0, [(1, None, value, ())])

    def test_clients_stay_behind_the_proxy(self):
        self.assertEqual(self.cluster.metadata([self.topic]), {self.topic: 1})
        addresses = {f"{host}:{port}" for host, port in self.cluster.brokers.values()}
        self.assertLessEqual(addresses, set(self.proxy.bootstrap.split(",")))
        host, port = self.cluster.coordinator(0, "group")
        self.assertIn(f"{host}:{port}", self.proxy.bootstrap.split(","))

    def test_kafkas_tools_work_through_it(self):
        server = ["--topic", self.topic, "--bootstrap-server", self.proxy.bootstrap]
        said = b"one\ntwo\nthree\n"
        subprocess.run([self.tools, "produce", *server], input=said, check=True, timeout=TOOL_SECONDS)
        group = ["--from-beginning", "--group", self.topic, "--max-messages", "3"]
        found = subprocess.run(
            [self.tools, "consume", *server, *group], capture_output=True, check=True, timeout=TOOL_SECONDS
        )
        self.assertEqual(found.stdout, said)
        self.assertGreater(self.proxy.say("status")["counts"]["connections"], 3)

    def test_a_held_end_hits_the_next_transaction_of_a_producer_that_is_used_again(self):
        self.proxy.say(f"hold-end-txn {self.topic}* nth=2 close")
        producer = Producer(self.cluster, f"{self.topic}-1")
        for value in (b"one", b"two"):
            self.send(producer, value)
            producer.end(True)
        self.assertEqual(self.proxy.say("status")["held"], [f"{self.topic}-1"])
        self.send(producer, b"three")
        released = self.proxy.until("released")
        self.assertEqual((released["transaction"], released["error"]), (2, 0))
        self.assertIn([b"one", b"two", b"three"], [self.decided()[0]])

    def test_a_held_end_does_nothing_to_a_producer_that_was_made_anew(self):
        self.proxy.say(f"hold-end-txn {self.topic}* nth=1 attempts=all close")
        producer = Producer(self.cluster, f"{self.topic}-1")
        self.send(producer, b"one")
        with self.assertRaises(Gone):
            producer.end_once(True)
        anew = Producer(self.cluster, f"{self.topic}-1")
        self.send(anew, b"two")
        released = self.proxy.until("released")
        self.assertIn(released["error"], (INVALID_STATE, FENCED, OLD_EPOCH))
        anew.end(False)
        self.assertEqual(self.decided(), [[], [b"one", b"two"], []])

    def decided(self):
        """What is in the topic when no transaction is open."""
        self.cluster.settled(self.refuse_undecided)
        return self.values()

    def refuse_undecided(self):
        if self.values()[2]:
            raise Gone("a transaction is open")

    def test_an_answer_that_is_dropped_was_a_commit_all_the_same(self):
        self.proxy.say(f"drop-end-txn-answer {self.topic}* nth=1 close")
        producer = Producer(self.cluster, f"{self.topic}-1")
        self.send(producer, b"one")
        with self.assertRaises(Gone):
            producer.end_once(True)
        self.assertEqual(self.proxy.until("dropped")["error"], 0)
        self.assertEqual(self.decided(), [[b"one"], [], []])
        # Asked again, the broker says that it was done.
        producer.end(True)

    def test_every_so_many_transactions(self):
        self.proxy.say("hold-end-txn * every=2 close")
        producer = Producer(self.cluster, f"{self.topic}-1")
        for number in range(6):
            self.send(producer, f"{number}".encode())
            # The held commit of the one before may have hit this one, which is then over: committed, as is asked for.
            producer.end(True)
        self.proxy.say("clear")
        held = [said["transaction"] for said in self.proxy.told if said["event"] == "held"]
        self.assertEqual(held, [2, 4, 6])

    def test_connections_are_dropped_and_come_again(self):
        before = self.cluster.bounds(self.topic, 0)
        connections = list(self.cluster.connections.values())
        self.proxy.say("drop-connections")
        self.assertEqual(connections[0].socket.recv(1), b"")
        self.assertEqual(self.cluster.bounds(self.topic, 0), before)

    def test_a_delayed_request_holds_up_its_connection_alone(self):
        self.cluster.metadata([self.topic])
        self.proxy.say(f"delay Metadata {HOUR_MS}")
        slow = Connection(*next(iter(self.cluster.brokers.values())))
        self.addCleanup(slow.close)
        slow.send(messages.METADATA, topics=[self.topic], make=False)
        for _ in range(20):
            self.cluster.check_versions()
        self.assertEqual(select.select([slow.socket], [], [], 0)[0], [])
        self.proxy.say("delay Metadata 1")
        self.assertEqual(self.cluster.metadata([self.topic]), {self.topic: 1})

    def test_commands_that_make_no_sense(self):
        for command in ["fly", "delay Nothing 3", "hold-end-txn *", "hold-end-txn * sometimes", "drop-end-txn-answer * nth=0"]:
            self.proxy.process.stdin.write(f"{command}\n")
            self.proxy.process.stdin.flush()
            self.assertEqual(self.proxy.until("refused")["command"], command)


if __name__ == "__main__":
    Proxied.bootstrap, Proxied.tools = sys.argv[1:3]
    unittest.main(argv=sys.argv[:1])
