-- Removes the list, unless it was removed and begun anew since it was seen.
-- ARGV: the deadline, and the epoch seen.
local refusal = late(tonumber(ARGV[1]))
if refusal then
    return refusal
end
if tonumber(ARGV[2]) == epoch then
    return redis.call('DEL', list)
end
return 0
