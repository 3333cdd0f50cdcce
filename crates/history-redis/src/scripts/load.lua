-- Loads a part of a session, up to a point. Returns its version, the turns that have the part's
-- messages, each whole, and the number of messages before the part, for a range after a version.
-- ARGV: the range, up to two numbers, the tip of the version after which to begin, and the point.
local range, a, b, seen_tip = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local path = path_to(ARGV[5])
local found, before = nil, 0
if range == 'turns' then
    found = read(path.head, math.max(path.turns - a, 0), path.turns)
elseif range == 'messages' then
    found = read_back(path, math.min(math.floor(a / 2) + 1, 256), function(kept)
        local first, size = parse(kept)
        return first + size > path.messages - a
    end)
elseif range == 'bytes' then
    -- The client counts the bytes of each message: at least those that are stored.
    local room = a
    found = read_back(path, 1, function(kept)
        local fits = room >= 0
        local _, size = parse(kept)
        room = room - (#kept - #string.match(kept, '^[^%[]*') - size - 1)
        return fits
    end)
elseif range == 'after' and a == epoch and b == path.messages and (seen_tip == '' or seen_tip == tip_at(path, b)) then
    found, before = {}, b
elseif range == 'after' and a == epoch and b <= path.messages then
    before = b
    local tip = ''
    found = read_back(path, 1, function(kept)
        local first, size, id = parse(kept)
        if first + size == b then
            tip = fingerprint(id)
        end
        return first + size > b
    end)
    if b > 0 and seen_tip ~= '' and tip ~= seen_tip then
        -- All of it, if another turn ends there than the one that was seen.
        found, before = read(path.head, 0, path.turns), 0
    end
elseif range == 'after' and a == epoch and seen_tip == '' then
    found = {}
else
    found = read(path.head, 0, path.turns)
end
return {epoch, path.messages, tip_at(path, path.messages), found, before}
