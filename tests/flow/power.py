"""What a disk may hold after the power went: a model fed with the calls that a run really made.

Nothing that was not synced is certain. Data written to a file that was not synced since may be there, be
missing, be there in part, read as zeros or as garbage; in a place that held data before, each sector has the
old or the new. A name made, moved or removed is certain only when its directory was synced; until then it may
be so or not, apart from all others. Only a move is one thing: the old name does not go before the new one is there.
"""

import itertools
import os
import random
import re

import sweep

CALLS = ("open,openat,creat,write,writev,pwrite64,pwritev,pwritev2,ftruncate,truncate,fallocate,rename,renameat,"
         "renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,mkdir,mkdirat,rmdir,fsync,fdatasync,"
         "sync_file_range,sync,syncfs,close,dup,dup2,dup3,sendto,sendmsg,recvfrom,recvmsg")

SECTOR = 512
MOST_CONTENTS = 60  # of one file, beyond which a sample does
GARBAGE = b"\xa5R garbage@example.com\n\n"


class Event:
    """A call that matters: kind and what it is about."""

    def __init__(self, kind, **facts):
        self.kind = kind
        self.__dict__.update(facts)

    def __repr__(self):
        return "%s %r" % (self.kind, {k: v for k, v in self.__dict__.items() if k != "kind"})


LINE = re.compile(r'^\d+ +(\w+)\((.*)\) += (-?\d+)')
TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


def texts(arguments):
    return [bytes.fromhex(t.replace("\\x", "")) for t in TEXT.findall(arguments)]


def record(box, args, stdin, root):
    """Runs the program; gives (exit code, events below the directory root and on the network)."""
    options = ["-xx", "-e", "trace=" + ",".join("?" + c for c in CALLS.split(","))]
    rc, err, log = sweep.trace(box, args, stdin, options, strings=1 << 20)
    return rc, err, list(events(log, root, box.home))


def events(log, root, cwd):
    """The successful calls, with descriptors resolved to paths."""
    paths, sockets = {}, set()

    def below(path):
        return path == root or path.startswith(root + "/")

    def place(word, name):
        base = cwd if word == "AT_FDCWD" else paths.get(int(word), "/")
        return os.path.normpath(os.path.join(base, os.fsdecode(name)))

    for line in log.splitlines():
        assert "unfinished" not in line or "exit" in line, "the run is not of one process: " + line[:100]
        match = LINE.match(line)
        if not match or int(match.group(3)) < 0:
            continue
        name, arguments, result = match.group(1), match.group(2), int(match.group(3))
        words, strings = [w.strip() for w in arguments.split(",")], texts(arguments)
        assert '"...' not in line, "strace cut a text short"
        fd = int(words[0]) if words[0].isdigit() else None
        if name in ("open", "openat", "creat"):
            path = place("AT_FDCWD" if name != "openat" else words[0], strings[0])
            if "O_TMPFILE" in arguments:
                continue  # has no name, and is gone
            paths[result] = path
            if below(path) and "O_CREAT" in arguments:
                yield Event("create", path=path)
            if below(path):
                assert "O_TRUNC" not in arguments
        elif name == "close":
            paths.pop(fd, None)
            sockets.discard(fd)
        elif name in ("sendto", "sendmsg", "recvfrom", "recvmsg"):
            yield Event(name[:4], data=b"".join(strings))
        elif name in ("mkdir", "mkdirat"):
            path = place("AT_FDCWD" if name == "mkdir" else words[0], strings[0])
            if below(path):
                yield Event("mkdir", path=path)
        elif name in ("rename", "renameat", "renameat2"):
            both = name == "rename"
            old = place("AT_FDCWD" if both else words[0], strings[0])
            new = place("AT_FDCWD" if both else words[2], strings[1])
            assert below(old) == below(new)
            if below(old):
                yield Event("rename", path=old, new=new)
        elif name in ("unlink", "unlinkat"):
            path = place("AT_FDCWD" if name == "unlink" else words[0], strings[0])
            if below(path):
                yield Event("unlink", path=path)
        elif fd in paths and below(paths[fd]):
            path = paths[fd]
            if name == "write":
                yield Event("write", path=path, data=strings[0][:result], at=None)
            elif name == "pwrite64":
                yield Event("write", path=path, data=strings[0][:result], at=int(words[-1]))
            elif name in ("fsync", "fdatasync"):
                yield Event("sync", path=path)
            elif name == "ftruncate":
                yield Event("truncate", path=path, size=int(words[1]))
            else:
                raise AssertionError("the model does not know " + line[:200])


class File:
    def __init__(self, data=b""):
        self.synced = data
        self.live = data
        self.pending = []  # (offset, octets) or (None, size)

    def write(self, offset, data):
        self.pending.append((offset, data))
        self.live = put(self.live, offset, data)

    def truncate(self, size):
        self.pending.append((None, size))
        self.live = self.live[:size].ljust(size, b"\0")

    def sync(self):
        self.synced, self.pending = self.live, []

    def choices(self):
        """All contents that it may have, the harshest among them."""
        results = {self.synced}
        for step in self.pending:
            results |= {after for before in results for after in outcomes(before, *step)}
            if len(results) > MOST_CONTENTS:
                results = set(random.Random(len(results)).sample(sorted(results), MOST_CONTENTS))
        return sorted(results | {self.synced, self.live})


def put(data, offset, octets):
    return data.ljust(offset, b"\0")[:offset] + octets + data[offset + len(octets) :]


