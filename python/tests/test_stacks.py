"""Storages above and below NEO: DemoStorage, transforming wrappers, tools."""

import pytest
import transaction
from ZODB.DB import DB
from ZODB.DemoStorage import DemoStorage
from ZODB.FileStorage import FileStorage
from ZODB.POSException import POSKeyError
from ZODB.tests.MinPO import MinPO
from ZODB.utils import p64, u64

from test_history import make_history

ZERO = bytes(8)


def test_demo_storage_over_neo(storage):
    with DB(storage).transaction() as connection:
        connection.root()['base'] = MinPO(1)
    count = len(list(storage.iterator()))
    demo = DemoStorage(base=storage)
    db = DB(demo)
    with db.transaction() as connection:
        assert connection.root()['base'].value == 1
        connection.root()['base'].value = 2
        connection.root()['more'] = MinPO(3)
    with db.transaction() as connection:
        assert connection.root()['base'].value == 2
    assert len(list(storage.iterator())) == count
    db.close()


def test_neo_as_the_changes_of_a_demo_storage(storage, tmp_path):
    base = FileStorage(str(tmp_path / 'base.fs'))
    db = DB(base)
    with db.transaction() as connection:
        connection.root()['base'] = MinPO(1)
    db.close()
    demo = DemoStorage(base=FileStorage(str(tmp_path / 'base.fs')), changes=storage)
    # DemoStorage draws oids by itself, far above those of the cluster.
    demo._next_oid = (1 << 62) - 5
    db = DB(demo)
    with db.transaction() as connection:
        connection.root()['base'].value = 2
        for number in range(10):
            connection.root()[number] = MinPO(number)
    with db.transaction() as connection:
        assert connection.root()['base'].value == 2
        greatest = max(u64(connection.root()[number]._p_oid) for number in range(10))
        assert greatest >= (1 << 62) - 5
    with pytest.raises(POSKeyError):
        storage.getTid(p64(77))
    # The cluster goes on after the greatest one.
    assert u64(storage.new_oid()) > greatest
    db.close()


def test_zlib_storage(storage):
    zlibstorage = pytest.importorskip('zc.zlibstorage')
    wrapper = zlibstorage.ZlibStorage(storage)
    db = make_history(wrapper)
    connection = db.open()
    assert connection.root()[0].value == 'last'
    connection.close()
    records = [record.data for txn in storage.iterator() for record in txn if record.data]
    assert any(data.startswith(b'.z') for data in records)
    # The records are those of the application for whoever looks through the wrapper.
    assert all(not record.data.startswith(b'.z') for txn in wrapper.iterator() for record in txn if record.data)
    cookie, count = None, 0
    while count == 0 or cookie is not None:
        *_, data, cookie = wrapper.record_iternext(cookie)
        assert not data.startswith(b'.z')
        count += 1
    assert count == 21
    db.close()


@pytest.mark.parametrize('cache_size', [0, 1 << 20])
def test_size_of_the_cache(cluster, cache_size):
    """Nothing is ever kept with 0; everything works all the same, and statistics tell."""
    storage = cluster.storage(cache_size=cache_size)
    db = make_history(storage)
    for _ in range(3):
        connection = db.open()
        connection.cacheMinimize()
        assert connection.root()[0].value == 'last'
        connection.close()
    transaction.abort()
    statistics = storage._cache.statistics()
    assert statistics['maximum_bytes'] == storage._cache.max_size == cache_size
    assert statistics['bytes'] <= cache_size
    assert (statistics['record_count'] > 0) == (cache_size > 0)
    assert (statistics['hit_count'] > 0) == (cache_size > 0)
    assert statistics['miss_count'] > 0
    storage._cache.clear()
    assert storage._cache.statistics()['record_count'] == 0
    db.close()
