"""A certificate authority for the tests: makes each certificate when it is first asked for.

    certs = Certificates(directory)
    certs.ca                 PEM file of the root that clients are to trust
    certs.get("good").chain  what a server presents, .key its private key

Needs the openssl program, 1.1.1 or newer.
"""

import datetime
import os
import ssl
import subprocess
from collections import namedtuple

Certificate = namedtuple("Certificate", "name chain key leaf")

GOOD_NAMES = "DNS:localhost,DNS:smtp.example.test,DNS:smarthost.test,IP:127.0.0.1,IP:::1"
WRONG_NAMES = "DNS:other.example.test,DNS:www.example.test"


def der(tag, octets):
    """One DER value, short or long form of the length."""
    size = len(octets)
    if size < 128:
        length = bytes([size])
    else:
        digits = size.to_bytes((size.bit_length() + 7) // 8, "big")
        length = bytes([0x80 | len(digits)]) + digits
    return bytes([tag]) + length + octets


def read_der(octets, at):
    """Where the contents of the value at `at` begin, and where they end."""
    size, start = octets[at + 1], at + 2
    if size & 0x80:
        start += size & 0x7F
        size = int.from_bytes(octets[at + 2 : start], "big")
    return start, start + size


def san_der(*names):
    """subjectAltName of DNS names as raw octets: says what openssl's own syntax cannot."""
    octets = der(0x30, b"".join(der(0x82, name) for name in names))
    return "DER:" + ":".join("%02X" % octet for octet in octets)


# What each certificate is, next to the usual: issued by the root, an ECDSA key,
# good names, serverAuth, valid from yesterday for a month.
KINDS = {
    "good": {},
    "good2": {},
    "rsa": {"key": "rsa2048"},
    "ed25519": {"key": "ed25519"},
    "wrong-name": {"san": WRONG_NAMES, "cn": "other.example.test"},
    "expired": {"days": (-40, -10)},
    "not-yet": {"days": (10, 40)},
    "untrusted": {"issuer": "stranger"},
    "self-signed": {"issuer": None},
    "client-only": {"purpose": "clientAuth"},
    "no-purpose": {"purpose": None},
    "intermediate": {"issuer": "intermediate", "send_issuer": True},
    "incomplete": {"issuer": "intermediate"},
    "with-root": {"send_issuer": True},
    "expired-intermediate": {"issuer": "old-intermediate", "send_issuer": True},
    "not-a-ca": {"issuer": "no-ca", "send_issuer": True},
    "cn-only": {"san": None, "cn": "localhost"},
    "cn-other-san": {"san": WRONG_NAMES, "cn": "localhost"},
    "cn-san-email": {"san": "email:ann@example.test", "cn": "localhost"},
    "cn-san-uri": {"san": "URI:smtp://localhost", "cn": "localhost"},
    "cn-san-ip": {"san": "IP:192.0.2.1", "cn": "localhost"},
    "ip-only": {"san": "IP:127.0.0.1", "cn": "a machine"},
    "dns-as-ip": {"san": "DNS:127.0.0.1", "cn": "127.0.0.1"},
    "wildcard": {"san": "DNS:*.example.test", "cn": "a wildcard"},
    "wildcard-top": {"san": "DNS:*", "cn": "a wildcard"},
    "idn": {"san": "DNS:xn--bcher-kva.localhost", "cn": "a name"},
    "upper-case": {"san": "DNS:LOCALHOST", "cn": "LOCALHOST"},
    "cn-san-srv": {"san": "otherName:1.3.6.1.5.5.7.8.7;IA5STRING:_submission.localhost", "cn": "localhost"},
    "cn-san-long": {"san": "DNS:" + "localhost." * 40 + "test", "cn": "localhost"},
    "san-dot": {"san": "DNS:localhost.", "cn": "a dot"},
    "nul-in-san": {"san": san_der(b"localhost\0.evil.test"), "cn": "evil.test"},
    "nul-in-cn": {"san": None, "cn": "localhost.evil.test", "patch": (b"localhost.evil", b"localhost\0evil")},
    "nul-in-cn-other-san": {"san": WRONG_NAMES, "cn": "localhost.evil.test",
                            "patch": (b"localhost.evil", b"localhost\0evil")},
    "clock-1970": {"days": (56 * 365, 56 * 365 + 30)},
    "clock-2040": {"days": (-14 * 365 - 30, -14 * 365)},
    "large": {"san": GOOD_NAMES + "".join(",DNS:host-%03d.some.long.name.example.test" % n for n in range(200))},
    "crossed": {"send": ("root-crossed",)},
    "crossed-both": {"send": ("root-crossed", "root")},
    "extra": {"issuer": "intermediate", "send": ("intermediate", "stranger", "old-intermediate")},
    "disordered": {"issuer": "intermediate", "send": ("root", "intermediate")},
    "sha1": {"hash": "sha1", "key": "rsa2048"},
    "rsa1024": {"key": "rsa1024"},
    "leaf-is-ca": {"is_ca": True},
    "client": {"purpose": "clientAuth", "san": "email:ann@example.test", "cn": "ann"},
}

AUTHORITIES = {
    "root": {"cn": "Test Root"},
    "stranger": {"cn": "Stranger Root"},
    "intermediate": {"cn": "Test Intermediate", "issuer": "root"},
    "old-intermediate": {"cn": "Old Intermediate", "issuer": "root", "days": (-40, -10)},
    "no-ca": {"cn": "No Authority", "issuer": "root", "is_ca": False},
    # The root's name and key once more, this time vouched for by the stranger.
    "root-crossed": {"cn": "Test Root", "issuer": "stranger", "key_of": "root"},
}

KEYS = {
    "ec": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "ed25519": ["-algorithm", "ED25519"],
    "rsa2048": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    "rsa1024": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"],
}

CA_CONFIG = """
[ca]
default_ca = this
[this]
database = {directory}/database
new_certs_dir = {directory}
serial = {directory}/serial
policy = any
default_md = sha256
unique_subject = no
[any]
commonName = supplied
"""


class Certificates:
    def __init__(self, directory):
        self.directory = os.path.abspath(directory)
        os.makedirs(self.directory, mode=0o700, exist_ok=True)
        self.made = {}
        self.authorities = {}
        self.config = self.write("ca.cnf", CA_CONFIG.format(directory=self.directory))
        self.write("database", "")
        self.write("database.attr", "unique_subject = no\n")
        self.write("serial", "1001\n")

    @property
    def ca(self):
        """The root's certificate."""
        return self.authority("root").chain

    @property
    def stranger(self):
        """A root that signed nothing of ours but `untrusted`."""
        return self.authority("stranger").chain

    def get(self, name):
        """A certificate by its kind's name."""
        if name not in self.made:
            self.made[name] = self.make(name, dict(KINDS[name]))
        return self.made[name]

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, text):
        path = self.path(name)
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        os.chmod(path, 0o600)
        return path

    def run(self, *words):
        result = subprocess.run(
            ("openssl",) + words, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        if result.returncode != 0:
            raise RuntimeError(
                "openssl %s: %s" % (" ".join(words), result.stderr.decode("utf-8", "replace"))
            )
        return result.stdout

    def authority(self, name):
        if name not in self.authorities:
            facts = dict(AUTHORITIES[name])
            facts.setdefault("issuer", None)
            facts.setdefault("is_ca", True)
            facts.setdefault("san", None)
            facts.setdefault("purpose", None)
            self.authorities[name] = self.make("ca-" + name, facts)
        return self.authorities[name]

    def make(self, name, facts):
        key = self.path(name + ".key")
        request = self.path(name + ".csr")
        leaf = self.path(name + ".crt")
        chain = self.path(name + ".pem")
        if facts.get("key_of"):
            key = self.authority(facts["key_of"]).key
        else:
            self.run("genpkey", *KEYS[facts.get("key", "ec")], "-out", key)
        os.chmod(key, 0o600)
        subject = "/CN=" + facts.get("cn", "smtp.example.test")
        self.run("req", "-new", "-key", key, "-subj", subject, "-out", request,
                 "-config", self.write("req.cnf", "[req]\ndistinguished_name=dn\n[dn]\n"))
        extensions = self.write(name + ".ext", self.extensions(facts))
        issuer_name = facts.get("issuer", "root")
        begin, end = (self.moment(d) for d in facts.get("days", (-1, 30)))
        words = ["ca", "-batch", "-notext", "-config", self.config, "-in", request, "-out", leaf,
                 "-extfile", extensions, "-startdate", begin, "-enddate", end]
        if facts.get("hash"):
            words += ["-md", facts["hash"]]
        elif facts.get("key") == "ed25519" and issuer_name is None:
            words += ["-md", "default"]
        issuer = None
        if issuer_name is None:
            words += ["-selfsign", "-keyfile", key]
        else:
            issuer = self.authority(issuer_name)
            words += ["-cert", issuer.leaf, "-keyfile", issuer.key]
        self.run(*words)
        if facts.get("patch"):
            self.patch(leaf, issuer.key, *facts["patch"])
        parts = [leaf] + [self.authority(name).leaf for name in facts.get("send", ())]
        if facts.get("send_issuer"):
            parts.append(issuer.leaf)
        text = "".join(open(part, encoding="ascii").read() for part in parts)
        self.write(os.path.basename(chain), text)
        return Certificate(name, chain, key, leaf)

    def patch(self, leaf, key, old, new):
        """Replaces octets of a certificate, as many as before, and signs it anew."""
        raw = self.run("x509", "-in", leaf, "-outform", "DER")
        outer = read_der(raw, 0)
        inner = read_der(raw, outer[0])
        algorithm = read_der(raw, inner[1])
        assert len(old) == len(new) and old in raw[outer[0] : inner[1]]
        body = raw[outer[0] : inner[1]].replace(old, new)
        path = self.path("patched.tbs")
        with open(path, "wb") as file:
            file.write(body)
        signature = self.run("dgst", "-sha256", "-sign", key, path)
        whole = der(0x30, body + raw[inner[1] : algorithm[1]] + der(0x03, b"\0" + signature))
        with open(leaf, "w", encoding="ascii") as file:
            file.write(ssl.DER_cert_to_PEM_cert(whole))

    @staticmethod
    def extensions(facts):
        lines = ["basicConstraints=critical,CA:%s" % ("TRUE" if facts.get("is_ca") else "FALSE")]
        if facts.get("is_ca"):
            lines.append("keyUsage=critical,keyCertSign,cRLSign,digitalSignature")
        else:
            lines.append("keyUsage=critical,digitalSignature")
        purpose = facts.get("purpose", "serverAuth")
        if purpose:
            lines.append("extendedKeyUsage=" + purpose)
        san = facts.get("san", GOOD_NAMES)
        if san:
            lines.append("subjectAltName=" + san)
        lines.append("subjectKeyIdentifier=hash")
        return "\n".join(lines) + "\n"

    @staticmethod
    def moment(days):
        now = datetime.datetime.now(datetime.timezone.utc)
        return (now + datetime.timedelta(days=days)).strftime("%Y%m%d%H%M%SZ")

    def pin(self, name):
        """SHA-256 of the public key, 64 hex digits."""
        import hashlib

        public = self.run("x509", "-in", self.get(name).leaf, "-noout", "-pubkey")
        path = self.write("pin.pub", public.decode())
        raw = self.run("pkey", "-pubin", "-in", path, "-outform", "DER")
        return hashlib.sha256(raw).hexdigest()
