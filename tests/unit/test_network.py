import pytest

from fabgan.components.core.errors import UserError
from fabgan.components.core.network import check_address, from_environment, holds_secret, through_proxy, without_user
from fabgan.components.services.storage import list_objects
from fabgan.components.services.tracking.store import connect


@pytest.mark.parametrize(
    "address",
    [
        "http://fabuser:S3cret@mlflow.fab:5000",
        "http://fabuser:S3cret/Pw@mlflow.fab",
        "http://fabuser:S3cret#Pw@mlflow.fab",
        "http://fabuser:S3cret?Pw@mlflow.fab",
        "http://fabuser:1234@mlflow.fab",
        "http://fabuser:/S3cret@mlflow.fab",
        "http://fabuser@fab.local:S3cret/Pw@mlflow.fab",
        "https://S3cret@mlflow.fab",
        "http://mlflow.fab/?token=S3cret",
        "http://store.fab/?k=S3cret",
        "postgresql://fabuser:S3cret/Pw@db.fab/mlflow",
        "postgresql://db.fab/mlflow?user=fabuser&password=S3cret",
        "postgresql://db.fab/mlflow?sslmode=require&sslpassword=S3cret",
        "mssql+pyodbc://db.fab/mlflow?odbc_connect=DRIVER%3Dx%3BPWD%3DS3cret",
        "git+https://fabuser:S3cret/Pw@git.fab/fab.git#data",
        "git+https://fabuser:S3#cret@git.fab/fab.git#data",
        "git+https://me:S3cret@with@git.fab/fab.git#data",
        "git+HTTPS://S3cret@git.fab/fab.git#data",
        "git+http://git.fab/fab.git?private_token=S3cret#data",
        "git+ssh://git:S3cret@git.fab/fab.git#data",
        "git+fabuser:S3cret@git.fab:fab.git#data",
        "https://fabuser:S3cret@web.fab/photographs",
        "smb://fabuser:S3cret@files.fab/photographs",
        "s3://KEY:S3cret@bucket/lots",
        "s3://KEY:S3cret/+@bucket/lots",
        "s3://S3cret@bucket",
        "fabuser:S3cret@mlflow.fab:5000",
    ],
)
def test_passwords_and_what_may_be_a_token_are_found_in_addresses(address: str) -> None:
    assert holds_secret(address)


@pytest.mark.parametrize(
    "address",
    [
        "data/photographs@2026",
        "/data/10:30@line-2/photographs",
        "data/rendered.yaml",
        "s3://bucket/lots@2026/10:30@line-2",
        "s3://bucket/what?/lots",
        "models:/bga-generator@champion",
        "models:/bga-generator/3",
        "git@git.fab:vision/fab.git",
        "git+git@git.fab:vision/fab.git#data",
        "git+ssh://git@git.fab:2222/fab.git#lots@2026",
        "git+https://git.fab/@vision/fab.git#data",
        "git+https://git.fab:8443/@vision/fab.git#lots@2026",
        "git+file:///srv/fab@home.git#data",
        "git+https://[fd00::1]:5000/a@b.git#data",
        "git+https://git.fab/R&D/token-ring.git#lots",
        "/nas/R&D/secret/photographs",
        "s3://bucket/R&D/signature-boards/lots",
        "sqlite:////data/R&D/secret/mlflow.db",
        "sqlite:///mlflow.db",
        "sqlite:////data/10:30@line-2/mlflow.db",
        "postgresql://mlflow@db.fab:5432/mlflow?sslmode=verify-full&sslkey=/k.pem&passfile=/home/me/.pgpass",
        "http://mlflow.fab:5000",
        "https://[fd00::1]:5000/mlflow",
        "https://kubeflow.fab/pipeline/#/runs?namespace=vision",
    ],
)
def test_an_at_sign_in_a_path_and_the_user_of_ssh_are_no_secrets(address: str) -> None:
    assert not holds_secret(address)


def test_the_address_of_a_server_without_a_scheme_is_judged_as_one_over_http() -> None:
    with pytest.raises(UserError, match=r"^--host: a user, password or query .*; remove it, and use a file$"):
        check_address("S3cret@kubeflow.fab", "--host", "a file")
    check_address("store.fab:9000", "--host", "a file")


