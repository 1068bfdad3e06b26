"""What a Kafka cluster holds of an app: its topics with transactions and markers, its group's offsets, its transactions."""

import time
from typing import NamedTuple

import client
from client import READ_COMMITTED, READ_UNCOMMITTED

# The name that the model has for the app.
MODEL_APP = "crash"
# States of a transaction that is over, or never began.
OVER = {"Empty", "CompleteCommit", "CompleteAbort", "Dead"}
# States of a transaction whose fate is decided, and whose markers are being written.
ENDING = {"PrepareCommit", "PrepareAbort", "PrepareEpochFence"}
# How long a cluster may go on changing while it is read, seconds, and the pause between two looks. Twenty
# were too few on two cores with four campaigns side by side.
STILL_SECONDS, PAUSE_SECONDS = 90, 0.1


class Part(NamedTuple):
    """A partition."""

    bounds: client.Bounds
    # All batches, and the records that a consumer with read_committed is given.
    batches: list
    listed: list
    # Producers whose transactions its leader takes for open: (producer id, first offset).
    open: list


class Snapshot(NamedTuple):
    parts: dict  # (topic, partition) -> Part, by the model's names
    offsets: dict  # (topic, partition) -> committed offset
    transactions: dict  # transactional id of the app -> state


class Moving(Exception):
    """The cluster changed while it was read: somebody still works on it."""


class Names:
    """The cluster's names and the model's: an app may have another name, and a prefix before its other topics."""

    def __init__(self, app, prefix):
        self.app, self.prefix = app, prefix

    def mine(self, topic):
        """The model's name of a topic; none if it is not the app's."""
        if topic.startswith(f"{self.app}-"):
            return f"{MODEL_APP}-{topic.removeprefix(f'{self.app}-')}"
        return topic.removeprefix(self.prefix) if topic.startswith(self.prefix) and topic[:2] != "__" else None


def take(cluster, names, finished, settle_seconds):
    """Reads all of it. Waits for transactions to end, as long as `settle_seconds`; what is open after that hangs."""
    settle(cluster, names, finished, settle_seconds)
    deadline = time.monotonic() + STILL_SECONDS
    while True:
        places = places_of(cluster, names)
        before = state(cluster, names, places)
        parts = {mine: part(cluster, *theirs) for theirs, mine in places.items()}
        if before == state(cluster, names, places):
            bounds, offsets, transactions = before
            return Snapshot(parts, offsets, transactions)
        if time.monotonic() > deadline:
            raise Moving(f"it still changes after {STILL_SECONDS} s")
        time.sleep(PAUSE_SECONDS)


def places_of(cluster, names):
    """(topic, partition) in the cluster -> in the model, of the app's topics."""
    known = {topic: (names.mine(topic), count) for topic, count in cluster.metadata().items()}
    mine = {topic: found for topic, found in known.items() if found[0] is not None}
    return {(topic, number): (name, number) for topic, (name, count) in mine.items() for number in range(count)}


def state(cluster, names, places):
    """What must not change while the cluster is read."""
    bounds = {place: cluster.bounds(*place) for place in places}
    offsets = cluster.committed(names.app, stable=False)
    offsets = {(names.mine(topic) or topic, number): offset for (topic, number), offset in offsets.items()}
    return bounds, offsets, transactions_of(cluster, names)


def transactions_of(cluster, names):
    return {name: state for name, (state, _) in cluster.transactions().items() if name.startswith(f"{names.app}-")}


def begins(cluster, names):
    """(topic, partition) -> the offset that the group committed for it first, of the topics that are not internal: what
    lay before it was never to be read. It is read from the group's own log."""
    partitions = cluster.metadata()[client.OFFSETS_TOPIC]
    partition = client.offsets_partition(names.app, partitions)
    batches, _ = cluster.batches(client.OFFSETS_TOPIC, partition, READ_UNCOMMITTED, compacted=True)
    found = {}
    for record in client.by_markers(batches).committed:
        commit = client.offset_commit(record.key, record.value)
        if commit and commit.group == names.app and not commit.topic.startswith(f"{names.app}-"):
            found.setdefault((names.mine(commit.topic), commit.partition), commit.offset)
    return found


def part(cluster, topic, partition):
    compacted = topic.endswith("-changelog")
    batches, _ = cluster.batches(topic, partition, READ_UNCOMMITTED, compacted)
    committed, aborted = cluster.batches(topic, partition, READ_COMMITTED, compacted)
    listed = client.committed_by_list(committed, aborted)
    producers = cluster.producers(topic, partition)
    still_open = [(one.producer, one.transaction_start) for one in producers if one.transaction_start >= 0]
    return Part(cluster.bounds(topic, partition), batches, listed, still_open)


def settle(cluster, names, finished, seconds):
    deadline = time.monotonic() + seconds
    while not settled(cluster, names, finished) and time.monotonic() < deadline:
        time.sleep(PAUSE_SECONDS)


def settled(cluster, names, finished):
    states = set(transactions_of(cluster, names).values())
    if not finished:
        return not states & ENDING
    bounds = (cluster.bounds(*place) for place in places_of(cluster, names))
    return states <= OVER and all(one.stable == one.end for one in bounds)
