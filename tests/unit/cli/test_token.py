"""The credential plugin, against a server that answers as an API server does, over real TLS."""

from __future__ import annotations

import json
import ssl
import sys
import threading
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
import yaml

from moorage.cli import main as cli
from moorage.clusters.names import member_account
from moorage.local.pki import Leaf, issue, new_authority

EXPIRES = "2026-01-01T01:00:00Z"
ADA = member_account("ada")


class Handler(BaseHTTPRequestHandler):
    """Knows one cluster, shop/web, and one member, ada."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.seen.append((self.command, self.path, None, dict(self.headers)))
        if self.path.endswith("/namespaces/project-shop/kubernetesclusters/web"):
            self._answer(200, {"metadata": {"uid": "u-1"}})
        else:
            self._answer(404, {"message": 'kubernetesclusters.moorage.dev "nope" not found', "code": 404})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen.append((self.command, self.path, body, dict(self.headers)))
        if self.path.endswith(f"/project-shop/serviceaccounts/{ADA}/token"):
            self._answer(201, {"status": {"token": "t0ken", "expirationTimestamp": EXPIRES}})
        elif "/project-secret/" in self.path:
            self._answer(403, {"message": "serviceaccounts is forbidden", "code": 403})
        else:
            self._answer(404, {"message": 'serviceaccounts "x" not found', "code": 404})

    def _answer(self, status, body):
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def authority():
    return new_authority("test")


@pytest.fixture
def server(tmp_path, authority):
    pair = issue(authority, Leaf("server", hosts=("127.0.0.1",)))
    (tmp_path / "server.pem").write_bytes(pair.certificate + pair.key)
    (tmp_path / "ca.pem").write_bytes(authority.certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    context.load_verify_locations(tmp_path / "ca.pem")
    context.verify_mode = ssl.CERT_OPTIONAL
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    httpd.seen = []
    httpd.socket = context.wrap_socket(httpd.socket, server_side=True)
    threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield SimpleNamespace(url=f"https://127.0.0.1:{httpd.server_port}", seen=httpd.seen)
    httpd.shutdown()
    httpd.server_close()


@pytest.fixture
def use(monkeypatch, tmp_path):
    """Make a kubeconfig the one that is used."""

    def write(server, user, authority=None):
        cluster = {"server": server}
        cluster |= {"certificate-authority": "ca.pem"} if authority is None else {}
        if authority:
            cluster["certificate-authority-data"] = b64encode(authority.certificate).decode()
        path = tmp_path / "kubeconfig"
        path.write_text(
            yaml.safe_dump(
                {
                    "current-context": "c",
                    "contexts": [{"name": "c", "context": {"cluster": "s", "user": "u"}}],
                    "clusters": [{"name": "s", "cluster": cluster}],
                    "users": [{"name": "u", "user": user}],
                }
            )
        )
        monkeypatch.setenv("MOORAGE_KUBECONFIG", str(path))
        return path

    monkeypatch.delenv("KUBERNETES_EXEC_INFO", raising=False)
    return write


def test_a_cluster_token_is_asked_for_with_the_clusters_audience(server, use, capsys):
    use(server.url, {"token": "mine"})
    assert cli.run(["token", "--cluster", "shop/web", "--as", "ada"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": "t0ken", "expirationTimestamp": EXPIRES},
    }
    (_, _, _, headers), (_, _, body, _) = server.seen
    assert headers["Authorization"] == "Bearer mine"
    assert body["spec"] == {"expirationSeconds": 3600, "audiences": ["https://moorage.dev/clusters/u-1"]}


def test_a_project_token_is_for_the_management_cluster(server, use, capsys):
    use(server.url, {"token": "mine"})
    assert cli.run(["token", "--project", "shop", "--as", "ada", "--raw"]) == 0
    assert capsys.readouterr().out == "t0ken\n"
    assert server.seen[-1][2]["spec"] == {"expirationSeconds": 3600}


def test_the_version_that_the_client_asks_for_is_answered(server, use, capsys, monkeypatch):
    use(server.url, {"token": "mine"})
    monkeypatch.setenv(
        "KUBERNETES_EXEC_INFO", json.dumps({"apiVersion": "client.authentication.k8s.io/v1beta1"})
    )
    cli.run(["token", "--project", "shop", "--as", "ada"])
    assert json.loads(capsys.readouterr().out)["apiVersion"] == "client.authentication.k8s.io/v1beta1"


def test_a_client_certificate_is_shown_and_authorities_may_be_data(server, use, authority, tmp_path):
    pair = issue(authority, Leaf("admin", ("system:masters",)))
    data = {
        "client-certificate-data": b64encode(pair.certificate).decode(),
        "client-key-data": b64encode(pair.key).decode(),
    }
    use(server.url, data, authority)
    assert cli.run(["token", "--project", "shop", "--as", "ada"]) == 0
    (tmp_path / "a.crt").write_bytes(pair.certificate)
    (tmp_path / "a.key").write_bytes(pair.key)
    use(server.url, {"client-certificate": "a.crt", "client-key": "a.key"})
    assert cli.run(["token", "--project", "shop", "--as", "ada"]) == 0


def test_a_credential_plugin_is_run_as_kubectl_runs_it(server, use, tmp_path):
    plugin = tmp_path / "plugin.py"
    plugin.write_text(
        "import json, os\n"
        "asked = json.loads(os.environ['KUBERNETES_EXEC_INFO'])\n"
        "print(json.dumps({**asked, 'status': {'token': os.environ['SECRET']}}))\n"
    )
    use(
        server.url,
        {
            "exec": {
                "apiVersion": "client.authentication.k8s.io/v1",
                "command": sys.executable,
                "args": [str(plugin)],
                "env": [{"name": "SECRET", "value": "from-plugin"}],
            }
        },
    )
    assert cli.run(["token", "--project", "shop", "--as", "ada"]) == 0
    assert server.seen[-1][3]["Authorization"] == "Bearer from-plugin"


def test_a_kubeconfig_that_asks_itself_is_found_out(server, use, tmp_path, capfd):
    """Without a limit, each would start the next until the machine is full."""
    path = use(server.url, {})
    asks_itself = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": ["-m", "moorage", "token", "--project", "shop", "--as", "ada"],
        "env": [{"name": "MOORAGE_KUBECONFIG", "value": str(path)}],
    }
    use(server.url, {"exec": asks_itself})
    assert cli.run(["token", "--project", "shop", "--as", "ada"]) == 2
    assert "asks itself for a token" in capfd.readouterr().err
    assert server.seen == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--cluster", "shop/nope", "--as", "ada"], "there is no cluster shop/nope"),
        (["--cluster", "shop/web", "--as", "eve"], "eve is not a member of project shop"),
        (["--project", "secret", "--as", "eve"], "serviceaccounts is forbidden"),
        (["--cluster", "web"], "'web' is not PROJECT/NAME"),
        (["--project", "a/b"], "'a/b' is not the name of a project"),
        (["--project", "shop", "--cluster", "shop/web"], "not allowed with"),
        ([], "one of the arguments --cluster --project is required"),
        (["--project", "shop", "--verbose"], "unrecognized arguments: --verbose"),
    ],
)
def test_what_cannot_be_is_told_in_a_line(server, use, capsys, arguments, told):
    use(server.url, {"token": "mine"})
    assert cli.run(["token", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert told in captured.err
    assert len(captured.err.splitlines()) <= 2


def test_a_server_that_somebody_else_vouches_for_is_not_trusted(server, use, capsys):
    use(server.url, {"token": "mine"}, new_authority("another"))
    assert cli.run(["token", "--project", "shop", "--as", "ada"]) == 2
    assert "certificate verify failed" in capsys.readouterr().err
    assert server.seen == []


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("a: [", "it is not YAML"),
        ("{}", "current-context"),
        ("current-context: x", "'x' is not among its contexts"),
        ("[]", "cannot be used"),
    ],
)
def test_a_broken_kubeconfig_is_named(tmp_path, monkeypatch, capsys, content, told):
    path = tmp_path / "broken"
    path.write_text(content)
    monkeypatch.setenv("MOORAGE_KUBECONFIG", str(path))
    assert cli.run(["token", "--project", "shop"]) == 2
    error = capsys.readouterr().err
    assert str(path) in error
    assert told in error


def test_plain_http_is_not_spoken(use, capsys):
    use("http://127.0.0.1:1", {"token": "mine"})
    assert cli.run(["token", "--project", "shop"]) == 2
    assert "not https://HOST:PORT" in capsys.readouterr().err
