-- Returns the path to a version on any branch: the turn that ends at a number of messages and has a
-- fingerprint.
local function path_of(messages_of, tip)
    for number = 0, branch_count - 1 do
        local row = branch(number)
        local low, high = 0, row.size - 1
        while low < high do
            local middle = math.floor((low + high) / 2)
            local first, size = parse(redis.call('LINDEX', row.list, middle))
            if first + size < messages_of then
                low = middle + 1
            else
                high = middle
            end
        end
        if row.size > 0 then
            local first, size, id = parse(redis.call('LINDEX', row.list, low))
            if first + size == messages_of and fingerprint(id) == tip then
                return {head = row, turns = row.turns + low + 1, messages = messages_of, tip = tip}
            end
        end
    end
end
