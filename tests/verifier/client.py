"""A client of Kafka's that shares nothing with the host's: one thread, one request after the other, no retries but those
that a moving cluster asks for.

Reading is done twice over: by the broker's list of aborted transactions, as consumers do, and by the markers in the log
itself. What the two disagree about is told by whoever compares them.
"""

import struct
import time
from collections import defaultdict
from typing import NamedTuple, Optional

import kafka
import messages
from wire import Connection, Gone

READ_UNCOMMITTED, READ_COMMITTED = 0, 1
GROUP, TRANSACTION = 0, 1
# Bytes that one fetch asks for.
FETCH_BYTES = 8 << 20
# How long a broker may take for a request that it works on, milliseconds.
REQUEST_MS = 20_000
# How long a cluster may take to elect leaders, load coordinators or write markers, seconds, and the pause between looks.
SETTLE_SECONDS, PAUSE_SECONDS = 60, 0.1

# Errors that pass by themselves: leader or coordinator not there or elsewhere, loading, request timed out, not enough
# replicas, epochs that a broker does not know yet, offsets that are not decided yet, markers that are being written.
PASSING = {5, 6, 7, 13, 14, 15, 16, 19, 20, 51, 74, 76, 78, 88}
# Of these a batch may have been appended all the same.
DOUBTFUL = {7, 20}
UNKNOWN_TOPIC, TOPIC_EXISTS = 3, 36


class Refused(Exception):
    """The broker's answer is an error."""

    def __init__(self, what, code, message=None):
        super().__init__(f"{what}: error {code}" + (f": {message}" if message else ""))
        self.code = code


class Doubtful(Exception):
    """Nobody knows whether it was appended; to do it again could do it twice."""


class Bounds(NamedTuple):
    """Where a partition begins, up to where its transactions are decided (LSO), and where it ends (HW)."""

    start: int
    stable: int
    end: int


