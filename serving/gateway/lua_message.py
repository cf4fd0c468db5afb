"""Lua that reads and changes gRPC messages of TensorFlow Serving's PredictionService, and copies nothing that it skips.

A message is one frame: a flag for compression, four bytes of length, a protobuf
(https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). Field 1 is the `model_spec`, or in MultiInference the
`tasks`, each with a `model_spec` as field 1. Protobuf merges an embedded message that occurs more than once, and the
last value wins (https://protobuf.dev/programming-guides/encoding/#last-one-wins): a spec before the others fills in
what they leave out, a spec after them overrides it.
"""

MESSAGE = r"""
-- More fields than this are no prediction, and reading them would keep other requests waiting.
local MOST_FIELDS = 100000
local LARGE_BYTES = 1048576
-- Whether field 1 is a list of tasks.
local METHODS = {Predict = false, Classify = false, Regress = false, GetModelMetadata = false, MultiInference = true}

local function refuse(handle, status, message)
  handle:respond({
    [":status"] = "200", ["content-type"] = "application/grpc",
    ["grpc-status"] = status, ["grpc-message"] = message, ["grpc-accept-encoding"] = "identity",
  })
end

-- A varint of up to ten bytes: its value as a double, and where it ends; nil where there is none.
local function read_varint(body, at, last)
  local value, scale = 0, 1
  local bytes = body:getBytes(at, math.min(10, last - at))
  for i = 1, #bytes do
    local byte = bytes:byte(i)
    value = value + byte % 128 * scale
    if byte < 128 then return value, at + i end
    scale = scale * 128
  end
  return nil
end

local function write_varint(value)
  local bytes = ""
  while value >= 128 do
    bytes = bytes .. string.char(128 + tonumber(value % 128))
    value = value / 128
    if type(value) == "number" then value = math.floor(value) end
  end
  return bytes .. string.char(tonumber(value))
end

-- Versions have up to 64 bits, more than a double holds.
local function write_version(digits)
  local value = 0ULL
  for i = 1, #digits do value = value * 10ULL + (digits:byte(i) - 48) end
  return write_varint(value)
end

local function read_version(bytes)
  local value, scale = 0LL, 1LL
  for i = 1, #bytes do
    value = value + bytes:byte(i) % 128 * scale
    scale = scale * 128LL
  end
  return (tostring(value):gsub("LL$", ""))
end

-- Calls visit(field, kind, first, last, size_at) for each field; false where this is not a protobuf.
local function read_fields(reader, at, last, visit)
  while at < last do
    reader.left = reader.left - 1
    if reader.left < 0 then return false end
    local tag, first = read_varint(reader.body, at, last)
    if tag == nil then return false end
    local kind, size_at, stop = tag % 8, first, nil
    if kind == 0 then
      local _, ends = read_varint(reader.body, first, last)
      stop = ends
    elseif kind == 1 then
      stop = first + 8
    elseif kind == 5 then
      stop = first + 4
    elseif kind == 2 then
      local size, starts = read_varint(reader.body, first, last)
      if size == nil then return false end
      first, stop = starts, starts + size
    end
    if stop == nil or stop > last then return false end
    visit(math.floor(tag / 8), kind, first, stop, size_at)
    at = stop
  end
  return true
end

-- Merges a ModelSpec into what is known: its fields 1 name, 2 version, 4 label; of the last two the later one counts.
local function read_spec(reader, spec, from, to)
  return read_fields(reader, from, to, function(field, kind, first, last)
    if kind ~= 2 then return end
    if field == 1 then
      spec.name = reader.body:getBytes(first, math.min(last - first, 256))
    elseif field == 2 then
      spec.version, spec.label = spec.version or "0", nil
      spec.readable = read_fields(reader, first, last, function(inner, form, starts, ends)
        if inner == 1 and form == 0 then spec.version = read_version(reader.body:getBytes(starts, ends - starts)) end
      end) and spec.readable
    elseif field == 4 then
      spec.version, spec.label = nil, reader.body:getBytes(first, math.min(last - first, 256))
    end
  end)
end

-- What a request asks for, and where its specs are; nil where it cannot be read: the server has the words for that.
local function read_request(reader, tasks)
  local spec = {readable = true, first = 5, last = reader.body:length(), name = ""}
  if tasks then
    local task
    local readable = read_fields(reader, spec.first, spec.last, function(field, kind, first, last, size_at)
      if field == 1 and kind == 2 and task == nil then task = {first, last, size_at} end
    end)
    if not readable or task == nil then return nil end
    spec.first, spec.last, spec.size_at = task[1], task[2], task[3]
  end
  local readable = read_fields(reader, spec.first, spec.last, function(field, kind, first, last)
    if field == 1 and kind == 2 then spec.readable = read_spec(reader, spec, first, last) and spec.readable end
  end)
  if not readable or not spec.readable then return nil end
  return spec
end

local function make_spec(content)
  return "\10" .. write_varint(#content) .. content
end

local function version_spec(version)
  local value = "\8" .. write_version(version)
  return make_spec("\18" .. write_varint(#value) .. value)
end

local function label_spec(label)
  return make_spec("\34" .. write_varint(#label) .. label)
end

-- Puts a spec before or after those that are there, and corrects all lengths around it.
local function insert_spec(body, spec, added, after)
  local size, place = body:length(), after and spec.last or spec.first
  local head
  if spec.size_at == nil then
    head = body:getBytes(5, place - 5)
  else
    head = body:getBytes(5, spec.size_at - 5) .. write_varint(spec.last - spec.first + #added)
      .. body:getBytes(spec.first, place - spec.first)
  end
  local length = #head + #added + size - place
  local frame = string.char(0, math.floor(length / 16777216) % 256, math.floor(length / 65536) % 256,
    math.floor(length / 256) % 256, length % 256)
  body:setBytes(frame .. head .. added .. body:getBytes(place, size - place))
end

-- The request's body and spec, or nil where there is nothing to choose.
local function open_message(handle, method)
  local tasks = METHODS[method]
  local body = handle:body()
  if tasks == nil or body == nil or body:length() < 5 then return nil end
  local flag, a, b, c, d = body:getBytes(0, 5):byte(1, 5)
  if flag == 1 then
    refuse(handle, "12", "The gateway cannot read compressed messages; send them with grpc-encoding identity")
  end
  if flag ~= 0 or ((a * 256 + b) * 256 + c) * 256 + d ~= body:length() - 5 then return nil end
  local reader = {body = body, left = MOST_FIELDS}
  local spec = read_request(reader, tasks)
  if reader.left < 0 then refuse(handle, "8", "The message has more than " .. MOST_FIELDS .. " fields; send fewer") end
  return body, spec
end

local function change_message(body, spec, added, after)
  insert_spec(body, spec, added, after)
  -- Copies of the message are garbage now, which Lua might keep for long.
  if body:length() > LARGE_BYTES then collectgarbage() end
end
"""