def outcomes(data, offset, octets):
    """What may become of a write."""
    if offset is None:
        return {data, data[:octets].ljust(octets, b"\0")}
    found = {data, put(data, offset, octets)}
    if offset + len(octets) <= len(data):
        # In place: each sector is the old or the new one.
        edge = (offset // SECTOR + 1) * SECTOR - offset
        if edge < len(octets):
            found |= {put(data, offset, octets[:edge]), put(data, offset + edge, octets[edge:])}
        return found
    for cut in {1, len(octets) // 2, len(octets) - 1, octets.find(b"\n\n") + 2}:
        found.add(put(data, offset, octets[:cut]))
    found.add(put(data, offset, b"\0" * len(octets)))
    found.add(put(data, offset, (GARBAGE * (len(octets) // len(GARBAGE) + 1))[: len(octets)]))
    found.add(put(data, offset, octets[: len(octets) // 2].ljust(len(octets), b"\0")))
    return found


class Directory:
    def __init__(self):
        self.synced = {}
        self.live = {}
        self.pending = []  # changes, shared with another directory where a move has two

    def sync(self):
        """What is live is certain; of a move, this half."""
        self.synced, self.pending = dict(self.live), []


class Change:
    """A name that comes or goes. `needs`: the half of a move that has to be there first, and where."""

    def __init__(self, name, node, needs=None):
        self.name = name
        self.node = node  # None: it goes
        self.needs = needs


class Disk:
    """The tree below a directory that is certain to be there."""

    def __init__(self, root):
        self.root = root
        self.nodes = {root: Directory()}
        for top, directories, files in os.walk(root):
            for name in directories:
                self.adopt(os.path.join(top, name), Directory())
            for name in files:
                with open(os.path.join(top, name), "rb") as file:
                    self.adopt(os.path.join(top, name), File(file.read()))
        self.ends = {}

    def adopt(self, path, node):
        """Was there before, and is certain."""
        parent, name = self.parent(path)
        self.nodes[path] = node
        parent.live[name] = parent.synced[name] = node

    def parent(self, path):
        return self.nodes[os.path.dirname(path)], os.path.basename(path)

    def change(self, path, node, needs=None):
        parent, name = self.parent(path)
        change = Change(name, node, needs)
        parent.pending.append(change)
        if node is None:
            parent.live.pop(name, None)
        else:
            parent.live[name] = node
        return parent, change

    def apply(self, event):
        node = self.nodes.get(getattr(event, "path", None))
        if event.kind == "create" and node is None:
            self.nodes[event.path] = File()
            self.change(event.path, self.nodes[event.path])
        elif event.kind == "mkdir":
            self.nodes[event.path] = Directory()
            self.change(event.path, self.nodes[event.path])
        elif event.kind == "write":
            at = self.ends.get(event.path, 0) if event.at is None else event.at
            node.write(at, event.data)
            if event.at is None:
                self.ends[event.path] = at + len(event.data)
        elif event.kind == "truncate":
            node.truncate(event.size)
        elif event.kind == "sync":
            node.sync()
        elif event.kind == "rename":
            self.nodes[event.new] = self.nodes.pop(event.path)
            came = self.change(event.new, self.nodes[event.new])
            self.change(event.path, None, needs=came)
        elif event.kind == "unlink":
            self.nodes.pop(event.path, None)
            self.change(event.path, None)

    def directories(self):
        return [n for n in self.all_nodes() if isinstance(n, Directory)]

    def files(self):
        return [n for n in self.all_nodes() if isinstance(n, File)]

    def all_nodes(self):
        """Every node that some name led to, or may still lead to."""
        found, queue = [], [self.nodes[self.root]]
        while queue:
            node = queue.pop()
            if any(node is n for n in found):
                continue
            found.append(node)
            if isinstance(node, Directory):
                queue += list(node.synced.values()) + list(node.live.values())
                queue += [c.node for c in node.pending if c.node is not None]
        return found

    def states(self, most, seed):
        """What the disk may hold if the power goes now: dicts of path → octets; all, or a sample of `most`."""
        names = [(d, c) for d in self.directories() for c in d.pending]
        files = self.files()
        contents = [f.choices() for f in files]
        count = 2 ** len(names)
        for choice in contents:
            count *= len(choice)
        if count <= most:
            chosen = itertools.product(*([(False, True)] * len(names) + contents))
        else:
            chance = random.Random(seed)
            # Nothing, and everything, are always among them.
            chosen = [tuple([False] * len(names) + [f.synced for f in files]),
                      tuple([True] * len(names) + [f.live for f in files])]
            chosen += [tuple([chance.random() < 0.5 for _ in names] + [chance.choice(c) for c in contents])
                       for _ in range(most)]
        seen = set()
        for choice in chosen:
            happened = {id(c) for (_, c), yes in zip(names, choice) if yes}
            if any(id(c) in happened and c.needs and c.needs[1] in c.needs[0].pending
                   and id(c.needs[1]) not in happened for _, c in names):
                continue
            octets = {id(f): data for f, data in zip(files, choice[len(names) :])}
            state = {}
            self.walk(self.nodes[self.root], "", happened, octets, state)
            key = frozenset(state.items())
            if key not in seen:
                seen.add(key)
                yield state

    def walk(self, directory, path, happened, octets, state):
        there = dict(directory.synced)
        for change in directory.pending:
            if id(change) not in happened:
                continue
            if change.node is None:
                there.pop(change.name, None)
            else:
                there[change.name] = change.node
        for name, node in there.items():
            where = path + "/" + name if path else name
            if isinstance(node, Directory):
                state[where + "/"] = b""
                self.walk(node, where, happened, octets, state)
            else:
                state[where] = octets[id(node)]


def lay_down(state, root):
    """Makes a tree that holds what a state tells."""
    for path, data in sorted(state.items()):
        where = os.path.join(root, path)
        if path.endswith("/"):
            os.makedirs(where, mode=0o700, exist_ok=True)
            continue
        with open(where, "wb") as file:
            file.write(data)
        os.chmod(where, 0o600)
