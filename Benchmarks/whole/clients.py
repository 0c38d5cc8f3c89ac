"""Several client processes at once."""

from multiprocessing import get_context

import peers


def _serve(pipe):
    """Carries out what comes through the pipe, in a process of its own."""
    load = None
    while True:
        try:
            command, *arguments = pipe.recv()
        except EOFError:
            return
        try:
            if command == 'open':
                name, address, oids, serials = arguments
                load = peers.Load(peers.PEERS[name].open_storage(address), oids, serials)
                load.loads(0.01)
                result = None
            elif command == 'close':
                load.storage.close()
                result, load = load.serials, None
            else:
                result = getattr(load, command)(*arguments)
        except Exception as error:
            result = error
        pipe.send(result)


class Clients:
    """Processes that wait for work. They are connected to a peer only while it is measured."""

    count = 8

    def __init__(self):
        context = get_context('spawn')
        self.workers = []
        for _ in range(self.count):
            pipe, other = context.Pipe()
            process = context.Process(target=_serve, args=(other,), daemon=True)
            process.start()
            other.close()
            self.workers.append((process, pipe))

    def _each(self, commands):
        """Has all of them do something at the same time."""
        for (_, pipe), command in zip(self.workers, commands):
            pipe.send(command)
        results = [pipe.recv() for _, pipe in self.workers]
        for result in results:
            if isinstance(result, Exception):
                raise result
        return results

    def measure(self, peer, names, seconds):
        """A dictionary of the sums of what all give for each of these measurements. Each changes objects of its own."""
        load = peer.load
        shares = [load.oids[index::self.count] for index in range(self.count)]
        self._each(
            ('open', peer.name, peer.address, share, {oid: load.serials[oid] for oid in share}) for share in shares)
        sums = {name: sum(self._each([(name, seconds)] * self.count)) for name in names}
        for serials in self._each([('close',)] * self.count):
            load.serials.update(serials)
        return sums

    def close(self):
        for process, pipe in self.workers:
            pipe.close()
            process.join(5)
