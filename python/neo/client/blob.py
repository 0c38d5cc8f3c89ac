"""Blobs as objects: the token in the record of a blob, and the chunks that it names.

docs/maintainers/blobs.md explains the design. A blob is an object like any other one; its content is cut into chunks, which are
objects too::

    record of the blob    what the program stored ‖ token: size of the content, size of a chunk, OIDs of the chunks
    record of a chunk     a `Chunk`: OID of the blob, index, bytes

Each revision of a blob has, at the same TID, a revision of each of its chunks.
"""

import struct
from zlib import crc32

from persistent import Persistent

#: Size of all the chunks of a content but the last one, which is what remains: 1 to this.
CHUNK_BYTES = 1 << 20

#: What a record ends with if it has a token.
MAGIC = b'\xf5NEO-blob-token\xf5'
_VERSION = 1
#: Version, size of the content, size of a chunk; then the runs of OIDs: first one, number.
_HEADER = struct.Struct('>BQI')
_RUN = struct.Struct('>QI')
#: Between the token and the magic: checksum and length of the token.
_FOOTER = struct.Struct('>II')

_BEGIN = b'\x80\x03cneo.client.blob\nChunk\n.\x80\x03C\x08'
_INDEX_AND_LENGTH = struct.Struct('<cIcI')
_END = b'\x87.'
#: Where the bytes of a chunk begin in its record.
CHUNK_OFFSET = len(_BEGIN) + 8 + _INDEX_AND_LENGTH.size


class Chunk(Persistent):
    """A part of a blob, for tools that load every object. Its state is (OID of the blob, index, bytes)."""

    def __getstate__(self):
        return self.state

    def __setstate__(self, state):
        self.state = state


class Token:
    """What the record of a blob says of its content."""

    __slots__ = 'size', 'chunk_bytes', 'oids'

    def __init__(self, size, oids, chunk_bytes=CHUNK_BYTES):
        self.size = size
        self.chunk_bytes = chunk_bytes
        #: Those of the chunks, in their order.
        self.oids = oids

    def encode(self):
        """What is appended to the record."""
        token = bytearray(_HEADER.pack(_VERSION, self.size, self.chunk_bytes))
        first = count = 0
        for number in map(_number, self.oids):
            if count and number == first + count:
                count += 1
                continue
            if count:
                token += _RUN.pack(first, count)
            first, count = number, 1
        if count:
            token += _RUN.pack(first, count)
        return bytes(token) + _FOOTER.pack(crc32(token), len(token)) + MAGIC

    @classmethod
    def decode(cls, token):
        """`ValueError` if this version does not know such tokens."""
        version, size, chunk_bytes = _HEADER.unpack_from(token)
        if version != _VERSION:
            raise ValueError(f'the token of the blob has version {version}, expected {_VERSION}: it needs a newer client')
        oids = []
        for first, count in _RUN.iter_unpack(token[_HEADER.size:]):
            if len(oids) + count > chunk_count(size, chunk_bytes):
                break
            oids += (number.to_bytes(8, 'big') for number in range(first, first + count))
        if len(oids) != chunk_count(size, chunk_bytes):
            raise ValueError(f'the token of the blob has not the chunks of {size} bytes')
        return cls(size, oids, chunk_bytes)

    def length(self, index):
        """Bytes of a chunk."""
        return min(self.chunk_bytes, self.size - index * self.chunk_bytes)


def chunk_count(size, chunk_bytes=CHUNK_BYTES):
    """How many chunks a content has."""
    return -(-size // chunk_bytes)


def split(data):
    """(the record as the program stored it, its token or None)."""
    if not has_token(data):
        return data, None
    end = len(data) - len(MAGIC) - _FOOTER.size
    if end >= 0:
        checksum, length = _FOOTER.unpack_from(data, end)
        token = data[end - length:end]
        if _HEADER.size <= length <= end and crc32(token) == checksum:
            return data[:end - length], token
    return data, None


def has_token(data):
    """Whether a record ends like one with a token: nearly all have none."""
    return data is not None and data.endswith(MAGIC)


def without_token(data):
    """The record as the program stored it."""
    return split(data)[0] if has_token(data) else data


def chunks_of(data):
    """The OIDs of the chunks of a blob; empty if the record is another one."""
    token = split(data)[1]
    try:
        return [] if token is None else Token.decode(token).oids
    except ValueError:
        return []


def is_chunk(data):
    """Whether a record is that of a chunk."""
    return data is not None and data.startswith(_BEGIN)


def encode_chunk(oid, index, data):
    """The record of a chunk of blob `oid`."""
    return b''.join((_BEGIN, oid, _INDEX_AND_LENGTH.pack(b'J', index, b'B', len(data)), data, _END))


def chunk_data(record, oid, index, length):
    """The bytes in the record of chunk `index`, a view of it. `ValueError` if it is not the one that was expected."""
    expected = _BEGIN + oid + _INDEX_AND_LENGTH.pack(b'J', index, b'B', length)
    if record[:CHUNK_OFFSET] != expected or len(record) != CHUNK_OFFSET + length + len(_END):
        raise ValueError(f'not chunk {index} of blob {oid.hex()}, of {length} bytes')
    return record[CHUNK_OFFSET:CHUNK_OFFSET + length]


def _number(oid):
    return int.from_bytes(oid, 'big')
