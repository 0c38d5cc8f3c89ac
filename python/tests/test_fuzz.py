"""Real nodes under hostile traffic: golden packets with arguments that no good peer would send, from whoever can connect.

No input may end a node; a connection is refused or closed with a line in the log, and others are served meanwhile.
`NEO_FUZZ_SECONDS` makes each test last longer, `NEO_FUZZ_SEED` repeats the draws of one.
"""

import json
import os
import random
import select
import socket
import struct
import threading
import time

import msgpack
import pytest
from transaction.interfaces import TransientError
from ZODB.Connection import TransactionMetaData
from ZODB.POSException import POSError
from ZODB.utils import z64

from cluster import Cluster, Node, free_ports
from wire import (
    ACCEPT_IDENTIFICATION, CODES, ERROR, HANDSHAKE, NAMES, REQUEST_IDENTIFICATION, VECTORS, connection, identification,
    identified_client, node_type, packet, receive, split)

SECONDS = float(os.environ.get('NEO_FUZZ_SECONDS', 3))
NAME = 'fuzz'
#: What an operator may do to a cluster: it would be obeyed.
ORDERS = {CODES[name] for name in ('SetClusterState', 'SetNodeState', 'Truncate')}
INTEGERS = [
    0, 1, -1, 2, 3, 5, 12, 100, 255, 65535, 1 << 20, 0xffffff, 1 << 24, (1 << 31) - 1, -1 << 31, (1 << 32) - 1, 1 << 40,
    (1 << 63) - 1, -1 << 63, -0x0fffffff, -0x1fffffff, -0x2fffffff]
WORDS = [number.to_bytes(8, 'big') for number in (
    0, 1, 2, 0xff, 1 << 32, (1 << 63) - 2, (1 << 63) - 1, 1 << 63, (1 << 64) - 2, (1 << 64) - 1)]
DOUBLES = [0.0, -0.0, -1.0, 1.0, 1.7e9, 1e308, float('inf'), float('-inf'), float('nan')]


@pytest.fixture
def seed():
    seed = int(os.environ.get('NEO_FUZZ_SEED', random.randrange(1 << 32)))
    print(f'NEO_FUZZ_SEED={seed}')
    return seed


