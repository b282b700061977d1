"""A machine whose sendmail is ours, for callers that name /usr/sbin/sendmail themselves.

    with Machine(directory, stage(build, directory)) as machine:
        machine.call(["mutt", "-s", "x", "bob@example.net"], stdin="hello\n")

Each call has a view of the file system of its own: what `meson install` puts
in place lies over /usr, the test's files over /etc, and /root, /home, /run and
/var/spool are the test's. The real system is not touched. Needs root,
unshare(1) and overlayfs.
"""

import glob
import os
import pwd
import shutil
import subprocess

# An ordinary user of that machine.
JOBBER = "jobber"
JOBBER_ID = 42042

# Mounts the layers, then becomes the command. $1: where they are.
ENTER = """\
layers=$1
shift
mount -t overlay overlay -o "lowerdir=$layers/usr:/usr" /usr || exit 125
mount -t overlay overlay -o "lowerdir=$layers/etc:/etc" /etc || exit 125
for name in etc/cron.d root home run var/spool var/mail; do
	mount --bind "$layers/$name" "/$name" || exit 125
done
cd "$HOME" && exec "$@"
"""

ALONE = ["unshare", "-m", "--propagation", "private"]


def missing():
    """Why there can be no such machine here, or None."""
    if os.geteuid() != 0:
        return "needs root"
    if shutil.which("unshare") is None:
        return "unshare is not installed"
    mount = ["mount", "-t", "overlay", "overlay", "-o", "lowerdir=/etc:/usr", "/mnt"]
    result = subprocess.run(ALONE + mount, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if result.returncode != 0:
        return "no overlayfs in a mount namespace of one's own"
    return None


def stage(build, directory):
    """Installs the build below the directory; gives the path of its prefix there."""
    result = subprocess.run(
        ["meson", "install", "-C", build, "--no-rebuild", "--quiet"],
        env=dict(os.environ, DESTDIR=directory),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert result.returncode == 0, result
    found = glob.glob(os.path.join(directory, "**", "sbin", "sendmail"), recursive=True)
    assert len(found) == 1, found
    return os.path.dirname(os.path.dirname(found[0]))


class Machine:
    def __init__(self, directory, prefix):
        self.layers = os.path.join(str(directory), "machine")
        self.queue = self.path("root/.local/state/pillarbox/queue")
        self.jobber_queue = self.path("home/jobber/.local/state/pillarbox/queue")
        self.children = []
        for name in ("etc/cron.d", "root", "home/jobber", "run", "var/mail"):
            os.makedirs(self.path(name), mode=0o755)
        os.makedirs(self.path("var/spool/anacron"))
        os.makedirs(self.path("var/spool/cron/crontabs"))
        # A moved tree: built for one prefix, it now stands under another.
        shutil.copytree(prefix, self.path("usr"), symlinks=True)
        self.add_user()
        self.add_spool_of_at()

    def path(self, name):
        return os.path.join(self.layers, name)

    def file(self, name, text, mode=0o644, owner=0):
        """Writes a file of the machine: file("etc/crontab", "")."""
        path = self.path(name)
        self.directory(os.path.dirname(name), owner)
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        os.chmod(path, mode)
        os.chown(path, owner, owner)
        return path

    def directory(self, name, owner=0):
        path = self.layers
        for part in name.split("/"):
            path = os.path.join(path, part)
            if not os.path.isdir(path):
                os.mkdir(path, 0o755)
                os.chown(path, owner, owner)

    def add_user(self):
        for name, line in (
            ("passwd", "%s:x:%d:%d:Job Ber:/home/%s:/bin/sh\n" % (JOBBER, JOBBER_ID, JOBBER_ID, JOBBER)),
            ("group", "%s:x:%d:\n" % (JOBBER, JOBBER_ID)),
            ("shadow", "%s:*:19000:0:99999:7:::\n" % JOBBER),
        ):
            with open("/etc/" + name, encoding="utf-8") as file:
                self.file("etc/" + name, file.read().rstrip("\n") + "\n" + line,
                          0o600 if name == "shadow" else 0o644)
        os.chown(self.path("home/jobber"), JOBBER_ID, JOBBER_ID)

    def add_spool_of_at(self):
        daemon = pwd.getpwnam("daemon")
        for name in ("atjobs", "atspool"):
            os.makedirs(self.path("var/spool/cron/" + name))
            os.chown(self.path("var/spool/cron/" + name), daemon.pw_uid, daemon.pw_gid)
            os.chmod(self.path("var/spool/cron/" + name), 0o1770)
        self.file("var/spool/cron/atjobs/.SEQ", "0\n", 0o600, daemon.pw_uid)

    def configure(self, text):
        """The same configuration for root and for the ordinary user."""
        self.file("root/.config/pillarbox/config", text, 0o600)
        self.file("home/jobber/.config/pillarbox/config", text, 0o600, JOBBER_ID)

    def words(self, argv):
        """The argv that runs a command on this machine."""
        return ALONE + ["sh", "-c", ENTER, "sh", self.layers] + argv

    def spawn(self, argv, env, user=None, **more):
        if user:
            argv = ["setpriv", "--reuid", user, "--regid", user, "--clear-groups"] + argv
            env = dict(env, HOME="/home/" + user, USER=user, LOGNAME=user)
        child = subprocess.Popen(self.words(argv), env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, **more)
        self.children.append(child)
        return child

    def call(self, argv, env, stdin="", user=None):
        """Runs a caller to its end: (exit code, stdout, stderr)."""
        child = self.spawn(argv, env, user)
        out, err = child.communicate(stdin.encode(), 60)
        assert child.returncode != 125, err
        return child.returncode, out, err

    def done(self):
        for child in self.children:
            if child.poll() is None:
                child.kill()
            child.wait()
            for pipe in (child.stdin, child.stdout, child.stderr):
                if not pipe.closed:
                    pipe.close()
