"""What is stored of blobs, and options: nothing here needs a cluster."""

import io
import os
import pickle

import pytest
from ZODB.serialize import referencesf
from ZODB.utils import get_pickle_metadata, p64

from blobs import CHUNK, RECORD
from neo.client import blob as format
from neo.client.Storage import Storage


def test_tokens():
    for size, first in (0, 1), (1, 7), (CHUNK, 7), (CHUNK + 1, 7), (1000 * CHUNK, 1 << 62):
        oids = [p64(first + index) for index in range(format.chunk_count(size))]
        token = format.Token(size, oids)
        record, encoded = format.split(RECORD + token.encode())
        assert record == RECORD and len(encoded) < 30
        decoded = format.Token.decode(encoded)
        assert (decoded.size, decoded.oids, decoded.chunk_bytes) == (size, oids, CHUNK)
    scattered = [p64(5), p64(3), p64(4), p64(9)]
    assert format.Token.decode(format.split(format.Token(4 * CHUNK, scattered).encode())[1]).oids == scattered
    # Records without a token, whatever they end with.
    valid = RECORD + format.Token(10, [p64(1)]).encode()
    for record in RECORD, b'', format.MAGIC, RECORD + format.MAGIC, valid + b'x', valid[:-17] + b'x' + valid[-16:]:
        assert format.split(record) == (record, None)
    assert format.split(None) == (None, None)
    # Of a later version, or wrong: the record is found, the token is refused.
    later = bytearray(format.split(valid)[1])
    later[0] = 2
    for token in bytes(later), format.split(valid)[1][:-12]:
        with pytest.raises(ValueError):
            format.Token.decode(token)


def test_chunks_are_objects_that_tools_can_load():
    record = format.encode_chunk(p64(0x1234), 7, b'data')
    assert get_pickle_metadata(record) == ('neo.client.blob', 'Chunk')
    file = io.BytesIO(record)
    assert pickle.load(file) is format.Chunk
    assert pickle.load(file) == (p64(0x1234), 7, b'data')
    assert referencesf(record) == []
    assert format.chunk_data(memoryview(record), p64(0x1234), 7, 4) == b'data'
    for oid, index, length in (p64(0x1235), 7, 4), (p64(0x1234), 8, 4), (p64(0x1234), 7, 3):
        with pytest.raises(ValueError):
            format.chunk_data(memoryview(record), oid, index, length)


def test_options(tmp_path):
    for options in (
        {'blob_cache_size': 10}, {'blob_dir': str(tmp_path), 'shared_blob_dir': True},
        {'blob_dir': str(tmp_path), 'blob_cache_size': -1}, {'blob_dir': str(tmp_path), 'blob_cache_size_check': 0},
        {'blob_dir': str(tmp_path), 'blob_cache_size_check': 100},
    ):
        with pytest.raises(ValueError):
            Storage('127.0.0.1:1', 'x', **options)


def test_foreign_directories_are_refused(tmp_path):
    """Files are removed from a blob directory: it must not be one that has something else in it."""
    (tmp_path / 'precious').write_text('x')
    with pytest.raises(ValueError, match='blob_dir'):
        Storage('127.0.0.1:1', 'x', blob_dir=str(tmp_path))
    assert os.listdir(tmp_path) == ['precious']
    Storage('127.0.0.1:1', 'x', blob_dir=str(tmp_path / 'a')).close()
    Storage('127.0.0.1:1', 'x', blob_dir=str(tmp_path / 'a')).close()
    with pytest.raises(ValueError, match='blob_dir'):
        Storage('127.0.0.1:1', 'other cluster', blob_dir=str(tmp_path / 'a'))
