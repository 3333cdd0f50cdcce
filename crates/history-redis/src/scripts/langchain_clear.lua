-- Removes the list, unless it was removed and begun anew since it was seen. ARGV: the epoch seen.
if tonumber(ARGV[1]) == epoch then
    return redis.call('DEL', list)
end
return 0
