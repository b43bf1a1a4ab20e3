"""A real object store on this computer: OpenStack Swift with its S3 API, installed in a place of its own (.venv-s3)."""

import contextlib
import getpass
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BIN = Path(__file__).resolve().parents[2] / ".venv-s3" / "bin"
START_TIMEOUT_S = 120
RINGS = ("account", "container", "object")
FILTERS = ("catch_errors", "gatekeeper", "healthcheck", "listing_formats", "bulk", "copy", "slo", "symlink")

SWIFT = """
[swift-hash]
swift_hash_path_prefix = fabgan
swift_hash_path_suffix = tests
[storage-policy:0]
name = default
default = yes
"""
TLS = """
cert_file = {certificate}/tls.crt
key_file = {certificate}/tls.key
"""
DEFAULT = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
disable_fallocate = true
fallocate_reserve = 0
log_level = WARNING
"""
RING = """
[pipeline:main]
pipeline = {ring}-server
[app:{ring}-server]
use = egg:swift#{ring}
lock_path = {folder}
"""
PROXY = """
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck listing_formats bulk s3api tempauth copy slo symlink proxy-server
[app:proxy-server]
use = egg:swift#proxy
allow_account_management = true
account_autocreate = true
[filter:tempauth]
use = egg:swift#tempauth
user_fab_tests = {secret} .admin
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
check_bucket_owner = false
"""


@dataclass(frozen=True)
class S3Server:
    """Where the store is, and its keys."""

    endpoint: str
    access_key: str = "fab:tests"
    secret_key: str = "only-for-tests"

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which boto3, DVC and MLflow find it."""
        return {
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
        }


@contextlib.contextmanager
def running_s3(folder: Path, certificate: Path | None = None) -> Iterator[S3Server]:
    """Run a store that keeps everything in `folder`, which must be on a file system with extended attributes.

    With a folder that has a certificate for localhost, it serves TLS; this process trusts that by SSL_CERT_FILE.
    """
    assert (BIN / "swift-proxy-server").exists(), "no object store to test with: run `make .venv-s3/installed`"
    ports = dict(zip((*RINGS, "proxy"), free_ports(4), strict=True))
    server = S3Server(f"{'https://localhost' if certificate else 'http://127.0.0.1'}:{ports['proxy']}")
    _configure(folder, ports, server.secret_key, TLS.format(certificate=certificate) if certificate else "")
    with contextlib.ExitStack() as stack:
        log = stack.enter_context((folder / "log").open("w"))
        for name in ports:
            command = [BIN / f"swift-{name}-server", folder / f"{name}.conf"]
            process = stack.enter_context(subprocess.Popen(command, stdout=log, stderr=log))
            stack.callback(process.terminate)
        _wait_for(server.endpoint, folder / "log")
        yield server


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on, all different."""
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(socket.socket()) for _ in range(count)]
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return [int(listener.getsockname()[1]) for listener in listeners]


def _configure(folder: Path, ports: dict[str, int], secret: str, tls: str) -> None:
    (folder / "devices" / "disk").mkdir(parents=True)
    (folder / "swift.conf").write_text(SWIFT)
    filters = "".join(f"[filter:{name}]\nuse = egg:swift#{name}\n" for name in FILTERS)
    for name, port in ports.items():
        body = PROXY.format(secret=secret) + filters if name == "proxy" else RING.format(ring=name, folder=folder)
        settings = DEFAULT.format(port=port, user=getpass.getuser(), folder=folder) + (tls if name == "proxy" else "")
        (folder / f"{name}.conf").write_text(settings + body)
    for ring in RINGS:
        device = ["--region=1", "--zone=1", "--ip=127.0.0.1", f"--port={ports[ring]}", "--device=disk", "--weight=1"]
        for arguments in (["create", "4", "1", "1"], ["add", *device], ["rebalance"]):
            command = [str(BIN / "swift-ring-builder"), str(folder / f"{ring}.builder"), *arguments]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _wait_for(endpoint: str, log: Path) -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline_s:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{endpoint}/healthcheck", timeout=1):
            return
        time.sleep(0.2)
    raise TimeoutError(f"no object store at {endpoint} after {START_TIMEOUT_S} s:\n{log.read_text()}")