class Client:
    def __init__(self, bootstrap):
        self.seeds = [self._address(address) for address in bootstrap.split(",")]
        self.connections, self.brokers, self.leaders = {}, {}, {}

    @staticmethod
    def _address(text):
        host, port = text.rsplit(":", 1)
        return host, int(port)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for connection in self.connections.values():
            connection.close()
        self.connections = {}

    # Connections

    def at(self, address, api, **fields):
        """Asks the broker at an address."""
        if address not in self.connections:
            self.connections[address] = Connection(*address)
        try:
            return self.connections[address].call(api, **fields)
        except Gone:
            self.connections.pop(address).close()
            raise

    def any(self, api, **fields):
        """Asks the first broker that answers."""
        why = None
        for address in [*self.brokers.values(), *self.seeds]:
            try:
                return self.at(address, api, **fields)
            except Gone as gone:
                why = gone
        raise why

    def settled(self, attempt, passing=PASSING):
        """Does again what fails for a reason that passes, until it succeeds or has taken too long."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            try:
                return attempt()
            except (Gone, Refused) as error:
                passes = isinstance(error, Gone) or error.code in passing
                if not passes or time.monotonic() > deadline:
                    raise
            time.sleep(PAUSE_SECONDS)
            self.leaders = {}

    def check_versions(self):
        """Refuses a broker that lacks one of the versions that are spoken here."""
        answer = self.any(messages.API_VERSIONS)
        offered = {api.key: (api.lowest, api.highest) for api in answer.apis}
        for api in messages.USED:
            lowest, highest = offered.get(api.key, (0, -1))
            if not lowest <= api.version <= highest:
                raise Refused(f"{api.name} {api.version}: the broker has {lowest} to {highest}", 35)

    # Topics

    def metadata(self, topics=None):
        """Looks up all topics or those named: name -> number of partitions."""
        return self.settled(lambda: self._metadata(topics))

    def _metadata(self, topics):
        answer = self.any(messages.METADATA, topics=topics, make=False)
        self.brokers = {broker.node: (broker.host, broker.port) for broker in answer.brokers}
        found = {}
        for topic in answer.topics:
            check(f"metadata of {topic.name}", topic.error)
            for partition in topic.partitions:
                check(f"metadata of {topic.name}-{partition.partition}", partition.error)
                self.leaders[topic.name, partition.partition] = self.brokers[partition.leader]
            found[topic.name] = len(topic.partitions)
        return found

    def leader(self, topic, partition):
        if (topic, partition) not in self.leaders:
            self._metadata([topic])
        if (topic, partition) not in self.leaders:
            raise Refused(f"{topic}-{partition}", UNKNOWN_TOPIC)
        return self.leaders[topic, partition]

    def create_topics(self, topics, replicas=-1, **configs):
        """Makes topics, name -> number of partitions; those that are there stay as they are."""
        configs = [{"name": name.replace("_", "."), "value": value} for name, value in configs.items()]
        wanted = [
            {"name": name, "partitions": count, "replicas": replicas, "assignments": [], "configs": configs}
            for name, count in topics.items()
        ]
        self._controller(messages.CREATE_TOPICS, TOPIC_EXISTS, topics=wanted, timeout=REQUEST_MS, validate=False)
        # A topic is made before every broker knows of it.
        for place in [(name, number) for name, count in topics.items() for number in range(count)]:
            self.settled(lambda place=place: self._offset(*place, READ_COMMITTED, -1), PASSING | {UNKNOWN_TOPIC})

    def delete_topics(self, names):
        self._controller(messages.DELETE_TOPICS, UNKNOWN_TOPIC, names=list(names), timeout=REQUEST_MS)

    def _controller(self, api, harmless, **fields):
        def attempt():
            for topic in self.any(api, **fields).topics:
                if topic.error != harmless:
                    check(f"{api.name} {topic.name}", topic.error, getattr(topic, "message", None))

        self.settled(attempt)

    # Records

    def produce(self, topic, partition, records, transactional=None):
        """Appends finished batches and says at which offset."""
        fields = {"transactional": transactional, "acks": -1, "timeout": REQUEST_MS}
        one = {"partition": partition, "records": records}

        def attempt():
            address = self.leader(topic, partition)
            try:
                answer = self.at(address, messages.PRODUCE, topics=[{"name": topic, "partitions": [one]}], **fields)
            except Gone as gone:
                raise Doubtful(f"produce to {topic}-{partition}: {gone}") from gone
            answer = answer.topics[0].partitions[0]
            if answer.error in DOUBTFUL:
                raise Doubtful(f"produce to {topic}-{partition}: error {answer.error}")
            check(f"produce to {topic}-{partition}", answer.error)
            return answer.base

        return self.settled(attempt)

    def bounds(self, topic, partition):
        def attempt():
            looks = [(READ_UNCOMMITTED, -2), (READ_COMMITTED, -1), (READ_UNCOMMITTED, -1)]
            return Bounds(*(self._offset(topic, partition, *look) for look in looks))

        return self.settled(attempt)

    def _offset(self, topic, partition, isolation, timestamp):
        one = {"partition": partition, "timestamp": timestamp}
        topics = [{"name": topic, "partitions": [one]}]
        fields = {"replica": -1, "isolation": isolation, "topics": topics}
        answer = self.at(self.leader(topic, partition), messages.LIST_OFFSETS, **fields).topics[0].partitions[0]
        check(f"offsets of {topic}-{partition}", answer.error)
        return answer.offset

    def fetch(self, topic, partition, offset, isolation, wait=0):
        """One fetch: batches, list of aborted transactions, bounds."""

        def attempt():
            one = {
                "partition": partition,
                "leader_epoch": -1,
                "offset": offset,
                "log_start": -1,
                "bytes_max": FETCH_BYTES,
            }
            answer = self.at(
                self.leader(topic, partition),
                messages.FETCH,
                replica=-1,
                wait=wait,
                bytes_min=1,
                bytes_max=FETCH_BYTES,
                isolation=isolation,
                session=0,
                session_epoch=-1,
                topics=[{"name": topic, "partitions": [one]}],
                forgotten=[],
                rack="",
            )
            check("fetch", answer.error)
            answer = answer.topics[0].partitions[0]
            check(f"fetch of {topic}-{partition} at {offset}", answer.error)
            return answer

        return self.settled(attempt)

    def batches(self, topic, partition, isolation, compacted=False):
        """All batches from the first offset to the last that the isolation lets see, and the aborted transactions that
        the broker told of."""
        start, stable, end = self.bounds(topic, partition)
        end = stable if isolation == READ_COMMITTED else end
        found, aborted, at = [], set(), start
        while at < end:
            answer = self.fetch(topic, partition, at, isolation)
            aborted |= {(one.producer, one.first) for one in answer.aborted or ()}
            read = kafka.batches(b"".join(kafka.cut(answer.records or b"")), compacted)
            if not read:
                raise Refused(f"fetch of {topic}-{partition} at {at} of {end}: it is empty", 0)
            found += [batch for batch in read if at <= batch.last and batch.base < end]
            at = read[-1].last + 1
        return found, aborted

    # Groups and transactions

    def coordinator(self, kind, key):
        answer = self.find_coordinator(kind, key)
        return answer.host, answer.port

    def find_coordinator(self, kind, key):
        answer = self.any(messages.FIND_COORDINATOR, key=key, kind=kind)
        check(f"coordinator of {key}", answer.error, answer.message)
        return answer

    def node(self, address):
        """The number of the broker at an address."""
        return next(node for node, known in self.brokers.items() if known == address)

    def coordinated(self, kind, key, api, read, **fields):
        """Asks a coordinator; `read` checks the answer and takes what is wanted."""
        return self.settled(lambda: read(self.at(self.coordinator(kind, key), api, **fields)))

    def committed(self, group, stable):
        """(topic, partition) -> committed offset. `stable` waits for transactions that have offsets pending."""

        def read(answer):
            check(f"offsets of {group}", answer.error)
            offsets = {}
            for topic in answer.topics:
                for one in topic.partitions:
                    check(f"offset of {group} for {topic.name}-{one.partition}", one.error)
                    offsets[topic.name, one.partition] = one.offset
            return offsets

        return self.coordinated(GROUP, group, messages.OFFSET_FETCH, read, group=group, topics=None, stable=stable)

    def group(self, group):
        """State and members."""

        def read(answer):
            check(f"group {group}", answer.groups[0].error)
            return answer.groups[0]

        return self.coordinated(GROUP, group, messages.DESCRIBE_GROUPS, read, groups=[group], operations=False)

    def transactions(self):
        """All transactional ids of the cluster: id -> (state, producer id)."""

        def attempt():
            self._metadata([])
            found = {}
            for address in self.brokers.values():
                answer = self.at(address, messages.LIST_TRANSACTIONS, states=[], producers=[])
                check("list of transactions", answer.error)
                found.update({one.id: (one.state, one.producer) for one in answer.transactions})
            return found

        return self.settled(attempt)

    def transaction(self, transactional):
        def read(answer):
            check(f"transaction of {transactional}", answer.transactions[0].error)
            return answer.transactions[0]

        fields = {"ids": [transactional]}
        return self.coordinated(TRANSACTION, transactional, messages.DESCRIBE_TRANSACTIONS, read, **fields)

    def producers(self, topic, partition):
        """The producers that a partition's leader knows, with the offset at which their open transactions begin."""

        def attempt():
            topics = [{"name": topic, "partitions": [partition]}]
            answer = self.at(self.leader(topic, partition), messages.DESCRIBE_PRODUCERS, topics=topics)
            answer = answer.topics[0].partitions[0]
            check(f"producers of {topic}-{partition}", answer.error, answer.message)
            return answer.producers

        return self.settled(attempt)


