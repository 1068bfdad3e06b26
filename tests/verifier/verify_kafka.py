"""Compares what a Kafka cluster holds of the crash app, and what data directories hold, with what the model says:
`verify_kafka.py BOOTSTRAP TAPE [--store DUMP]... [--finished] [--minimum N]`.

Committed input offsets say what every task has read; all else follows (compare.py). What a topic holds is what
transactions with a commit marker in its log wrote; consumers with read_committed must see the same. Nothing that writes
to the topics may run meanwhile; where processes were killed and not started again, what they left open counts as not
written, and `--finished` demands that nothing is left open.

A data directory's stores must hold what their changelogs say up to their checkpoints. (A store may be ahead of a
checkpoint by whole commits: replaying them changes nothing.) At the end one directory must hold all that the changelog
says.

Exit codes: 0 all is as it should be, 1 it is not, 3 INVALID: too little was compared, or the cluster could not be read.
The last line of the output is a summary in JSON.
"""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

import client
import kafka
import model
import snapshot
from compare import GROUP, Comparison
from dump import Dump
from wire import Gone

PASSED, FAILED, INVALID = 0, 1, 3
# What is told of one failure, characters.
TOLD = 2000
# The app's topic whose partitions stand for tasks: they hold nothing, but that in the first one processes tell what they
# run, outside of transactions.
TASKS = "crash-tasks"


class KafkaVerifier(Comparison):
    def __init__(self, taken, dumps, tape, finished, prefix="", by_timestamp=True, begins=()):
        super().__init__(tape, finished)
        self.begins = dict(begins)
        self.taken, self.dumps = taken, dumps
        self.prefix, self.by_timestamp = prefix, by_timestamp
        self.offsets = {(GROUP, *place): offset for place, offset in taken.offsets.items()}
        self.counts = Counter()
        for place, part in sorted(taken.parts.items()):
            self.sort(place, part)
        if not self.counts["aborted"]:
            self.with_aborted = {}

    def sort(self, place, part):
        """Takes a partition's records in, by what became of their transactions."""
        self.lie_well(place, part)
        if place == (TASKS, 0):
            self.logs[place], self.with_aborted[place] = [], []
            return
        records = client.by_markers(part.batches)
        self.logs[place] = records.committed
        self.with_aborted[place] = sorted(records.committed + records.aborted)
        for kind, of_kind in zip(records._fields, records):
            self.counts[kind] += len(of_kind)
        seen = [record for record in records.committed if record.offset < part.bounds.stable]
        if seen != part.listed:
            self.same("aborted", (*place, "as read_committed sees it"), part.listed, seen)
        if place[0] == TASKS and part.batches:
            self.fail("output", f"{place}: it holds {len(part.batches)} batches and should be empty")
        self.written_in_transactions(place, part)
        if self.finished:
            self.decided(place, part, records.undecided)

    def lie_well(self, place, part):
        """No offset is missing or twice; compaction may leave gaps."""
        next_offset = part.bounds.start
        for batch in part.batches:
            gap = batch.base > next_offset and not place[0].endswith("-changelog")
            if batch.base < next_offset or gap:
                self.fail("batches", f"{place}: a batch begins at {batch.base} where {next_offset} is due")
            next_offset = batch.last + 1

    def written_in_transactions(self, place, part):
        outside = [batch for batch in part.batches if not batch.transactional]
        if outside and place[0] not in model.INPUTS:
            self.fail("transactional", f"{place}: {len(outside)} batches are in no transaction, from {outside[0].base} on")

    def decided(self, place, part, undecided):
        start, stable, end = part.bounds
        if stable != end or undecided or part.open:
            since = f"open since {part.open}, {len(undecided)} records undecided"
            self.fail("hanging", f"{place}: decided up to {stable} and it ends at {end}; {since}")

    def end(self, topic, partition):
        part = self.taken.parts.get((topic, partition))
        return part.bounds.end if part else 0

    def all(self):
        super().all()
        left = {name: state for name, state in self.taken.transactions.items() if state not in snapshot.OVER}
        if self.finished and left:
            self.fail("hanging", f"these transactions did not end: {left}")
        known = {store for _, _, stores in model.SUBTOPOLOGIES for store in stores}
        for number, dump in enumerate(self.dumps):
            for name, partition in dump.stores:
                if name.split("/")[1] not in known:
                    self.fail("store", f"data directory {number}: there are rows of a store {name}-{partition}")

    def store(self, store, partition, keys):
        """A store's changelog, and what each data directory holds of it."""
        self.changelog(store, partition, keys)
        place = f"{GROUP}-{store}-changelog", partition
        final = {key: states[-1][:2] for key, states in keys.items() if states[-1][1] is not None}
        current = [self.local(number, dump, store, place, keys, final) for number, dump in enumerate(self.dumps)]
        if self.finished and self.dumps and self.logs.get(place) and not any(current):
            self.fail("store", f"{store}-{partition}: no data directory holds all that its changelog says")

    def local(self, number, dump, store, place, keys, final):
        """Compares what one directory holds. Says whether that is all there is."""
        (app,) = {name.split("/")[0] for name, _ in [*dump.stores, *dump.checkpoints]} or {GROUP}
        name = f"{app}/{store}", place[1]
        rows, checkpoint = dump.stores.get(name, {}), dump.checkpoints.get(name)
        if checkpoint is None or checkpoint < 0:
            if rows:
                self.fail("store", f"data directory {number}: {place}: it has rows and no checkpoint ({checkpoint})")
            return False
        self.compared += len(rows)
        if rows != final and not any(rows == self.folded(place, until) for until in self.commits(place, checkpoint)):
            self.wrong(number, place, checkpoint, rows, keys)
        return rows == final

    def commits(self, place, checkpoint):
        """A checkpoint, and where later commits end in its changelog."""
        part = self.taken.parts.get(place)
        ends = (batch.base for batch in (part.batches if part else ()) if batch.control)
        return [checkpoint, *(end for end in ends if end > checkpoint)]

    def wrong(self, number, place, checkpoint, rows, keys):
        """Rows are not what the changelog said at a commit. Where compaction has taken away what it said between, they
        must be states that their keys had."""
        here = (f"data directory {number}: {place} up to {checkpoint}",)
        expected = self.folded(place, checkpoint)
        newer = any(record.offset >= checkpoint for record in self.logs.get(place, []))
        if self.compacted(place) and newer:
            foreign = {key: row for key, row in rows.items() if row not in [state[:2] for state in keys.get(key, [])]}
            self.same("store", here, sorted(foreign.items()), [])
        else:
            self.same("store", here, sorted(rows.items()), sorted(expected.items()))

    def compacted(self, place):
        batches = self.taken.parts[place].batches
        whole = all(batch.last - batch.base + 1 == len(batch.records) for batch in batches)
        return not whole or any(later.base > earlier.last + 1 for earlier, later in zip(batches, batches[1:]))

    def folded(self, place, until):
        rows = {}
        for record in self.logs.get(place, []):
            if record.offset < until:
                rows[record.key] = (record.timestamp, record.value)
        return {key: row for key, row in rows.items() if row[1] is not None}


