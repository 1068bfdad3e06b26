"""Compares what a data directory holds with what the model says: `verify.py DUMP TAPE [--finished] [--minimum N]`.

For every task, the committed offsets say which records it has read. From these alone the model computes what must lie
in the output topics, the stores and the changelogs, and that is compared record by record (compare.py): offset, key,
value, timestamp, headers. So it holds at any moment, also right after a kill; `--finished` demands besides that
everything was read.
"""

import argparse
import sys
from pathlib import Path

import kafka
import model
from compare import GROUP, Comparison
from dump import Dump


class Verifier(Comparison):
    def __init__(self, dump, tape, finished):
        super().__init__(tape, finished)
        self.dump, self.offsets = dump, dump.offsets
        self.logs = {place: self.records(place, batches) for place, batches in dump.logs.items()}

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

    def end(self, topic, partition):
        return len(self.logs.get((topic, partition), []))

    def all(self):
        super().all()
        known = {f"{GROUP}/{store}" for _, _, stores in model.SUBTOPOLOGIES for store in stores}
        for store, partition in self.dump.stores:
            if store not in known:
                self.fail("store", f"there are rows of a store {store} in partition {partition}")

    def check_offsets(self):
        super().check_offsets()
        for (topic, partition), records in self.logs.items():
            offset = self.offsets.get((GROUP, topic, partition), len(records))
            if self.finished and offset != len(records):
                self.fail("offsets", f"{topic}-{partition}: {offset} is committed at the end, of {len(records)} records")

    def store(self, store, partition, keys):
        """A store's rows, and its changelog."""
        rows = {key: states[-1][:2] for key, states in keys.items() if states[-1][1] is not None}
        found = self.dump.stores.get((f"{GROUP}/{store}", partition), {})
        self.same("store", (store, partition), sorted(found.items()), sorted(rows.items()))
        self.changelog(store, partition, keys)


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
