"""Kafka's protocol: types, messages and connections, from the protocol's guide alone. Only sockets and struct.

A schema says how a message is written and read: `Struct(topic=STRING, partitions=Array(INT32))`. Flexible versions have
the same schemas; their strings and arrays are compact and their structures end in tagged fields, which are skipped.
"""

import socket
import struct
from types import SimpleNamespace

# How long an answer may take, seconds: a broker holds no request of ours back longer than some seconds.
ANSWER_SECONDS = 30
CLIENT = b"millstream-verifier"


class Data:
    """Bytes that are being read."""

    def __init__(self, data, at=0):
        self.data, self.at = data, at

    def take(self, length):
        taken = self.data[self.at : self.at + length]
        if len(taken) != length or length < 0:
            raise ValueError(f"{length} bytes are wanted at {self.at} of {len(self.data)}")
        self.at += length
        return bytes(taken)

    def unsigned_varint(self):
        shift = number = 0
        while True:
            (byte,) = self.take(1)
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number
            shift += 7

    def skip_tags(self):
        for _ in range(self.unsigned_varint()):
            self.unsigned_varint()
            self.take(self.unsigned_varint())


def unsigned_varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


class Fixed:
    """A number of fixed size."""

    def __init__(self, form):
        self.form = struct.Struct(">" + form)

    def read(self, data, flexible):
        return self.form.unpack(data.take(self.form.size))[0]

    def write(self, value, flexible):
        return self.form.pack(value)


class Sized:
    """Bytes after their length; None where there is nothing."""

    def __init__(self, length, text):
        self.length, self.text = length, text

    def read(self, data, flexible):
        length = data.unsigned_varint() - 1 if flexible else self.length.read(data, False)
        if length < 0:
            return None
        taken = data.take(length)
        return taken.decode() if self.text else taken

    def write(self, value, flexible):
        value = value.encode() if isinstance(value, str) else value
        length = -1 if value is None else len(value)
        head = unsigned_varint(length + 1) if flexible else self.length.write(length, False)
        return head + (value or b"")


class Array:
    """Any number of one kind; None where there is no array."""

    def __init__(self, kind):
        self.kind = kind

    def read(self, data, flexible):
        count = data.unsigned_varint() - 1 if flexible else INT32.read(data, False)
        return None if count < 0 else [self.kind.read(data, flexible) for _ in range(count)]

    def write(self, value, flexible):
        count = -1 if value is None else len(value)
        head = unsigned_varint(count + 1) if flexible else INT32.write(count, False)
        return head + b"".join(self.kind.write(one, flexible) for one in value or ())


class Struct:
    """Named fields, one after the other."""

    def __init__(self, **fields):
        self.fields = fields

    def read(self, data, flexible):
        read = SimpleNamespace(**{name: kind.read(data, flexible) for name, kind in self.fields.items()})
        if flexible:
            data.skip_tags()
        return read

    def write(self, value, flexible):
        values = value if isinstance(value, dict) else vars(value)
        if set(values) != set(self.fields):
            raise ValueError(f"the fields are {sorted(self.fields)}, not {sorted(values)}")
        written = b"".join(kind.write(values[name], flexible) for name, kind in self.fields.items())
        return written + (b"\0" if flexible else b"")


INT8, INT16, INT32, INT64, BOOL = Fixed("b"), Fixed("h"), Fixed("i"), Fixed("q"), Fixed("?")
STRING, BYTES = Sized(INT16, text=True), Sized(INT32, text=False)


class Api:
    """A request, its version and its answer."""

    def __init__(self, name, key, version, request, response, flexible=False):
        self.name, self.key, self.version, self.flexible = name, key, version, flexible
        self.request, self.response = request, response


class Gone(Exception):
    """The connection is of no use any more."""


class Connection:
    """A connection to a broker, for one request after the other."""

    def __init__(self, host, port):
        self.address, self.number = (host, port), 0
        try:
            self.socket = socket.create_connection(self.address, ANSWER_SECONDS)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            raise Gone(f"{host}:{port}: {error}") from error

    def call(self, api, **fields):
        """Sends a request and reads its answer."""
        try:
            self.send(api, **fields)
            data = Data(self._exactly(struct.unpack(">i", self._exactly(4))[0]))
        except OSError as error:
            raise Gone(f"{self.address}: {api.name}: {error}") from error
        return self._answer(api, data)

    def send(self, api, **fields):
        """Sends a request."""
        self.number += 1
        head = struct.pack(">hhih", api.key, api.version, self.number, len(CLIENT)) + CLIENT
        frame = head + (b"\0" if api.flexible else b"") + api.request.write(fields, api.flexible)
        self.socket.sendall(struct.pack(">i", len(frame)) + frame)

    def _answer(self, api, data):
        number = INT32.read(data, False)
        if number != self.number:
            raise Gone(f"{self.address}: {api.name}: answer {number} to request {self.number}")
        if api.flexible:
            data.skip_tags()
        answer = api.response.read(data, api.flexible)
        if data.at != len(data.data):
            raise ValueError(f"{api.name}: {len(data.data) - data.at} bytes after the answer")
        return answer

    def _exactly(self, length):
        parts = []
        while length > 0:
            part = self.socket.recv(length)
            if not part:
                raise OSError("the broker closed the connection")
            parts.append(part)
            length -= len(part)
        return b"".join(parts)

    def close(self):
        self.socket.close()
