"""What bounds the machine: a round trip over loopback TCP, and the time to make 4 KiB durable."""

import os
import socket
import time
from multiprocessing import get_context


def repeated(function, seconds):
    """Calls per second of a function of an index."""
    count = 0
    clock = time.perf_counter
    begin = now = clock()
    end = begin + seconds
    while now < end:
        function(count)
        count += 1
        now = clock()
    return count / (now - begin)


def _echo(listener):
    connection, _ = listener.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while True:
        data = connection.recv(64)
        if not data:
            return
        connection.sendall(data)


class RoundTrip:
    """64 bytes there and back between two processes that do nothing else: blocking sockets, without Nagle's delay."""

    def __init__(self):
        listener = socket.create_server(('127.0.0.1', 0))
        self.process = get_context('fork').Process(target=_echo, args=(listener,), daemon=True)
        self.process.start()
        self.connection = socket.create_connection(listener.getsockname())
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.close()

    def measure(self, seconds):
        connection, data = self.connection, b'x' * 64

        def exchange(_):
            connection.sendall(data)
            size = 0
            while size < 64:
                size += len(connection.recv(64 - size))
        return repeated(exchange, seconds)

    def close(self):
        self.connection.close()
        self.process.join(5)


class Sync:
    """Makes 4 KiB durable, again and again: at the end of a file that grows, as a FileStorage does, and in the place of
    bytes that are there already, as a write-ahead log that is used again does."""

    size = 4 << 20

    def __init__(self, directory):
        self.data = os.urandom(4096)
        self.growing = open(os.path.join(directory, 'growing'), 'wb', buffering=0)
        self.fixed = open(os.path.join(directory, 'fixed'), 'wb', buffering=0)
        self.fixed.write(bytes(self.size))
        os.fsync(self.fixed.fileno())

    def measure_growing(self, seconds):
        def write(_):
            self.growing.write(self.data)
            os.fsync(self.growing.fileno())
        return repeated(write, seconds)

    def measure_fixed(self, seconds):
        def write(index):
            os.pwrite(self.fixed.fileno(), self.data, index * 4096 % self.size)
            os.fdatasync(self.fixed.fileno())
        return repeated(write, seconds)

    def close(self):
        self.growing.close()
        self.fixed.close()
