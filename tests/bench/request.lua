-- A chat request of 2 KB with the headers the OpenAI SDK sends; the result as one line of JSON.
wrk.method = "POST"
wrk.body = '{"model":"gpt-4o","messages":[{"role":"user","content":"' .. string.rep("x", 1960) .. '"}],"temperature":1}'
for name, value in pairs({
    ["Accept"] = "application/json",
    ["Accept-Encoding"] = "gzip, deflate",
    ["Authorization"] = "Bearer client-key-0123456789abcdef",
    ["Content-Type"] = "application/json",
    ["User-Agent"] = "OpenAI/Python 1.54.0",
    ["X-Stainless-Arch"] = "x64",
    ["X-Stainless-Async"] = "false",
    ["X-Stainless-Lang"] = "python",
    ["X-Stainless-OS"] = "Linux",
    ["X-Stainless-Package-Version"] = "1.54.0",
    ["X-Stainless-Retry-Count"] = "0",
    ["X-Stainless-Runtime"] = "CPython",
    ["X-Stainless-Runtime-Version"] = "3.11.2",
}) do
    wrk.headers[name] = value
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '\n{"requests":%d,"seconds":%.6f,"p50":%d,"p99":%d,"errors":%d}\n',
        summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
        errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
