"""Every kind of credentials as google-auth gets them over HTTP, how they are renewed, and why they are not had."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.mlops.tfserving.plugins.module_utils.gcp.auth import fresh
from ansible_collections.mlops.tfserving.plugins.module_utils.gcp.auth_errors import auth_failure, complaint
from ansible_collections.mlops.tfserving.plugins.module_utils.gcp.errors import BadInput, GoogleError
from ansible_collections.mlops.tfserving.plugins.module_utils.gcp.options import GKE_ENDPOINT, argument_spec
from ansible_collections.mlops.tfserving.plugins.module_utils.gcp.rest import connect
from ansible_collections.mlops.tfserving.plugins.module_utils.retry import Clock
from ansible_collections.mlops.tfserving.plugins.modules import gke_cluster_info
from cryptography.hazmat.primitives.asymmetric import rsa
from emulator import Emulator
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient
from token_server import ACCOUNT, KEY, TokenServer, private_key

ROOT = Path(__file__).resolve().parents[3]
OTHER = "prod@p.iam.gserviceaccount.com"
MIDDLE = "middle@p.iam.gserviceaccount.com"
VARIABLES = (
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GCP_AUTH_KIND",
    "GCP_ACCESS_TOKEN",
    "GCP_SERVICE_ACCOUNT_FILE",
)


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[TokenServer]:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    with TokenServer().served() as server:
        yield server


def options(google: TokenServer, kind: str, **more: Any) -> dict[str, Any]:
    """What a module gets when nothing else is set."""
    unset = {name: option.get("default") for name, option in argument_spec(GKE_ENDPOINT).items()}
    return unset | {
        "auth_kind": kind, "api_endpoint": google.url, "iam_credentials_endpoint": google.url, **more,
    }  # fmt: skip


def who(params: dict[str, Any]) -> str:
    """Whom the API sees."""
    return str(connect(params).call("GET", "/api")["name"])


def file(folder: Path, content: Any) -> str:
    path = folder / "credentials.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def failure(params: dict[str, Any]) -> str:
    with pytest.raises(GoogleError) as caught:
        who(params)
    text = str(caught.value)
    assert "\n" not in text
    assert not any(secret in text for secret in ("subject-", "ya29.", "eyJ", "BEGIN", private_key()[100:140]))
    return text


def test_a_service_account_from_a_file_from_text_and_from_a_dictionary(
    google: TokenServer, tmp_path: Path
) -> None:
    key = google.key_file()
    assert who(options(google, "serviceaccount", service_account_file=file(tmp_path, key))) == ACCOUNT
    assert who(options(google, "serviceaccount", service_account_contents=json.dumps(key))) == ACCOUNT
    assert who(options(google, "serviceaccount", service_account_contents=key)) == ACCOUNT


def test_a_token_that_ends_is_renewed_before_it_is_used(google: TokenServer, tmp_path: Path) -> None:
    google.lives = 1
    service = connect(
        options(google, "serviceaccount", service_account_file=file(tmp_path, google.key_file()))
    )
    assert [service.call("GET", "/api")["name"] for _ in range(3)] == [ACCOUNT] * 3
    assert google.asked.count("/token") == 3
    google.lives = 3600
    service.call("GET", "/api")
    google.issued.clear()
    assert service.call("GET", "/api")["name"] == ACCOUNT, "one that is refused is renewed, too"


def test_application_default_credentials(
    google: TokenServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", file(tmp_path, google.key_file()))
    assert who(options(google, "application")) == ACCOUNT
    subject = tmp_path / "subject"
    subject.write_text("subject-1")
    file(tmp_path, google.configuration({"file": str(subject)}))
    assert who(options(google, "application")) == "ci", "Workload Identity Federation"
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    assert f"GOOGLE_APPLICATION_CREDENTIALS {tmp_path}/none.json: No such file" in failure(
        options(google, "application")
    )


@pytest.mark.parametrize(
    "content",
    ["", "null", "[]", '[{"type": "service_account"}]', '{"type": "service_account"}', '{"type": 5}', "{}",
     '{"type": "service_account", "client_email": 5, "private_key": [5], "token_uri": {}}',
     '{"type": "external_account", "credential_source": []}', "\ufeff{}", "\0"],
)  # fmt: skip
def test_application_default_credentials_that_are_none(
    content: str, google: TokenServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file(tmp_path, content)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", path)
    assert path in failure(options(google, "application"))


def test_application_default_credentials_of_a_folder_and_as_text(
    google: TokenServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path))
    assert f"GOOGLE_APPLICATION_CREDENTIALS {tmp_path}: Is a directory." in failure(
        options(google, "application")
    )
    (tmp_path / "key.p12").write_bytes(b"\xff\xfe")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.p12"))
    assert "is not JSON" in failure(options(google, "application"))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", json.dumps(google.key_file()))
    assert "as text: give the file's path" in failure(options(google, "application"))


def test_an_access_token(google: TokenServer) -> None:
    token = google.issue("someone")
    params = options(google, "accesstoken", access_token=token)
    assert who(params) == "someone"
    assert str(fresh(params).token) == token
    google.issued.clear()
    assert failure(params).endswith("give a fresh one.")


def machine(google: TokenServer, **more: Any) -> subprocess.CompletedProcess[str]:
    """google-auth looks for the metadata server once, when it is imported."""
    program = (
        "import json, sys\n"
        "from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder as Finder\n"
        f"Finder(paths=[{str(ROOT / '.collections')!r}])._install()\n"
        "from ansible_collections.mlops.tfserving.plugins.module_utils.gcp.rest import connect, GoogleError\n"
        "import google.auth._exponential_backoff as backoff\n"
        "backoff.time = type('Clock', (), {'sleep': staticmethod(lambda _: None)})\n"
        "try: print(connect(json.load(sys.stdin)).call('GET', '/api')['name'])\n"
        "except GoogleError as error: sys.exit(str(error))\n"
    )
    host = google.url.removeprefix("http://")
    return subprocess.run(
        [sys.executable, "-c", program], input=json.dumps(options(google, "machineaccount", **more)), check=False,
        env={"GCE_METADATA_HOST": host, "GCE_METADATA_IP": host}, text=True,
        capture_output=True,
    )  # fmt: skip


def test_a_machine_account(google: TokenServer) -> None:
    assert machine(google).stdout == "machine@p\n"
    google.may_act_as["machine@p"] = {OTHER}
    assert machine(google, impersonate_service_account=OTHER).stdout == f"{OTHER}\n"
    google.on_google_cloud = False
    elsewhere = machine(google)
    assert "works on Google Cloud only" in elsewhere.stderr
    assert "Traceback" not in elsewhere.stderr


def test_impersonation_with_every_kind(google: TokenServer, tmp_path: Path) -> None:
    subject = tmp_path / "subject"
    subject.write_text("subject-1")
    configuration = tmp_path / "configuration.json"
    configuration.write_text(json.dumps(google.configuration({"file": str(subject)})))
    google.may_act_as = {ACCOUNT: {OTHER}, "someone": {OTHER}, "ci": {OTHER}}
    sources = [
        options(google, "serviceaccount", service_account_contents=google.key_file()),
        options(google, "accesstoken", access_token=google.issue("someone")),
        options(google, "externalaccount", external_account_file=str(configuration)),
    ]
    assert [who(source | {"impersonate_service_account": OTHER}) for source in sources] == [OTHER] * 3


def test_an_impersonated_token_is_renewed(google: TokenServer) -> None:
    google.may_act_as[ACCOUNT], google.lives = {OTHER}, 1
    service = connect(
        options(
            google,
            "serviceaccount",
            service_account_contents=google.key_file(),
            impersonate_service_account=OTHER,
        )
    )
    assert [service.call("GET", "/api")["name"] for _ in range(2)] == [OTHER] * 2
    assert sum("generateAccessToken" in path for path in google.asked) == 2


def test_impersonation_through_others(google: TokenServer) -> None:
    google.may_act_as = {ACCOUNT: {MIDDLE}, MIDDLE: {OTHER}}
    params = options(
        google,
        "serviceaccount",
        service_account_contents=google.key_file(),
        impersonate_service_account=OTHER,
    )
    refused = failure(params)
    assert f"Google gave no access token for {OTHER}" in refused
    assert f"Grant roles/iam.serviceAccountTokenCreator on {OTHER}" in refused
    assert who(params | {"impersonate_service_account_delegates": [MIDDLE]}) == OTHER


def test_a_lifetime_that_is_too_long(google: TokenServer) -> None:
    google.may_act_as[ACCOUNT] = {OTHER}
    params = options(
        google, "serviceaccount", service_account_contents=google.key_file(), impersonate_service_account=OTHER,
        impersonate_service_account_lifetime=7200,
    )  # fmt: skip
    assert "Lower impersonate_service_account_lifetime to 3600" in failure(params)
    assert "from 1 to 43200" in failure(params | {"impersonate_service_account_lifetime": 99999})


def test_the_sandbox_s_accounts_act_for_others_along_a_chain(
    emulator: Emulator, http: TestClient, url: str
) -> None:
    """The emulated IAM Credentials API, which Google's library asks as it is."""
    first, second, third = (
        f"{name}@sandbox-project.iam.gserviceaccount.com" for name in ("first1", "second", "third1")
    )
    for email in (first, second, third):
        http.post("/v1/projects/sandbox-project/serviceAccounts", json={"accountId": email.partition("@")[0]})
    for who, whom in ((first, second), (second, third)):
        binding = {"role": "roles/iam.serviceAccountTokenCreator", "members": [f"serviceAccount:{who}"]}
        name = f"/v1/projects/sandbox-project/serviceAccounts/{whom}:setIamPolicy"
        assert http.post(name, json={"policy": {"bindings": [binding]}}).status_code == 200
    params = {
        "auth_kind": "accesstoken", "access_token": emulator.tokens.issue(first)["access_token"], "scopes": ["x"],
        "iam_credentials_endpoint": url, "impersonate_service_account": third,
        "impersonate_service_account_delegates": [], "impersonate_service_account_lifetime": 600,
    }  # fmt: skip
    with pytest.raises(GoogleError, match=f"Grant roles/iam.serviceAccountTokenCreator on {third}"):
        str(fresh(params).token)
    token = str(fresh(params | {"impersonate_service_account_delegates": [second]}).token)
    assert emulator.tokens.identity(token) == third
    owner = str(fresh(params | {"access_token": emulator.token}).token)
    assert emulator.tokens.identity(owner) == third


