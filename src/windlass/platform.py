"""The one seam to the operating system: locks, process groups, parent death, short socket paths.

Standard library only and cheap to import, since the supervisor lives on little more than this file.

A lock here is an ``flock``: it belongs to the open file, so a forked child would go on holding it after
its parent died. Every lock therefore closes itself in forked children. Lock files are never deleted: a
deleted one could be locked by two processes at once, one by its old inode and one by its new.
"""

from __future__ import annotations

import os
import signal
import stat
import sys
import weakref

from windlass.errors import ConfigError, ServiceError, StoreUnavailable

WINDOWS = sys.platform == "win32"

_SOCKET_PATH_MAX = 100
# Far beyond the text, so that Windows, whose locks forbid reading, still lets others read the pid.
_WINDOWS_LOCK_AT = 1 << 30

_open_locks: weakref.WeakSet[FileLock] = weakref.WeakSet()


class FileLock:
    """An exclusive lock between processes, released by the system when its holder dies.

    The file's text, such as the holder's pid, may be read without the lock.

    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "lock")
    >>> lock = FileLock(path)
    >>> lock.try_acquire(), FileLock(path).try_acquire()
    (True, False)
    >>> lock.release()
    >>> is_locked(path)
    False
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self._fd = -1

    @property
    def held(self) -> bool:
        """True between acquire and release, in the process that acquired."""
        return self._fd >= 0

    def try_acquire(self) -> bool:
        """Takes the lock if it is free; True when it is held now."""
        if self._fd >= 0:
            return True
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not _lock(fd):
            os.close(fd)
            return False
        self._fd = fd
        _open_locks.add(self)
        return True

    def acquire(self, timeout: float | None = None) -> bool:
        """Takes the lock, waiting at most ``timeout`` seconds (None: as long as it takes)."""
        if self.try_acquire():
            return True
        from windlass import clock

        deadline = None if timeout is None else clock.monotonic() + timeout
        pause = 0.0005
        while not self.try_acquire():
            if deadline is not None and clock.monotonic() >= deadline:
                return False
            clock.sleep(pause)
            pause = min(pause * 2, 0.02)
        return True

    def release(self) -> None:
        """Gives the lock back; harmless when it is not held."""
        fd, self._fd = self._fd, -1
        _open_locks.discard(self)
        if fd >= 0:
            _unlock(fd)
            os.close(fd)

    def write(self, text: str) -> None:
        """Replaces the file's text; only the holder may."""
        if self._fd < 0:
            raise ServiceError(f"expected the lock {self.path} to be held before its text is written")
        raw = text.encode()
        # Overwritten before it is cut: whoever reads meanwhile finds the new text whole, then perhaps the
        # rest of the old.
        os.pwrite(self._fd, raw, 0)
        os.ftruncate(self._fd, len(raw))

    def _forget(self) -> None:
        # Closed but not unlocked: unlocking would take the lock away from the parent, who shares it.
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def file_lock(path: str | os.PathLike[str]) -> FileLock:
    """A lock on that file, not yet taken."""
    return FileLock(path)


