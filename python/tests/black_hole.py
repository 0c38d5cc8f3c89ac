"""How long nodes take to notice that packets are lost on their way. As root, on Linux with iptables; it takes two minutes.

All the packets of the connections of a client are dropped. Measured: until a load that had been sent is answered through a new
connection, until a call on a connection that was idle is, and until the master has forgotten the old connection.
"""

import subprocess
import time
from contextlib import closing

from resources import connections
from transactions import InThread, commit, eventually, until_it_works


def drop(action, ports):
    """`action`: -I to begin, -D to end."""
    for port in ports:
        for side in '--sport', '--dport':
            subprocess.run(
                ['iptables', action, 'INPUT', '-i', 'lo', '-p', 'tcp', side, str(port), '-j', 'DROP'], check=True)


def main():
    from cluster import Cluster
    from neo.client._library import lib
    with Cluster(storages=1) as cluster, closing(cluster.storage(cache_size=0)) as storage:
        oid = storage.new_oid()
        commit(storage, [(oid, bytes(8), b'x')])
        with closing(cluster.storage(cache_size=0)) as idle:
            idle.load(oid)
            ports = set()
            for connection in connections():
                with connection:
                    ports.add(connection.getsockname()[1])
            clients = cluster.control('print', 'node', 'client').stdout
            print(clients)
            drop('-I', ports)
            begin = time.monotonic()
            try:
                loading = InThread(until_it_works, lambda: storage.load(oid), 200)
                loading.result(200)
                print(f'a load that was sent: {time.monotonic() - begin:.1f} s')
                eventually(lambda: not lib.neo_client_is_connected(idle.app._handle), 200)
                print(f'an idle connection, by the client: {time.monotonic() - begin:.1f} s')
                # The other one is back, with the id that it had.
                eventually(lambda: 'C2' not in cluster.control('print', 'node', 'client').stdout, 200)
                print(f'by the master: {time.monotonic() - begin:.1f} s')
            finally:
                drop('-D', ports)


if __name__ == '__main__':
    main()
