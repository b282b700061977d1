"""The server's side of the SASL mechanisms."""

import base64
import hashlib
import hmac
import json
import os
import re
import time

from smtp_script import SKIP
from smtp_wire import export_keying_material

MECHANISMS = (
    "PLAIN",
    "LOGIN",
    "CRAM-MD5",
    "SCRAM-SHA-1",
    "SCRAM-SHA-256",
    "SCRAM-SHA-1-PLUS",
    "SCRAM-SHA-256-PLUS",
    "XOAUTH2",
    "OAUTHBEARER",
    "EXTERNAL",
)


class SaslCancelled(Exception):
    """The client gave up, or sent what is not base64."""


class Sasl:
    """One login: the server's side of each mechanism."""

    def __init__(self, session, mechanism):
        self.session = session
        self.server = session.server
        self.connection = session.connection
        self.mechanism = mechanism

    def run(self, initial):
        """True where the client has proved itself."""
        name = self.mechanism
        if name.startswith("SCRAM-"):
            return self.scram(initial)
        handlers = {
            "PLAIN": self.plain,
            "LOGIN": self.login,
            "CRAM-MD5": self.cram_md5,
            "XOAUTH2": self.xoauth2,
            "OAUTHBEARER": self.oauthbearer,
            "EXTERNAL": self.external,
        }
        return handlers[name](initial)

    def ask(self, challenge, stage="SASL:CHALLENGE"):
        """Sends a challenge and gives the client's answer, decoded."""
        line = "334 " + base64.b64encode(challenge).decode()
        self.session.answer(stage, line, line)
        return self.session.read_sasl()

    def first(self, initial, stage="SASL:CHALLENGE"):
        return self.ask(b"", stage) if initial is None else initial

    def known(self, user, password):
        return self.server.users.get(user) == password

    def plain(self, initial):
        parts = self.first(initial).split(b"\0")
        if len(parts) != 3:
            return False
        authzid, user, password = (p.decode("utf-8", "surrogateescape") for p in parts)
        self.connection.authzid = authzid
        self.connection.user = user
        return self.known(user, password)

    def login(self, initial):
        user = self.ask(b"Username:") if initial is None else initial
        password = self.ask(b"Password:")
        self.connection.user = user.decode("utf-8", "surrogateescape")
        return self.known(self.connection.user, password.decode("utf-8", "surrogateescape"))

    def cram_md5(self, initial):
        challenge = b"<%d.%d@smarthost.test>" % (id(self), time.time_ns())
        user, _, digest = self.ask(challenge).rpartition(b" ")
        self.connection.user = user.decode("utf-8", "surrogateescape")
        password = self.server.users.get(self.connection.user)
        if password is None:
            return False
        want = hmac.new(password.encode(), challenge, "md5").hexdigest().encode()
        return hmac.compare_digest(want, digest)

    def xoauth2(self, initial):
        answer = self.first(initial)
        match = re.fullmatch(rb"user=([^\x01]*)\x01auth=Bearer ([^\x01]*)\x01\x01", answer)
        if match:
            self.connection.user = match.group(1).decode()
            if self.token_is_good(match.group(2).decode()):
                return True
        problem = {"status": "401", "schemes": "bearer", "scope": "https://mail.example.test/"}
        self.connection.sasl_error_answer = self.ask(json.dumps(problem).encode())
        return False

    def oauthbearer(self, initial):
        answer = self.first(initial)
        match = re.fullmatch(
            rb"n,a=([^,]*),\x01(?:[a-z]+=[^\x01]*\x01)*?auth=Bearer ([^\x01]*)\x01\x01", answer
        )
        self.connection.oauthbearer = answer
        if match:
            user = match.group(1).decode().replace("=2C", ",").replace("=3D", "=")
            self.connection.user = user
            if self.token_is_good(match.group(2).decode()):
                return True
        problem = {"status": "invalid_token", "scope": "mail"}
        self.connection.sasl_error_answer = self.ask(json.dumps(problem).encode())
        return False

    def token_is_good(self, token):
        return self.server.tokens.get(self.connection.user) == token

    def external(self, initial):
        self.connection.authzid = self.first(initial).decode()
        self.connection.user = self.connection.authzid
        return self.connection.client_certificate is not None

    def scram(self, initial):
        plus = self.mechanism.endswith("-PLUS")
        digest = "sha256" if "SHA-256" in self.mechanism else "sha1"
        message = self.first(initial).decode("utf-8", "surrogateescape")
        match = re.fullmatch(r"(([ny]|p=([^,]*)),([^,]*),)(n=([^,]*),r=([^,]+))", message)
        if not match:
            return False
        header, flag, binding, authzid, bare, name, nonce = match.groups()
        if plus != (binding is not None):
            return False
        if flag == "y" and any(m.endswith("-PLUS") for m in self.server.mechanisms):
            # The client thinks that we cannot bind; we said that we can (RFC 5802 section 6).
            return False
        self.connection.channel_binding = binding or flag
        self.connection.authzid = authzid
        user = name.replace("=2C", ",").replace("=3D", "=")
        self.connection.user = user
        password = self.server.users.get(user)
        salt = hashlib.sha256(b"salt of " + user.encode()).digest()[:16]
        rounds = self.server.scram_rounds
        full_nonce = nonce + base64.b64encode(os.urandom(18)).decode()
        first = "r=%s,s=%s,i=%d" % (full_nonce, base64.b64encode(salt).decode(), rounds)
        first = self.replace("SASL:FIRST", first)
        answer = self.ask(first.encode("utf-8", "surrogateescape")).decode()
        without_proof, _, proof = answer.rpartition(",p=")
        if password is None or not proof:
            return False
        expected = header.encode() + self.binding_data(binding)
        want = "c=%s,r=%s" % (base64.b64encode(expected).decode(), full_nonce)
        if without_proof != want:
            return False
        auth = ",".join([bare, first, without_proof]).encode()
        salted = hashlib.pbkdf2_hmac(digest, password.encode(), salt, rounds)
        client_key = hmac.digest(salted, b"Client Key", digest)
        signature = hmac.digest(hashlib.new(digest, client_key).digest(), auth, digest)
        expected_proof = bytes(a ^ b for a, b in zip(client_key, signature))
        if not hmac.compare_digest(expected_proof, base64.b64decode(proof)):
            return False
        server_key = hmac.digest(salted, b"Server Key", digest)
        verifier = base64.b64encode(hmac.digest(server_key, auth, digest)).decode()
        final = self.replace("SASL:FINAL", "v=" + verifier)
        if final is not None:
            # RFC 4954: a mechanism's last word goes into a challenge that the
            # client answers with an empty line.
            self.ask(final.encode("utf-8", "surrogateescape"))
        return True

    def replace(self, stage, default):
        value = self.session.scripted(stage, default, default)
        if value is None:
            return default
        return None if value is SKIP else value

    def binding_data(self, binding):
        if binding is None:
            return b""
        if binding == "tls-server-end-point":
            return hashlib.sha256(self.server.certificate_der()).digest()
        if binding == "tls-exporter":
            data = export_keying_material(
                self.session.wire.tls, b"EXPORTER-Channel-Binding", 32
            )
            if data is not None:
                return data
        return b"no such binding"
