"""Puts a tape into a Kafka cluster: `fill.py BOOTSTRAP TAPE [--prefix PREFIX] [--part N/OF]`. Makes the topics first."""

import argparse
from pathlib import Path

import kafka
from client import Client
from tape import PARTITIONS

# Timestamp of the notes, which have none of their own.
NOTED = 1_700_000_000_000
# Notes a batch.
TOGETHER = 20


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("bootstrap")
    arguments.add_argument("tape", type=Path)
    arguments.add_argument("--prefix", default="", help="before the topics' names")
    arguments.add_argument("--part", default="1/1", help="only this part of every partition: 1/3, 2/3 and 3/3 are all")
    options = arguments.parse_args()
    part, of = (int(number) for number in options.part.split("/"))
    with Client(options.bootstrap) as cluster:
        cluster.check_versions()
        fill(cluster, options.tape, options.prefix, part, of)


def fill(cluster, tape, prefix="", part=1, of=1):
    """One batch after the other, each once: an input that is doubled would look like a mistake of the app's."""
    some = lambda batches: batches[len(batches) * (part - 1) // of : len(batches) * part // of]
    files = sorted(tape.glob("*.batches"))
    topics = {file.stem.rsplit("-", 1)[0] for file in files}
    # The tape's timestamps are long past: by default brokers would delete it soon.
    partitions = {f"{prefix}{topic}": PARTITIONS for topic in topics} | {f"{prefix}notes": 1}
    cluster.create_topics(partitions, retention_ms="-1")
    for file in files:
        topic, partition = file.stem.rsplit("-", 1)
        for batch in some(kafka.cut(file.read_bytes())):
            # Producers leave the offset to the broker.
            cluster.produce(f"{prefix}{topic}", int(partition), bytes(8) + batch[8:])
    notes = [(NOTED, None, line, ()) for line in (tape / "notes.txt").read_bytes().splitlines()]
    for batch in some([notes[at : at + TOGETHER] for at in range(0, len(notes), TOGETHER)]):
        cluster.produce(f"{prefix}notes", 0, kafka.encode(0, batch))


if __name__ == "__main__":
    main()
