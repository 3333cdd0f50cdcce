-- Before scripts that depend on the server's clock.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- Formats a number as it is stored: whole.
local function whole(number)
    return string.format('%.0f', number)
end

-- Returns the error of a write that arrives after its deadline, which its caller has given up.
local function late(limit)
    if limit and now > limit then
        return redis.error_reply('LATE ' .. whole(now))
    end
end
