"""A cluster after a run of the crash app that went as it should, made from the model: what the verifier's tests spoil.

Tasks commit now and then, and some of their transactions are aborted and done again, so that topics hold markers and
records that do not count.
"""

import random
import struct
from collections import defaultdict
from types import SimpleNamespace

import client
import kafka
import model
import order
import snapshot

# Records of a transaction at most; one transaction of so many is aborted first.
RECORDS, ABORTED = 6, 5


class Log:
    """A partition: batches and markers as a broker lays them."""

    def __init__(self):
        self.batches, self.aborted, self.open = [], [], []

    @property
    def end(self):
        return self.batches[-1].last + 1 if self.batches else 0

    def append(self, producer, records, fate):
        """Appends records (timestamp, key, value, headers): of no transaction, or one that commits, aborts or is open."""
        base = self.end
        numbered = [kafka.Record(base + number, *record) for number, record in enumerate(records)]
        self.batches.append(kafka.Batch(base, numbered[-1].offset, producer, 0, fate != "plain", False, numbered))
        if fate == "open":
            self.open.append((producer, base))
        elif fate != "plain":
            key = struct.pack(">hh", 0, 1 if fate == "commits" else 0)
            at = self.end
            self.batches.append(kafka.Batch(at, at, producer, 0, True, True, [kafka.Record(at, 0, key, b"", ())]))
            self.aborted += [(producer, base)] if fate == "aborts" else []

    def committed(self):
        return client.by_markers(self.batches).committed

    def part(self):
        stable = min([first for _, first in self.open], default=self.end)
        seen = [batch for batch in self.batches if batch.base < stable]
        listed = client.committed_by_list(seen, self.aborted)
        return snapshot.Part(client.Bounds(0, stable, self.end), self.batches, listed, self.open)


class World:
    def __init__(self, tape, seed, merged=order.by_timestamp, begins=()):
        self.pick, self.logs, self.merged = random.Random(seed), defaultdict(Log), merged
        self.begins = dict(begins)
        self.stores, self.checkpoints, self.transactions = defaultdict(dict), {}, {}
        for file in tape.glob("*.batches"):
            topic, partition = file.stem.rsplit("-", 1)
            records = [tuple(record[1:]) for record in kafka.decode(file.read_bytes())]
            self.logs[topic, int(partition)].append(-1, records, "plain")
        for number, line in enumerate((tape / "notes.txt").read_bytes().splitlines()):
            headers = ((b"src", f"notes/0/{number}".encode()),)
            self.logs["notes", 0].append(-1, [(0, None, line, headers)], "plain")
        self.run()

    def run(self):
        """The tasks that write to repartition topics before those that read them."""
        last = ("crash-by-word-repartition", "crash-by-city-repartition")
        for topics, task, stores in sorted(model.SUBTOPOLOGIES, key=lambda one: one[0][0] in last):
            for number, partition in enumerate(range(model.PARTITIONS.get(topics[0], 4))):
                read = [self.read(topic, partition) for topic in topics]
                read = [self.merged(*read)] if len(read) > 1 else read
                self.transactions[f"crash-{topics[0]}-{number}"] = "CompleteCommit"
                self.write(partition, task(*read), stores, producer=len(self.transactions))

    def read(self, topic, partition):
        begin = self.begins.get((topic, partition), 0)
        return [record for record in self.logs[topic, partition].committed() if record.offset >= begin]

    def write(self, partition, done, stores, producer):
        to = defaultdict(list)
        for topic, *record in done.emissions:
            place = topic, kafka.partition_of(record[1], partition, model.PARTITIONS.get(topic, 4))
            record = self.letter(record) if topic == model.LETTERS else tuple(record)
            to[place].append(record)
        for store in stores:
            for key, states in done.stores[store].items():
                last = states[-1]
                for changelog, headers in [(f"crash-{store}-changelog", ()), *self.held_back(store, last[2])]:
                    states_told = states if changelog.endswith("changelog") else states[-1:]
                    to[changelog, partition] += [(time, key, value, headers) for time, value, _ in states_told]
        for place, records in to.items():
            self.in_transactions(place, producer, records)
        for store in stores:
            self.stores[f"crash/{store}", partition] = {
                key: states[-1][:2] for key, states in done.stores[store].items() if states[-1][1] is not None
            }
            self.checkpoints[f"crash/{store}", partition] = self.logs[f"crash-{store}-changelog", partition].end

    @staticmethod
    def held_back(store, headers):
        return [(topic, headers) for topic, of in model.HELD_BACK.items() if of == store]

    @staticmethod
    def letter(record):
        timestamp, key, value, headers = record
        topic, partition, offset = dict(headers)[b"src"].split(b"/")
        names = [b"topic", b"partition", b"offset", b"message"]
        said = zip([b"__streams.errors." + name for name in names], [topic, partition, offset, b"boom: " + value])
        return timestamp, key, value, (*headers, *said, (b"__millstream.errors.node", b"sound"))

    def in_transactions(self, place, producer, records):
        at = 0
        while at < len(records):
            some = records[at : at + self.pick.randrange(1, RECORDS + 1)]
            if self.pick.randrange(ABORTED) == 0:
                self.logs[place].append(producer, some, "aborts")
            self.logs[place].append(producer, some, "commits")
            at += len(some)

    def snapshot(self):
        parts = {place: log.part() for place, log in self.logs.items()}
        read = {topic for topics, _, _ in model.SUBTOPOLOGIES for topic in topics}
        offsets = {place: log.end for place, log in self.logs.items() if place[0] in read and log.end}
        return snapshot.Snapshot(parts, offsets, self.transactions)

    def dump(self):
        return SimpleNamespace(stores=self.stores, checkpoints=self.checkpoints)
