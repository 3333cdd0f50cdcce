-- Appends a turn's rows, unless they are there. Answers whether the session is not as expected, and its version.
-- ARGV: what rows of the turn say, what is expected (0 nothing, 1 the epoch, 2 epoch and messages), epoch and messages seen, lifetime in
-- milliseconds or nothing, and the rows.
local mark, expect, seen_epoch, seen_count = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local lifetime, first_row = tonumber(ARGV[5]), 6

for from = 0, count - 1, 256 do
    for i, row in ipairs(redis.call('LRANGE', list, from, from + 255)) do
        if string.find(row, mark, 1, true) then
            return {0, epoch, count - from - i + 1}
        end
    end
end
-- Whoever saw an empty session saw no epoch.
local is_stale = expect > 0 and seen_count > 0 and (seen_epoch ~= epoch or seen_count > count)
    or expect == 2 and seen_count ~= count
if is_stale then
    return {1, epoch, count}
end
for row = first_row, #ARGV, 1000 do
    redis.call('LPUSH', list, unpack(ARGV, row, math.min(row + 999, #ARGV)))
end
if #ARGV >= first_row and lifetime then
    redis.call('PEXPIRE', list, lifetime)
end
if count == 0 and #ARGV >= first_row then
    epoch = tonumber(string.sub(redis.sha1hex(ARGV[first_row]), 1, 12), 16)
end
return {0, epoch, count + #ARGV - first_row + 1}
