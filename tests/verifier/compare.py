"""What both verifiers compare: topics, stores and changelogs with what the model says, record by record.

A subclass says what lies where (`logs`, `offsets`) and what a store is held against. What depends on how tasks take
turns is read, not guessed: a repartition topic must be an interleaving of what its writers wrote, each in its order, and
what is made from it must follow exactly from the order that it has. Where only the last state of each commit is handed
on (the topic `totals`, the changelogs), each key's records must be some of the states that it had, in their order, the
last one among them.
"""

from collections import Counter, defaultdict

import kafka
import model
import order

SHOWN = 3
# The app of host/tests/crash/millstream.toml, whose group and internal topics have its name.
GROUP = "crash"


class Comparison:
    # Before the names of topics that are not internal, where a cluster is shared.
    prefix = ""
    # Whether two topics that a task reads together were taken by timestamp, or in any order that explains all outputs.
    by_timestamp = True

    def __init__(self, tape, finished):
        self.tape, self.finished = tape, finished
        self.failures, self.compared = [], 0
        # (topic, partition) -> records that consumers see; the same with those of aborted transactions, if there are any.
        self.logs, self.with_aborted, self.offsets = {}, {}, {}
        # (topic, partition) -> where it was read first, if that is not its beginning.
        self.begins = {}

    def fail(self, check, what):
        """Notes a failure; of each check the first few say enough."""
        if sum(1 for other, _ in self.failures if other == check) < SHOWN:
            self.failures.append((check, what))

    def all(self):
        self.inputs()
        self.check_offsets()
        written, tainted = self.tasks(self.logs), self.tasks(self.with_aborted) if self.with_aborted else {}
        for (store, partition), keys in written.stores.items():
            self.store(store, partition, keys)
        self.outputs(written.emissions, tainted.emissions if tainted else {})

    def tasks(self, logs):
        """All that the app's tasks must have done with what they have read of these logs."""
        written = Written()
        for topics, task, stores in model.SUBTOPOLOGIES:
            for partition in range(model.PARTITIONS.get(topics[0], 4)):
                read = [self.read(logs, topic, partition) for topic in topics]
                if len(read) > 1:
                    read = [self.merged(partition, *read)]
                done = task(*read)
                for store in stores:
                    written.stores[store, partition] = done.stores[store]
                for topic, *record in done.emissions:
                    to = kafka.partition_of(record[1], partition, model.PARTITIONS.get(topic, 4))
                    written.emissions[topic, to][partition].append(tuple(record))
        return written

    def merged(self, partition, first, second):
        """Two partitions in the order in which their task took them."""
        if self.by_timestamp:
            return order.by_timestamp(first, second)
        found = [self.found(place).get(partition, ()) for place in self.logs if place[0] in model.TEXT_OUTPUTS]
        sequences = [[order.source(record[-1]) for record in records] for records in found]
        merged, contradiction = order.explaining(first, second, sequences)
        if contradiction:
            self.fail("order", f"task {partition} of the text: no order of its input explains its outputs: {contradiction}")
        return merged

    def read(self, logs, topic, partition):
        """What a task has read of a partition, by its committed offset."""
        begin, until = self.begins.get((topic, partition), 0), self.offsets.get((GROUP, topic, partition), 0)
        return [record for record in logs.get((topic, partition), []) if begin <= record.offset < until]

    def inputs(self):
        """The input topics hold the tape, unchanged."""
        for file in sorted(self.tape.glob("*.batches")):
            topic, partition = file.stem.rsplit("-", 1)
            place = topic, int(partition)
            self.same("input", place, self.logs.get(place, []), kafka.decode(file.read_bytes()))
        lines = (self.tape / "notes.txt").read_bytes().splitlines()
        notes = self.logs.get(("notes", 0), [])
        if notes or self.finished:
            found = [(record.key, record.value) for record in notes]
            self.same("input", ("notes", 0), found, [(None, line) for line in lines])

        # Lines that were produced by a command that was killed: all of them or none, each time.
        scratch = [record.value for record in self.logs.get(("scratch", 0), [])]
        self.same("input", ("scratch", 0), scratch, lines * (len(scratch) // len(lines)))

    def check_offsets(self):
        """What is committed lies within what there is to read; at the end, nothing is left."""
        read = {topic for topics, _, _ in model.SUBTOPOLOGIES for topic in topics}
        for (group, topic, partition), offset in self.offsets.items():
            end = self.end(topic, partition)
            # Who leaves, and who begins at the end of an empty topic, commits that it stands at 0.
            least = self.begins.get((topic, partition), 0)
            if group == GROUP and (topic not in read or not least <= offset <= end):
                self.fail("offsets", f"{topic}-{partition}: {offset} is committed, and it ends at {end}")
        for (topic, partition), records in self.logs.items():
            offset = self.offsets.get((GROUP, topic, partition), 0)
            left = [record.offset for record in records if record.offset >= offset]
            if self.finished and topic in read and left:
                self.fail("offsets", f"{topic}-{partition}: {offset} is committed at the end, and {len(left)} are left")
            self.compared += 1

    def changelog(self, store, partition, keys):
        """A store's changelog and the topic of what it hands on at commits."""
        self.some_states("changelog", (f"{GROUP}-{store}-changelog", partition), keys, with_headers=False)
        for topic in (topic for topic, of in model.HELD_BACK.items() if of == store):
            self.some_states("held-back", (topic, partition), keys, with_headers=True)

    def found(self, place):
        """A partition's records by the task that wrote them, without their offsets."""
        topic, partition = place
        found = defaultdict(list)
        for record in self.logs.get(place, []):
            (_, source, _) = order.source(record.headers) or (None, -1, None)
            found[partition if topic in model.INTERNAL else source].append(tuple(record[1:]))
        return found

    def outputs(self, written, tainted):
        """Each partition is an interleaving of what its writers wrote, each in its order."""
        elsewhere = (*model.INPUTS, "scratch", *model.HELD_BACK)
        for place in sorted(set(written) | set(self.logs)):
            topic = place[0]
            if topic in elsewhere or topic.endswith("-changelog"):
                continue
            found = self.found(place)
            for writer in sorted(set(found) | set(written[place])):
                expected = written[place][writer]
                if topic == model.LETTERS:
                    expected = [self.letter(record, index, found[writer]) for index, record in enumerate(expected)]
                check = "output"
                if found[writer] != expected and tainted and found[writer] == tainted[place][writer]:
                    check = "aborted"
                self.same(check, (*place, f"written by task {writer}"), found[writer], expected)

    def letter(self, record, index, found):
        """A dead letter: the input record as it was, and headers that say where it was read and why it failed."""
        timestamp, key, value, headers = record
        topic, partition, offset = dict(headers)[b"src"].split(b"/")
        said = dict(found[index][3]) if index < len(found) else {}
        wanted = {
            b"__streams.errors.topic": self.prefix.encode() + topic,
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
        found, expected = list(found), list(expected)
        if found == expected:
            return
        pairs = enumerate(zip(found, expected))
        at = next((at for at, pair in pairs if pair[0] != pair[1]), min(len(found), len(expected)))
        here = f"{found[at:at + 1]} instead of {expected[at:at + 1]}"
        self.fail(check, f"{place}: {kinds(found, expected)}; at {at} of {len(expected)}: {here}")


class Written:
    """What tasks did: (topic, partition) -> writer -> records; (store, partition) -> key -> states."""

    def __init__(self):
        self.emissions, self.stores = defaultdict(lambda: defaultdict(list)), {}


def kinds(found, expected):
    """How two sequences differ: what was lost, what was doubled, what nobody wrote."""
    have, want = Counter(map(repr, found)), Counter(map(repr, expected))
    extra = have - want
    foreign = sum(count for one, count in extra.items() if one not in want)
    counts = {"lost": (want - have).total(), "doubled": extra.total() - foreign, "foreign": foreign}
    said = [f"{kind} {count}" for kind, count in counts.items() if count]
    return ", ".join(said) or "out of order"