def test_an_at_sign_in_the_path_of_a_server_may_end_a_password() -> None:
    with pytest.raises(
        UserError, match=r"^MLFLOW_TRACKING_URI: a user, password or query .*; remove it, and use a file$"
    ):
        check_address("http://fabuser:12/S3cret@mlflow.fab", "MLFLOW_TRACKING_URI", "a file")


@pytest.mark.parametrize("address", ["http://[x", "https://store.fab:port", "http://store.fab:99999"])
def test_what_is_not_an_address_is_refused_by_the_name_of_its_variable(address: str) -> None:
    with pytest.raises(UserError, match=r"^MLFLOW_TRACKING_URI: '.*' is not an address \(.+\); correct it$"):
        check_address(address, "MLFLOW_TRACKING_URI", "a file")


@pytest.mark.parametrize(
    ("proxy", "said"),
    [
        ("http://fabuser:S3cret@127.0.0.1:9", "http://127.0.0.1:9"),
        ("http://fabuser:S3cret/Pw@127.0.0.1:9", "http://127.0.0.1:9"),
        ("http://fabuser:S3cret#Pw@127.0.0.1:9", "http://127.0.0.1:9"),
        ("http://fabuser:S3cret[Pw@127.0.0.1:9", "http://127.0.0.1:9"),
        ("http://fabuser:S3cret@with@127.0.0.1:9", "http://127.0.0.1:9"),
        ("//fabuser:S3cret@127.0.0.1:9", "127.0.0.1:9"),
        ("fabuser:S3cret@127.0.0.1:9", "127.0.0.1:9"),
        ("127.0.0.1:9", "127.0.0.1:9"),
    ],
)
def test_a_proxy_is_named_without_its_user_and_password(proxy: str, said: str) -> None:
    assert without_user(proxy) == said
    words = f" (asked through the proxy {said}, because no_proxy does not name mlflow.fab)"
    assert through_proxy("http://mlflow.fab:5000", proxy) == words
    assert through_proxy("http://mlflow.fab:5000", "") == ""


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("S3cret\n", "ends with a line break; remove it.*echo -n"),
        ("S3cret\r\n", "ends with a line break; remove it.*echo -n"),
        (" S3cret", "begins or ends with a blank; remove it.*echo -n"),
        ("\t", "begins or ends with a blank; remove it.*echo -n"),
        ("S3cret\nS3cret", "holds a line break or another control character; copy the value again"),
    ],
)
@pytest.mark.parametrize(
    "name",
    [
        "MLFLOW_TRACKING_URI",
        "MLFLOW_TRACKING_USERNAME",
        "MLFLOW_TRACKING_PASSWORD",
        "MLFLOW_TRACKING_TOKEN",
        "AWS_ENDPOINT_URL_S3",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_DEFAULT_REGION",
    ],
)
def test_blanks_and_line_breaks_in_a_variable_are_refused_by_its_name_without_its_value(
    name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=f"^{name}: {said}") as raised:
        connect() if name.startswith("MLFLOW") else list_objects("bucket", "")
    assert "S3cret" not in str(raised.value)


@pytest.mark.parametrize("name", ["MLFLOW_TRACKING_TOKEN", "AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"])
def test_what_no_header_can_hold_is_refused_by_the_name_of_its_variable_without_its_value(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv(name, "\u201cS3cret\u201d")
    with pytest.raises(UserError, match=f"^{name}: holds a character beyond ASCII.*; copy the value again$") as raised:
        connect() if name.startswith("MLFLOW") else list_objects("bucket", "")
    assert "S3cret" not in str(raised.value)


def test_a_variable_that_is_set_to_nothing_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "")
    assert from_environment("AWS_DEFAULT_REGION") == ""


@pytest.mark.parametrize("endpoint", ["http://[::1", "http://exa mple", "http://a_b:9000"])
def test_an_endpoint_that_boto3_refuses_is_refused_by_the_name_of_its_variable(
    endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
    with pytest.raises(UserError, match=r"^AWS_ENDPOINT_URL_S3: '.*' is not an address \(.+\); correct it$"):
        list_objects("bucket", "")
