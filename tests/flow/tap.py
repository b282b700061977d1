"""A wire between the program and a real server that counts how often the program waits.

    with Tap(server.port) as tap:
        tap.port    is the server's as well
        tap.waits   of all connections that are over
"""

import select
import socket
import threading

# A client that has all its answers ends TLS with a record of so many octets, and waits for nothing.
CLOSE_NOTIFY_OCTETS = 24


class Tap:
    def __init__(self, port):
        self.server_port = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.waits = 0
        self.thread = threading.Thread(target=self.accept, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(10)

    def accept(self):
        """One connection after the other, until there is nobody to listen for."""
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            with client, socket.create_connection(("127.0.0.1", self.server_port)) as server:
                for end in (client, server):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                flights = self.pass_on(client, server)
                self.waits += len(flights) - (flights[-1:] == [CLOSE_NOTIFY_OCTETS])

    @staticmethod
    def pass_on(client, server):
        """Passes octets on until an end closes; gives the sizes of what the client sent between answers."""
        flights = []
        is_clients_turn = True
        while True:
            for end in select.select([server, client], [], [])[0]:
                try:
                    octets = end.recv(65536)
                    (client if end is server else server).sendall(octets)
                except OSError:
                    return flights
                if not octets:
                    return flights
                if end is server:
                    is_clients_turn = True
                elif is_clients_turn:
                    flights.append(len(octets))
                    is_clients_turn = False
                else:
                    flights[-1] += len(octets)
