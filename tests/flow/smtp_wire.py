"""Octets between the smarthost and a client, in clear or over TLS."""

import ctypes
import select
import socket
import ssl
import struct


class Gone(Exception):
    """The connection is over."""


class Wire:
    """Octets to and from one client, in clear or over TLS, and the count of flights."""

    def __init__(self, server, connection, sock):
        self.server = server
        self.connection = connection
        self.sock = sock
        self.tls = None
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.buffer = bytearray()
        self.out = bytearray()
        self.client_has_floor = True  # octets now received begin a new flight
        self.handshaking = False

    def receive(self):
        """Adds what the client sent to the buffer; blocks. Gone at the end."""
        while True:
            raw = self.receive_raw()
            if self.tls is None:
                self.connection.clear += raw
                self.note_flight()
                self.buffer += raw
                return
            self.incoming.write(raw)
            if self.decrypt():
                self.note_flight()
                return

    def receive_raw(self):
        try:
            raw = self.sock.recv(262144)
        except ConnectionResetError:
            self.connection.reset = True
            raise Gone from None
        except OSError:
            raise Gone from None
        if not raw:
            self.connection.eof = True
            raise Gone
        if self.tls is None or self.handshaking:
            self.connection.raw_before_tls += raw
        return raw

    def decrypt(self):
        """True when plain text came out."""
        came = False
        while True:
            try:
                plain = self.tls.read(262144)
            except ssl.SSLWantReadError:
                return came
            except ssl.SSLZeroReturnError:
                plain = b""
            except ssl.SSLError as error:
                self.connection.tls_error = str(error)
                raise Gone from None
            if not plain:
                self.connection.closed_cleanly = True
                self.connection.eof = True
                if came:
                    return True
                raise Gone
            self.buffer += plain
            came = True

    def note_flight(self):
        if self.client_has_floor:
            self.client_has_floor = False
            self.connection.flights += 1
            self.connection.waits += 1
            self.connection.flight_commands.append([])

    def fill_without_waiting(self):
        """Takes in what has arrived already."""
        try:
            while select.select([self.sock], [], [], 0)[0]:
                self.receive()
        except Gone:
            return

    def send(self, octets):
        self.out += octets

    def flush(self):
        """Sends what has been gathered, in one write. Session tickets wait for it as well."""
        if not self.out:
            return
        if self.server.latency:
            self.server.stopped.wait(self.server.latency)
        out, self.out = bytes(self.out), bytearray()
        if self.tls is not None:
            try:
                self.tls.write(out)
            except ssl.SSLError:
                raise Gone from None
            out = self.outgoing.read()
        self.send_raw(out)

    def send_raw(self, octets):
        try:
            self.sock.sendall(octets)
        except OSError:
            raise Gone from None
        self.client_has_floor = True

    def start_tls(self, context):
        """The server's side of a handshake; Gone when it fails."""
        connection = self.connection
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        self.handshaking = True
        if self.buffer:
            self.incoming.write(bytes(self.buffer))
            self.buffer.clear()
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                pending = self.outgoing.read()
                if pending:
                    if self.server.latency:
                        self.server.stopped.wait(self.server.latency)
                    self.send_raw(pending)
                try:
                    self.incoming.write(self.receive_raw())
                except Gone:
                    connection.tls_error = connection.tls_error or "closed in the handshake"
                    raise
                self.note_flight()
            except ssl.SSLError as error:
                connection.tls_error = str(error)
                pending = self.outgoing.read()
                if pending:
                    self.send_raw(pending)
                raise Gone from None
        self.handshaking = False
        connection.tls_version = self.tls.version()
        if connection.tls_version != "TLSv1.3":
            # The server has the last word there. In TLS 1.3 what is left are
            # session tickets, which nobody waits for: they join the next answer.
            self.send_raw(self.outgoing.read())
        connection.tls_cipher = self.tls.cipher()
        connection.tls_resumed = self.tls.session_reused
        connection.client_certificate = self.tls.getpeercert(binary_form=True)
        if self.decrypt():
            self.note_flight()

    def say_goodbye(self):
        """Sends close_notify."""
        if self.tls is None:
            return
        try:
            self.tls.unwrap()
        except ssl.SSLError:
            pass
        try:
            self.sock.sendall(self.outgoing.read())
        except OSError:
            pass

    def abort(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def half_close(self):
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        # Octets that were never read would turn the close into a reset and
        # take the last reply with them.
        try:
            self.sock.shutdown(socket.SHUT_WR)
            self.sock.settimeout(2)
            while self.sock.recv(65536):
                pass
        except OSError:
            pass
        self.sock.close()


def export_keying_material(tls, label, length):
    """RFC 5705 through the libssl that the ssl module has loaded; None where it cannot be had.

    CPython 3.11 keeps the SSL pointer right behind the object's head and its
    socket reference.
    """
    try:
        inner = tls._sslobj
        pointer = ctypes.cast(id(inner), ctypes.POINTER(ctypes.c_void_p))[3]
        library = ctypes.CDLL("libssl.so.3")
        export = library.SSL_export_keying_material
        export.argtypes = [
            ctypes.c_void_p,
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_int,
        ]
        out = ctypes.create_string_buffer(length)
        if export(pointer, out, length, label, len(label), b"", 0, 1) != 1:
            return None
        return out.raw
    except (OSError, AttributeError, ValueError):
        return None
