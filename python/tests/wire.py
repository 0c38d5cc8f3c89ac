"""Packets as bytes, for tests that speak to nodes without any code of theirs."""

import json
import socket
from contextlib import contextmanager

import msgpack

from cluster import ROOT

VECTORS = ROOT / 'Tests' / 'Vectors'
HANDSHAKE = b'\x92\xa3NEO\x05'
REQUEST_IDENTIFICATION, ACCEPT_IDENTIFICATION, ERROR = 1, 0x8001, 0x8000
#: Names of packets by code.
NAMES = {packet['code']: packet['name'] for packet in json.loads((VECTORS / 'registry.json').read_text())['packets']}
CODES = {name: code for code, name in NAMES.items()}
NODE_TYPES = 'MASTER', 'STORAGE', 'CLIENT', 'ADMIN'


def node_type(name):
    return msgpack.ExtType(4, bytes([NODE_TYPES.index(name)]))


def packet(id, code, arguments):
    return msgpack.packb([id, code, arguments])


def identification(kind, name, nid=None, address=None, timestamp=None, extra=None):
    """A handshake and the identification of a node that says it is of the cluster `name`."""
    arguments = [node_type(kind), nid, address, name.encode(), timestamp, extra or {}]
    return HANDSHAKE + packet(0, REQUEST_IDENTIFICATION, arguments)


def split(data):
    """The packets of a stream."""
    unpacker = msgpack.Unpacker(raw=True, strict_map_key=False, max_buffer_size=1 << 30)
    unpacker.feed(data)
    return list(unpacker)


@contextmanager
def connection(port):
    peer = socket.create_connection(('127.0.0.1', port), 10)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        yield peer
    finally:
        peer.close()


def receive(peer, seconds):
    """What comes until the peer is silent for some time, and whether it closed."""
    data = b''
    peer.settimeout(seconds)
    while True:
        try:
            received = peer.recv(1 << 16)
        except socket.timeout:
            return data, False
        except OSError:
            return data, True
        if not received:
            return data, True
        data += received


def identified_client(port, name):
    """Identifies as a client at the master: (connection, NID, time of identification)."""
    peer = socket.create_connection(('127.0.0.1', port), 10)
    try:
        peer.sendall(identification('CLIENT', name))
        unpacker = msgpack.Unpacker(raw=True, strict_map_key=False)
        nid = None
        while True:
            received = peer.recv(1 << 16)
            assert received, 'not accepted by the master'
            unpacker.feed(received)
            for value in unpacker:
                code = value[1]
                if code == ACCEPT_IDENTIFICATION:
                    nid = value[2][2]
                elif len(value) == 3 and NAMES[code] == 'NotifyNodeInformation':
                    for kind, address, node, state, timestamp in value[2][1]:
                        if node == nid is not None:
                            return peer, nid, timestamp
    except BaseException:
        peer.close()
        raise
