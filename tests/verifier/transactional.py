"""A transactional producer for tests: what it does and leaves undone is up to who calls it."""

import kafka
import messages
from client import TRANSACTION, check

TIMEOUT_MS = 60_000


class Producer:
    def __init__(self, client, transactional, timeout=TIMEOUT_MS):
        self.client, self.id, self.sequences = client, transactional, {}

        def read(answer):
            check(f"producer id of {transactional}", answer.error)
            return answer.producer, answer.epoch

        fields = {"id": transactional, "timeout": timeout}
        self.producer, self.epoch = self._ask(messages.INIT_PRODUCER_ID, read, **fields)

    def _ask(self, api, read, **fields):
        return self.client.coordinated(TRANSACTION, self.id, api, read, **fields)

    def _known(self):
        return {"id": self.id, "producer": self.producer, "epoch": self.epoch}

    def send(self, topic, partition, records):
        """Appends records (timestamp, key, value, headers), as part of the open transaction."""

        def read(answer):
            check(f"{topic}-{partition} in a transaction of {self.id}", answer.topics[0].partitions[0].error)

        topics = [{"name": topic, "partitions": [partition]}]
        self._ask(messages.ADD_PARTITIONS, read, topics=topics, **self._known())
        sequence = self.sequences.get((topic, partition), 0)
        self.sequences[topic, partition] = sequence + len(records)
        batch = kafka.encode(0, records, self.producer, self.epoch, sequence, kafka.TRANSACTIONAL)
        return self.client.settled(lambda: self.client.produce(topic, partition, batch, self.id))

    def offsets(self, group, offsets):
        """Commits offsets of a group, (topic, partition) -> offset, as part of the open transaction."""

        def added(answer):
            check(f"offsets of {group} in a transaction of {self.id}", answer.error)

        def sent(answer):
            for topic in answer.topics:
                check(f"offset of {group} in {topic.name}", topic.partitions[0].error)

        self._ask(messages.ADD_OFFSETS, added, group=group, **self._known())
        topics = [
            {
                "name": topic,
                "partitions": [{"partition": partition, "offset": offset, "leader_epoch": -1, "metadata": ""}],
            }
            for (topic, partition), offset in offsets.items()
        ]
        fields = {"group": group, "topics": topics, **self._known()}
        self.client.coordinated(0, group, messages.COMMIT_OFFSETS, sent, **fields)

    def end(self, commit):
        self.client.settled(lambda: self.end_once(commit))

    def end_once(self, commit):
        """Asks once, whatever comes of it."""
        address = self.client.coordinator(TRANSACTION, self.id)
        answer = self.client.at(address, messages.END_TRANSACTION, commit=commit, **self._known())
        check(f"end of a transaction of {self.id}", answer.error)
