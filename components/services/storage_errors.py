"""What to fix when an object store refuses, or something else answers in its place."""

import os
from pathlib import Path
from typing import Any

from ..core.network import without_user

FIXES = {
    "AccessDenied": "this key has no permission; correct AWS_ACCESS_KEY_ID, or its permissions on the bucket",
    "403": "refused; correct AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or their permissions on the bucket",
    "InvalidAccessKeyId": "the store does not know this key; correct AWS_ACCESS_KEY_ID",
    "SignatureDoesNotMatch": "the store refuses the secret key; correct AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "NoSuchBucket": "there is no such bucket; correct its name, or create it",
    "NoSuchKey": "there is no such object; if it was deleted, run the same command again",
    "404": "there is no such bucket or object; correct its name, or AWS_ENDPOINT_URL_S3, or run the same command again",
    "InvalidBucketName": "this is not a valid name of a bucket; correct it",
    "RequestTimeTooSkewed": "the clocks differ; set the clock of this computer or of the store",
}
"""What to fix, by the store's error code."""
ALWAYS_SAID = {
    "ListObjectsV2": "Name",
    "GetObject": "ETag",
    "HeadObject": "ETag",
    "PutObject": "ETag",
    "UploadPart": "ETag",
    "CreateMultipartUpload": "UploadId",
    "CompleteMultipartUpload": "ETag",
    "ListMultipartUploads": "Bucket",
    "ListParts": "Bucket",
}
"""A field of the answer to each operation that no object store leaves out."""


def what_to_fix(error: BaseException) -> str:
    """Return, in words without a line break, what a person can do about an error of boto3."""
    from boto3.exceptions import S3UploadFailedError
    from botocore import exceptions

    if isinstance(error, S3UploadFailedError) and error.__context__:
        return what_to_fix(error.__context__)
    if isinstance(error, exceptions.ClientError):
        return FIXES.get(error.response["Error"]["Code"]) or _answer(error)
    if isinstance(error, exceptions.NoCredentialsError | exceptions.PartialCredentialsError):
        return "no access keys are set; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    if isinstance(error, exceptions.SSLError):
        return _untrusted(error)
    if isinstance(error, exceptions.ProxyConnectionError):
        return "the proxy does not answer; add the store's host to no_proxy, or correct http_proxy and https_proxy"
    if isinstance(error, exceptions.HTTPClientError | exceptions.ConnectionError):
        return "the store does not answer; start it, or correct AWS_ENDPOINT_URL_S3"
    return " ".join(str(error).split())


def _untrusted(error: BaseException) -> str:
    bundle = os.environ.get("AWS_CA_BUNDLE", "")
    if bundle and not Path(bundle).exists():
        return f"AWS_CA_BUNDLE: there is no file {bundle}; set it to the PEM file of your authority"
    return f"its certificate is not trusted; set AWS_CA_BUNDLE to the PEM file of your authority ({error})"


def _answer(error: Any) -> str:
    """Return the words of a store that refuses, or what to do if something else answers, such as a proxy with a page.

    A store names the code of its error. An answer without a body has its HTTP status for a code.
    """
    code, answer = error.response["Error"]["Code"], error.response["ResponseMetadata"]
    if code and not code.startswith("3"):
        return " ".join(str(error).split())
    elsewhere = without_user(answer["HTTPHeaders"].get("location", "")).partition("?")[0]
    redirects = f" and redirects to {elsewhere}" if elsewhere else ""
    return (
        f"what answers with HTTP status {answer['HTTPStatusCode']}{redirects} is no object store; "
        "correct AWS_ENDPOINT_URL_S3"
    )


def check_answer(http_response: Any, parsed: dict[str, Any], model: Any, **_: Any) -> None:
    """Raise ClientError if an answer lacks what every object store says: a web page with status 200 is no answer."""
    from botocore.exceptions import ClientError

    answer = parsed["ResponseMetadata"]
    if answer["HTTPStatusCode"] < 300 and ALWAYS_SAID.get(model.name, "ResponseMetadata") not in parsed:
        http_response.raw.close()
        raise ClientError({"Error": {"Code": ""}, "ResponseMetadata": answer}, model.name)
