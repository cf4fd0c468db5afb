"""The Lua script that Envoy runs for each request: which version, and what the log is to know.

The split itself is in the metadata of a model's routes (`routes.py`). The arithmetic is that of
`hilir.serving.releases.split`.
"""

from __future__ import annotations

from hilir.serving.gateway.lua_message import MESSAGE
from hilir.serving.gateway.settings import GatewaySettings

CLUSTER_HEADER = "x-hilir-cluster"
MODEL_HEADER = "x-hilir-model"
SHADOW_HEADER = "x-hilir-shadow"
SHADOW_VERSION_HEADER = "x-hilir-shadow-version"
REST_CLUSTERS = "models_"
GRPC_CLUSTERS = "models_grpc_"
"""Begin the names of clusters; they end in a label, in `direct` (no split), or in `shadow` (copies)."""

_CHOICE = r"""
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

local DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function decode_base64(text)
  local bytes, value, bits = {}, 0, 0
  for digit in text:gmatch("[%w+/]") do
    value, bits = value * 64 + DIGITS:find(digit, 1, true) - 1, bits + 6
    if bits >= 8 then
      bits = bits - 8
      local rest = value % 2 ^ bits
      bytes[#bytes + 1] = string.char((value - rest) / 2 ^ bits)
      value = rest
    end
  end
  return table.concat(bytes)
end

-- gRPC sends what is not ASCII as base64, under a name that ends in -bin.
local function read_key(headers)
  local key = headers:get("@USER_KEY")
  if key ~= nil and key ~= "" then return key end
  local binary = headers:get("@USER_KEY-bin")
  return binary and decode_base64(binary)
end

-- While an experiment runs, its own hash decides, and whoever has no key takes part without being counted as a user.
local function choose(release, headers, log)
  local key, experiment = read_key(headers), release["experiment"]
  local value
  if experiment ~= nil then log:set("hilir", "experiment", experiment) end
  if key == nil or key == "" then
    value = math.random(0, 9999)
  else
    value = hash(release["salt"] .. ":" .. key)
    log:set("hilir", "user", string.format("%08x", value))
    if experiment ~= nil then
      value = hash(experiment .. ":" .. key)
      log:set("hilir", "experiment_user", string.format("%08x", value))
    end
  end
  if value % 10000 < release["buckets"] then return "candidate" end
  return "stable"
end

-- The version of a label; nil for labels that only the server may know, and has the words for.
local function find_version(release, label)
  if label == "stable" or label == "candidate" then return release[label] end
  return nil
end

local function note_model(headers, log, model, clusters)
  log:set("hilir", "model", model)
  headers:replace("@MODEL", model)
  headers:replace("@CLUSTER", clusters .. "direct")
end

-- Only predictions are counted, of versions that are released.
local function note_version(log, version, predicts, release, arm)
  log:set("hilir", "version", version)
  if predicts and release ~= nil and release["versions"]:find("," .. version .. ",", 1, true) then
    log:set("hilir", "counted", version)
    log:set("hilir", "arm", arm or "named")
  end
end

local function send_to(headers, log, release, label, clusters, predicts, named)
  log:set("hilir", "label", label)
  note_version(log, release[label], predicts, release, not named and label or nil)
  headers:replace("@CLUSTER", clusters .. label)
  if predicts and label == "stable" and math.random(0, 9999) < release["shadow"] then
    headers:replace("@SHADOW", clusters .. "shadow")
    headers:replace("@SHADOW_VERSION", release["candidate"])
  end
end
"""

