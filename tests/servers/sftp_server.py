"""A real SFTP server for a folder, in a process of its own: python sftp_server.py PORT FOLDER PASSWORD."""

from __future__ import annotations

import asyncio
import sys

import asyncssh


class OneUser(asyncssh.SSHServer):
    """Lets in whoever knows the password."""

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return password == sys.argv[3]


async def serve() -> None:
    await asyncssh.listen(
        "127.0.0.1",
        int(sys.argv[1]),
        server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
        server_factory=OneUser,
        sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=sys.argv[2]),
    )
    await asyncio.Event().wait()


asyncio.run(serve())