def test_workload_identity_federation_from_a_file_and_from_an_address(
    google: TokenServer, tmp_path: Path
) -> None:
    subject = tmp_path / "subject"
    subject.write_text("subject-1")
    by_file = google.configuration({"file": str(subject)})
    params = options(google, "externalaccount", external_account_file=file(tmp_path, by_file))
    assert who(params) == "ci"
    by_address = {
        "url": f"{google.url}/subject", "headers": {"X-Secret": "let-me"},  # pragma: allowlist secret
        "format": {"type": "json", "subject_token_field_name": "id_token"},
    }  # fmt: skip
    file(tmp_path, google.configuration(by_address))
    assert who(params) == "ci"
    google.may_act_as["ci"] = {OTHER}
    act = f"{google.url}/v1/projects/-/serviceAccounts/{OTHER}:generateAccessToken"
    file(tmp_path, google.configuration({"file": str(subject)}, service_account_impersonation_url=act))
    assert who(params) == OTHER, "as the configuration says"
    file(tmp_path, google.configuration(by_address | {"headers": {}}))
    assert f"See that the credential configuration's source ({google.url}/subject)" in failure(params)


def test_a_federation_s_token_is_read_anew_when_google_s_ends(google: TokenServer, tmp_path: Path) -> None:
    subject = tmp_path / "subject"
    subject.write_text("subject-1")
    path = file(tmp_path, google.configuration({"file": str(subject)}))
    google.lives = 1
    service = connect(options(google, "externalaccount", external_account_file=path))
    assert service.call("GET", "/api")["name"] == "ci"
    subject.write_text("subject-2")
    google.subjects = {"subject-2": "ci-later"}
    assert service.call("GET", "/api")["name"] == "ci-later"


