-- Removes the list, unless somebody has done so and begun anew since it was seen. ARGV: the epoch seen.
if tonumber(ARGV[1]) == epoch then
    return redis.call('DEL', list)
end
return 0