# Where brokers keep the offsets of groups, and the versions of the keys by which they do.
OFFSETS_TOPIC, OFFSET_KEYS = "__consumer_offsets", (0, 1)


class OffsetCommit(NamedTuple):
    group: str
    topic: str
    partition: int
    # None: it was forgotten.
    offset: Optional[int]


def offsets_partition(group, partitions):
    """Where a group's offsets lie: by Java's hash of its name."""
    code = 0
    for unit in memoryview(group.encode("utf-16-le")).cast("H"):
        code = (31 * code + unit) & 0xFFFFFFFF
    code = code - (1 << 32) if code >> 31 else code
    return (0 if code == -(1 << 31) else abs(code)) % partitions


def offset_commit(key, value):
    """A record of the offsets topic; none if it says something else."""
    (version,) = struct.unpack_from(">h", key)
    if version not in OFFSET_KEYS:
        return None
    names, at = [], 2
    for _ in range(2):
        (length,) = struct.unpack_from(">h", key, at)
        names.append(key[at + 2 : at + 2 + length].decode())
        at += 2 + length
    (partition,) = struct.unpack_from(">i", key, at)
    return OffsetCommit(*names, partition, struct.unpack_from(">q", value, 2)[0] if value else None)


def check(what, error, message=None):
    if error:
        raise Refused(what, error, message)


def committed_by_list(batches, aborted):
    """What a consumer with read_committed hands on: it drops a producer's batches from where an aborted transaction of it
    begins up to its marker."""
    starts = defaultdict(list)
    for producer, first in sorted(aborted, key=lambda one: one[1], reverse=True):
        starts[producer].append(first)
    dropping, records = set(), []
    for batch in batches:
        while starts[batch.producer] and starts[batch.producer][-1] <= batch.last:
            starts[batch.producer].pop()
            dropping.add(batch.producer)
        if batch.control:
            dropping.discard(batch.producer)
        elif not (batch.transactional and batch.producer in dropping):
            records += batch.records
    return records


class ByMarkers(NamedTuple):
    """A partition's records by what became of their transactions."""

    committed: list
    aborted: list
    undecided: list


def by_markers(batches):
    """Sorts records by the markers that lie in the log itself."""
    fates, open_transactions = {}, defaultdict(list)
    for number, batch in enumerate(batches):
        if batch.control:
            for member in open_transactions.pop(batch.producer, ()):
                fates[member] = batch.commits()
        elif batch.transactional:
            open_transactions[batch.producer].append(number)
        else:
            fates[number] = True
    sorted_records = ByMarkers([], [], [])
    for number, batch in enumerate(batches):
        if not batch.control:
            fate = fates.get(number)
            to = sorted_records.undecided if fate is None else sorted_records[0 if fate else 1]
            to += batch.records
    return sorted_records
