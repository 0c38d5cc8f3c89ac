"""Names, options, ZConfig and URIs: nothing here needs a cluster."""

import importlib.metadata
import os
import socket
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
import ZConfig
import ZODB.config
from zope.interface.verify import verifyObject

from neo.client._addresses import parse_address
from neo.client.config import compress
from neo.client.Storage import Storage
from neo.client.zodburi import resolve_uri, zconfig_of


def section(body):
    return ZODB.config.storageFromFile(StringIO(f'%import neo.client\n<NEOStorage>\n{body}\n</NEOStorage>\n'))


@pytest.fixture
def storage():
    storage = Storage('127.0.0.1:1', 'cluster')
    yield storage
    storage.close()


def test_names(storage):
    assert f'{type(storage).__module__}.{type(storage).__name__}' == 'neo.client.Storage.Storage'
    assert storage.getName() == storage.sortKey() == storage.__name__ == 'NEOStorage(cluster)'
    assert storage.isReadOnly() is False
    from ZODB.Connection import TransactionMetaData
    import neo.client
    assert neo.client.TransactionMetaData is TransactionMetaData


def test_interfaces(storage):
    for interface in type(storage).__implemented__:
        assert verifyObject(interface, storage)


@pytest.mark.parametrize('word, address', [
    ('host:1', ('host', 1)),
    ('host', ('host', 0)),
    ('[::1]:2', ('::1', 2)),
    ('[::1]', ('::1', 0)),
    ('::1', ('::1', 0)),
])
def test_address(word, address):
    assert parse_address(word) == address


@pytest.mark.parametrize('word', ['host:x', 'host:65536', '[::1', '[::1]2'])
def test_bad_address(word):
    with pytest.raises(ValueError):
        parse_address(word)


def test_constructor_refuses():
    with pytest.raises(ValueError):
        Storage(' ', 'cluster')
    with pytest.raises(TypeError):
        Storage('127.0.0.1:1', 'cluster', colour='blue')
    with pytest.raises(ValueError):
        Storage('127.0.0.1:1', 'cluster', ca='ca.pem')
    with pytest.raises(socket.gaierror):
        Storage('no-such-host.invalid:1', 'cluster')


@pytest.mark.parametrize('text, value', [
    ('true', True), ('off', False), ('zlib', (0, None)), ('zlib=1', (0, 1)), ('zlib=9', (0, 9))])
def test_compress(text, value):
    assert compress(text) == value
    section(f'master_nodes 127.0.0.1:1\nname c\ncompress {text}').close()


@pytest.mark.parametrize('text', ['9', 'best', '0', 'zlib=0', 'zlib=100', 'zlib=', 'zstd'])
def test_bad_compress(text):
    with pytest.raises(ValueError):
        compress(text)


def test_zconfig():
    storage = section(
        'master_nodes 127.0.0.1:1 [::1]:2\nname my cluster\nread-only true\ncache-size 1MB\n'
        'ignore-wrong-checksum yes\nwait-timeout 1.5')
    assert storage.getName() == 'NEOStorage(my cluster)'
    assert storage.isReadOnly() is True
    assert storage._cache.max_size == 1 << 20
    assert [node.getAddress() for node in storage.app.nm.getMasterList()] == [('127.0.0.1', 1), ('::1', 2)]
    storage.close()


def test_zconfig_of_blobs(tmp_path):
    body = f'master_nodes 127.0.0.1:1\nname c\nblob-dir {tmp_path}/blobs\nblob-cache-size 1GB\nblob-cache-size-check 20'
    storage = section(f'{body}\nshared-blob-dir no')
    assert storage.temporaryDirectory() == f'{tmp_path}/blobs/tmp'
    storage.close()
    with pytest.raises(ValueError, match='shared_blob_dir'):
        section(f'{body}\nshared-blob-dir yes')


@pytest.mark.parametrize('line', ['read_only true', 'read-only 1', 'master-nodes x:1', 'cache_size 1MB'])
def test_zconfig_refuses(line):
    with pytest.raises(ZConfig.ConfigurationError):
        section(f'master_nodes 127.0.0.1:1\nname c\n{line}')


