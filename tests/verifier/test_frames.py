"""Frames as clients and brokers write them, laid out by hand from Kafka's protocol guide."""

import struct
import unittest

import frames
from frames import Request



def moved(host, port):
    return ("proxy.example", port + 1000)


def text(value):
    return struct.pack(">h", len(value)) + value


def compact(value):
    return bytes([len(value) + 1]) + value


class Requests(unittest.TestCase):
    def test_the_end_of_a_transaction(self):
        for version, name, tags in [(1, text(b"app-1"), b""), (3, compact(b"app-1"), b"\0")]:
            body = name + struct.pack(">qh?", 77, 5, True) + tags
            frame = struct.pack(">hhi", 26, version, 9) + text(b"me") + tags + body
            self.assertEqual(frames.request(frame), Request(26, version, 9, "me", "app-1", 77, 5, True))

    def test_produce_in_and_outside_of_a_transaction(self):
        head = struct.pack(">hhi", 0, 7, 1) + text(b"me")
        self.assertEqual(frames.request(head + text(b"t") + b"rest").transactional, "t")
        self.assertIsNone(frames.request(head + b"\xff\xff" + b"rest").transactional)
        head = struct.pack(">hhi", 0, 11, 1) + b"\xff\xff" + b"\0"
        self.assertEqual(frames.request(head + compact(b"t") + b"rest").transactional, "t")

    def test_what_is_not_looked_into(self):
        frame = struct.pack(">hhi", 1, 16, 3) + text(b"me") + b"\x01\xff\xff"
        self.assertEqual(frames.request(frame), Request(1, 16, 3, "me"))

    def test_whose_client_it_is(self):
        frame = struct.pack(">hhi", 18, 3, 0) + text(b"me") + b"\0" + compact(b"librdkafka") + compact(b"2") + b"\0"
        self.assertEqual(frames.request(frame).software, "librdkafka")


class Answers(unittest.TestCase):
    def rewritten(self, key, version, before, after, software=None):
        """The rest of an answer is left as it is, whatever it is."""
        asked = Request(key, version, 9, "me", software=software)
        head, rest = struct.pack(">i", 9), b"\x07the rest\xff"
        found = frames.rewritten(asked, head + before + rest, moved)
        self.assertEqual(found, head + after + rest)

    def metadata(self, version, host, port):
        if version < 9:
            throttle = bytes(4) if version >= 3 else b""
            rack = text(b"r") if version >= 1 else b""
            broker = struct.pack(">i", 1) + text(host) + struct.pack(">i", port) + rack
            return throttle + struct.pack(">i", 2) + broker + broker
        broker = struct.pack(">i", 1) + compact(host) + struct.pack(">i", port) + compact(b"r") + b"\x01\x05\x01x"
        return b"\0" + bytes(4) + b"\x03" + broker + broker

    def test_brokers(self):
        for version in (0, 1, 4, 7, 9, 12):
            before, after = self.metadata(version, b"k", 92), self.metadata(version, b"proxy.example", 1092)
            with self.subTest(version=version):
                self.rewritten(3, version, before, after)

    def test_brokers_that_are_hidden(self):
        for version, none in ((1, bytes(4)), (7, bytes(8)), (12, b"\0" + bytes(4) + b"\x01")):
            frame = struct.pack(">i", 9) + self.metadata(version, b"k", 92) + b"what follows"
            hidden = frames.rewritten(Request(3, version, 9, "me"), frame, moved, hides=True)
            self.assertEqual(hidden, struct.pack(">i", 9) + none + b"what follows", version)

    def coordinator(self, version, host, port):
        node = struct.pack(">i", 1)
        address = text(host) + struct.pack(">i", port)
        if version == 0:
            return struct.pack(">h", 0) + node + address
        if version < 3:
            return bytes(4) + struct.pack(">h", 0) + b"\xff\xff" + node + address
        address = compact(host) + struct.pack(">i", port)
        if version == 3:
            return b"\0" + bytes(4) + struct.pack(">h", 0) + b"\0" + node + address
        return b"\0" + bytes(4) + b"\x02" + compact(b"key") + node + address + struct.pack(">h", 0) + b"\0\0"

    def test_coordinators(self):
        for version in (0, 1, 2, 3, 4):
            before, after = self.coordinator(version, b"k", 92), self.coordinator(version, b"proxy.example", 1092)
            with self.subTest(version=version):
                self.rewritten(10, version, before, after)

    def test_a_coordinator_that_is_not_there(self):
        nothing = bytes(4) + struct.pack(">h", 15) + b"\xff\xff" + struct.pack(">i", -1) + text(b"") + b"\xff" * 4
        self.rewritten(10, 2, nothing, nothing)

    def cluster(self, version, host, port):
        endpoint, fenced = b"\x01" if version >= 1 else b"", b"\0" if version >= 2 else b""
        broker = struct.pack(">i", 1) + compact(host) + struct.pack(">i", port) + b"\0" + fenced + b"\0"
        head = b"\0" + bytes(4) + struct.pack(">h", 0) + b"\0" + endpoint + compact(b"id") + struct.pack(">i", 1)
        return head + b"\x02" + broker

    def test_clusters(self):
        for version in (0, 1, 2):
            before, after = self.cluster(version, b"k", 92), self.cluster(version, b"proxy.example", 1092)
            with self.subTest(version=version):
                self.rewritten(60, version, before, after)

    def test_librdkafka_is_told_of_versions_whose_answers_name_no_leaders(self):
        versions = lambda produce, fetch: b"".join(
            [bytes(2), b"\x04", *(struct.pack(">hhh", *one) + b"\0" for one in [(0, 3, produce), (1, 4, fetch), (3, 0, 13)])]
        )
        self.rewritten(18, 3, versions(13, 18), versions(9, 15), software="librdkafka")
        self.rewritten(18, 3, versions(8, 11), versions(8, 11), software="librdkafka")
        self.rewritten(18, 3, versions(13, 18), versions(13, 18), software="apache-kafka-java")

    def test_other_answers_stay_as_they_are(self):
        self.rewritten(1, 16, b"anything", b"anything")


if __name__ == "__main__":
    unittest.main()
