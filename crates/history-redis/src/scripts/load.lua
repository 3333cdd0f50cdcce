-- Loads a part of a session. Returns its version, the index of the first message, the messages, the
-- turns that begin in it without their messages, if they are wanted, and the version's tip.
-- ARGV: the range, up to two numbers, 1 if the turns are wanted, and the tip after which to begin.
local range, a, b, wants_turns = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4] == '1'
if is_over then
    return {epoch, 0, 0, {}, {}, ''}
end

local damage = redis.error_reply("CORRUPT a turn of the session cannot be decoded")

local start = 0
if range == 'turns' then
    start = count
    if a > 0 and count > 0 then
        start = parse(redis.call('LINDEX', turns, math.max(-a, -redis.call('LLEN', turns))))
        if not start or start > count then
            return damage
        end
    end
elseif range == 'messages' then
    start = math.max(count - a, 0)
elseif range == 'bytes' then
    -- From the end, in pages that are neither too large to hold nor too many.
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
    -- All of it, if another turn ends there than the one that was seen.
    if b == 0 or ARGV[5] == '' or tip_at(b) == ARGV[5] then
        start = math.min(b, count)
    end
end

local kept = {}
if wants_turns then
    local last = redis.call('LLEN', turns) - 1
    while last >= 0 do
        local from = math.max(last - 99, 0)
        local page = redis.call('LRANGE', turns, from, last)
        local more = true
        for i = #page, 1, -1 do
            local first = parse(page[i])
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
    return {epoch, count, count, {}, kept, tip_at(count)}
end
return {epoch, count, start, redis.call('LRANGE', messages, start - count, -1), kept, tip_at(count)}
