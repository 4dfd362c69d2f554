"""OpenStack Swift and its S3 face, in a process of its own: python swift_server.py FOLDER PORT ACCESS SECRET.

The proxy, an account, a container and an object server, each listening for itself as in a whole cluster; what
they keep is in the folder. There is no memcached: to users who sign each request it is only a cache, and
one that outlives its servers misleads the next.
"""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import eventlet
import eventlet.wsgi
from swift.common import utils
from swift.common.http_protocol import SwiftHttpProtocol
from swift.common.ring import RingBuilder
from swift.common.wsgi import loadapp

# Each ring and the package of the server behind it.
BEHIND = {"account": "account", "container": "container", "object": "obj"}
CLUSTER = "[swift-hash]\nswift_hash_path_suffix = tests\n[storage-policy:0]\nname = one\ndefault = yes\n"
# A user of an account, account:user, has that whole as the access key.
PROXY = """
[DEFAULT]
swift_dir = {folder}
log_level = ERROR
[pipeline:main]
pipeline = catch_errors gatekeeper listing_formats bulk s3api tempauth slo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = yes
[filter:tempauth]
use = egg:swift#tempauth
user_{user} = {secret} .admin
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
""" + "".join(
    f"[filter:{name}]\nuse = egg:swift#{name}\n"
    for name in ("catch_errors", "gatekeeper", "listing_formats", "bulk", "slo")
)


def ring(folder: Path, kind: str, port: int) -> None:
    """Write a ring of one device, which is a folder, behind one port."""
    builder = RingBuilder(part_power=4, replicas=1, min_part_hours=0)
    device = {
        "id": 0,
        "region": 1,
        "zone": 1,
        "weight": 1.0,
        "ip": "127.0.0.1",
        "port": port,
        "device": "disk",
    }
    builder.add_dev({**device, "replication_ip": "127.0.0.1", "replication_port": port, "meta": ""})
    builder.rebalance(seed="tests")
    builder.get_ring().save(str(folder / f"{kind}.ring.gz"))


def serve(listener: Any, app: Any) -> Any:
    """Answer at a listener, beside all else of this process."""
    return eventlet.spawn(
        eventlet.wsgi.server,
        listener,
        app,
        log_output=False,
        protocol=SwiftHttpProtocol,
        capitalize_response_headers=False,  # boto3 knows "ETag", not "Etag"
    )


def run(folder: Path, port: int, access: str, secret: str) -> None:
    """Serve until the process is ended."""
    warnings.filterwarnings("ignore", "capitalize_response_headers is disabled")
    (folder / "disks" / "disk").mkdir(parents=True)
    (folder / "swift.conf").write_text(CLUSTER)
    config = folder / "proxy.conf"
    config.write_text(PROXY.format(folder=folder, user=access.replace(":", "_"), secret=secret))
    utils.monkey_patch()
    utils.set_swift_dir(str(folder))
    import_module("swift.common.storage_policy").reload_storage_policies()
    # Nothing here has a disk of its own, nor waits for one.
    common = {
        "devices": str(folder / "disks"),
        "mount_check": "no",
        "swift_dir": str(folder),
        "log_level": "ERROR",
    }
    common["recon_cache_path"] = str(folder)
    servers = []
    for kind, package in BEHIND.items():
        listener = eventlet.listen(("127.0.0.1", 0))
        ring(folder, kind, listener.getsockname()[1])
        servers.append(serve(listener, import_module(f"swift.{package}.server").app_factory(common)))
    proxy = loadapp(str(config), global_conf={"log_name": "proxy"})
    servers.append(serve(eventlet.listen(("127.0.0.1", port)), proxy))
    for server in servers:
        server.wait()


if __name__ == "__main__":
    run(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:5])
