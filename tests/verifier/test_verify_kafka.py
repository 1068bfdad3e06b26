"""The verifier of Kafka runs finds nothing where all is well, and every kind of mistake by its name."""

import contextlib
import io
import json
import tempfile
import unittest
import unittest.mock
from pathlib import Path
from types import SimpleNamespace

import order
import snapshot
import tape
import verify_kafka
from verify_kafka import KafkaVerifier
from world import World

SEED = 4
# A smaller tape than that of a crash run: what is tested here is the verifier.
LENGTHS = {"LINES": 40, "MORE": 20, "PROFILES": 30, "NOTES": 20}
LETTERS, BOTH, REPARTITION = ("dead-letters", 1), ("both", 2), ("crash-by-word-repartition", 1)


def first_takes_all(first, second):
    """An order that a task may have where it is not bound to timestamps."""
    return [*first, *second]


class Mistakes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        cls.tape = Path(cls.directory.name)
        with unittest.mock.patch.multiple(tape, **LENGTHS):
            tape.main(SEED, cls.tape)

    @classmethod
    def tearDownClass(cls):
        cls.directory.cleanup()

    def setUp(self):
        self.world = World(self.tape, SEED)

    def verified(self, taken=None, dumps=None, finished=True, **options):
        dumps = [self.world.dump()] if dumps is None else dumps
        verifier = KafkaVerifier(taken or self.world.snapshot(), dumps, self.tape, finished, **options)
        verifier.all()
        return verifier

    def checks(self, **options):
        return {check for check, _ in self.verified(**options).failures}

    def found(self, check, saying, **options):
        """Demands that the check finds something, and says this of it."""
        told = [what for name, what in self.verified(**options).failures if name == check]
        self.assertTrue(any(saying in what for what in told), f"{check} with {saying!r} in {told}")

    def transaction(self, place, number=0, records_min=1):
        """Where in a partition's batches the n-th committed batch of so many records lies."""
        batches = self.world.logs[place].batches
        fit = [
            at
            for at, (batch, marker) in enumerate(zip(batches, batches[1:]))
            if not batch.control and marker.control and marker.commits() and len(batch.records) >= records_min
        ]
        return batches, fit[number]

    def emptied(self, batch):
        """The batch as if it had been aborted: its place is taken, and nothing counts."""
        return batch._replace(records=[])

    def test_a_run_as_it_should_be(self):
        verifier = self.verified()
        self.assertEqual(verifier.failures, [])
        self.assertGreater(verifier.compared, 1_500)
        self.assertGreater(verifier.counts["aborted"], 50)
        self.assertEqual(verifier.counts["undecided"], 0)

    def test_a_lost_record(self):
        batches, at = self.transaction(BOTH)
        batches[at] = batches[at]._replace(records=batches[at].records[1:])
        self.found("output", "lost 1;")

    def test_a_lost_transaction(self):
        batches, at = self.transaction(("counts", 0), records_min=2)
        count = len(batches[at].records)
        batches[at] = self.emptied(batches[at])
        self.found("output", f"lost {count};")

    def test_a_doubled_record(self):
        batches, at = self.transaction(BOTH)
        record = batches[at].records[0]
        self.world.logs[BOTH].append(7, [tuple(record[1:])], "commits")
        self.found("output", "doubled 1;")

    def test_a_doubled_dead_letter(self):
        batches, at = self.transaction(LETTERS)
        record = batches[at].records[0]
        self.world.logs[LETTERS].append(7, [tuple(record[1:])], "commits")
        self.found("output", "doubled 1;")

    def test_swapped_records(self):
        place = "notes-out", 0
        batches, at = self.transaction(place, records_min=2)
        first, second, *rest = batches[at].records
        swapped = [second._replace(offset=first.offset), first._replace(offset=second.offset), *rest]
        batches[at] = batches[at]._replace(records=swapped)
        self.found("output", "out of order;")

    def test_a_changed_value(self):
        batches, at = self.transaction(("notes-out", 0))
        record, *rest = batches[at].records
        batches[at] = batches[at]._replace(records=[record._replace(value=b"other"), *rest])
        self.found("output", "lost 1, foreign 1;")

    def test_an_aborted_record_that_consumers_see(self):
        log = self.world.logs[BOTH]
        self.assertTrue(log.aborted, "there is an aborted transaction to forget")
        log.aborted.pop()
        self.assertEqual(self.checks(), {"aborted"})

    def test_aborted_records_that_were_counted(self):
        """Words were counted as somebody sees them who reads without read_committed."""
        log = self.world.logs[REPARTITION]
        self.assertTrue(log.aborted, "there is something aborted")
        for place in [("counts", 1), ("totals", 1), ("crash-counts-changelog", 1), ("crash-totals-changelog", 1)]:
            del self.world.logs[place]
        records = [record for batch in log.batches if not batch.control for record in batch.records]
        self.world.write(1, verify_kafka.model.word_task(records), ("counts", "totals"), producer=3)
        self.assertLessEqual({"aborted", "changelog", "held-back"}, self.checks())

    def test_a_store_with_a_wrong_row(self):
        rows = self.world.stores["crash/stories", 2]
        key = min(rows)
        rows[key] = (rows[key][0], rows[key][1] + b"!")
        self.found("store", "lost 1, foreign 1;")
        self.assertEqual(self.checks(), {"store"})

    def test_a_store_behind_its_checkpoint(self):
        rows = self.world.stores["crash/counts", 1]
        del rows[min(rows)]
        self.found("store", "lost 1;")

    def test_a_store_that_holds_what_was_deleted(self):
        self.world.stores["crash/runs", 0][b"gone"] = (1, b"x")
        self.found("store", "foreign 1;")

    def test_a_store_that_lags_is_no_mistake_unless_it_is_the_only_one(self):
        name, place = ("crash/counts", 1), ("crash-counts-changelog", 1)
        batches, at = self.transaction(place)
        until = batches[at + 1].base
        old = [record for record in self.world.logs[place].committed() if record.offset < until]
        rows = {record.key: (record.timestamp, record.value) for record in old}
        lagging = SimpleNamespace(stores={name: rows}, checkpoints={name: until})
        self.assertEqual(self.verified(dumps=[self.world.dump(), lagging]).failures, [])
        self.found("store", "no data directory holds all", dumps=[lagging])

    def test_a_checkpoint_that_lags_behind_its_store_is_no_mistake(self):
        self.world.checkpoints["crash/counts", 1] = 0
        self.assertEqual(self.checks(), set())

    def test_rows_without_a_checkpoint(self):
        del self.world.checkpoints["crash/counts", 1]
        self.found("store", "no checkpoint")

    def test_a_changelog_without_a_delete(self):
        place = "crash-profiles-changelog", 0
        rows = self.world.stores["crash/profiles", 0]
        for batches in [self.world.logs[place].batches]:
            for at, batch in enumerate(batches):
                kept = [one for one in batch.records if batch.control or one.value is not None or one.key in rows]
                batches[at] = batch._replace(records=kept)
        self.assertIn("changelog", self.checks())

    def test_held_back_states_that_are_lost(self):
        batches, at = self.transaction(("totals", 3))
        batches[at] = self.emptied(batches[at])
        self.assertEqual(self.checks(), {"held-back"})

    def test_a_hanging_transaction(self):
        record = (1, b"k", b"v", ())
        self.world.logs[BOTH].append(9, [record], "open")
        self.found("hanging", "both")
        self.assertEqual(self.checks(finished=False), set(), "what a killed process left open is no mistake yet")

    def test_a_transaction_that_its_coordinator_takes_for_open(self):
        self.world.transactions["crash-a-0"] = "Ongoing"
        self.found("hanging", "crash-a-0")

    def test_records_outside_of_transactions(self):
        self.world.logs["stories", 1].append(-1, [(1, b"k", b"v", ((b"src", b"lines/0/0"),))], "plain")
        self.found("transactional", "stories")

    def test_offsets_that_are_missing(self):
        batches = self.world.logs[BOTH].batches
        del batches[3]
        self.found("batches", "is due")

    def test_input_that_was_not_read(self):
        taken = self.world.snapshot()
        taken.offsets["lines", 2] -= 1
        self.found("offsets", "1 are left", taken=taken)
        self.found("output", "foreign", taken=taken, finished=False)

    def test_an_offset_beyond_the_end(self):
        taken = self.world.snapshot()
        taken.offsets["notes", 0] += 1
        self.found("offsets", "notes-0", taken=taken)

    def test_input_that_is_not_the_tape(self):
        batches = self.world.logs["lines", 0].batches
        batches[0] = batches[0]._replace(records=batches[0].records[:-1])
        self.found("input", "lost 1;")

    def test_records_among_the_tasks(self):
        self.world.logs["crash-tasks", 0].append(-1, [(0, b"a", b"{}", ())], "plain")
        self.assertEqual(self.checks(), set(), "what processes tell each other")
        self.world.logs["crash-tasks", 1].append(1, [(1, None, None, ())], "commits")
        self.found("output", "should be empty")

    def test_an_order_that_timestamps_do_not_tell(self):
        self.world = World(self.tape, SEED, merged=first_takes_all)
        self.assertIn("output", self.checks())
        self.assertEqual(self.checks(by_timestamp=False), set())

    def test_inputs_that_were_read_from_their_middle_on(self):
        begins = {("lines", 1): 7, ("notes", 0): 12}
        self.world = World(self.tape, SEED, begins=begins)
        self.assertEqual(self.checks(begins=begins), set())
        self.assertIn("output", self.checks())
        self.assertIn("output", self.checks(begins={**begins, ("notes", 0): 11}))

    def test_a_position_where_nothing_was_read(self):
        taken = self.world.snapshot()
        taken.offsets["more", 2] = 0

        def offsets(begins):
            failures = self.verified(taken=taken, finished=False, begins=begins).failures
            return [what for check, what in failures if check == "offsets"]

        self.assertEqual(offsets({}), [], "who leaves commits that it stands at the beginning")
        self.assertEqual(offsets({("more", 2): 0}), [])
        self.assertNotEqual(offsets({("more", 2): 1}), [], "it began further on")

    def test_too_little_was_compared(self):
        verifier, said = self.verified(), io.StringIO()
        with contextlib.redirect_stdout(said):
            code = verify_kafka.report(verifier, verifier.compared + 1)
        self.assertEqual(code, verify_kafka.INVALID)
        self.assertEqual(json.loads(said.getvalue().splitlines()[-1])["verdict"], "invalid")

    def test_the_summary(self):
        self.world.transactions["crash-a-0"] = "Ongoing"
        verifier, said = self.verified(), io.StringIO()
        with contextlib.redirect_stdout(said):
            code = verify_kafka.report(verifier, 1)
        summary = json.loads(said.getvalue().splitlines()[-1])
        self.assertEqual((code, summary["verdict"]), (verify_kafka.FAILED, "failed"))
        self.assertEqual([failure["check"] for failure in summary["failures"]], ["hanging"])
        self.assertTrue(said.getvalue().startswith("FAILED hanging: "))


