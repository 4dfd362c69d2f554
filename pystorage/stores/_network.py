"""Whether a path lies on another machine's disk, where locks and shared memory cannot be relied on."""

from __future__ import annotations

import os
import re
import warnings
from typing import Final

# What /proc says of the mounts of this process; other systems have none.
_MOUNTS: Final = "/proc/self/mountinfo"
_NETWORK: Final = frozenset(
    {
        "9p",
        "acfs",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
    }
    | {"ocfs2", "orangefs", "panfs", "pvfs2", "smb2", "smb3", "smbfs"}
)
_FUSE: Final = re.compile(
    r"fuse\.(?:sshfs|s3fs|glusterfs|gcsfuse|rclone|ceph|nfs|davfs|blobfuse|juicefs|goofys|mount-s3|seaweedfs).*"
)
_ESCAPED: Final = re.compile(r"\\([0-7]{3})")

_warned: set[str] = set()


class NetworkFilesystemWarning(UserWarning):
    """A storage that needs the memory and the locks of one machine lies on a disk of another one.

    Raises:
        Nothing.
    """


def network_filesystem(path: str, mounts: str = _MOUNTS) -> str | None:
    """Give the kind of network file system that a path lies on.

    Args:
        path: Something that exists, absolute and without links.
        mounts: The file that lists what is mounted.

    Returns:
        Its kind, such as ``nfs4``; None where it is none, or where the system does not tell.

    Raises:
        Nothing.
    """
    try:
        with open(mounts, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except OSError:
        return None
    best, kind = "", ""
    for line in lines:
        # number parent device root POINT options … - KIND source options
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5 or not after:
            continue
        point = _ESCAPED.sub(lambda octal: chr(int(octal[1], 8)), fields[4])
        inside = path == point or path.startswith(os.path.join(point, ""))
        if inside and len(point) >= len(best):  # of several on one point the last hides the others
            best, kind = point, after.split(" ")[0]
    return kind if kind in _NETWORK or _FUSE.fullmatch(kind) else None


def warn_of_network(path: str, what: str, mounts: str = _MOUNTS) -> None:
    """Warn, once for each path, if it lies on a network file system.

    Args:
        path: Something that exists.
        what: What lies there, for the message.
        mounts: The file that lists what is mounted.

    Raises:
        NetworkFilesystemWarning: Where warnings are errors.
    """
    path = os.path.realpath(path)
    if path in _warned:
        return
    kind = network_filesystem(path, mounts)
    if kind is not None:
        _warned.add(path)
        warnings.warn(
            f"{path!r} lies on a network file system ({kind}), where {what} can be corrupted when several "
            "machines use it: keep it on a disk of this machine, or use a FileStorage or a server",
            NetworkFilesystemWarning,
            stacklevel=4,
        )
