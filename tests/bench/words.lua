-- request.lua with a text of words: a database compresses it as it does real ones, while one letter over and over becomes nothing.
-- With FILE and MILLISECONDS after "--": a connection waits so long, on average, before each request, and the request id of every
-- reply goes to FILE.
dofile((debug.getinfo(1, "S").source:match("^@(.*/)") or "./") .. "request.lua")

local size = 1960
math.randomseed(1)
local syllables = { "ba", "ce", "di", "for", "gu", "ha", "in", "ko", "lan", "me", "nor", "pe", "ra", "sti", "tu", "ver", "wa", "zo" }
local function word()
    local letters = {}
    for i = 1, math.random(1, 4) do
        letters[i] = syllables[math.random(#syllables)]
    end
    return table.concat(letters)
end
local text = word()
while #text < size do
    text = text .. " " .. word()
end
wrk.body = '{"model":"gpt-4o","messages":[{"role":"user","content":"' .. text:sub(1, size) .. '"}],"temperature":1}'

function init(args)
    if #args < 2 then
        return
    end
    local file = assert(io.open(args[1], "w"))
    file:setvbuf("line")
    local pause = tonumber(args[2])
    function delay()
        return math.random(0, 2 * pause)
    end
    function response(status, headers)
        file:write(status, " ", headers["x-request-id"] or "-", "\n")
    end
end
