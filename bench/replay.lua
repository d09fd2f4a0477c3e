-- For wrk: sends the requests of a file one after the other, again from the beginning at its end.
-- Arguments: file, offset of the first line, start of the numbers, authorization. A line: method, path, more headers, body; a tab between.
-- @@@@@@@@@@ becomes a number that no other request had, of the same length, so that what is prepared stays true.

local requests, place, number, failed

function init(args)
   requests, failed = {}, 0
   for line in io.lines(args[1]) do
      local method, path, more, body = line:match("^([^\t]*)\t([^\t]*)\t([^\t]*)\t(.*)$")
      local headers = { ["Authorization"] = args[4] }
      for name, value in more:gmatch("([^:|]+): ([^|]+)") do headers[name] = value end
      if body ~= "" then headers["Content-Type"] = "application/json" end
      local text = wrk.format(method, path, headers, body ~= "" and body or nil)
      requests[#requests + 1] = { text, text:find("@@@@@@@@@@", 1, true) ~= nil }
   end
   place, number = tonumber(args[2]), tonumber(args[3])
end

function request()
   local found = requests[place % #requests + 1]
   place = place + 1
   if not found[2] then return found[1] end
   number = number + 1
   return (found[1]:gsub("@@@@@@@@@@", ("%010d"):format(number)))
end

function done(summary, latency)
   io.write(("\n{\"requests\": %d, \"microseconds\": %d, \"p50\": %d, \"p99\": %d, \"refused\": %d, \"broken\": %d}\n"):format(
      summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), summary.errors.status,
      summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
