-- Loads rows. Returns the version and the rows, newest first.
-- ARGV: the number of newest rows; or the epoch and the number of rows after which to begin; or
-- 'first' and the number of oldest rows.
if ARGV[1] == 'first' then
    local rows = math.min(tonumber(ARGV[2]), count)
    return {epoch, count, rows > 0 and redis.call('LRANGE', list, -rows, -1) or {}}
end
local rows = tonumber(ARGV[1])
if ARGV[2] then
    rows = tonumber(ARGV[1]) == epoch and count - tonumber(ARGV[2]) or count
end
if rows <= 0 then
    return {epoch, count, {}}
end
return {epoch, count, redis.call('LRANGE', list, 0, math.min(rows, count) - 1)}