@pytest.mark.parametrize(
    ("subject", "change", "words"),
    [
        (
            "eyJhbGciOiJub25lIn0.e30.",  # pragma: allowlist secret
            {},
            "The identity provider's token is too old: let what writes it ({subject}) write a new one",
        ),
        (
            "subject-1",
            {"audience": "//iam.googleapis.com/other"},
            "name a provider that exists and is enabled",
        ),
        ("subject-9", {}, "attribute condition does not let this identity in"),
        (None, {}, "See that the credential configuration's source ({subject})"),
    ],
)
def test_why_a_federation_is_refused(
    google: TokenServer, tmp_path: Path, subject: str | None, change: dict[str, Any], words: str
) -> None:
    google.subjects["subject-9"] = "stranger"
    path = tmp_path / "subject"
    if subject:
        path.write_text(subject)
    configuration = google.configuration({"file": str(path)}) | change
    params = options(google, "externalaccount", external_account_file=file(tmp_path, configuration))
    assert words.format(subject=path) in failure(params)


def test_a_key_that_google_does_not_know(google: TokenServer) -> None:
    other = google.key_file(rsa.generate_private_key(public_exponent=65537, key_size=2048))
    text = failure(options(google, "serviceaccount", service_account_contents=other))
    assert "Google does not know this key of the service account, or no longer: create a new one." in text


@pytest.mark.parametrize("hours", [-3, 3])
def test_a_clock_that_is_wrong(google: TokenServer, hours: int) -> None:
    google.skew = hours * 3600
    text = failure(options(google, "serviceaccount", service_account_contents=google.key_file()))
    assert f"This machine's clock says {time.strftime('%Y-%m-%d', time.gmtime())}" in text


