"""What the proxy must understand of the frames that pass: headers, who a transaction belongs to, and addresses.

All versions that clients speak are read; what is not needed stays bytes.
"""

import struct
from typing import NamedTuple

from wire import BOOL, INT8, INT16, INT32, INT64, STRING, Data, unsigned_varint

PRODUCE, FETCH, METADATA, FIND_COORDINATOR, API_VERSIONS = 0, 1, 3, 10, 18
INIT_PRODUCER_ID, ADD_PARTITIONS, ADD_OFFSETS, END_TRANSACTION, DESCRIBE_CLUSTER = 22, 24, 25, 26, 60
NAMES = {
    "Produce": PRODUCE,
    "Fetch": FETCH,
    "ListOffsets": 2,
    "Metadata": METADATA,
    "OffsetCommit": 8,
    "OffsetFetch": 9,
    "FindCoordinator": FIND_COORDINATOR,
    "JoinGroup": 11,
    "Heartbeat": 12,
    "LeaveGroup": 13,
    "SyncGroup": 14,
    "ApiVersions": API_VERSIONS,
    "CreateTopics": 19,
    "InitProducerId": INIT_PRODUCER_ID,
    "AddPartitionsToTxn": ADD_PARTITIONS,
    "AddOffsetsToTxn": ADD_OFFSETS,
    "EndTxn": END_TRANSACTION,
    "TxnOffsetCommit": 28,
    "DescribeCluster": DESCRIBE_CLUSTER,
}
# The first flexible version of those that are looked into.
FLEXIBLE = {
    PRODUCE: 9,
    METADATA: 9,
    FIND_COORDINATOR: 3,
    API_VERSIONS: 3,
    INIT_PRODUCER_ID: 2,
    ADD_PARTITIONS: 3,
    ADD_OFFSETS: 3,
    END_TRANSACTION: 3,
    DESCRIBE_CLUSTER: 0,
}
# Requests whose body begins with a transactional id. (Of AddPartitionsToTxn only brokers speak the versions after 3.)
TRANSACTIONAL = {PRODUCE, INIT_PRODUCER_ID, ADD_PARTITIONS, ADD_OFFSETS, END_TRANSACTION}
ADD_PARTITIONS_MAX, PRODUCE_MIN = 3, 3
# Versions from which answers name leaders in tagged fields, where they are not looked for: a librdkafka that is told of
# older ones only asks for its leaders by Metadata. Java's clients go by transaction versions and are told of all.
LEADERLESS = {PRODUCE: 9, FETCH: 15}


class Request(NamedTuple):
    key: int
    version: int
    number: int
    client: str
    # Of transactional requests only.
    transactional: str = None
    producer: int = None
    epoch: int = None
    commits: bool = None
    # Of ApiVersions only.
    software: str = None


def flexible(key, version):
    return version >= FLEXIBLE.get(key, 1 << 15)


def request(frame):
    """Looks into a request, without the length before it."""
    data = Data(frame)
    key, version, number = INT16.read(data, False), INT16.read(data, False), INT32.read(data, False)
    client, is_flexible = STRING.read(data, False), flexible(key, version)
    if is_flexible:
        data.skip_tags()
    found = Request(key, version, number, client)
    if key == API_VERSIONS and is_flexible:
        return found._replace(software=STRING.read(data, True))
    unread = (key == ADD_PARTITIONS and version > ADD_PARTITIONS_MAX) or (key == PRODUCE and version < PRODUCE_MIN)
    if key not in TRANSACTIONAL or unread:
        return found
    found = found._replace(transactional=STRING.read(data, is_flexible))
    if key == END_TRANSACTION:
        producer, epoch, commits = (kind.read(data, is_flexible) for kind in (INT64, INT16, BOOL))
        found = found._replace(producer=producer, epoch=epoch, commits=commits)
    return found


def number(frame):
    """The number of the request that an answer belongs to."""
    return struct.unpack_from(">i", frame)[0]


