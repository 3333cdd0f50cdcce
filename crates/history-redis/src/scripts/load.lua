-- Loads a part of a session. Answers its version, the index of the first message, the messages, and, if they are wanted, what is
-- kept of the turns that begin in it.
-- ARGV: the range, up to two numbers, and 1 if the turns are wanted.
local range, a, b, wants_turns = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4] == '1'
if is_over then
    return {epoch, 0, 0, {}, {}}
end

-- The index of the first message of a turn, or nothing if there is no such.
local function first_of(kept)
    return kept and tonumber(string.match(kept, '^%d+'))
end
local damage = redis.error_reply('CORRUPT the turns of the session can\'t be read')

local start = 0
if range == 'turns' then
    start = count
    if a > 0 and count > 0 then
        start = first_of(redis.call('LINDEX', turns, math.max(-a, -redis.call('LLEN', turns))))
        if not start or start > count then
            return damage
        end
    end
elseif range == 'messages' then
    start = math.max(count - a, 0)
elseif range == 'bytes' then
    -- From the end, in pages that are not too large to hold, and not too many.
    start = count
    local room, page = a, 1
    while start > 0 and room >= 0 do
        local from = math.max(start - page, 0)
        local loaded, size = redis.call('LRANGE', messages, from - count, start - count - 1), 0
        for i = #loaded, 1, -1 do
            room = room - #loaded[i]
            if room < 0 then
                break
            end
            start = start - 1
            size = size + #loaded[i]
        end
        page = size < 65536 and math.min(page * 2, 256) or 1
    end
elseif range == 'after' and a == epoch then
    start = math.min(b, count)
end

local kept = {}
if wants_turns then
    local last = redis.call('LLEN', turns) - 1
    while last >= 0 do
        local from = math.max(last - 99, 0)
        local page = redis.call('LRANGE', turns, from, last)
        local more = true
        for i = #page, 1, -1 do
            local first = first_of(page[i])
            if not first then
                return damage
            end
            if first < start then
                more = false
                break
            end
            kept[#kept + 1] = page[i]
        end
        last = more and from - 1 or -1
    end
end
if start >= count then
    return {epoch, count, count, {}, kept}
end
return {epoch, count, start, redis.call('LRANGE', messages, start - count, -1), kept}
