"""What nodes answer to correct, odd and broken input, beside what nodes of the reference answered
(`Tests/Vectors/probes.json`): the same packets, the same error codes, the same end of the connection, but for what
`DIFFERENCES` says. No input may end a node.
"""

import json
import time

import msgpack
import pytest

from cluster import Cluster
from wire import (
    HANDSHAKE, NAMES, REQUEST_IDENTIFICATION, VECTORS, connection, identification, identified_client, receive, split)

PROBES = json.loads((VECTORS / 'probes.json').read_text())
#: Addresses of the recorded cluster: master and storage. Others are those of nobody.
MASTER_PORT, STORAGE_PORT = 26071, 26072
#: The client on whose behalf storages were probed.
CLIENT_NID = -536870911

_IDENTIFIED = ['handshake', 'AcceptIdentification', 'NotifyNodeInformation', 'SendPartitionTable']
#: What we do otherwise, and why: (node, name of the probe) -> (what comes, whether the node closes). Node None: any.
#: Not listed: our handshake is sent at once, also to those whose input turns out to be wrong.
DIFFERENCES = {
    # Ids are unsigned integers of 32 bits, also in the reference's own packets (`spec/protocol.md §5.1`).
    (None, 'id is 2**40'): (['handshake'], True),
    (None, 'id is a bin'): (['handshake'], True),
    (None, 'id is negative'): (['handshake'], True),
    # Refused at the header: waiting for 70 MiB that will be refused is of no use.
    (None, 'bin header 70 MiB'): (['handshake'], True),
    # Only the master that a node connected to may tell it about nodes and masters (`spec/protocol.md §14.1`).
    ('master', 'NotifyNodeInformation before identification'): (['handshake', 'Error 6'], True),
    ('storage', 'NotifyNodeInformation before identification'): (['handshake', 'Error 6'], True),
    ('master', 'NotPrimaryMaster before identification'): (['handshake', 'Error 6'], True),
    # Ends of the connection in the reference: an abort that crosses the end of its transaction is no fault
    # (`spec/master.md §18.1`), and what a read-only client must not do is told before what it got wrong.
    ('master', 'abort unknown ttid'): (_IDENTIFIED, False),
    ('master', 'read-only client: AbortTransaction'): ([*_IDENTIFIED, 'Error 6'], True),
    # Text and binary are taken for each other, where the reference dies of it, or its cluster stops.
    (None, 'cluster name as str'): None,
    (None, 'extra keys as str'): None,
    (None, 'Error message as str'): (['handshake'], False),
    ('master', 'address as str'): (_IDENTIFIED, False),
    # What is not of the type that the packet has is no packet.
    (None, 'node type as int'): (['handshake'], True),
    # A question about a partition that is not readable here is refused (`spec/storage.md §22.8`).
    ('storage', 'AskTIDsFrom unknown partition'): (['handshake', 'AcceptIdentification', 'Error 10'], False),
}


def describe(data):
    """Handshake and packets as `probes.json` has them, without what changes from run to run."""
    result = []
    if data.startswith(HANDSHAKE):
        result.append('handshake')
        data = data[len(HANDSHAKE):]
    for id, code, arguments in split(data):
        name = NAMES[code]
        result.append(f'Error {arguments[0]}' if name == 'Error' else name)
    return result


def expectation(probe):
    result = []
    for packet in probe['received']:
        if packet == 'handshake':
            result.append(packet)
        elif packet['name'] == 'Error':
            result.append(f'Error {packet["args"][0]["i"]}')
        else:
            result.append(packet['name'])
    return result


class Recorded:
    """Translates what was sent to a recorded cluster to what has to be sent to ours."""

    def __init__(self, cluster, client=None):
        self.ports = {MASTER_PORT: cluster.master_nodes[0].port, STORAGE_PORT: cluster.storage_nodes[0].port}
        #: NID and time of the identification of our client.
        self.client = client

    def chunks(self, probe):
        for text in probe['sent_hex']:
            yield self.translated(bytes.fromhex(text), probe)

    def translated(self, data, probe):
        try:
            packets = split(data[len(HANDSHAKE):])
            (id, code, arguments), *others = packets
            kind, nid, address, name, timestamp, extra = arguments
        except (ValueError, TypeError):
            return data
        if code != REQUEST_IDENTIFICATION or b''.join(map(msgpack.packb, packets)) != data[len(HANDSHAKE):]:
            return data
        if isinstance(address, list) and len(address) == 2 and address[1] in self.ports:
            address = [address[0], self.ports[address[1]]]
        if probe['node'] == 'storage' and nid == CLIENT_NID and isinstance(timestamp, float) and self.client:
            nid = self.client[0]
            timestamp = self.client[1] - (1 if 'smaller' in probe['name'] else 0)
        packets = [[id, code, [kind, nid, address, name, timestamp, extra]], *others]
        return HANDSHAKE + b''.join(map(msgpack.packb, packets))


def run(probe, port, recorded):
    with connection(port) as peer:
        received, closed = b'', False
        for index, chunk in enumerate(recorded.chunks(probe)):
            if index:
                time.sleep(0.05)
            try:
                peer.sendall(chunk)
            except OSError:
                break
        received, closed = receive(peer, 0.3)
        return describe(received), closed


def compare(probe, received, closed):
    """What is wrong with what a node answered."""
    for key in (probe['node'], probe['name']), (None, probe['name']):
        if key in DIFFERENCES:
            wanted = DIFFERENCES[key]
            break
    else:
        if probe['node_process_died']:
            # Whatever is said to what ended the reference, it is said at once.
            is_said = closed or any('Error' in packet for packet in received)
            return [] if is_said else [f'{probe["node"]}: {probe["name"]}: got {received} and no end']
        wanted = (expectation(probe), probe['closed_by_node'])
    if wanted is None:
        return []
    expected, expected_closed = wanted
    if expected_closed:
        received, expected = ([packet for packet in packets if packet != 'handshake'] for packets in (received, expected))
    if (received, closed) == (expected, expected_closed):
        return []
    return [
        f'{probe["node"]}: {probe["name"]}: expected {expected} closed {expected_closed}, got {received} closed {closed}']