def test_a_token_endpoint_that_is_not_there(google: TokenServer) -> None:
    """Nothing was asked of the service, so that even a request which may not be repeated is tried again."""
    key = google.key_file() | {"token_uri": "http://127.0.0.1:1/token"}
    service = connect(options(google, "serviceaccount", service_account_contents=key))
    waits: list[float] = []
    service.clock = Clock(sleep=waits.append)
    with pytest.raises(
        GoogleError, match=r"no access token, since 127\.0\.0\.1:1 can't be reached: .*Connection refused"
    ):
        service.call("POST", "/api", {})
    assert len(waits) == 5
    with pytest.raises(GoogleError, match=r"^no access token, since 127\.0\.0\.1:1 can't be reached"):
        str(fresh(options(google, "serviceaccount", service_account_contents=key)).token)


KEY_FILE = {
    "type": "service_account",
    "client_email": "a@b",
    "private_key": private_key(),
    "token_uri": "http://t",
}


@pytest.mark.parametrize(
    ("kind", "given", "words"),
    [
        ("serviceaccount", {}, "needs service_account_file or service_account_contents"),
        ("accesstoken", {}, "needs access_token (or GCP_ACCESS_TOKEN)"),
        ("externalaccount", {}, "needs external_account_file (or GCP_EXTERNAL_ACCOUNT_FILE)"),
        ("application", {"service_account_file": "/k"}, "service_account_file (or its environment variable) is for auth_kind=serviceaccount"),
        ("serviceaccount", {"access_token": "ya29.x"}, "is for auth_kind=accesstoken"),
        ("serviceaccount", {"service_account_file": "/nowhere/key.json"}, "/nowhere/key.json: No such file or directory."),
        ("serviceaccount", {"service_account_contents": "{"}, "service_account_contents is not JSON"),
        ("serviceaccount", {"service_account_contents": "[]"}, "service_account_contents is not a JSON object"),
        ("serviceaccount", {"service_account_contents": {**KEY_FILE, "token_uri": ""}}, "it lacks token_uri: download it again."),
        ("serviceaccount", {"service_account_contents": {**KEY_FILE, "private_key": "-----BEGIN RSA"}}, "its private_key can't be read"),
        ("serviceaccount", {"service_account_contents": {"type": "external_account"}}, "give it with auth_kind=externalaccount and external_account_file"),
        ("serviceaccount", {"service_account_contents": {"type": "authorized_user"}}, "auth_kind=application and GOOGLE_APPLICATION_CREDENTIALS"),
        ("serviceaccount", {"service_account_contents": {"type": "x"}}, "is of type x, not service_account: give another file."),
    ],
)  # fmt: skip
def test_options_that_do_not_go_together(
    google: TokenServer, kind: str, given: dict[str, Any], words: str
) -> None:
    params = options(google, kind, **given)
    assert words in failure(params)
    assert google.asked == []
    with pytest.raises(BadInput):
        who(params)


def test_a_configuration_that_is_none(google: TokenServer, tmp_path: Path) -> None:
    path = file(tmp_path, google.configuration({}))
    text = failure(options(google, "externalaccount", external_account_file=path))
    assert f"external_account_file {path} is not a credential configuration" in text


def test_a_module_takes_its_credentials_from_the_environment(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    key = {
        "type": "service_account",
        "client_email": ACCOUNT,
        "private_key": private_key(),
        "token_uri": f"{url}/token",
    }
    monkeypatch.setenv("GCP_SERVICE_ACCOUNT_FILE", file(tmp_path, key))
    monkeypatch.setenv("GCP_AUTH_KIND", "serviceaccount")
    with (
        patch_module_args(
            {"project": "my-project", "location": "us-central1", "name": "c", "api_endpoint": url}
        ),
        pytest.raises(SystemExit),
    ):
        gke_cluster_info.main()
    output = capsys.readouterr().out
    assert "Google does not know this key" in json.loads(output)["msg"], "the emulator's own key is another"
    assert private_key()[100:140] not in output


@settings(max_examples=30)
@given(st.text(max_size=40), st.text("abcXYZ019_-", min_size=1, max_size=60), st.text(max_size=40))
def test_no_secret_gets_into_a_complaint(before: str, secret: str, after: str) -> None:
    for made in (f"ya29.{secret}", f"eyJ{secret}.eyJ{secret}.{secret}", private_key(KEY)):
        for error in (
            ValueError(f"{before} {made} {after}"),
            ValueError("no", {"error": {"message": f"{made}{after}"}}),
        ):
            text = complaint(error) + auth_failure(error, {})
            assert made not in text
            assert "\n" not in text
