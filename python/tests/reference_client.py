"""Uses a cluster with whichever package `neo` is on the path: reference_client.py MASTERS CLUSTER ACTION [ARGUMENT]

    fill NAME     makes a tree of objects of many sizes, with several revisions, and prints a digest of it
    check NAME    prints the digest of what is there
    add NAME N    N times adds 1 to a counter, resolving conflicts, in several threads
    count NAME    prints the counter
    undo NAME     undoes the last transaction that has NAME as its description
    history NAME  prints the TIDs and descriptions of the revisions of the counter
    pack          packs everything that is not current
    iterate       prints a digest of each transaction
    classes       prints how many records of each class there are
"""

import hashlib
import sys
import threading
import time
from collections import Counter

import transaction
from BTrees.Length import Length
from BTrees.OOBTree import OOBTree
from persistent.mapping import PersistentMapping
from ZODB import DB
from ZODB.POSException import ConflictError
from ZODB.utils import get_pickle_metadata

from neo.client.Storage import Storage


def digest(tree):
    result = hashlib.sha1()
    for key, value in tree.items():
        result.update(repr((key, sorted(value.items()))).encode())
    return '%d %s' % (len(tree), result.hexdigest())


def fill(db, name):
    with db.transaction() as connection:
        connection.root()[name] = OOBTree()
        connection.root()[name + '.length'] = Length()
    for revision in range(5):
        with db.transaction() as connection:
            connection.transaction_manager.get().note(u'%s %d' % (name, revision))
            tree = connection.root()[name]
            for key in range(revision * 20, revision * 20 + 60):
                # Small ones, compressible ones, large ones that do not compress.
                text = '%d.%d ' % (key, revision) * (key + 1)
                if key % 29 == 0:
                    text = ''.join(hashlib.sha1((text + str(i)).encode()).hexdigest() for i in range(3000))
                if key in tree:
                    tree[key]['text'] = text
                else:
                    tree[key] = PersistentMapping(text=text)
    check(db, name)


def check(db, name):
    with db.transaction() as connection:
        print(digest(connection.root()[name]))


def add(db, name, count):
    failures = []

    def run():
        manager = transaction.TransactionManager()
        connection = db.open(manager)
        for _ in range(int(count)):
            while True:
                try:
                    manager.begin()
                    connection.root()[name + '.length'].change(1)
                    manager.get().note(name + u'.add')
                    manager.commit()
                    break
                except ConflictError:
                    manager.abort()
                except BaseException as error:
                    failures.append(error)
                    raise
        connection.close()

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    count_(db, name)


def count_(db, name):
    with db.transaction() as connection:
        print(connection.root()[name + '.length']())


def undo(db, name):
    for description in db.undoInfo(0, -100):
        text = description['description']
        if (text.decode() if isinstance(text, bytes) else text) == name:
            db.undo(description['id'])
            transaction.commit()
            print(description['id'])
            return
    sys.exit('no transaction %r in %r' % (name, db.undoInfo(0, -100)))


def history(db, name):
    with db.transaction() as connection:
        oid = connection.root()[name + '.length']._p_oid
    for revision in db.history(oid, 100):
        print(revision['tid'].hex(), revision['description'], revision['size'])


def pack(db):
    db.pack(time.time() + 1)


def iterate(db):
    for record in db.storage.iterator():
        objects = sorted(
            (item.oid.hex(), hashlib.sha1(item.data or b'').hexdigest(), (item.data_txn or b'').hex())
            for item in record)
        print(record.tid.hex(), record.user, record.description,
              sorted(record.extension.items()) if record.extension else [], objects)


def classes(db):
    counts = Counter(
        '%s.%s' % get_pickle_metadata(item.data) for record in db.storage.iterator() for item in record if item.data)
    for name in sorted(counts):
        print(name, counts[name])


def main(masters, name, action, *arguments):
    db = DB(Storage(masters, name))
    try:
        {'fill': fill, 'check': check, 'add': add, 'count': count_, 'undo': undo, 'history': history, 'pack': pack,
         'iterate': iterate, 'classes': classes}[action](db, *arguments)
    finally:
        db.close()


main(*sys.argv[1:])
