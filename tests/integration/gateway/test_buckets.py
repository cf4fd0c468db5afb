"""100,000 users in the script that Envoy really runs, and in the arithmetic of client and analysis."""

import contextlib
import json
import subprocess

import pytest
import urllib3

from hilir.serving.gateway.lua_script import request_script
from hilir.serving.gateway.runner import find_envoy
from hilir.serving.gateway.settings import GatewaySettings
from hilir.serving.releases.split import choose_label, hash_key
from tests.integration.serving.server_process import free_port

_PART = 5_000
_EXPERIMENT, _RELEASE = "colour-17", "model-2"
# Has the script's own `choose` split each line of the body, and answers with what it chose and what it logged.
_EACH_LINE = r"""
function envoy_on_request(handle)
  local body = handle:body()
  local release = {salt = "@RELEASE", experiment = "@EXPERIMENT", buckets = 3000}
  local answers, key, seen = {}, nil, nil
  local headers = {get = function(_, name) if name == "x-user-key" then return key end end}
  local log = {set = function(_, _, name, value) seen[name] = value end}
  for line in body:getBytes(0, body:length()):gmatch("[^\n]+") do
    key, seen = line, {}
    local label = choose(release, headers, log)
    answers[#answers + 1] = table.concat({label, seen.user, seen.experiment, seen.experiment_user}, " ")
  end
  handle:respond({[":status"] = "200"}, table.concat(answers, "\n"))
end
"""


@contextlib.contextmanager
def envoy_running(folder, script: str):
    """A real Envoy that answers with nothing but a script; yields its address."""
    address = free_port()
    http = "type.googleapis.com/envoy.extensions.filters"
    filters = [
        ("buffer", {"@type": f"{http}.http.buffer.v3.Buffer", "max_request_bytes": 1 << 22}),
        ("lua", {"@type": f"{http}.http.lua.v3.Lua", "default_source_code": {"inline_string": script}}),
        ("router", {"@type": f"{http}.http.router.v3.Router"}),
    ]
    manager = {
        "@type": f"{http}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "test",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
            {"match": {"prefix": "/"}, "direct_response": {"status": 404}}]}]},
        "http_filters": [{"name": f"envoy.filters.http.{name}", "typed_config": config} for name, config in filters],
    }  # fmt: skip
    listener = {
        "name": "test",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": address}},
        "per_connection_buffer_limit_bytes": 1 << 22,
        "filter_chains": [{"filters": [{"name": "envoy.filters.network.http_connection_manager",
                                        "typed_config": manager}]}],
    }  # fmt: skip
    path = folder / "envoy.json"
    path.write_text(json.dumps({"static_resources": {"listeners": [listener]}}))
    command = [str(find_envoy()), "-c", str(path), "-l", "error", "--use-dynamic-base-id", "--concurrency", "1"]
    process = subprocess.Popen(command)
    try:
        yield f"http://127.0.0.1:{address}/"
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def keys() -> list[str]:
    found = [f"user-{number}" for number in range(60_000)]
    found += [f"{number:032x}" for number in range(30_000)]
    found += [f"Größe {number} 用户@example.org" for number in range(9_999)]
    return [*found, "x" * 2_000]


def test_the_script_splits_100_000_users_as_the_arithmetic_says(tmp_path, keys):
    script = request_script(GatewaySettings()).split("function envoy_on_request")[0] + _EACH_LINE
    script = script.replace("@RELEASE", _RELEASE).replace("@EXPERIMENT", _EXPERIMENT)
    pool = urllib3.PoolManager(retries=urllib3.Retry(connect=100, backoff_factor=0.05, backoff_max=0.2))
    candidates = 0
    with envoy_running(tmp_path, script) as address:
        for first in range(0, len(keys), _PART):
            part = keys[first : first + _PART]
            answer = pool.request("POST", address, body="\n".join(part).encode(), timeout=60)
            assert answer.status == 200, answer.data
            expected = [
                f"{choose_label(_EXPERIMENT, key, 30)} {hash_key(_RELEASE, key):08x} {_EXPERIMENT} "
                f"{hash_key(_EXPERIMENT, key):08x}"
                for key in part
            ]
            assert answer.data.decode().split("\n") == expected
            candidates += sum(line.startswith("candidate") for line in expected)
    assert len(keys) == 100_000
    assert abs(candidates / len(keys) - 0.3) < 0.006
