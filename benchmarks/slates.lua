-- wrk: every request is a slate of its own; the arguments are path, surface, members, items, candidates and the mean
-- pause in milliseconds before each request of a connection, exponentially distributed (0: none).
function init(arguments)
  path, surface = arguments[1], arguments[2]
  members, count, pause = tonumber(arguments[3]), tonumber(arguments[5]), tonumber(arguments[6])
  items = {}
  for key = 0, tonumber(arguments[4]) - 1 do items[key + 1] = key end
  math.randomseed(7)
end

function request()
  for place = 1, count do
    local other = math.random(place, #items)
    items[place], items[other] = items[other], items[place]
  end
  local slate = table.concat(items, ", ", 1, count)
  local body = string.format('{"instances": [{"member": %d, "items": [%s], "context": {"surface": "%s"}}]}',
    math.random(0, members - 1), slate, surface)
  return wrk.format("POST", path, {["content-type"] = "application/json"}, body)
end

function delay()
  return math.floor(-pause * math.log(1 - math.random()) + 0.5)
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format('\n{"requests": %d, "seconds": %f, "p50_ms": %f, "p99_ms": %f, "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