def problems(cluster, probes, recorded, ports):
    found = []
    for probe in probes:
        try:
            received, closed = run(probe, ports[probe['node']], recorded)
        except ConnectionRefusedError:
            found.append(f'{probe["node"]}: {probe["name"]}: nobody listens')
            break
        found += compare(probe, received, closed)
        for node in cluster.nodes:
            if not node.is_running:
                found.append(f'{probe["node"]}: {probe["name"]}: {node.name} died: {cluster.tail(node, 500)}')
                return found
    return found


def sendable(probe):
    try:
        for text in probe['sent_hex']:
            bytes.fromhex(text)
        return True
    except ValueError:
        # Long input is abbreviated in the records: `test_long_input` makes it again.
        return False


#: `two connections with the same client NID` needs the first one to be open: `test_two_connections_of_a_client`.
PLAIN = [
    probe for probe in PROBES
    if sendable(probe) and not probe['name'].startswith('[') and not probe['name'].startswith('two connections')]

@pytest.fixture
def recorded_cluster():
    """The cluster of the records: two partitions, one storage."""
    cluster = Cluster(name='neo-test', storages=1, partitions=2)
    try:
        yield cluster.start()
    finally:
        cluster.close()


@pytest.mark.parametrize('kind', ['master', 'storage', 'admin'])
def test_running(recorded_cluster, kind):
    cluster = recorded_cluster
    ports = {
        'master': cluster.master_nodes[0].port, 'storage': cluster.storage_nodes[0].port,
        'admin': cluster.admin_node.port}
    probes = [probe for probe in PLAIN if probe['node'] == kind]
    if kind == 'storage':
        peer, nid, timestamp = identified_client(ports['master'], 'neo-test')
        with peer:
            found = problems(cluster, probes, Recorded(cluster, (nid, timestamp)), ports)
    else:
        found = problems(cluster, probes, Recorded(cluster), ports)
    assert not found, '\n'.join(found)


def test_two_connections_of_a_client(recorded_cluster):
    master, storage = recorded_cluster.master_nodes[0].port, recorded_cluster.storage_nodes[0].port
    client, nid, timestamp = identified_client(master, 'neo-test')
    request = identification('CLIENT', 'neo-test', nid=nid, timestamp=timestamp)
    with client, connection(storage) as first, connection(storage) as second:
        first.sendall(request)
        assert describe(receive(first, 0.3)[0]) == ['handshake', 'AcceptIdentification']
        second.sendall(request)
        assert describe(receive(second, 0.3)[0]) == ['handshake', 'Error 6']


@pytest.mark.parametrize('kind', ['master', 'storage', 'admin'])
@pytest.mark.parametrize('argument', [
    pytest.param(b'\xc6' + (70 << 20).to_bytes(4, 'big') + bytes(70 << 20), id='bin of 70 MiB'),
    pytest.param(b'\x91' * 2000 + b'\x90', id='nesting of 2000 arrays'),
    pytest.param(b'\x91' * 500 + b'\x90', id='nesting of 500 arrays'),
    pytest.param(b'\xdb' + (5 << 20).to_bytes(4, 'big') + b'x' * (5 << 20), id='str of 5 MiB'),
    pytest.param(b'\xdd' + (200000).to_bytes(4, 'big') + b'@' * 200000, id='200000 small items'),
])
def test_long_input(recorded_cluster, kind, argument):
    """Ends reference nodes. `Ping` has no arguments: what is as long as this is never one."""
    node = next(node for node in recorded_cluster.nodes if node.kind == kind)
    with connection(node.port) as peer:
        try:
            peer.sendall(HANDSHAKE + b'\x93\x00\x02\x91' + argument)
        except OSError:
            pass
        received, closed = receive(peer, 5)
        assert closed and all(packet != 'Pong' for packet in describe(received))
    assert node.is_running
    assert recorded_cluster.state() == 'RUNNING'


def test_recovering():
    cluster = Cluster(name='neo-test', storages=1, partitions=1, autostart=False)
    try:
        for node in cluster.nodes:
            node.start()
        deadline = time.monotonic() + 20
        while 'S1' not in cluster.control('print', 'node').stdout and time.monotonic() < deadline:
            time.sleep(0.1)
        ports = {
            'master': cluster.master_nodes[0].port, 'storage': cluster.storage_nodes[0].port,
            'admin': cluster.admin_node.port}
        probes = [probe for probe in PROBES if probe['name'].startswith('[RECOVERING]')]
        found = problems(cluster, probes, Recorded(cluster), ports)
        assert not found, '\n'.join(found)
    finally:
        cluster.close()


def test_admin_without_master():
    cluster = Cluster(name='neo-test', storages=1, partitions=1)
    try:
        cluster.admin_node.start()
        time.sleep(0.5)
        probes = [probe for probe in PROBES if probe['name'].startswith('[admin not connected]')]
        ports = {'admin': cluster.admin_node.port}
        deadline = time.monotonic() + 10
        while True:
            try:
                connection(ports['admin']).__enter__().close()
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        found = []
        for probe in probes:
            received, closed = run(probe, ports['admin'], Recorded(cluster))
            found += compare(probe, received, closed)
        assert not found, '\n'.join(found)
        assert cluster.admin_node.is_running
    finally:
        cluster.close()
