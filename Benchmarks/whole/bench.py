"""Loads and commits per second through the Python storage, beside ZEO and FileStorage, in one run.

    python Benchmarks/whole/bench.py [--seconds 0.5] [--rounds 5] [--only loads,commits] [--peers NEO,ZEO] [--json FILE]

The limits of the machine come first: see limits.py. The peers: NEO with one storage, NEO2 with two (on the same disk), ZEO
with a FileStorage, and a FileStorage in the process itself. Every server syncs its files at each commit.

What is measured, by one client that does one thing after the other unless it says otherwise:

  loads              records of 300 random bytes that are in no cache of the client
  commits            transactions that change one object of 300 bytes: begin, store, vote, finish
  commits of 100     transactions that change 100 objects
  loads by 4         loads by 4 threads of one process, of different objects
  commits by 4       commits of one object by 4 threads of one process, of different objects
  loads by 8         loads by 8 processes
  commits by 8       commits of one object by 8 processes, of different objects
  prefetched loads   batches of 100 objects, that are prefetched, then loaded one by one
  large loads        records of 1 MiB of random bytes
  large commits      commits of one object of 1 MiB

`--only pack` measures something else: what clients feel of a pack (see pack.py).

In each round the peers are measured one right after the other, in an order that changes from round to round, so that what
else the machine does touches all of them. Ratios are the medians of the ratios within a round. The last lines give the goals
of the project and whether this run reached them; --strict makes the exit status tell it too.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile

from clients import Clients
from limits import RoundTrip, Sync
from peers import LARGE_OBJECTS, LARGE_RECORD, OBJECTS, PEERS, THREADS

#: Name in the report: method of `Load`.
MEASUREMENTS = {
    'loads': 'loads',
    'commits': 'commits',
    'commits of 100': 'commits_of_100',
    f'loads by {THREADS}': 'loads_by_threads',
    f'commits by {THREADS}': 'commits_by_threads',
    'prefetched loads': 'prefetched_loads',
    'large loads': 'large_loads',
    'large commits': 'large_commits',
}
BY_PROCESSES = {f'{name} by {Clients.count}': name for name in ('loads', 'commits')}
#: What bounds a measurement, and how it is called in the report.
LIMITS = {
    'loads': ('round trip', 'round trips'),
    'commits': ('growing', 'growing fsyncs'),
}
#: Measurement of NEO, beside what, the least ratio.
GOALS = (
    ('loads', 'ZEO loads', 3),
    ('loads', 'round trip', 0.4),
    ('commits', 'ZEO commits', 1),
)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--seconds', type=float, default=0.5, help='duration of one measurement (default: %(default)s)')
    parser.add_argument('--rounds', type=int, default=5, help='default: %(default)s')
    parser.add_argument('--peers', default=','.join(PEERS), help='default: %(default)s')
    parser.add_argument(
        '--only', default=','.join([*MEASUREMENTS, *BY_PROCESSES]), help='what to measure (default: %(default)s)')
    parser.add_argument('--directory', help='where the databases are written (default: the temporary directory)')
    parser.add_argument('--revisions', type=int, default=20_000, help='to be packed (default: %(default)s)')
    parser.add_argument('--json', help='also write the numbers to this file')
    parser.add_argument('--strict', action='store_true', help='exit with status 1 if a goal is not reached')
    return parser.parse_args()


def main():
    options = parse()
    if options.only == 'pack':
        import pack
        with tempfile.TemporaryDirectory(dir=options.directory, prefix='neo-bench-') as directory:
            met = pack.run(options.revisions, 10 * options.seconds, directory)
        sys.exit(0 if met or not options.strict else 1)
    kinds = options.only.split(',')
    results = {}
    closing = []

    def add(name, value):
        results.setdefault(name, []).append(value)

    with tempfile.TemporaryDirectory(dir=options.directory, prefix='neo-bench-') as directory:
        try:
            # The echo process is forked before anything has threads.
            trip = RoundTrip()
            closing.append(trip)
            sync = Sync(directory)
            closing.append(sync)
            peers = []
            for name in reversed(options.peers.split(',')):
                peers.append(PEERS[name](directory))
                closing.append(peers[-1])
            by_processes = [kind for kind in kinds if kind in BY_PROCESSES]
            if by_processes:
                clients = Clients()
                closing.append(clients)
            for index in range(options.rounds):
                add('round trip', trip.measure(options.seconds / 2))
                add('growing', sync.measure_growing(options.seconds / 2))
                add('fixed', sync.measure_fixed(options.seconds / 2))
                turns = [peers[(position + index) % len(peers)] for position in range(len(peers))]
                for kind in kinds:
                    for peer in turns:
                        if kind in MEASUREMENTS and can(peer, kind):
                            add(f'{peer.name} {kind}', getattr(peer.load, MEASUREMENTS[kind])(options.seconds))
                for peer in turns:
                    if by_processes and peer.address is not None:
                        names = [BY_PROCESSES[kind] for kind in by_processes]
                        sums = clients.measure(peer, names, options.seconds)
                        for kind in by_processes:
                            add(f'{peer.name} {kind}', sums[BY_PROCESSES[kind]])
            memory = {peer.name: peer.peak_memory() for peer in peers}
        finally:
            for thing in reversed(closing):
                thing.close()
    met = report(results, memory, kinds, options)
    if options.strict and not met:
        sys.exit(1)


def can(peer, kind):
    return kind != 'prefetched loads' or hasattr(peer.storage, 'prefetch')


def report(results, memory, kinds, options):
    """Prints everything; whether all the goals were reached."""
    median = {name: statistics.median(values) for name, values in results.items()}

    def ratio(name, other):
        """The median of the ratios of the rounds."""
        return statistics.median(a / b for a, b in zip(results[name], results[other]))
    print(f'this machine: {os.cpu_count()} CPUs, Python {sys.version.split()[0]}; TCP round trip '
          f'{1e6 / median["round trip"]:.0f} µs (blocking Python sockets); 4 KiB durable in '
          f'{1e3 / median["growing"]:.2f} ms at the end of a file, {1e3 / median["fixed"]:.2f} ms in place')
    print(f'{options.rounds} rounds of {options.seconds:g} s; medians, and the range of the rounds\n')
    for kind in kinds:
        limit, of = LIMITS.get(kind, (None, None))
        title = f'of {of}' if limit else ''
        print(f'{kind + "/s":18}{"":>8}{"range":>18}{"NEO is":>12}{title:>24}')
        for name in options.peers.split(','):
            key = f'{name} {kind}'
            if key not in results:
                continue
            spread = f'{min(results[key]):.0f}–{max(results[key]):.0f}'
            line = f'  {name:16}{median[key]:>8.0f}{spread:>18}'
            line += f'{ratio(f"NEO {kind}", key):>10.2f} ×' if f'NEO {kind}' in results else ''
            print(line + (f'{ratio(key, limit):>22.2f} ×' if limit else ''))
        print()
    data = (OBJECTS * 300 + LARGE_OBJECTS * LARGE_RECORD) >> 20
    print(f'peak memory of a server with {data} MiB of data: ' + ', '.join(
        f'{name} {memory[name]:.0f} MiB' for name in options.peers.split(',') if memory[name] is not None) + '\n')
    trips = results['round trip']
    if max(trips) > 2 * min(trips):
        print(f'the round trip varied by a factor of {max(trips) / min(trips):.1f}: the machine was not idle, and the '
              'ratios mean little')
    met = True
    for kind, other, goal in GOALS:
        if f'NEO {kind}' in results and other in results:
            found = ratio(f'NEO {kind}', other)
            met = met and found >= goal
            limit, of = LIMITS[kind]
            beside = f'TCP {of}' if other == limit else other
            print(f'{"reached" if found >= goal else "MISSED":8} NEO {kind} ≥ {goal} × {beside}: {found:.2f} ×')
    if options.json:
        with open(options.json, 'w') as file:
            json.dump({'median': median, 'rounds': results, 'memory': memory}, file, indent=1)
    return met


if __name__ == '__main__':
    main()
