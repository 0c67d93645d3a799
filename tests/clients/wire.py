"""The PostgreSQL protocol by hand, so that it can be broken.

Not a client: it knows SCRAM-SHA-256 and the framing of messages, and nothing of types.
"""

import base64
import hashlib
import hmac
import os
import socket
import struct

from checks import HOST, PASSWORD, POPULATION, PORT, USER

TIMEOUT_S = 10


def connect(port=PORT):
    """A plain socket to a door."""
    return socket.create_connection((HOST, port), timeout=TIMEOUT_S)


def drain(sock, most=1 << 20, timeout=TIMEOUT_S):
    """What the server says until it closes, is silent for the timeout, or has said enough."""
    sock.settimeout(timeout)
    said = b""
    try:
        while len(said) < most:
            part = sock.recv(65536)
            if not part:
                break
            said += part
    except OSError:
        pass
    return said


def throw(*parts, port=PORT, timeout=2):
    """The server's reply to these bytes on a connection of their own."""
    with connect(port) as sock:
        try:
            for part in parts:
                sock.sendall(part)
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        return drain(sock, timeout=timeout)


def startup(parameters, protocol=196608):
    """A startup message."""
    body = struct.pack("!i", protocol)
    for name, value in parameters:
        body += name + b"\0" + value + b"\0"
    body += b"\0"
    return struct.pack("!i", len(body) + 4) + body


def login_message(user=USER.encode(), database=POPULATION.encode()):
    """The startup message of a user."""
    return startup([(b"user", user), (b"database", database)])


def message(kind, body=b"", length=None):
    """A message, if need be with a length that is not its own."""
    length = len(body) + 4 if length is None else length
    return kind + struct.pack("!i", length) + body


def query(sql):
    """A simple query."""
    return message(b"Q", sql + b"\0")


class Session:
    """A connection that is logged in, and can say anything afterwards."""

    def __init__(self, user=USER, password=PASSWORD):
        self.sock = connect()
        self.sock.sendall(login_message(user.encode()))
        self._scram(password)
        self.until(b"Z")

    def _read(self, size):
        said = b""
        while len(said) < size:
            part = self.sock.recv(size - len(said))
            if not part:
                raise ConnectionError("closed")
            said += part
        return said

    def receive(self):
        """The next message: kind and body."""
        kind, length = self._read(1), struct.unpack("!i", self._read(4))[0]
        return kind, self._read(length - 4)

    def until(self, *ends):
        """All messages up to one of these kinds."""
        said = []
        while True:
            kind, body = self.receive()
            said.append((kind, body))
            if kind in ends:
                return said
            if kind == b"E" and b"FATAL" in body:
                raise ConnectionError(body)

    def _expect(self, code):
        kind, body = self.receive()
        if kind != b"R" or struct.unpack("!i", body[:4])[0] != code:
            raise ConnectionError(f"{kind!r} {body[:80]!r} instead of authentication {code}")
        return body[4:]

    def _scram(self, password):
        if b"SCRAM-SHA-256\0" not in self._expect(10):
            raise ConnectionError("SCRAM-SHA-256 is not offered")
        nonce = base64.b64encode(os.urandom(18))
        bare = b"n=,r=" + nonce
        first = b"n,," + bare
        body = b"SCRAM-SHA-256\0" + struct.pack("!i", len(first)) + first
        self.sock.sendall(message(b"p", body))
        server_first = self._expect(11)
        given = dict(part.split(b"=", 1) for part in server_first.split(b","))
        salt, rounds = base64.b64decode(given[b"s"]), int(given[b"i"])
        if not given[b"r"].startswith(nonce):
            raise ConnectionError("another nonce")
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)
        key = hmac.digest(salted, b"Client Key", "sha256")
        final = b"c=biws,r=" + given[b"r"]
        signed = bare + b"," + server_first + b"," + final
        signature = hmac.digest(hashlib.sha256(key).digest(), signed, "sha256")
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature)))
        self.sock.sendall(message(b"p", final + b",p=" + proof))
        server_key = hmac.digest(salted, b"Server Key", "sha256")
        expected = base64.b64encode(hmac.digest(server_key, signed, "sha256"))
        if self._expect(12) != b"v=" + expected:
            raise ConnectionError("the server does not know the password")
        self._expect(0)

    def throw(self, *parts, timeout=2):
        """Says these bytes, and gives what comes back until silence or the end."""
        with self.sock:
            try:
                for part in parts:
                    self.sock.sendall(part)
            except OSError:
                pass
            return drain(self.sock, timeout=timeout)