def report(verifier, minimum):
    """Tells what was found, and says how it ends."""
    for check, what in verifier.failures:
        print(f"FAILED {check}: {what[:TOLD]}")
    enough = verifier.compared >= minimum
    verdict, code = ("failed", FAILED) if verifier.failures else ("passed", PASSED) if enough else ("invalid", INVALID)
    if not enough:
        print(f"INVALID: {verifier.compared} things were compared, and {minimum} are wanted")
    summary = {
        "verdict": verdict,
        "compared": verifier.compared,
        "minimum": minimum,
        "finished": verifier.finished,
        "partitions": len(verifier.logs),
        "records": dict(verifier.counts),
        "stores": sum(len(dump.checkpoints) for dump in verifier.dumps),
        "transactions": Counter(verifier.taken.transactions.values()),
        "failures": [{"check": check, "what": what[:TOLD]} for check, what in verifier.failures],
    }
    counts = ", ".join(f"{count} {kind}" for kind, count in verifier.counts.items())
    print(f"{verdict}: {verifier.compared} compared; records: {counts}; {len(verifier.dumps)} data directories")
    print(json.dumps(summary))
    return code


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("bootstrap", help="HOST:PORT, several with commas between")
    arguments.add_argument("tape", type=Path)
    arguments.add_argument("--app", default=GROUP, help="the app's name")
    arguments.add_argument("--prefix", default="", help="before the names of its topics that are not internal")
    arguments.add_argument("--store", type=Path, action="append", default=[], help="entries of a data directory")
    arguments.add_argument("--finished", action="store_true", help="all must have been read, and nothing be open")
    arguments.add_argument("--minimum", type=int, default=0, help="INVALID if fewer things than this were compared")
    arguments.add_argument("--settle", type=float, default=15, help="seconds that open transactions have to end")
    arguments.add_argument("--latest", action="store_true", help="inputs were read from the first committed offset on")
    arguments.add_argument("--any-order", action="store_true", help="topics read together may be taken in any order")
    options = arguments.parse_args()
    names = snapshot.Names(options.app, options.prefix)
    try:
        with client.Client(options.bootstrap) as cluster:
            cluster.check_versions()
            taken = snapshot.take(cluster, names, options.finished, options.settle)
            begins = snapshot.begins(cluster, names) if options.latest else {}
        dumps = [Dump(file.read_bytes()) for file in options.store]
        by_timestamp = not options.any_order
        verifier = KafkaVerifier(taken, dumps, options.tape, options.finished, options.prefix, by_timestamp, begins)
    except (Gone, client.Refused, snapshot.Moving, kafka.Damaged) as error:
        print(f"INVALID: {error}")
        print(json.dumps({"verdict": "invalid", "why": str(error), "compared": 0, "failures": []}))
        return INVALID
    verifier.all()
    return report(verifier, options.minimum)


if __name__ == "__main__":
    sys.exit(main())
