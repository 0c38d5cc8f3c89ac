"""Kills -9 master, storage and client processes at random points of a commit load, and checks what is left.

    python python/tests/kill/killtest.py --rounds 200 [--seed N] [--masters 1] [--storages 2] [--replicas 0] [--writers 3]

Each writer is a process that commits transaction after transaction. Its n-th one writes, in different partitions,
n to its two own counters, adds 1 to two counters shared by all writers (conflicts are resolved), and creates an object
that holds its name and n. Before it begins, the writer notes the new object in a journal; once the commit is
acknowledged, it notes its TID, and makes the note durable. In each round, after random processes were killed and started again,

1. the cluster must be RUNNING again, and every writer must commit again;
2. every acknowledged transaction must be there, at its TID;
3. every other one must be there as a whole, or not at all;
4. at one snapshot, the two counters of each writer are equal, and so are the shared ones, whose value is the sum.

At the end, the whole cluster is stopped and started once more, and everything is checked again; and once it is stopped,
an independent reader checks the databases. Other kinds of rounds kill nodes again while they start, kill master and
storages in the same instant, stop processes with SIGSTOP for a second, or (`spared`, with --replicas) kill a storage of
which others have copies: the cluster must go on without it. A `storm` kills a random master or storage every second and starts
it again, whether or not the cluster works by then; a `network_storm` breaks or stalls connections as often.
With the same seed the same processes are killed after the same delays; what they were doing then is up to the machine.

    killtest.py --masters 3 --storages 4 --replicas 1 --writers 8 --kinds storm --storm-seconds 60 --rounds 10
    killtest.py --network --masters 3 --storages 4 --replicas 1 --writers 8 --kinds network_storm --storm-seconds 60 --rounds 10

`--network` takes root, and Debian's packages iproute2 and iptables.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1])]

from cluster import Cluster  # noqa: E402
from databases import check_consistency, rows  # noqa: E402
from transactions import commit  # noqa: E402

from BTrees.Length import Length  # noqa: E402
from ZODB.POSException import POSKeyError, StorageError  # noqa: E402
from ZODB.tests.StorageTestBase import zodb_pickle, zodb_unpickle  # noqa: E402
from ZODB.utils import p64, u64, z64  # noqa: E402
from transaction.interfaces import TransientError  # noqa: E402

RETRIED = StorageError, TransientError
SHARED = p64(1), p64(2)
KINDS = ['some', 'some', 'at_once', 'some', 'start_up', 'some', 'pause']
NETWORK_KINDS = ['reset', 'stall', 'some', 'reset', 'reset_all']


def own_counters(writer):
    return p64(10 + 2 * writer), p64(11 + 2 * writer)


def snapshot_of(storage):
    """A function that loads (data, serial) at the present state of the database."""
    storage.sync()
    before = p64(u64(storage.lastTransaction()) + 1)

    def load(oid):
        found = storage.loadBefore(oid, before)
        if found is None:
            raise POSKeyError(oid)
        return found[:2]
    return load


def content(writer, number):
    """The record of the object that a transaction creates."""
    return b'%d of client%d' % (number, writer)


# A writer: one process

def write(cluster_name, masters, journal, writer):
    from neo.client.Storage import Storage
    storage = Storage(masters, cluster_name)
    own = own_counters(writer)
    with open(journal, 'a') as notes:
        # A note that was cut by a kill ends here.
        notes.write('\n')
        while True:
            try:
                load = snapshot_of(storage)
                number = int(load(own[0])[0]) + 1
                oid = storage.new_oid()
                records = [(oid, z64, content(writer, number))]
                records += ((counter, load(counter)[1], b'%d' % number) for counter in own)
                for counter in SHARED:
                    data, serial = load(counter)
                    length = zodb_unpickle(data)
                    length.change(1)
                    records.append((counter, serial, zodb_pickle(length)))
                notes.write(f'try {number} {oid.hex()}\n')
                notes.flush()
                tid = commit(storage, records)
            except RETRIED:
                time.sleep(0.02)
                continue
            notes.write(f'done {number} {oid.hex()} {tid.hex()}\n')
            notes.flush()
            os.fsync(notes.fileno())


class Writer:
    """A writer process, and what its journal says."""

    def __init__(self, cluster, index):
        self.cluster = cluster
        self.index = index
        self.name = f'client{index}'
        self.journal = cluster.directory / f'{self.name}.journal'
        self.log = cluster.directory / f'{self.name}.log'
        self.process = None
        self.position = 0
        #: number by oid, of transactions that were begun and not acknowledged.
        self.tried = {}
        #: (number, tid) by oid, of those that were acknowledged.
        self.done = {}

    def start(self):
        with open(self.log, 'ab') as log:
            self.process = subprocess.Popen(
                [sys.executable, __file__, '--write', self.cluster.name, self.cluster.masters, self.journal,
                 str(self.index)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def kill(self):
        self.process.kill()
        self.process.wait()

    @property
    def is_running(self):
        return self.process.poll() is None

    def read_journal(self):
        """Reads the notes that are complete. What was acknowledged since the last time."""
        if not self.journal.exists():
            return {}
        with open(self.journal, 'rb') as notes:
            notes.seek(self.position)
            text = notes.read()
        text = text[:text.rfind(b'\n') + 1]
        self.position += len(text)
        new = {}
        for words in map(str.split, text.decode().splitlines()):
            # Other lines are the beginnings of notes that a kill cut.
            if len(words) == 3 and words[0] == 'try' and len(words[2]) == 16:
                self.tried[bytes.fromhex(words[2])] = int(words[1])
            elif len(words) == 4 and words[0] == 'done' and len(words[3]) == 16:
                oid, tid = map(bytes.fromhex, words[2:])
                self.tried.pop(oid, None)
                self.done[oid] = new[oid] = int(words[1]), tid
        return new


# The killer

def break_connections(port):
    """Both sides of all the TCP connections of a listening port see an error."""
    subprocess.run(
        ['ss', '-K', 'state', 'connected', f'( sport = {port} or dport = {port} )'],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Violation(AssertionError):
    """What must never happen."""


class Test:

    def __init__(self, options):
        self.options = options
        self.random = random.Random(options.seed)
        self.cluster = Cluster(
            masters=options.masters, storages=options.storages, partitions=options.partitions,
            replicas=options.replicas, name='kill', directory=options.directory)
        if options.directory:
            # Whoever keeps the logs wants to know more than warnings.
            for node in self.cluster.nodes:
                node.options = [*node.options, '--logfile', str(node.log)]
        self.writers = [Writer(self.cluster, index) for index in range(options.writers)]
        self.kills = {}
        self.recovery_times = []
        self.recovery_begin = None
        #: Transactions that were not acknowledged, at the end.
        self.undecided = {'whole': 0, 'absent': 0}
        self.storage = None

    def run(self):
        self.cluster.start()
        self.storage = self.cluster.storage(cache_size=0)
        zero = [(oid, z64, zodb_pickle(Length(0))) for oid in SHARED]
        zero += ((oid, z64, b'0') for writer in self.writers for oid in own_counters(writer.index))
        while True:
            # Not to give the OIDs of the counters to anybody.
            if u64(self.storage.new_oid()) > 10 + 2 * len(self.writers):
                break
        commit(self.storage, zero)
        for writer in self.writers:
            writer.start()
        end = time.monotonic() + 60 * self.options.minutes
        for number in range(1, self.options.rounds + 1):
            if time.monotonic() > end:
                print(f'{self.options.minutes} minutes are over')
                break
            self.round(number)
        self.wait_up_to_date()
        for writer in self.writers:
            writer.kill()
        self.storage.close()
        self.cluster.stop()
        self.cluster.start()
        self.storage = self.cluster.storage(cache_size=0)
        for writer in self.writers:
            writer.read_journal()
        self.check(everything=True)
        self.storage.close()
        self.cluster.stop()
        self.check_databases()

    def round(self, number):
        time.sleep(self.random.uniform(0.05, self.options.load_seconds))
        # One kind after the other, not at random: short runs have them all.
        kind = self.options.kinds[(number - 1) % len(self.options.kinds)]
        for writer in self.writers:
            if not writer.is_running:
                raise Violation(f'{writer.name} stopped by itself: {self.cluster.tail(writer)}')
        self.recovery_begin = None
        victims = getattr(self, kind)()
        if self.recovery_begin is None:
            self.recovery_begin = time.monotonic()
        self.cluster.wait_running(self.options.timeout)
        self.recovery_times.append(time.monotonic() - self.recovery_begin)
        self.wait_commits()
        summary = self.check()
        print(f'{number:4}  {kind:9} {" ".join(victim.name for victim in victims):40} '
              f'RUNNING after {self.recovery_times[-1]:5.2f} s  {summary}', flush=True)

    @property
    def everybody(self):
        return self.cluster.master_nodes + self.cluster.storage_nodes + self.writers

    def kill(self, *victims):
        for victim in victims:
            victim.process.send_signal(signal.SIGKILL)
        for victim in victims:
            victim.kill()
            self.kills[victim.name] = self.kills.get(victim.name, 0) + 1

    def sleep(self, longest):
        time.sleep(self.random.choice((0, self.random.uniform(0, longest))))

    def start(self, victims):
        self.recovery_begin = time.monotonic()
        for victim in victims:
            victim.start()
            self.sleep(0.2)

    # Kinds of rounds: what they do to whom

    def some(self):
        """Kills 1 process or more, and starts them again."""
        everybody = self.everybody
        victims = self.random.sample(everybody, self.random.choice((1, 1, 1, 2, 2, 3, len(everybody))))
        for victim in victims:
            self.kill(victim)
            self.sleep(0.3)
        self.start(victims)
        return victims

    def at_once(self):
        """Kills the master and storages in the same instant."""
        storages = self.cluster.storage_nodes
        victims = self.cluster.master_nodes + self.random.sample(storages, self.random.randint(1, len(storages)))
        self.kill(*victims)
        self.start(self.random.sample(victims, len(victims)))
        return victims

    def start_up(self):
        """Kills nodes again while they start, are verified, or begin to work."""
        nodes = self.cluster.master_nodes + self.cluster.storage_nodes
        first = self.random.sample(nodes, self.random.randint(1, len(nodes)))
        self.kill(*first)
        self.start(first)
        victims = list(first)
        for _ in range(self.random.randint(1, 3)):
            time.sleep(self.random.uniform(0, 0.4))
            again = self.random.sample(nodes, self.random.randint(1, 2))
            self.kill(*again)
            self.start(again)
            victims += again
        return victims

    def pause(self):
        """Stops processes with SIGSTOP for about a second."""
        victims = self.random.sample(self.everybody, self.random.randint(1, 2))
        for victim in victims:
            victim.process.send_signal(signal.SIGSTOP)
        try:
            time.sleep(self.random.uniform(0.3, 1.5))
        finally:
            for victim in victims:
                victim.process.send_signal(signal.SIGCONT)
        return victims

    def storm(self):
        """Kills a master or a storage every second; it starts again at once."""
        return self.for_a_while(lambda: self.restart_one(self.cluster.master_nodes + self.cluster.storage_nodes))

    def restart_one(self, nodes):
        victim = self.random.choice(nodes)
        self.kill(victim)
        self.sleep(0.3)
        victim.start()
        return victim

    def network_storm(self):
        """Breaks the connections of a master or a storage every second, or lets nothing through for a while."""
        return self.for_a_while(lambda: self.random.choice((self.reset, self.reset, self.stall))()[0])

    def for_a_while(self, disturb):
        end = time.monotonic() + self.options.storm_seconds
        victims = []
        while (begin := time.monotonic()) < end:
            victims.append(disturb())
            for writer in self.writers:
                if not writer.is_running:
                    raise Violation(f'{writer.name} stopped by itself: {self.cluster.tail(writer)}')
            time.sleep(max(0, begin + 1 - time.monotonic()))
        self.recovery_begin = time.monotonic()
        return sorted(set(victims), key=lambda victim: victim.name)

    def reset(self):
        """Breaks all the connections of a node."""
        victims = self.random.sample(self.cluster.master_nodes + self.cluster.storage_nodes, 1)
        for victim in victims:
            break_connections(victim.port)
        return victims

    def reset_all(self):
        """Breaks all the connections of the cluster, several times."""
        for _ in range(self.random.randint(1, 3)):
            for node in self.cluster.nodes:
                break_connections(node.port)
            time.sleep(self.random.uniform(0, 0.3))
        return self.cluster.nodes

    def stall(self):
        """Lets nothing reach a node, nor its answers anybody, for a while: then what was sent arrives after all."""
        victims = self.random.sample(self.cluster.master_nodes + self.cluster.storage_nodes, 1)
        rules = [[chain, '-p', 'tcp', side, str(victim.port), '-j', 'DROP']
                 for victim in victims for chain, side in [('INPUT', '--dport'), ('INPUT', '--sport')]]
        for rule in rules:
            subprocess.run(['iptables', '-A', *rule], check=True)
        try:
            time.sleep(self.random.uniform(0.3, 4))
        finally:
            for rule in rules:
                subprocess.run(['iptables', '-D', *rule], check=True)
        return victims

    def spared(self):
        """Kills storages of which the others have copies: the cluster must go on without them."""
        victims = [node for node in self.random.sample(self.cluster.storage_nodes, len(self.cluster.storage_nodes))
                   if self.can_spare(node)][:1]
        self.kill(*victims)
        time.sleep(self.random.uniform(0, 0.5))
        for _ in range(2):
            state = self.cluster.state()
            if state != 'RUNNING':
                raise Violation(f'{state} without {[victim.name for victim in victims]}, of which others have copies')
            self.wait_commits()
        self.check()
        self.start(victims)
        return victims

    def can_spare(self, node):
        """Whether all the partitions are readable without this storage."""
        readable = set()
        for nid, row in self.cluster.cells().items():
            if nid != f'S{self.nid(node)}':
                readable.update(index for index, state in enumerate(row) if state in 'UF')
        return len(readable) == self.options.partitions

    def nid(self, node):
        for line in self.cluster.control('print', 'node', 'storage').stdout.splitlines():
            words = line.replace('|', ' ').split()
            if f'127.0.0.1:{node.port}' in words:
                return next(int(word[1:]) for word in words if word[0] == 'S' and word[1:].isdigit())
        raise Violation(f'{node.name} is not among the nodes')

    def wait_up_to_date(self):
        """Until no cell is out of date."""
        begin = time.monotonic()
        self.cluster.wait_up_to_date(self.options.timeout)
        print(f'all cells are up to date after {time.monotonic() - begin:.1f} s')

    def wait_commits(self):
        """Until each writer had a commit acknowledged."""
        deadline = time.monotonic() + self.options.timeout
        waited = {writer: len(writer.done) for writer in self.writers}
        for writer in self.writers:
            writer.read_journal()
            waited[writer] = len(writer.done)
        while waited:
            for writer in list(waited):
                writer.read_journal()
                if len(writer.done) > waited[writer]:
                    del waited[writer]
                elif not writer.is_running:
                    raise Violation(f'{writer.name} stopped by itself: {self.cluster.tail(writer)}')
            if time.monotonic() > deadline:
                raise Violation(f'no commit of {[writer.name for writer in waited]} in {self.options.timeout} s')
            time.sleep(0.02)

    def check(self, everything=False):
        """Compares the database with the journals, while the writers go on unless `everything`."""
        deadline = time.monotonic() + self.options.timeout
        while True:
            try:
                return self.check_once(everything)
            except POSKeyError:
                raise
            except RETRIED:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def check_once(self, everything):
        for writer in self.writers:
            writer.read_journal()
        load = snapshot_of(self.storage)
        total = 0
        for writer in self.writers:
            (first, serial), (second, other_serial) = map(load, own_counters(writer.index))
            if (first, serial) != (second, other_serial):
                raise Violation(f'{writer.name}: its counters are {first} and {second}')
            total += int(first)
            acknowledged = max((number for number, _ in writer.done.values()), default=0)
            if int(first) < acknowledged:
                raise Violation(f'{writer.name}: {acknowledged} was acknowledged, its counters are {first}')
            done = list(writer.done.items())
            if not everything:
                recent = done[-300:]
                done = recent + self.random.sample(done[:-300], min(100, len(done) - len(recent)))
            for oid, (number, tid) in done:
                self.check_done(writer, load, oid, number, tid)
            if everything:
                numbers = {number for number, _ in writer.done.values()}
                for oid, number in writer.tried.items():
                    if self.check_tried(writer, load, oid, number):
                        numbers.add(number)
                if numbers != set(range(1, int(first) + 1)):
                    raise Violation(f'{writer.name}: its counters are {first}, there are objects for {sorted(numbers)}')
        shared = [zodb_unpickle(load(oid)[0])() for oid in SHARED]
        if shared != [total, total]:
            raise Violation(f'the shared counters are {shared}, the sum of all counters is {total}')
        return f'{total} commits, {sum(len(writer.done) for writer in self.writers)} acknowledged'

    def check_done(self, writer, load, oid, number, tid):
        try:
            found = load(oid)
        except POSKeyError:
            found = None
        if found != (content(writer.index, number), tid):
            raise Violation(f'{writer.name}: {number} was acknowledged at {tid.hex()}, its object is {found}')

    def check_tried(self, writer, load, oid, number):
        """Whether a transaction that was not acknowledged is there, as a whole."""
        try:
            data, serial = load(oid)
        except POSKeyError:
            self.undecided['absent'] += 1
            return False
        if data != content(writer.index, number):
            # The OID was never stored, and given again by a new master.
            self.undecided['absent'] += 1
            return False
        self.undecided['whole'] += 1
        expected = b'%d' % number
        for counter in own_counters(writer.index):
            found = self.storage.loadBefore(counter, p64(u64(serial) + 1))
            if found is None or found[:2] != (expected, serial):
                raise Violation(f'{writer.name}: {number} is not whole: its counter was {found} at {serial.hex()}')
        return True

    def check_databases(self):
        """What an independent reader sees in the files: nothing unfinished, and copies that are equal."""
        databases = [rows(node.database) for node in self.cluster.storage_nodes]
        check_consistency(databases, may_have_garbage=True)
        for table in 'transactions', 'objects':
            copies = {}
            for node, database in zip(self.cluster.storage_nodes, databases):
                readable = {cell['partition'] for cell in database['pt']
                            if cell['mine'] and cell['state'] == 'UP_TO_DATE'}
                for partition in readable:
                    content = [
                        {key: value for key, value in row.items() if key not in ('data_id', 'ttid')}
                        for row in database[table] if row['partition'] == partition]
                    if copies.setdefault(partition, content) != content:
                        raise Violation(f'{node.name}: its {table} of partition {partition} differ from their copies')
            if len(copies) != self.options.partitions:
                raise Violation(f'only partitions {sorted(copies)} are up to date somewhere')

    def report(self):
        times = sorted(self.recovery_times) or [0]
        done = sum(len(writer.done) for writer in self.writers)
        print(f'\nseed {self.options.seed}, {len(self.recovery_times)} rounds, '
              f'{sum(self.kills.values())} kills: '
              + ', '.join(f'{name} {count}' for name, count in sorted(self.kills.items())))
        print(f'acknowledged transactions: {done}, all there; '
              f'others: {self.undecided["whole"]} whole, {self.undecided["absent"]} absent')
        print(f'RUNNING again after: median {times[len(times) // 2]:.2f} s, longest {times[-1]:.2f} s')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--rounds', type=int, default=20)
    parser.add_argument('--seed', type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument('--masters', type=int, default=1)
    parser.add_argument('--storages', type=int, default=2)
    parser.add_argument('--replicas', type=int, default=0)
    parser.add_argument('--partitions', type=int, default=4)
    parser.add_argument('--writers', type=int, default=3)
    parser.add_argument('--kinds', type=str.split,
                        help=f'of rounds: {" ".join(KINDS)} (default), or with --network {" ".join(NETWORK_KINDS)}, '
                        'and spared, for --replicas; storm, network_storm')
    parser.add_argument('--storm-seconds', type=float, default=20)
    parser.add_argument('--network', action='store_true', help='in a network namespace, where connections are broken')
    parser.add_argument('--minutes', type=float, default=60, help='no round begins after that')
    parser.add_argument('--load-seconds', type=float, default=1.0, help='longest time between two rounds')
    parser.add_argument('--timeout', type=float, default=60, help='seconds for the cluster to work again')
    parser.add_argument('--directory', help='keep the databases and logs there')
    options = parser.parse_args()
    if options.network and not os.environ.get('NEO_NETWORK_NAMESPACE'):
        os.environ['NEO_NETWORK_NAMESPACE'] = '1'
        os.execvp('unshare', ['unshare', '--net', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh', sys.executable,
                              *sys.argv, '--seed', str(options.seed)])
    options.kinds = options.kinds or (NETWORK_KINDS if options.network else KINDS)
    print(f'seed {options.seed}', flush=True)
    test = Test(options)
    try:
        test.run()
    except BaseException as error:
        print(f'\nFAILED: {type(error).__name__}: {error}\nseed {options.seed}; the logs are in {test.cluster.directory}')
        test.cluster._is_temporary = False
        raise
    else:
        test.report()
        print('PASSED')
    finally:
        for writer in test.writers:
            if writer.process is not None and writer.is_running:
                writer.kill()
        test.cluster.close()


if __name__ == '__main__':
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if sys.argv[1:2] == ['--write']:
        name, masters, journal, index = sys.argv[2:]
        write(name, masters, journal, int(index))
    else:
        main()
