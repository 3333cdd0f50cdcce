-- Before the scripts of notes: turns by their messages.

-- Returns the fingerprint of the turn that has the last of a number of messages on a path.
local function tip_with(path, position)
    local low, high = 0, path.turns - 1
    while low < high do
        local middle = math.floor((low + high) / 2)
        local first, size = parse(read(path.head, middle, middle + 1)[1])
        if first + size < position then
            low = middle + 1
        else
            high = middle
        end
    end
    local _, _, id = parse(read(path.head, low, low + 1)[1])
    return fingerprint(id)
end