class Orders(unittest.TestCase):
    """Of the order of two partitions whose records have offsets 0, 1, ... and timestamps by need."""

    def records(self, topic, *timestamps):
        source = verify_kafka.kafka.Record
        return [
            source(at, time, None, None, ((b"src", f"{topic}/0/{at}".encode()),)) for at, time in enumerate(timestamps)
        ]

    def names(self, records):
        return [f"{topic}{offset}" for topic, _, offset in (order.source(record.headers) for record in records)]

    def explained(self, *seen):
        sequences = [[(name[0], 0, int(name[1])) for name in sequence.split()] for sequence in seen]
        merged, contradiction = order.explaining(self.records("a", 1, 3), self.records("b", 2, 4), sequences)
        return self.names(merged), contradiction

    def test_without_a_sign_it_goes_by_timestamp(self):
        self.assertEqual(self.explained(), (["a0", "b0", "a1", "b1"], None))

    def test_outputs_tell(self):
        self.assertEqual(self.explained("b0 a0")[0], ["b0", "a0", "a1", "b1"])
        self.assertEqual(self.explained("b1 a1", "a0 b0")[0], ["a0", "b0", "b1", "a1"])

    def test_contradictions(self):
        self.assertIsNotNone(self.explained("a0 b0", "b0 a0")[1])
        self.assertIsNotNone(self.explained("a1 a0")[1])
        self.assertIsNotNone(self.explained("b1 a0", "a1 b0")[1])


class Naming(unittest.TestCase):
    def test_only_the_apps_topics(self):
        names = snapshot.Names("crash-7", "seven.")
        found = [names.mine(name) for name in ["seven.lines", "crash-7-counts-changelog", "crash-71-x", "lines"]]
        self.assertEqual(found, ["lines", "crash-counts-changelog", None, None])

    def test_without_a_prefix_all_but_the_brokers_own(self):
        names = snapshot.Names("crash", "")
        self.assertEqual([names.mine(name) for name in ["lines", "crash-tasks", "__consumer_offsets"]], ["lines", "crash-tasks", None])


if __name__ == "__main__":
    unittest.main()
