-- Appends the rows of a turn, unless its id is stored already. Returns whether the session is not as
-- expected, its version, and the rows that are stored under the id, newest first.
-- ARGV: the deadline, the turn, the text that marks its rows, the expectation (0 any, 1 the same
-- epoch, 2 exactly), epoch, messages and tip of the expected version, the lifetime in milliseconds or
-- nothing, and the rows.
local turn, mark, expect = ARGV[2], ARGV[3], tonumber(ARGV[4])
local seen_epoch, seen_count, seen_tip = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7]
local lifetime, first_row = tonumber(ARGV[8]), 9

local refusal = late(tonumber(ARGV[1]))
if refusal then
    return refusal
end
local known, finish = {}, nil
for from = 0, count - 1, 256 do
    for i, row in ipairs(redis.call('LRANGE', list, from, from + 255)) do
        if string.find(row, mark, 1, true) then
            finish = finish or count - from - i + 1
            known[#known + 1] = row
        elseif finish then
            return {0, epoch, finish, fingerprint(turn), known}
        end
    end
end
if finish then
    return {0, epoch, finish, fingerprint(turn), known}
end
-- An empty session has no epoch.
local is_stale = expect > 0 and seen_count > 0 and (seen_epoch ~= epoch or seen_count > count)
    or expect == 2 and seen_count ~= count
    -- A session that was replaced has another row there.
    or expect > 0 and seen_count > 0 and seen_tip ~= '' and tip_at(seen_count) ~= seen_tip
if is_stale then
    return {1, epoch, count, tip_at(count), known}
end
if #ARGV < first_row then
    return {0, epoch, count, tip_at(count), known}
end
for row = first_row, #ARGV, 1000 do
    redis.call('LPUSH', list, unpack(ARGV, row, math.min(row + 999, #ARGV)))
end
if lifetime then
    redis.call('PEXPIRE', list, lifetime)
end
if count == 0 then
    epoch = tonumber(string.sub(redis.sha1hex(ARGV[first_row]), 1, 12), 16)
end
return {0, epoch, count + #ARGV - first_row + 1, fingerprint(turn), known}