_REQUEST = r"""
local function split_rest(handle, path)
  local headers = handle:headers()
  local log = handle:streamInfo():dynamicMetadata()
  local model, selector, name, call = path:match("^/v1/models/([^/:]+)/(%a+)/([^/:]+)([/:]%a+)")
  if model == nil then model, call = path:match("^/v1/models/([^/:]+)([/:]%a+)") end
  if model == nil then return end
  note_model(headers, log, model, "@REST_CLUSTERS")
  local predicts = call ~= "/metadata"
  local release = handle:metadata():get("release")
  if selector == "versions" then return note_version(log, name, predicts, release) end
  if release == nil then return end
  local named = name or headers:get("@LABEL")
  local label = named or choose(release, headers, log)
  local version = find_version(release, label)
  if version ~= nil then
    headers:replace(":path", "/v1/models/" .. model .. "/versions/" .. version .. call)
    send_to(headers, log, release, label, "@REST_CLUSTERS", predicts, named)
  elseif name == nil and label:match("^[%w_]+$") then
    headers:replace(":path", "/v1/models/" .. model .. "/labels/" .. label .. call)
  end
end

local function split_grpc(handle, method)
  local body, spec = open_message(handle, method)
  -- What was read before the message arrived is no longer valid.
  local headers = handle:headers()
  local log = handle:streamInfo():dynamicMetadata()
  headers:replace("@CLUSTER", "@GRPC_CLUSTERSdirect")
  if spec == nil or #spec.name > 255 or not spec.name:match("^[%w_.-]+$") then return end
  -- The routes of the model match this header, and have its release.
  note_model(headers, log, spec.name, "@GRPC_CLUSTERS")
  local predicts = method ~= "GetModelMetadata"
  local release = handle:metadata():get("release")
  if spec.version ~= nil then return note_version(log, spec.version, predicts, release) end
  if release == nil then return end
  local named = spec.label or headers:get("@LABEL")
  local label = named or choose(release, headers, log)
  local version = find_version(release, label)
  if version ~= nil then
    change_message(body, spec, version_spec(version), spec.label ~= nil)
    send_to(headers, log, release, label, "@GRPC_CLUSTERS", predicts, named)
  elseif spec.label == nil and label:match("^[%w_]+$") then
    change_message(body, spec, label_spec(label), false)
  end
end

function envoy_on_request(handle)
  local headers = handle:headers()
  for _, name in ipairs({"@CLUSTER", "@MODEL", "@SHADOW", "@SHADOW_VERSION"}) do headers:remove(name) end
  local path = headers:get(":path")
  handle:streamInfo():dynamicMetadata():set("hilir", "path", path)
  local method = path:match("^/tensorflow%.serving%.PredictionService/(%a+)$")
  if method == nil then return split_rest(handle, path) end
  return split_grpc(handle, method)
end

function envoy_on_response(handle)
  local log = handle:streamInfo():dynamicMetadata():get("hilir")
  if log == nil or log["version"] == nil then return end
  handle:headers():replace("@TOLD_VERSION", log["version"])
  if log["label"] ~= nil then handle:headers():replace("@LABEL", log["label"]) end
end
"""

_SHADOW = r"""
local function note_copy(handle, model, version)
  local log = handle:streamInfo():dynamicMetadata()
  log:set("hilir", "path", handle:headers():get(":path"))
  log:set("hilir", "model", model)
  log:set("hilir", "version", version)
  log:set("hilir", "label", "shadow")
  log:set("hilir", "counted", version)
  log:set("hilir", "arm", "shadow")
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local version, path = headers:get("@SHADOW_VERSION"), headers:get(":path")
  local model, verb = path:match("^/v1/models/([^/:]+)/versions/%d+:(%a+)")
  local method = path:match("^/tensorflow%.serving%.PredictionService/(%a+)$")
  if version ~= nil and model ~= nil then
    headers:replace(":path", "/v1/models/" .. model .. "/versions/" .. version .. ":" .. verb)
    return note_copy(handle, model, version)
  end
  local body, spec
  if version ~= nil and method ~= nil then body, spec = open_message(handle, method) end
  if spec == nil then return handle:respond({[":status"] = "404"}, "") end
  change_message(body, spec, version_spec(version), true)
  note_copy(handle, spec.name, version)
end
"""


def request_script(settings: GatewaySettings) -> str:
    """Returns the script of the listener where clients come."""
    return _named(_CHOICE + MESSAGE + _REQUEST).replace("@USER_KEY", settings.user_key_header)


def shadow_script() -> str:
    """Returns the script of the listener that copies of requests go through."""
    return _named(MESSAGE + _SHADOW)


def _named(script: str) -> str:
    names = {
        "@CLUSTER": CLUSTER_HEADER,
        "@MODEL": MODEL_HEADER,
        "@SHADOW_VERSION": SHADOW_VERSION_HEADER,
        "@SHADOW": SHADOW_HEADER,
        "@REST_CLUSTERS": REST_CLUSTERS,
        "@GRPC_CLUSTERS": GRPC_CLUSTERS,
        "@LABEL": "x-model-label",
        "@TOLD_VERSION": "x-model-version",
    }
    for name, value in names.items():
        script = script.replace(name, value)
    return script
