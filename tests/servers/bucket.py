"""A bucket of an object store, as tests fill it and look into it."""

import uuid
from pathlib import Path
from typing import Any

import boto3

from tests.servers.s3 import S3Server


class Bucket:
    """A bucket that is made here, and holds nothing but what the test puts."""

    def __init__(self, server: S3Server) -> None:
        self.server, self.name = server, f"fab-{uuid.uuid4().hex[:12]}"
        session = boto3.Session(server.access_key, server.secret_key, region_name="us-east-1")
        self.client = session.client("s3", endpoint_url=server.endpoint)
        self.client.create_bucket(Bucket=self.name)

    def url(self, prefix: str = "") -> str:
        """Return the address of a prefix."""
        return f"s3://{self.name}/{prefix}"

    def put(self, key: str, content: bytes) -> None:
        """Put an object."""
        self.client.put_object(Bucket=self.name, Key=key, Body=content)

    def put_folder(self, folder: Path, prefix: str) -> None:
        """Put every file of a folder below a prefix."""
        for path in folder.rglob("*"):
            if path.is_file():
                self.put(f"{prefix}/{path.relative_to(folder).as_posix()}", path.read_bytes())

    def get(self, key: str) -> bytes:
        """Return the bytes of an object."""
        content: bytes = self.client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return content

    def remove(self, key: str) -> None:
        """Delete an object."""
        self.client.delete_object(Bucket=self.name, Key=key)

    def objects(self) -> dict[str, Any]:
        """Return when each object was last put, by key."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return {item["Key"]: item["LastModified"] for page in pages for item in page.get("Contents", [])}
