"""The Lua script that Envoy runs for each request: which version, and what the log is to know.

The split itself is in the metadata of a model's route (`routes.py`). The arithmetic is that of
`hilir.serving.releases.split`.
"""

from __future__ import annotations

from hilir.serving.gateway.settings import GatewaySettings

CLUSTER_HEADER = "x-hilir-cluster"
SHADOW_HEADER = "x-hilir-shadow"
SHADOW_VERSION_HEADER = "x-hilir-shadow-version"
LABEL_HEADER = "x-model-label"
VERSION_HEADER = "x-model-version"
SHADOW_CLUSTER = "models_shadow"
DIRECT_CLUSTER = "models_direct"

_REQUEST = """
local bit = require("bit")
local band, bxor, rshift, lshift, tobit = bit.band, bit.bxor, bit.rshift, bit.lshift, bit.tobit

-- a * b modulo 2^32: a double holds the product of 32 and 16 bits exactly.
local function multiply(a, b)
  return tobit(lshift(band(rshift(a, 16) * b, 0xffff), 16) + band(a, 0xffff) * b)
end

local function hash(text)
  local value = tobit(2166136261)
  for i = 1, #text do
    value = multiply(bxor(value, text:byte(i)), 16777619)
  end
  value = multiply(bxor(value, rshift(value, 16)), 0x85ebca6b)
  value = multiply(bxor(value, rshift(value, 13)), 0xc2b2ae35)
  value = bxor(value, rshift(value, 16))
  if value < 0 then value = value + 4294967296 end
  return value
end

local function choose(release, headers, log)
  local key = headers:get("USER_KEY_HEADER")
  local value
  if key == nil or key == "" then
    value = math.random(0, 9999)
  else
    value = hash(release["salt"] .. ":" .. key)
    log:set("hilir", "user", string.format("%08x", value))
  end
  if value % 10000 < release["buckets"] then return "candidate" end
  return "stable"
end

function envoy_on_request(handle)
  local headers = handle:headers()
  headers:remove("CLUSTER_HEADER")
  headers:remove("SHADOW_HEADER")
  headers:remove("SHADOW_VERSION_HEADER")
  local log = handle:streamInfo():dynamicMetadata()
  local path = headers:get(":path")
  log:set("hilir", "path", path)
  local wanted = headers:get("LABEL_HEADER")
  local model, selector, name, verb = path:match("^/v1/models/([^/:]+)/(%a+)/([^/:]+):(%a+)")
  if model == nil then model, verb = path:match("^/v1/models/([^/:]+):(%a+)") end
  if model == nil then
    if wanted ~= nil then log:set("hilir", "label", wanted) end
    return
  end
  log:set("hilir", "model", model)
  headers:replace("CLUSTER_HEADER", "DIRECT_CLUSTER")
  local release = handle:metadata():get("release")
  if selector == "versions" then
    log:set("hilir", "version", name)
    return
  end
  if release == nil then return end
  local label = name or wanted
  if label == nil then label = choose(release, headers, log) end
  local version = release[label]
  if (label ~= "stable" and label ~= "candidate") or version == nil then
    -- The server has the words for a label that it does not know.
    if name == nil and label:match("^[%w_]+$") then
      headers:replace(":path", "/v1/models/" .. model .. "/labels/" .. label .. ":" .. verb)
    end
    return
  end
  log:set("hilir", "label", label)
  log:set("hilir", "version", version)
  if label == "stable" and release["shadow"] > 0 and math.random(0, 9999) < release["shadow"] then
    headers:replace("SHADOW_HEADER", "SHADOW_CLUSTER")
    headers:replace("SHADOW_VERSION_HEADER", release["candidate"])
  end
  headers:replace("CLUSTER_HEADER", "models_" .. label)
  headers:replace(":path", "/v1/models/" .. model .. "/versions/" .. version .. ":" .. verb)
end

function envoy_on_response(handle)
  local log = handle:streamInfo():dynamicMetadata():get("hilir")
  if log == nil or log["version"] == nil then return end
  handle:headers():replace("VERSION_HEADER", log["version"])
  if log["label"] ~= nil then handle:headers():replace("LABEL_HEADER", log["label"]) end
end
"""

_SHADOW = """
function envoy_on_request(handle)
  local headers = handle:headers()
  local version = headers:get("SHADOW_VERSION_HEADER")
  local model, verb = headers:get(":path"):match("^/v1/models/([^/:]+)/versions/%d+:(%a+)")
  if version == nil or model == nil then
    handle:respond({[":status"] = "404"}, "")
    return
  end
  local log = handle:streamInfo():dynamicMetadata()
  log:set("hilir", "model", model)
  log:set("hilir", "version", version)
  log:set("hilir", "label", "shadow")
  headers:replace(":path", "/v1/models/" .. model .. "/versions/" .. version .. ":" .. verb)
end
"""


def request_script(settings: GatewaySettings) -> str:
    """Returns the script of the listener where clients come."""
    return _named(_REQUEST).replace("USER_KEY_HEADER", settings.user_key_header)


def shadow_script() -> str:
    """Returns the script of the listener that copies of requests go through."""
    return _named(_SHADOW)


def _named(script: str) -> str:
    names = {
        "SHADOW_VERSION_HEADER": SHADOW_VERSION_HEADER,
        "SHADOW_HEADER": SHADOW_HEADER,
        "SHADOW_CLUSTER": SHADOW_CLUSTER,
        "CLUSTER_HEADER": CLUSTER_HEADER,
        "DIRECT_CLUSTER": DIRECT_CLUSTER,
        "LABEL_HEADER": LABEL_HEADER,
        "VERSION_HEADER": VERSION_HEADER,
    }
    for name, value in names.items():
        script = script.replace(name, value)
    return script