class Forge:
    """Makes packets from the golden ones, with edges of types or values seen on the connection in place of arguments."""

    examples = {}
    for golden in json.loads((VECTORS / 'packets.json').read_text()):
        if len(golden['encoded_hex']) < 2000:
            [decoded] = split(bytes.fromhex(golden['encoded_hex']))
            examples.setdefault(golden['code'], []).append(decoded[2])

    def __init__(self, seed, without=()):
        self.draw = random.Random(seed)
        self.codes = [code for code in self.examples if code not in without]
        self.words, self.integers = list(WORDS), list(INTEGERS)
        self.is_long = False

    def learn(self, value, budget=40):
        if isinstance(value, bytes) and len(value) == 8:
            self._remember(self.words, value)
        elif isinstance(value, int) and not isinstance(value, bool):
            self._remember(self.integers, value)
        elif isinstance(value, (list, tuple)):
            for element in value[:budget]:
                self.learn(element, budget // 2)

    def _remember(self, values, value):
        if value not in values:
            if len(values) < 60:
                values.append(value)
            else:
                values[self.draw.randrange(20, 60)] = value

    def packet(self, code=None, id=None):
        draw = self.draw
        if code not in self.examples:
            code = draw.choice(self.codes)
        self.is_long = False
        arguments = self._mutated(draw.choice(self.examples[code]), draw.choice((0, .05, .2, .6)), True)
        if id is None:
            id = draw.choice((0, 1, 2, draw.randrange(1 << 32)))
        data = packet(id, code, arguments)
        if draw.random() < .03:
            data = bytearray(data)
            for _ in range(draw.randrange(1, 5)):
                data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        return bytes(data)

    def _mutated(self, value, rate, is_top=False):
        draw = self.draw
        is_changed = draw.random() < rate
        if isinstance(value, (list, tuple)):
            value = [self._mutated(element, rate) for element in value]
            if is_changed and not is_top:
                change = draw.randrange(5)
                if change == 0:
                    return []
                if change == 1:
                    return None
                if value and change == 2:
                    value.append(draw.choice(value))
                elif value and change == 3:
                    value.pop()
                elif value and not self.is_long:
                    # Once in a packet, or a list of lists would fill the memory of the test.
                    self.is_long = True
                    value += [draw.choice(value)] * draw.choice((1, 10, 3000))
            return value
        if isinstance(value, dict):
            return {} if is_changed else {
                key: self._mutated(element, rate) for key, element in value.items()}
        if not is_changed:
            # Identifiers of the golden packets are those of nobody.
            return draw.choice(self.words) if isinstance(value, bytes) and len(value) == 8 and draw.random() < .5 else value
        if value is None:
            return draw.choice((draw.choice(self.integers), draw.choice(self.words), [], [b'127.0.0.1', 9]))
        if isinstance(value, bool):
            return not value
        if isinstance(value, int):
            return draw.choice(self.integers)
        if isinstance(value, float):
            return draw.choice(DOUBLES)
        if isinstance(value, msgpack.ExtType):
            return msgpack.ExtType(value.code, bytes([draw.randrange(9)]))
        if len(value) == 8:
            return None if draw.random() < .1 else draw.choice(self.words)
        return draw.randbytes(draw.choice((0, 1, 7, 8, 20, 20, 100)))


class Traffic:
    """What is said on one connection, and what comes back."""

    def __init__(self, peer, forge):
        self.peer, self.forge = peer, forge
        self.unpacker = msgpack.Unpacker(raw=True, strict_map_key=False)
        self.unanswered = []
        self.is_over = False

    def exchange(self, packets):
        """Sends hostile packets until the node has enough of them. Its requests are answered, with anything as well."""
        sent = 0
        while sent < packets and not self.is_over:
            if self.unanswered and self.forge.draw.random() < .7:
                id, code = self.unanswered.pop(0)
                data = self.forge.packet(ERROR if self.forge.draw.random() < .1 else code | 0x8000, id)
            else:
                data = self.forge.packet()
            try:
                self.peer.sendall(data)
            except OSError:
                self.is_over = True
            sent += 1
            self.listen(.002 if self.forge.draw.random() < .2 else 0)
        return sent

    def listen(self, seconds):
        while not self.is_over and select.select([self.peer], [], [], seconds)[0]:
            try:
                data = self.peer.recv(1 << 16)
            except OSError:
                data = b''
            if not data:
                self.is_over = True
                return
            self.unpacker.feed(data)
            for received in self.unpacker:
                if isinstance(received, list) and len(received) == 3:
                    id, code, arguments = received
                    # Objects of other clients are left alone.
                    if NAMES.get(code) != 'InvalidateObjects':
                        self.forge.learn(arguments)
                    if isinstance(code, int) and code < ERROR and code | ERROR in NAMES:
                        self.unanswered.append((id, code))
            seconds = 0


def connect(port):
    peer = socket.create_connection(('127.0.0.1', port), 10)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # What is closed leaves no port behind: there are many.
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    peer.settimeout(10)
    return peer


class Attackers:
    """Threads that connect, introduce themselves and attack, until the time is over."""

    def __init__(self, seed):
        self.seed = seed
        self.threads, self.failures = [], []
        self.packets = {}
        self.deadline = 0

    def add(self, name, open_, without=()):
        self.packets[name] = 0

        def run():
            forge = Forge(f'{self.seed} {name}', without)
            try:
                while time.monotonic() < self.deadline:
                    opened = []
                    try:
                        peer = open_(forge.draw, opened)
                        self.packets[name] += Traffic(peer, forge).exchange(forge.draw.choice((1, 10, 100)))
                    except (OSError, AssertionError):
                        # Refused, or the node is busy with what others ask.
                        time.sleep(.02)
                    finally:
                        for each in opened:
                            each.close()
            except Exception as error:
                self.failures.append((name, error))
        self.threads.append(threading.Thread(target=run, name=name))

    def start(self):
        self.deadline = time.monotonic() + SECONDS
        for thread in self.threads:
            thread.start()

    def join(self):
        for thread in self.threads:
            thread.join()
        assert not self.failures, self.failures
        print({name: count for name, count in self.packets.items()})
        assert all(self.packets.values()), self.packets


def unidentified(port):
    def open_(draw, opened):
        peer = connect(port)
        opened.append(peer)
        peer.sendall(draw.choice((HANDSHAKE, HANDSHAKE, HANDSHAKE, b'', draw.randbytes(20))))
        return peer
    return open_


def at_master(kind, port):
    """Identified at a master."""
    def open_(draw, opened):
        peer = connect(port)
        opened.append(peer)
        address = None if kind == 'CLIENT' else [b'127.0.0.1', draw.randrange(1, 1000)]
        peer.sendall(identification(kind, NAME, address=address))
        return peer
    return open_


def client_of(storage, master):
    def open_(draw, opened):
        introduced, nid, timestamp = identified_client(master, NAME)
        opened.append(introduced)
        peer = connect(storage)
        opened.append(peer)
        peer.sendall(identification('CLIENT', NAME, nid=nid, timestamp=timestamp))
        return peer
    return open_


def storage_of(storage):
    """As a storage that is not part of the cluster."""
    def open_(draw, opened):
        peer = connect(storage)
        opened.append(peer)
        peer.sendall(identification('STORAGE', NAME))
        return peer
    return open_


class GoodClient:
    """Commits and loads objects of its own, and notes how long it had to wait."""

    def __init__(self, cluster):
        self.storage = cluster.storage(cache_size=0, wait_timeout=20)
        self.objects = {self.storage.new_oid(): (z64, None) for _ in range(20)}
        self.commits, self.longest, self.failure = 0, 0, None
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        last = time.monotonic()
        draw = random.Random(0)
        try:
            while not self.stop.is_set():
                try:
                    self._step(draw)
                except (POSError, TransientError):
                    # Attackers take locks, and fail at transactions: what cannot be committed now can be later.
                    assert time.monotonic() - last < 60, 'nobody is served'
                    time.sleep(.05)
                    continue
                self.longest = max(self.longest, time.monotonic() - last)
                last = time.monotonic()
        except BaseException as error:
            self.failure = error

    def _step(self, draw):
        oid = draw.choice(list(self.objects))
        tid, data = self.objects[oid]
        if data is not None:
            assert self.storage.loadSerial(oid, tid) == data
            tid = self.storage.load(oid)[1]
        data = draw.randbytes(100)
        txn = TransactionMetaData()
        self.storage.tpc_begin(txn)
        try:
            self.storage.store(oid, tid, data, '', txn)
            self.storage.tpc_vote(txn)
            self.objects[oid] = self.storage.tpc_finish(txn), data
            self.commits += 1
        except BaseException:
            self.storage.tpc_abort(txn)
            raise

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
        self.storage.close()


def check_alive(nodes):
    for node in nodes:
        log = node.log.read_text(errors='replace')
        assert node.is_running, f'{node.name} ended with {node.process.returncode}:\n{log[-3000:]}'
        assert 'Fatal error' not in log and 'the database cannot be used' not in log, log[-3000:]


def test_everybody_attacks_a_running_cluster(seed):
    with Cluster(storages=2, partitions=3, replicas=1, name=NAME) as cluster:
        master, admin = cluster.master_nodes[0].port, cluster.admin_node.port
        attackers = Attackers(seed)
        for kind in 'CLIENT', 'STORAGE', 'MASTER', 'ADMIN':
            attackers.add(f'{kind} at the master', at_master(kind, master), ORDERS)
        attackers.add('nobody at the master', unidentified(master), ORDERS)
        for node in cluster.storage_nodes:
            attackers.add(f'a client at {node.name}', client_of(node.port, master))
            attackers.add(f'a storage at {node.name}', storage_of(node.port))
            attackers.add(f'nobody at {node.name}', unidentified(node.port))
        attackers.add('nobody at the admin', unidentified(admin), ORDERS)
        with GoodClient(cluster) as client:
            attackers.start()
            attackers.join()
        check_alive(cluster.nodes)
        assert client.failure is None, client.failure
        print(f'{client.commits} commits, {client.longest:.1f} s without one at most')
        assert client.commits > 0
        cluster.wait_running()
        # Whoever is new is served too.
        with GoodClient(cluster) as client:
            deadline = time.monotonic() + 30
            while client.commits < 3 and client.failure is None and time.monotonic() < deadline:
                time.sleep(.05)
        assert client.failure is None and client.commits >= 3, (client.failure, client.commits)
        for node in cluster.nodes:
            # Each is told what was wrong, and so is whoever reads the log.
            assert node.log.read_text(errors='replace').count('WARNING') > 0, node.name


def test_operators_who_do_anything(seed):
    """Orders are obeyed: nodes may stop, all with status 0, and run again on their data."""
    with Cluster(storages=2, partitions=3, replicas=1, name=NAME) as cluster:
        master, admin = cluster.master_nodes[0].port, cluster.admin_node.port
        attackers = Attackers(seed)
        orders = [code for code in Forge.examples if code not in ORDERS]
        attackers.add('nobody at the admin', unidentified(admin), orders)
        attackers.add('an admin at the master', at_master('ADMIN', master), orders)
        attackers.start()
        while time.monotonic() < attackers.deadline:
            for node in cluster.nodes:
                if not node.is_running:
                    assert node.process.returncode == 0, f'{node.name}: {cluster.tail(node)}'
                    node.start()
            time.sleep(.05)
        attackers.join()
        for node in cluster.nodes:
            if not node.is_running:
                assert node.process.returncode == 0, f'{node.name}: {cluster.tail(node)}'
            log = node.log.read_text(errors='replace')
            assert 'Fatal error' not in log and 'the database cannot be used' not in log, log[-3000:]


class FalseMasters:
    """Listens at several ports, so that nodes come back to one as soon as another one disappoints them."""

    def __init__(self, seed, count=20):
        self.seed = seed
        self.listeners = []
        for _ in range(count):
            listener = socket.create_server(('127.0.0.1', 0))
            listener.settimeout(.2)
            self.listeners.append(listener)
        self.addresses = ' '.join(f'127.0.0.1:{each.getsockname()[1]}' for each in self.listeners)
        self.packets, self.identified = 0, set()
        self.deadline = time.monotonic() + SECONDS
        self.threads = [
            threading.Thread(target=self._serve, args=(index, listener)) for index, listener in enumerate(self.listeners)]
        for thread in self.threads:
            thread.start()

    def _serve(self, index, listener):
        forge = Forge(f'{self.seed} {index}')
        while time.monotonic() < self.deadline:
            try:
                peer, _ = listener.accept()
            except socket.timeout:
                continue
            with peer:
                try:
                    self._attack(peer, forge)
                except OSError:
                    pass

    def _attack(self, peer, forge):
        peer.settimeout(5)
        peer.sendall(HANDSHAKE)
        data, closed = receive(peer, .1)
        peer.settimeout(5)
        for id, code, arguments in split(data[len(HANDSHAKE):]):
            if code != REQUEST_IDENTIFICATION or forge.draw.random() < .1:
                continue
            kind = arguments[0].data[0]
            nid = (-0xfffffff, 1, None, -0x2fffffff)[kind]
            self.identified.add(kind)
            peer.sendall(packet(id, ACCEPT_IDENTIFICATION, [node_type('MASTER'), -0xfffffff, nid]))
            if kind == 1 and forge.draw.random() < .7:
                # As far as a good master would lead it.
                cell = msgpack.ExtType(0, b'\x01')
                state = msgpack.ExtType(3, b'\x02')
                own = [node_type('STORAGE'), arguments[2], 1, state, 1.0]
                for code, tail in (
                        ('NotifyNodeInformation', [1.0, [own]]),
                        ('SendPartitionTable', [1, 0, [[[1, cell]], [[1, cell]]]]),
                        ('StartOperation', [False])):
                    peer.sendall(packet(0, CODES[code], tail))
                    if forge.draw.random() < .2:
                        break
        traffic = Traffic(peer, forge)
        traffic.listen(.01)
        self.packets += traffic.exchange(100)

    def close(self):
        for thread in self.threads:
            thread.join()
        for listener in self.listeners:
            listener.close()


@pytest.mark.parametrize('kind', ['storage', 'admin', 'master'])
def test_false_masters(kind, seed, tmp_path):
    """What a node is told by the master that it connected to."""
    cluster = Cluster(storages=0, name=NAME, directory=tmp_path)
    masters = FalseMasters(seed)
    cluster.masters = masters.addresses
    node = Node(cluster, kind, kind, free_ports(1)[0], [])
    if kind == 'storage':
        node.options += ['--database', str(node.database)]
    try:
        while time.monotonic() < masters.deadline:
            if not node.is_running:
                assert node.process is None or node.process.returncode == 0, cluster.tail(node)
                node.start()
            time.sleep(.05)
        masters.close()
        if not node.is_running:
            assert node.process.returncode == 0, cluster.tail(node)
            node.start()
        # It listens all the same.
        deadline = time.monotonic() + 10
        while True:
            try:
                with connection(node.port) as peer:
                    peer.sendall(HANDSHAKE + packet(1, CODES['Ping'], []))
                    data, _ = receive(peer, .5)
                    if split(data[len(HANDSHAKE):])[:1] == [[1, CODES['Ping'] | 0x8000, []]]:
                        break
            except OSError:
                pass
            assert time.monotonic() < deadline, cluster.tail(node)
            time.sleep(.1)
        check_alive([node])
        print(f'{masters.packets} packets')
        assert masters.packets > 0 and masters.identified
    finally:
        masters.deadline = 0
        masters.close()
        node.kill()
