-- wrk: one slate again and again, with a pause; prints how many responses had which status, 0 where there was none.
local workers = {}

function setup(thread)
  workers[#workers + 1] = thread
end

function init(arguments)
  path, body, seen = arguments[1], arguments[2], {}
end

function request()
  return wrk.format("POST", path, {["content-type"] = "application/json"}, body)
end

function delay()
  return 200
end

function response(status)
  seen[status] = (seen[status] or 0) + 1
end

function done(summary)
  local errors, parts = summary.errors, {}
  for _, worker in ipairs(workers) do
    for status, count in pairs(worker:get("seen")) do
      parts[#parts + 1] = string.format('"%d": %d', status, count)
    end
  end
  parts[#parts + 1] = string.format('"0": %d', errors.connect + errors.read + errors.write + errors.timeout)
  io.write("\n{" .. table.concat(parts, ", ") .. "}\n")
end
