-- Loads the turns that have the first messages of a session, up to a point. ARGV: the number of
-- messages, and the point.
local wanted, path = tonumber(ARGV[1]), path_to(ARGV[2])
local found, number, page = {}, 0, 1
while number < path.turns and wanted > 0 do
    local upto = math.min(number + page, path.turns)
    for _, kept in ipairs(read(path.head, number, upto)) do
        local _, size = parse(kept)
        found[#found + 1], wanted = kept, wanted - size
        if wanted <= 0 then
            break
        end
    end
    number, page = upto, math.min(page * 2, 256)
end
return found
