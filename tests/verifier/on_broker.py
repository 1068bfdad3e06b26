"""The client against a real broker, and held against Kafka's own tools: `on_broker.py BOOTSTRAP TOOLS`.

TOOLS is a program that runs them: `TOOLS consume ...`, `TOOLS produce ...` (tests/kafka/cli). Topics get names that
nobody else has, so that a broker can be shared.
"""

import random
import subprocess
import sys
import tempfile
import time
import unittest
import uuid
from pathlib import Path

import client
import fill
import kafka
import snapshot
import tape
import verify_kafka
from client import READ_COMMITTED, READ_UNCOMMITTED, Client
from transactional import Producer

# How long a tool may take, seconds: a JVM starts on a busy machine.
TOOL_SECONDS = 120
HEADERS = ((b"h", b"v"), (b"none", None), (b"", b""))


class OnBroker(unittest.TestCase):
    bootstrap = tools = None

    def setUp(self):
        self.cluster = Client(self.bootstrap)
        self.addCleanup(self.cluster.close)
        self.name = f"verifier-{uuid.uuid4().hex[:12]}"

    def topic(self, partitions=1, **configs):
        self.cluster.create_topics({self.name: partitions}, retention_ms="-1", **configs)
        return self.name

    def tool(self, *arguments, said=b""):
        command = [self.tools, *arguments, "--bootstrap-server", self.bootstrap]
        done = subprocess.run(command, input=said, capture_output=True, timeout=TOOL_SECONDS, check=False)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return done.stdout

    def consumed(self, topic, isolation, count):
        """What Kafka's own consumer prints: values."""
        arguments = ["--topic", topic, "--from-beginning", "--isolation-level", isolation]
        return self.tool("consume", *arguments, "--max-messages", str(count)).splitlines()

    def read(self, topic, isolation, partition=0):
        batches, aborted = self.cluster.batches(topic, partition, isolation)
        return batches, client.committed_by_list(batches, aborted)

    def test_versions(self):
        self.cluster.check_versions()

    def test_what_is_produced_comes_back(self):
        topic = self.topic()
        records = [(5, b"k", b"v", HEADERS), (3, None, None, ()), (4, b"", b"", ())]
        self.assertEqual(self.cluster.produce(topic, 0, kafka.encode(0, records)), 0)
        self.assertEqual(self.cluster.produce(topic, 0, kafka.encode(0, records[:1])), 3)
        _, found = self.read(topic, READ_COMMITTED)
        self.assertEqual([tuple(record[1:]) for record in found], [*records, records[0]])
        self.assertEqual([record.offset for record in found], [0, 1, 2, 3])
        self.assertEqual(self.cluster.bounds(topic, 0), (0, 4, 4))

    def test_what_kafkas_producer_wrote(self):
        topic = self.topic()
        lines = [f"line {number}" for number in range(500)]
        for codec in ("none", "gzip"):
            self.tool("produce", "--topic", topic, "--compression-codec", codec, said="\n".join(lines).encode())
        batches, found = self.read(topic, READ_COMMITTED)
        self.assertEqual([record.value.decode() for record in found], lines * 2)
        self.assertEqual({batch.codec for batch in batches}, {"none", "gzip"})

    def test_other_compressions_are_refused_by_name(self):
        topic = self.topic()
        self.tool("produce", "--topic", topic, "--compression-codec", "lz4", said=b"line\n" * 50)
        with self.assertRaisesRegex(kafka.Damaged, "lz4; only none and gzip are read"):
            self.read(topic, READ_COMMITTED)

    def test_transactions_as_kafkas_consumer_sees_them(self):
        topic, pick, committed, written = self.topic(), random.Random(7), [], []
        producers = [Producer(self.cluster, f"{topic}-{number}") for number in range(3)]
        for number in range(40):
            # Three transactions at once, which end in any order: their records lie between each other's.
            waiting = []
            for producer in producers:
                value = f"{number} of {producer.id}".encode()
                producer.send(topic, 0, [(1, b"k", value, ()), (1, b"k", value + b" again", ())])
                written += [value, value + b" again"]
                waiting.append((producer, value))
            pick.shuffle(waiting)
            for producer, value in waiting:
                commits = pick.randrange(3) > 0
                producer.end(commits)
                committed += [value, value + b" again"] if commits else []
        self.assertTrue(len(committed) < len(written))
        # A producer hears that its transaction has ended before the markers are written.
        self.assertTrue(self.settled(topic))
        batches, found = self.read(topic, READ_COMMITTED)
        self.assertEqual(sorted(record.value for record in found), sorted(committed))
        self.assertEqual(found, client.by_markers(batches).committed)
        self.assertEqual([record.value for record in found], self.consumed(topic, "read_committed", len(committed)))
        everything = [record.value for batch in batches for record in batch.records if not batch.control]
        self.assertEqual(everything, written)
        self.assertEqual(everything, self.consumed(topic, "read_uncommitted", len(written)))

    def test_a_transaction_that_hangs_is_seen_everywhere(self):
        topic = self.topic()
        producer = Producer(self.cluster, topic)
        producer.send(topic, 0, [(1, b"k", b"kept", ())])
        producer.offsets(topic, {(topic, 0): 5})
        producer.end(True)
        producer.send(topic, 0, [(1, b"k", b"open", ())])
        producer.offsets(topic, {(topic, 0): 7})
        self.assertEqual(self.cluster.bounds(topic, 0), (0, 2, 3))
        (one,) = [one for one in self.cluster.producers(topic, 0) if one.transaction_start >= 0]
        self.assertEqual((one.producer, one.transaction_start), (producer.producer, 2))
        self.assertEqual(self.cluster.transactions()[topic], ("Ongoing", producer.producer))
        described = self.cluster.transaction(topic)
        self.assertEqual((described.state, described.epoch), ("Ongoing", producer.epoch))
        self.assertIn((topic, [0]), [(one.name, one.partitions) for one in described.topics])
        self.assertEqual(self.cluster.committed(topic, stable=False), {(topic, 0): 5})
        self.assertEqual(self.cluster.group(topic).state, "Empty")
        batches, found = self.read(topic, READ_UNCOMMITTED)
        self.assertEqual([record.value for record in client.by_markers(batches).undecided], [b"open"])
        _, found = self.read(topic, READ_COMMITTED)
        self.assertEqual([record.value for record in found], [b"kept"])
        # The next with this name ends what the first left open; offsets that were pending are not committed.
        Producer(self.cluster, topic)
        self.assertEqual(self.cluster.committed(topic, stable=True), {(topic, 0): 5})
        self.assertTrue(self.settled(topic))
        self.assertEqual(self.cluster.bounds(topic, 0), (0, 4, 4))

    def settled(self, topic):
        names = snapshot.Names(topic, topic)
        snapshot.settle(self.cluster, names, True, client.SETTLE_SECONDS)
        return snapshot.settled(self.cluster, names, True)

    def test_topics_come_and_go(self):
        topic = self.topic(3)
        self.assertEqual(self.cluster.metadata()[topic], 3)
        self.cluster.delete_topics([topic])
        # The controller has done it when it answers; what a broker tells follows.
        limit = time.monotonic() + client.SETTLE_SECONDS
        while topic in self.cluster.metadata():
            self.assertLess(time.monotonic(), limit, "the topic is still there")
            time.sleep(0.05)

    def test_a_tape_is_put_into_its_topics_as_it_is(self):
        with tempfile.TemporaryDirectory() as directory:
            tape.main(3, directory)
            fill.fill(self.cluster, Path(directory), f"{self.name}.")
            names = snapshot.Names(self.name, f"{self.name}.")
            taken = snapshot.take(self.cluster, names, finished=True, settle_seconds=client.SETTLE_SECONDS)
            verifier = verify_kafka.KafkaVerifier(taken, [], Path(directory), finished=False)
            verifier.all()
            self.assertEqual(verifier.failures, [])
            self.assertEqual(verifier.counts["committed"], 4 * (tape.LINES + tape.MORE + tape.PROFILES) + tape.NOTES)


if __name__ == "__main__":
    OnBroker.bootstrap, OnBroker.tools = sys.argv[1:3]
    unittest.main(argv=sys.argv[:1])
