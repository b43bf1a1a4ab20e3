"""`fabgan upload`: photographs of a workstation become the source of a pipeline."""

import subprocess
import sys
from pathlib import Path

import pytest

from fabgan.components.ingest.sources.bucket import list_bucket
from tests.servers.bucket import Bucket

pytestmark = pytest.mark.integration


def upload(folder: Path, url: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fabgan", "upload", str(folder), url]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def photographs(folder: Path) -> Path:
    for index in range(4):
        path = folder / f"lot-{index // 2}" / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes([index]) * 1000)
    return folder


def test_only_what_is_not_there_is_uploaded(bucket: Bucket, tmp_path: Path) -> None:
    folder = photographs(tmp_path / "photographs")
    first = upload(folder, bucket.url("october"))
    assert first.stdout == f"{bucket.url('october')}: 4 of 4 files uploaded, the others were there\n"
    assert sorted(bucket.objects()) == [f"october/lot-{index // 2}/{index}.png" for index in range(4)]
    before = bucket.objects()
    (folder / "lot-1" / "3.png").write_bytes(b"another photograph")
    (folder / "lot-9").symlink_to(photographs(tmp_path / "more"))
    bucket.put("october/of-somebody-else.png", b"stays")
    second = upload(folder, bucket.url("october"))
    assert "5 of 8 files uploaded" in second.stdout
    after = bucket.objects()
    assert [key for key in before if after[key] != before[key]] in ([], ["october/lot-1/3.png"])  # whole seconds
    assert bucket.get("october/lot-1/3.png") == b"another photograph"
    assert bucket.get("october/lot-9/lot-0/1.png") == bytes([1]) * 1000
    assert bucket.get("october/of-somebody-else.png") == b"stays"
    assert {file.path for file in list_bucket(bucket.url("october")).files} >= {"lot-0/0.png", "lot-1/3.png"}
    assert "0 of 8 files uploaded" in upload(folder, bucket.url("october")).stdout


def test_an_object_whose_etag_is_no_md5_is_told_by_its_sha256(bucket: Bucket, tmp_path: Path) -> None:
    """Here it was put in parts. A store that encrypts with keys of its own (SSE-KMS) has such ETags, too."""
    folder = photographs(tmp_path / "photographs")
    upload(folder, bucket.url("october"))
    wanted = {"Bucket": bucket.name, "Key": "october/lot-1/3.png"}
    metadata = bucket.client.head_object(**wanted)["Metadata"]
    for content in (bytes([3]) * 1000, bytes([4]) * 1000):
        (folder / "lot-1" / "3.png").write_bytes(content)
        begun = bucket.client.create_multipart_upload(**wanted, Metadata=metadata)["UploadId"]
        part = bucket.client.upload_part(**wanted, UploadId=begun, PartNumber=1, Body=bytes([3]) * 1000)
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        bucket.client.complete_multipart_upload(**wanted, UploadId=begun, MultipartUpload=parts)
        expected = int(content[0] == 4)
        assert f"{expected} of 4 files uploaded" in upload(folder, bucket.url("october")).stdout
    assert bucket.get("october/lot-1/3.png") == bytes([4]) * 1000


def test_what_cannot_be_uploaded_is_one_line(bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    broken = photographs(tmp_path / "broken")
    (broken / "lot-2.png").symlink_to(tmp_path / "nowhere.png")
    for folder, url, words in (
        (tmp_path / "missing", bucket.url(), "missing: no such folder; name a folder of photographs"),
        (tmp_path / "empty", bucket.url(), "empty: there are no files in it"),
        (broken, bucket.url(), "lot-2.png: cannot be read: No such file or directory"),
        (broken, "october", "october: expected s3://bucket/prefix"),
        (broken, "s3://no-such-bucket/october", "there is no such bucket"),
    ):
        refused = upload(folder, url)
        assert refused.returncode == 1
        assert words in refused.stderr.splitlines()[-1]
        assert "Traceback" not in refused.stderr
    assert len(bucket.objects()) == 4