def error(asked, frame):
    """The error of an answer to EndTxn or InitProducerId."""
    data = answer(asked, frame)
    INT32.read(data, False)
    return INT16.read(data, False)


def answer(asked, frame):
    """An answer, behind its header."""
    data = Data(frame, 4)
    if flexible(asked.key, asked.version) and asked.key != API_VERSIONS:
        data.skip_tags()
    return data


def rewritten(asked, frame, place, hides=False):
    """The answer with every broker's address as `place(host, port)` says; Metadata may name none at all."""
    change = {
        METADATA: _metadata,
        FIND_COORDINATOR: _coordinator,
        DESCRIBE_CLUSTER: _cluster,
        API_VERSIONS: _versions,
    }.get(asked.key)
    if change is None:
        return frame
    data = answer(asked, frame)
    rewriting = Rewriting(data, flexible(asked.key, asked.version), place, hides)
    change(rewriting, asked)
    return frame[: rewriting.start] + bytes(rewriting.out) + frame[data.at :]


class Rewriting:
    """Copies field by field, and puts others in their place."""

    def __init__(self, data, is_flexible, place, hides):
        self.data, self.flexible, self.place, self.hides = data, is_flexible, place, hides
        self.start, self.out = data.at, bytearray()

    def copy(self, kind):
        value = kind.read(self.data, self.flexible)
        self.out += kind.write(value, self.flexible)
        return value

    def count(self):
        """Of an array that begins."""
        if not self.flexible:
            return self.copy(INT32)
        count = self.data.unsigned_varint()
        self.out += unsigned_varint(count)
        return count - 1

    def tags(self):
        if self.flexible:
            start = self.data.at
            self.data.skip_tags()
            self.out += self.data.data[start : self.data.at]

    def address(self):
        host, port = STRING.read(self.data, self.flexible), INT32.read(self.data, self.flexible)
        if port > 0:
            host, port = self.place(host, port)
        self.out += STRING.write(host, self.flexible) + INT32.write(port, self.flexible)


def _metadata(rewriting, asked):
    if asked.version >= 3:
        rewriting.copy(INT32)
    before = bytes(rewriting.out)
    for _ in range(rewriting.count()):
        rewriting.copy(INT32)
        rewriting.address()
        if asked.version >= 1:
            rewriting.copy(STRING)
        rewriting.tags()
    if rewriting.hides:
        none = unsigned_varint(1) if rewriting.flexible else INT32.write(0, False)
        rewriting.out = bytearray(before + none)


def _coordinator(rewriting, asked):
    if asked.version >= 1:
        rewriting.copy(INT32)
    if asked.version >= 4:
        for _ in range(rewriting.count()):
            rewriting.copy(STRING)
            rewriting.copy(INT32)
            rewriting.address()
            rewriting.copy(INT16)
            rewriting.copy(STRING)
            rewriting.tags()
        return
    rewriting.copy(INT16)
    if asked.version >= 1:
        rewriting.copy(STRING)
    rewriting.copy(INT32)
    rewriting.address()


def _cluster(rewriting, asked):
    rewriting.copy(INT32)
    rewriting.copy(INT16)
    rewriting.copy(STRING)
    if asked.version >= 1:
        rewriting.copy(INT8)
    rewriting.copy(STRING)
    rewriting.copy(INT32)
    for _ in range(rewriting.count()):
        rewriting.copy(INT32)
        rewriting.address()
        rewriting.copy(STRING)
        if asked.version >= 2:
            rewriting.copy(BOOL)
        rewriting.tags()


def _versions(rewriting, asked):
    if asked.software is None or not asked.software.startswith("librdkafka"):
        return
    rewriting.copy(INT16)
    for _ in range(rewriting.count()):
        key, _ = rewriting.copy(INT16), rewriting.copy(INT16)
        highest = INT16.read(rewriting.data, False)
        rewriting.out += INT16.write(min(highest, LEADERLESS.get(key, highest)), False)
        rewriting.tags()
