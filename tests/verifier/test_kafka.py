"""Published vectors, so that the verifier's own tools are known to be right."""

import unittest

import client
import kafka


class Vectors(unittest.TestCase):
    def test_checksum(self):
        # RFC 3720, B.4.
        self.assertEqual(kafka.crc32c(b"123456789"), 0xE3069283)
        self.assertEqual(kafka.crc32c(bytes(32)), 0x8A9136AA)

    def test_partitioner(self):
        # Kafka's own UtilsTest.
        for text, signed in [(b"21", -973932308), (b"foobar", -790332482), (b"abc", 479470107)]:
            self.assertEqual(kafka.murmur2(text), signed & 0xFFFFFFFF)

    def test_where_a_groups_offsets_lie(self):
        # Java's hash codes of "hello", and of the word that is known for having the lowest of all.
        self.assertEqual(client.offsets_partition("hello", 1_000_000_000), 99_162_322)
        self.assertEqual(client.offsets_partition("polygenelubricants", 50), 0)

    def test_round_trip(self):
        records = [(5, b"k", None, ((b"h", None), (b"", b"x"))), (3, None, b"v" * 300, ()), (1 << 40, b"", b"", ())]
        data = kafka.encode(7, records) + kafka.encode(10, records[:1])
        decoded = kafka.decode(data)
        self.assertEqual([record[1:] for record in decoded], [*records, records[0]])
        self.assertEqual([record.offset for record in decoded], [7, 8, 9, 10])

    def test_damage_is_noticed(self):
        data = kafka.encode(0, [(5, b"key", b"value", ())])
        for at in range(len(data)):
            if at in range(8) or at in range(12, 16):
                continue  # The base offset and the leader's epoch are not covered by the checksum.
            broken = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
            with self.assertRaises((kafka.Damaged, IndexError), msg=f"byte {at}"):
                kafka.decode(broken)


if __name__ == "__main__":
    unittest.main()
