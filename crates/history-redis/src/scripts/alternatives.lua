-- Lists the turns that follow a point, in the order in which they were stored: each with the last
-- stored of those that follow it, and whether it is on the path to the tip. ARGV: the point.
local path, tip = path_to(ARGV[1]), path_to('')
local all = {}
for number = 0, (tree and branch_count or 1) - 1 do
    all[#all + 1] = branch(number)
end

local function id_of(row, number)
    local _, _, id = parse(of_branch(row, number, number + 1)[1])
    return id
end

-- Returns the turn that was stored last of a turn and all that follow it.
local function newest(row, number)
    local last, open = row, {{row, number}}
    while #open > 0 do
        local from = table.remove(open)
        if from[1].touched > last.touched then
            last = from[1]
        end
        for _, other in ipairs(all) do
            if other.parent == from[1].number and other.turns > from[2] then
                open[#open + 1] = {other, other.turns}
            end
        end
    end
    return id_of(last, last.turns + last.size - 1)
end

local found = {}
local function follows(row)
    local is_current = path.turns < tip.turns and with_turn(tip.head, path.turns).number == row.number
    found[#found + 1] = {id_of(row, path.turns), newest(row, path.turns), is_current and 1 or 0}
end

local before = path.turns > 0 and path.head
if before and path.turns < before.turns + before.size then
    follows(before)
end
for _, row in ipairs(all) do
    if row.size > 0 and row.turns == path.turns and row.parent == (before and before.number or nil) then
        follows(row)
    end
end
return found