def test_uri():
    text, keywords = zconfig_of('neo://my%20cluster@m1:1,m2:2?compress=false&connection_pool_size=3&read_only=True')
    assert text == (
        '%import neo.client\n<NEOStorage>\n  master_nodes\tm1:1 m2:2\n  name\tmy cluster\n  compress\tfalse\n'
        '  read-only\tTrue\n</NEOStorage>\n')
    assert keywords == {'connection_pool_size': '3'}


def test_uri_with_blobs(tmp_path):
    open_storage, keywords = resolve_uri(
        f'neo://c@127.0.0.1:1?blob_dir={tmp_path}/blobs&blob_cache_size=1GB&blob-cache-size-check=20')
    assert not keywords
    storage = open_storage()
    assert storage.temporaryDirectory() == f'{tmp_path}/blobs/tmp'
    storage.close()


def test_uri_with_tls(monkeypatch):
    for option in 'ca', 'cert', 'key':
        monkeypatch.delenv(f'NEO_{option.upper()}', raising=False)
    with pytest.raises(ValueError):
        zconfig_of('neos://c@m:1?ca=a')
    monkeypatch.setenv('NEO_CERT', '/b')
    monkeypatch.setenv('NEO_KEY', '/c')
    text, _ = zconfig_of('neos://c@m:1?ca=/a')
    assert text.splitlines()[4:7] == ['  ca\t/a', '  cert\t/b', '  key\t/c']


@pytest.mark.parametrize('uri', [
    'http://c@m:1', 'neo://m:1', 'neo://c@m:1/path', 'neo://c@m:1#f', 'neo://c@m:1?name=x', 'neo://c%0Ax@m:1'])
def test_uri_refuses(uri):
    with pytest.raises(ValueError):
        zconfig_of(uri)


@pytest.fixture
def entry_points(tmp_path, monkeypatch):
    """The entry points of the distribution, also if it is not installed."""
    try:
        importlib.metadata.distribution('neo')
    except importlib.metadata.PackageNotFoundError:
        text = (Path(__file__).parents[1] / 'pyproject.toml').read_text()
        _, _, section = text.partition('[project.entry-points."zodburi.resolvers"]')
        lines = [line.replace('"', '') for line in section.partition('[tool.')[0].splitlines() if '=' in line]
        assert len(lines) == 2
        information = tmp_path / 'neo-0.dist-info'
        information.mkdir()
        (information / 'METADATA').write_text('Metadata-Version: 2.1\nName: neo\nVersion: 0\n')
        (information / 'entry_points.txt').write_text('\n'.join(['[zodburi.resolvers]', *lines]))
        monkeypatch.syspath_prepend(str(tmp_path))


def test_zodburi_finds_the_resolvers(entry_points):
    import zodburi
    factory, keywords = zodburi.resolve_uri(
        'neo://my%20cluster@127.0.0.1:1?cache_size=1MB&connection_pool_size=3')
    storage = factory()
    assert f'{type(storage).__module__}.{type(storage).__name__}' == 'neo.client.Storage.Storage'
    assert storage.getName() == 'NEOStorage(my cluster)'
    storage.close()
    assert keywords == {'pool_size': 3, 'cache_size': 10000, 'database_name': 'unnamed'}


def test_zodburi_needs_credentials_for_neos(entry_points, monkeypatch):
    import zodburi
    for name in 'NEO_CA', 'NEO_CERT', 'NEO_KEY':
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match='NEO_CA'):
        zodburi.resolve_uri('neos://c@127.0.0.1:1')


def test_clients_can_be_collected_while_cffi_is_locked():
    """A collection of garbage can begin anywhere, also where cffi parses a type."""
    code = (
        'import gc\nfrom neo.client.Storage import Storage\nfrom neo.client._library import ffi\n'
        'storage = Storage("127.0.0.1:1", "cluster")\nwith ffi._lock:\n    del storage\n    gc.collect()\n')
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, sys.path)))
    subprocess.run([sys.executable, '-c', code], check=True, timeout=60, env=environment)