def is_locked(path: str | os.PathLike[str]) -> bool:
    """True while a process holds the lock. Creates nothing."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        # Shared, so that two onlookers do not take each other for a holder.
        if not _lock(fd, shared=True):
            return True
        _unlock(fd)
        return False
    finally:
        os.close(fd)


def _forget_locks_in_child() -> None:
    for lock in list(_open_locks):
        lock._forget()  # pyright: ignore[reportPrivateUsage]
    _open_locks.clear()


if sys.platform == "win32":
    import msvcrt

    def _lock(fd: int, *, shared: bool = False) -> bool:
        del shared  # these locks know no sharing: an onlooker may for a moment look like a holder
        os.lseek(fd, _WINDOWS_LOCK_AT, os.SEEK_SET)
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(fd: int) -> None:
        os.lseek(fd, _WINDOWS_LOCK_AT, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(fd: int, *, shared: bool = False) -> bool:
        try:
            fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_UN)

    os.register_at_fork(after_in_child=_forget_locks_in_child)


def set_parent_death_signal(parent_pid: int) -> None:
    """Ties this process to its parent: when the parent dies, by whatever means, so does this one.

    On Linux the kernel sees to it; call it in the child, first thing. The signal comes when the parent's
    *thread* that spawned ends, so spawn from a thread that lives as long as the process. Elsewhere this
    does nothing, and the child must watch an inherited pipe for its end.
    """
    if sys.platform != "linux":
        return
    import ctypes

    pr_set_pdeathsig = 1
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(pr_set_pdeathsig, signal.SIGKILL, 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"prctl(PR_SET_PDEATHSIG): {os.strerror(error)}")
    if os.getppid() != parent_pid:
        # It died before the kernel was told to watch it.
        os._exit(1)


def kill_group(pid: int, signal_number: int | None = None) -> bool:
    """Signals (SIGKILL by default) the process group led by ``pid``; False when nothing of it is left."""
    try:
        if sys.platform == "win32":
            os.kill(pid, signal.SIGTERM)
        else:
            os.killpg(pid, signal.SIGKILL if signal_number is None else signal_number)
    except ProcessLookupError:
        return False
    return True


def alive(pid: int) -> bool:
    """True while a process with that id exists, whoever owns it. A zombie still counts."""
    if sys.platform == "win32":
        # There, os.kill() with 0 is a Ctrl-C.
        import ctypes

        query_limited_information = 0x1000
        handle = ctypes.windll.kernel32.OpenProcess(query_limited_information, False, pid)
        return bool(handle and ctypes.windll.kernel32.CloseHandle(handle))
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def state_folder(database: str | os.PathLike[str], *, create: bool = True) -> str:
    """The folder beside a database file for locks, sockets and logs: ``<database>-windlass``, mode 0700.

    One database has one folder, by whatever symbolic link it is reached.

    Raises:
        StoreUnavailable: it cannot be created.
    """
    folder = os.path.realpath(database) + "-windlass"
    if create:
        try:
            os.mkdir(folder, 0o700)
        except FileExistsError:
            return folder
        except OSError as error:
            raise StoreUnavailable(
                f"{folder} cannot be created ({error.strerror}): check the path, permissions and free space"
            ) from error
    return folder


def runtime_dir(folder: str | os.PathLike[str], *, create: bool = True) -> str:
    """Where sockets for that state folder live: itself, or a short private folder when its path is long.

    The system limits a socket's path to about a hundred bytes, names of up to 24 bytes included here.

    Raises:
        ServiceError: the short folder exists and is not ours alone.
    """
    home = os.path.realpath(folder)
    if len(os.fsencode(home)) + 25 <= _SOCKET_PATH_MAX:
        return home
    import hashlib

    name = hashlib.blake2s(os.fsencode(home), digest_size=10).hexdigest()
    user = os.getuid() if sys.platform != "win32" else 0
    short = os.path.join(_common_temp(), f"windlass-{user}-{name}")
    if not create:
        return short
    os.makedirs(short, mode=0o700, exist_ok=True)
    if sys.platform != "win32":
        found = os.lstat(short)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != user or found.st_mode & 0o077:
            raise ServiceError(
                f"expected {short} to be a folder that only you can enter (your own, mode 0700): remove it, "
                "and it is made anew"
            )
    return short


def leave_runtime_dir(folder: str | os.PathLike[str]) -> None:
    """Removes the short folder of that state folder, where it has one and nothing is in it any more."""
    short = runtime_dir(folder, create=False)
    if short == os.path.realpath(folder):
        return
    try:
        os.rmdir(short)
    except OSError:
        return  # someone else's socket is still in it, or it never was


def _common_temp() -> str:
    # Not TMPDIR when it can be helped: two processes with different ones must find the same socket.
    if os.access("/tmp", os.W_OK | os.X_OK):
        return "/tmp"
    import tempfile

    return tempfile.gettempdir()


def local_zone(etc: str = "/etc") -> str:
    """The name of this machine's time zone in the tz database, such as ``Europe/Zurich``.

    From ``TZ``, from where ``/etc/localtime`` leads to (Linux, macOS, the BSDs), or from ``/etc/timezone``; a
    machine that has none of them lives in UTC.

    Raises:
        ConfigError: it has a zone whose name cannot be told; the message says how to give it.
    """
    named = os.environ.get("TZ")
    if named is not None:
        path = named.removeprefix(":")
        return _zone_of(path) or path or "UTC"
    if sys.platform == "win32":
        raise ConfigError(
            'Windows has other names for time zones: give tz="Europe/Zurich", or set TZ=Europe/Zurich'
        )
    localtime, timezone = os.path.join(etc, "localtime"), os.path.join(etc, "timezone")
    # Not the real path: one zone may be a link to another, and the name that was chosen is the one to keep.
    found = _zone_of(os.readlink(localtime)) if os.path.islink(localtime) else None
    if found is None and os.path.exists(timezone):
        with open(timezone, encoding="utf-8") as file:
            found = file.read().strip() or None
    if found is None and os.path.lexists(localtime):
        raise ConfigError(
            f"{localtime} does not tell the name of its time zone: "
            'give tz="Europe/Zurich", or set TZ=Europe/Zurich'
        )
    return found or "UTC"


def _zone_of(path: str) -> str | None:
    _, found, name = path.rpartition("zoneinfo/")
    return name.removeprefix("posix/").removeprefix("right/") if found else None
