"""Compares what a data directory holds with what the model says: `verify.py DUMP TAPE [--finished] [--minimum N]`.

For every task, the committed offsets say which records it has read. From these alone the model computes what must lie
in the output topics, the stores and the changelogs, and that is compared record by record: offset, key, value,
timestamp, headers. So it holds at any moment, also right after a kill; `--finished` demands besides that everything was
read. What depends on how tasks take turns is read, not guessed: a repartition topic must be an interleaving of what its
writers wrote, each in its order, and what is made from it must follow exactly from the order that it has. Where only
the last state of each commit is handed on (the topic `totals`, the changelogs), each key's records must be some of the
states that it had, in their order, the last one among them.
"""

import argparse
import sys
from collections import defaultdict
from pathlib import Path

import kafka
import model
from dump import Dump

GROUP = "crash"
SHOWN = 3


class Verifier:
    def __init__(self, dump, tape, finished):
        self.dump, self.tape, self.finished = dump, tape, finished
        self.failures, self.compared = [], 0
        self.logs = {place: self.records(place, batches) for place, batches in dump.logs.items()}

    def fail(self, check, what):
        """Notes a failure; of each check the first few say enough."""
        if sum(1 for other, _ in self.failures if other == check) < SHOWN:
            self.failures.append((check, what))

    def records(self, place, batches):
        """A partition's records; checks that they lie where they should and that no offset is missing or twice."""
        records, compacted = [], place[0].endswith("-changelog")
        try:
            for offset, batch in batches:
                found = kafka.decode(batch, compacted)
                if not compacted and found[0].offset != offset:
                    self.fail("batches", f"{place}: the batch at {offset} says {found[0].offset}")
                records += found
        except (kafka.Damaged, IndexError) as error:
            self.fail("batches", f"{place}: {error!r}")
        offsets = [record.offset for record in records]
        if offsets != (sorted(set(offsets)) if compacted else list(range(len(offsets)))):
            self.fail("batches", f"{place}: its offsets are {offsets}")
        return records

    def all(self):
        self.inputs()
        self.offsets()
        written = defaultdict(lambda: defaultdict(list))
        for topics, task, stores in model.SUBTOPOLOGIES:
            for partition in range(model.PARTITIONS.get(topics[0], 4)):
                done = task(*(self.read(topic, partition) for topic in topics))
                for store in stores:
                    self.store(store, partition, done.stores[store])
                for topic, *record in done.emissions:
                    to = kafka.partition_of(record[1], partition, model.PARTITIONS.get(topic, 4))
                    written[topic, to][partition].append(tuple(record))
        self.outputs(written)
        known = {f"{GROUP}/{store}" for _, _, stores in model.SUBTOPOLOGIES for store in stores}
        for store, partition in self.dump.stores:
            if store not in known:
                self.fail("store", f"there are rows of a store {store} in partition {partition}")

    def read(self, topic, partition):
        """What a task has read of a partition, by its committed offset."""
        return self.logs.get((topic, partition), [])[: self.dump.offsets.get((GROUP, topic, partition), 0)]

    def inputs(self):
        """The input topics hold the tape, unchanged."""
        for file in sorted(self.tape.glob("*.batches")):
            topic, partition = file.stem.rsplit("-", 1)
            self.same("input", (topic, int(partition)), self.logs.get((topic, int(partition)), []), kafka.decode(file.read_bytes()))
        lines = (self.tape / "notes.txt").read_bytes().splitlines()
        notes = self.logs.get(("notes", 0), [])
        if notes or self.finished:
            self.same("input", ("notes", 0), [(record.key, record.value) for record in notes], [(None, line) for line in lines])

        # Lines that were produced by a command that was killed: all of them or none, each time.
        scratch = [record.value for record in self.logs.get(("scratch", 0), [])]
        self.same("input", ("scratch", 0), scratch, lines * (len(scratch) // len(lines)))

    def offsets(self):
        read = {topic for topics, _, _ in model.SUBTOPOLOGIES for topic in topics}
        for (group, topic, partition), offset in self.dump.offsets.items():
            end = len(self.logs.get((topic, partition), []))
            if group == GROUP and (topic not in read or not 0 < offset <= end):
                self.fail("offsets", f"{topic}-{partition}: {offset} is committed of {end} records")
        for (topic, partition), records in self.logs.items():
            offset = self.dump.offsets.get((GROUP, topic, partition), 0)
            if self.finished and topic in read and offset != len(records):
                self.fail("offsets", f"{topic}-{partition}: {offset} is committed at the end, of {len(records)} records")
            self.compared += 1

    def store(self, store, partition, keys):
        """A store's rows, its changelog, and the topic of what it hands on at commits."""
        rows = {key: states[-1][:2] for key, states in keys.items() if states[-1][1] is not None}
        found = self.dump.stores.get((f"{GROUP}/{store}", partition), {})
        self.same("store", (store, partition), sorted(found.items()), sorted(rows.items()))
        self.some_states("changelog", (f"{GROUP}-{store}-changelog", partition), keys, with_headers=False)
        for topic in (topic for topic, of in model.HELD_BACK.items() if of == store):
            self.some_states("held-back", (topic, partition), keys, with_headers=True)

    def outputs(self, written):
        """Each partition is an interleaving of what its writers wrote, each in its order."""
        elsewhere = (*model.INPUTS, "scratch", *model.HELD_BACK)
        for place in sorted(set(written) | set(self.logs)):
            topic, partition = place
            if topic in elsewhere or topic.endswith("-changelog"):
                continue
            found = defaultdict(list)
            for record in self.logs.get(place, []):
                source = int(dict(record.headers).get(b"src", b"/-1/").split(b"/")[1])
                found[partition if topic in model.INTERNAL else source].append(tuple(record[1:]))
            for writer in sorted(set(found) | set(written[place])):
                expected = written[place][writer]
                if topic == model.LETTERS:
                    expected = [self.letter(record, index, found[writer]) for index, record in enumerate(expected)]
                self.same("output", (*place, f"written by task {writer}"), found[writer], expected)

    def letter(self, record, index, found):
        """A dead letter: the input record as it was, and headers that say where it was read and why it failed."""
        timestamp, key, value, headers = record
        topic, partition, offset = dict(headers)[b"src"].split(b"/")
        said = dict(found[index][3]) if index < len(found) else {}
        wanted = {
            b"__streams.errors.topic": topic,
            b"__streams.errors.partition": partition,
            b"__streams.errors.offset": offset,
            b"__streams.errors.message": b"boom: " + value,
            b"__millstream.errors.node": b"sound",
        }
        # Texts that are the host's own are taken as found; those above must be there and right.
        free = [(name, text) for name, text in (found[index][3][len(headers) :] if index < len(found) else [])]
        tail = tuple((name, wanted.get(name, text)) for name, text in free)
        missing = tuple((name, text) for name, text in wanted.items() if name not in said)
        return timestamp, key, value, headers + tail + missing

    def some_states(self, check, place, keys, with_headers):
        """Each key's records are some of the states that it had, in their order, the last one among them."""
        found = defaultdict(list)
        for record in self.logs.get(place, []):
            found[record.key].append((record.timestamp, record.value, record.headers if with_headers else ()))
        for key in sorted(set(found) | set(keys)):
            states = [(time, value, headers if with_headers else ()) for time, value, headers in keys.get(key, [])]
            rest = iter(states)
            legal = all(any(state == record for state in rest) for record in found[key])
            self.compared += len(found[key])
            if not legal:
                self.fail(check, f"{place}: key {key}: {found[key]} are not, in this order, among {states}")
            elif found[key][-1:] != states[-1:] and (found[key] or states[-1][1] is not None or check != "changelog"):
                # Of a key that was deleted compaction leaves nothing.
                self.fail(check, f"{place}: key {key}: the last is {found[key][-1:]} and should be {states[-1:]}")

    def same(self, check, place, found, expected):
        self.compared += len(expected)
        if list(found) == list(expected):
            return
        at = next((at for at, pair in enumerate(zip(found, expected)) if pair[0] != pair[1]), min(len(found), len(expected)))
        here = f"{found[at:at + 1]} instead of {expected[at:at + 1]}"
        self.fail(check, f"{place}: {len(found)} instead of {len(expected)}; at {at}: {here}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("dump", type=Path)
    arguments.add_argument("tape", type=Path)
    arguments.add_argument("--finished", action="store_true", help="everything must have been read")
    arguments.add_argument("--minimum", type=int, default=0, help="fail if fewer things than this were compared")
    options = arguments.parse_args()
    verifier = Verifier(Dump(options.dump.read_bytes()), options.tape, options.finished)
    verifier.all()
    if verifier.compared < options.minimum:
        verifier.fail("minimum", f"only {verifier.compared} things were compared, {options.minimum} are wanted")
    for check, what in verifier.failures:
        print(f"FAILED {check}: {what[:2000]}")
    print(f"compared {verifier.compared}, {'failed' if verifier.failures else 'all as it should be'}")
    return 1 if verifier.failures else 0


if __name__ == "__main__":
    sys.exit(main())
